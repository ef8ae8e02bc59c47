"""The training loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from refconv.nn.layer import call_backward
from refconv.optim import clip_by_global_norm, constant
from refconv.training.callbacks import Callback, in_order
from refconv.training.history import History
from refconv.training.losses import CrossEntropy
from refconv.training.run import Run

if TYPE_CHECKING:
    from refconv.nn import Layer
    from refconv.optim import Optimizer
    from refconv.training.metrics import Metric

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
        classes of the model. The targets of all :class:`refconv.data.Batches` are checked before the first step.

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
    with Run(
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
        callbacks=in_order(callbacks),
    ) as run:
        while run.begin_epoch():
            for x, targets in run.remaining_batches():
                scores, backward = model.forward(x, train=True)
                value, dscores = loss(scores, targets)
                run.refuse_divergence(value, x)
                model.zero_grad()
                call_backward(backward, dscores, want_dx=False)
                if clip_norm is not None:
                    clip_by_global_norm(optimizer.parameters, clip_norm)
                optimizer.step()
                run.end_step(value, scores, targets)  # computes the metrics and calls the callbacks
            run.end_epoch()  # runs validation and test, and calls the callbacks
        return run.end()
