"""One step of training: forward, loss, backward, update."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from refconv._arguments import real
from refconv.nn.layer import call_backward
from refconv.nn.location import unlike_build
from refconv.optim import clip_by_global_norm
from refconv.training.arguments import check_loss, check_optimizer
from refconv.training.losses import CrossEntropy

if TYPE_CHECKING:
    from refconv.nn import Layer
    from refconv.optim import Optimizer
    from refconv.typing import Array

__all__ = ["check_targets", "main_scores", "scores_shape", "train_step"]


def train_step(
    model: Layer,
    optimizer: Optimizer,
    x: Array,
    targets: Array,
    *,
    loss: Callable[..., Any] = CrossEntropy(),  # noqa: B008  immutable
    clip_norm: float | None = None,
) -> tuple[float, Array]:
    """Train a network on one batch; if the loss is not finite, leave the weights unchanged.

    Parameters
    ----------
    model : Layer
        A built network.
    optimizer : Optimizer
        The optimiser of this network: ``optim.SGD(model, lr=0.01)``.
    x : array (N, …)
        A batch of inputs.
    targets : array (N, …)
        The correct outputs, in the form that the loss expects: integer labels (N,) for :class:`CrossEntropy`.
    loss : callable
        ``loss(scores, targets)`` returns the loss e and its derivative ∂e/∂scores, as :class:`CrossEntropy` does.
    clip_norm : float, optional
        Maximum norm of the gradient over all parameters: see :func:`refconv.optim.clip_by_global_norm`.

    Returns
    -------
    loss : float
        The mean loss of the batch before the step.
    scores : array (N, …)
        The output of the network before the step, without the scores of auxiliary heads.

    Raises
    ------
    TypeError, ValueError
        If the optimiser has parameters of another model or of an earlier build, or if the targets do not fit the loss.
        The model is then unchanged.

    Examples
    --------
    >>> import numpy as np
    >>> from refconv import nn, optim
    >>> model = nn.Dense(2)
    >>> _ = model.build((3,), rng=0)
    >>> x, labels = np.array([[1, 0, 2], [0, 3, 1]], np.float32), np.array([1, 0])
    >>> optimizer = optim.SGD(model, lr=0.1)
    >>> losses = [float(train_step(model, optimizer, x, labels)[0]) for _ in range(5)]
    >>> losses[-1] < losses[0]
    True

    Source: lecture rows A12 and A20 (SOURCES.md).
    """
    check_optimizer(optimizer)
    check_loss(loss)
    optimizer.check_model(model)
    clip_norm = None if clip_norm is None else real("clip_norm", clip_norm, above=0)  # checked before anything changes
    if hasattr(loss, "check_targets"):  # checked before the forward pass, which takes longer
        targets = check_targets(loss, targets, (len(x), *scores_shape(model, x)))
    scores, backward = model.forward(x, train=True)
    value, dscores = loss(scores, targets)
    if math.isfinite(value):
        model.zero_grad()
        call_backward(backward, dscores, want_dx=False)
        if clip_norm is not None:
            clip_by_global_norm(optimizer.parameters, clip_norm)
        optimizer.step()
    return value, main_scores(scores)


def scores_shape(model: Layer, x: Array) -> tuple[int, ...]:
    """Return the shape of the scores of one example.

    If the layers do not accept the batch, the error compares its shape with the input shape of ``build``.

    >>> from refconv import nn
    >>> model = nn.Sequential(nn.Conv2D(4, (3, 2)))
    >>> _ = model.build((8, 10, 2))
    >>> scores_shape(model, np.zeros((6, 8, 10, 2), np.float32))
    (6, 9, 4)
    """
    try:
        return tuple(model.output_shape(x.shape[1:]))
    except ValueError as error:
        if len(error.args) == 1:
            error.args = (f"{error}{unlike_build(model, x)}",)
        raise


def check_targets(loss: Callable[..., Any], targets: Any, scores_shape: tuple[int, ...]) -> Any:
    """Check the targets with ``loss.check_targets`` and return them as an array.

    If the loss has no such method, return them unchanged.
    """
    if not hasattr(loss, "check_targets"):
        return targets
    loss.check_targets(targets, scores_shape)  # before np.asarray, which removes the mask of a masked array
    return np.asarray(targets)


def main_scores(scores: Array | tuple[Array, ...]) -> Array:
    """Return the scores of the main head, which come first if there are auxiliary heads."""
    main: Array = scores[0] if isinstance(scores, tuple) else scores
    return main
