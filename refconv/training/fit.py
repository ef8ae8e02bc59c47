"""The training loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from refconv.nn.layer import call_backward
from refconv.optim import clip_by_global_norm, constant
from refconv.training.callbacks import Callback, in_order
from refconv.training.history import History
from refconv.training.losses import CrossEntropy
from refconv.training.processes import Processes
from refconv.training.run import Run
from refconv.training.sharded_gradient import ShardedGradient, digest_of_weights, facts_of
from refconv.training.together import end_together, own_callbacks

if TYPE_CHECKING:
    from refconv.nn import Layer
    from refconv.optim import Optimizer
    from refconv.training.metrics import Metric
    from refconv.training.shards import Shards

__all__ = ["fit"]


def fit(
    model: Layer,
    batches: Any,
    optimizer: Optimizer,
    *,
    epochs: int,
    validation: Any = None,
    test: Any = None,
    loss: Callable[..., Any] = CrossEntropy(),  # noqa: B008  immutable
    metrics: Mapping[str, Metric] | None = None,
    schedule: Callable[[float], float] | None = None,
    clip_norm: float | None = None,
    callbacks: Sequence[Callback] = (),
    shards: int | None = None,
    sync_bn: bool = False,
    communicator: Any = None,
) -> History:
    """Train a network and return the history of the run.

    Call :func:`refconv.keep_freed_memory` once before training to make the steps faster.

    Parameters
    ----------
    model : Layer
        A built network.
    batches : iterable of (x, targets)
        The training data: :class:`refconv.data.Batches`, or any other iterable, such as an object that reads from disk. One
        iteration over it is one epoch. A pair of arrays (x, targets) is also accepted; it is shuffled and divided into batches
        of 32. If the iterable has no ``len``, the schedule stays at its first value during the first epoch.
    optimizer : Optimizer
        The optimiser of this network: ``optim.SGD(model, lr=0.01)``.
    epochs : int
        Number of passes over the data.
    validation, test : iterable of (x, targets), optional
        Data on which the network is evaluated after each epoch, in inference mode. The validation loss determines which epoch
        is the best, when :class:`EarlyStopping` ends the run, and when :class:`refconv.optim.Plateau` lowers the learning
        rate. The test data do not affect the run.
    loss : callable
        ``loss(scores, targets)`` returns the loss e and ∂e/∂scores. If it has a method ``check_targets``, like the losses of
        this package, the targets are checked before the first step.
    metrics : dict of callable, optional
        ``{name: metric}``, measured in training, validation and test; see :mod:`refconv.training.metrics`. By default the
        accuracy for :class:`CrossEntropy` and :class:`BinaryCrossEntropy`, and none for other losses.
    schedule : callable, optional
        ``schedule(progress)`` returns the factor of the learning rate, as ``optim.cosine`` does; progress is the completed
        fraction of the run, from 0 to 1.
    clip_norm : float, optional
        Maximum norm of the gradient over all parameters: see :func:`refconv.optim.clip_by_global_norm`.
    callbacks : sequence of Callback
        Objects that are called after each step and each epoch: :class:`ProgressBar`, :class:`Checkpoint`,
        :class:`EarlyStopping`, or your own.
    shards : int, optional
        Number of equal parts of each batch whose gradients are computed one after the other and added in a fixed order. Batch
        normalisation uses the statistics of each shard. The trained weights depend on this number, but not on the number of
        processes. By default batches are not divided, except with several processes, where the default is 8.
    sync_bn : bool
        True if batch normalisation uses the statistics of all shards of a batch. Shards then wait for each other in each such
        layer, and each needs its own copy of the network.
    communicator : mpi4py.MPI.Comm, optional
        Processes of MPI that train together, such as ``MPI.COMM_WORLD``: each computes some of the shards and evaluates some
        of the batches. All must call :func:`fit` with the same arguments. Callbacks of this package that write or print are
        called in the first process only. If one process fails, it ends all.

    Returns
    -------
    History

    Raises
    ------
    Diverged
        If the loss in training, validation or test is not finite, because the last step made the weights too large or the
        data contain NaN. The message names the step and the layer. The error is a ``FloatingPointError``; its ``history``
        contains the epochs so far. ``optimizer.lr`` is restored, as after every run.
    TypeError, ValueError
        If an argument is not valid (the message names it), or if targets do not fit the loss, such as labels that are not
        classes of the model. The targets of all :class:`refconv.data.Batches` are checked before the first step. Also if the
        arguments, weights, data, versions or instruction sets differ between processes.

    Examples
    --------
    >>> from refconv import data, models, optim
    >>> model = models.lenet()
    >>> _ = model.build((32, 32, 1), rng=0)
    >>> batches = data.Batches(*data.draw_digits(64), 32, rng=0, prepare=data.lenet_input)
    >>> history = fit(model, batches, optim.SGD(model, lr=0.01, momentum=0.9), epochs=2)
    >>> [epoch.images for epoch in history.epochs]
    [64, 64]

    Source: lecture rows A12, A20 and M2 (SOURCES.md).
    """
    processes = Processes(communicator)
    with end_together(processes):
        with processes.fail_together():
            run = Run(
                model,
                batches,
                optimizer,
                epochs=epochs,
                validation=validation,
                test=test,
                loss=loss,
                metrics=metrics,
                schedule=schedule or constant,
                clip_norm=clip_norm,
                callbacks=own_callbacks(in_order(callbacks), processes),
                shards=shards,
                sync_bn=sync_bn,
                processes=processes,
            )
        with processes.fail_together():
            processes.share_order(run.batches)
        with run:
            if processes.size > 1:
                processes.refuse_differences(facts_of(run))
                run.stop = any(processes.gather("whether to stop before the first step", run.stop))
            while run.begin_epoch():
                if run.shards is None:
                    _train_on_batches(run)
                else:
                    _train_on_shards(run, run.shards)
                if processes.size > 1:
                    processes.refuse_differences({"the digest of the trained weights": digest_of_weights(model)})
                run.end_epoch()  # runs validation and test, and calls the callbacks
            return run.end()


def _train_on_batches(run: Run) -> None:
    """Train the remaining steps of an epoch."""
    for x, targets in run.remaining_batches():
        scores, backward = run.model.forward(x, train=True)
        value, dscores = run.loss(scores, targets)
        run.refuse_divergence(value, x)
        run.model.zero_grad()
        call_backward(backward, dscores, want_dx=False)
        _update(run)
        run.end_step(value, scores, targets)  # computes the metrics and calls the callbacks


def _train_on_shards(run: Run, shards: Shards) -> None:
    """Train the remaining steps of an epoch with the gradients of shards."""
    compute_gradient = ShardedGradient(run, shards)
    for batch in run.remaining_shards(shards):
        measured = compute_gradient(batch)
        for shard in measured:
            run.refuse_divergence(shard.loss, cause=shard.cause)
        _update(run)
        run.end_shards(measured)  # calls the callbacks


def _update(run: Run) -> None:
    if run.clip_norm is not None:
        clip_by_global_norm(run.optimizer.parameters, run.clip_norm)
    run.optimizer.step()
