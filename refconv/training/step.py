"""One step of training: forward, loss, backward, update."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from refconv._arguments import class_labels, real
from refconv.nn.layer import call_backward
from refconv.ops.loss import softmax_cross_entropy
from refconv.optim import clip_by_global_norm

if TYPE_CHECKING:
    from refconv.nn import Layer
    from refconv.optim import Optimizer
    from refconv.typing import Array


__all__ = ["CrossEntropy", "check_targets", "main_scores", "train_step"]


class CrossEntropy:
    r"""Softmax cross-entropy, with smoothed labels if asked, and with a share for each auxiliary head.

    .. math:: e = e_{\mathrm{main}} + w \sum_k e_k

    A network with auxiliary heads returns, in training, a tuple of scores, its own first; in inference its own alone.

    Parameters
    ----------
    label_smoothing : float
        As in :func:`refconv.softmax_cross_entropy`; the lecture's is 0.1.
    aux_weight : float
        w, what the loss of each auxiliary head counts; GoogLeNet's is 0.3.

    Raises
    ------
    TypeError, ValueError
        If label_smoothing is not a number from 0 to 1, or aux_weight not a finite one from 0 on.

    Examples
    --------
    >>> import numpy as np
    >>> scores = np.log([[1.0, 3.0]])
    >>> alone, _ = CrossEntropy()(scores, [1])
    >>> both, (dscores, daux) = CrossEntropy(aux_weight=0.5)((scores, scores), [1])
    >>> float(both / alone), dscores, daux
    (1.5, array([[ 0.25, -0.25]]), array([[ 0.125, -0.125]]))

    Source: A19, A22; Szegedy et al., "Going deeper with convolutions", 2015, section 5.
    """

    def __init__(self, label_smoothing=0.0, aux_weight=0.3):
        self.label_smoothing = real("label_smoothing", label_smoothing, least=0, most=1)
        self.aux_weight = real("aux_weight", aux_weight, least=0)

    def __call__(self, scores, labels):
        """The loss, and its derivative: an array, or a tuple of them where the scores are one."""
        if not isinstance(scores, tuple):
            return softmax_cross_entropy(scores, labels, label_smoothing=self.label_smoothing)
        weights = (1.0, *(self.aux_weight for _ in scores[1:]))
        losses, slopes = zip(*(self(s, labels) for s in scores), strict=True)
        total = sum(w * loss for w, loss in zip(weights, losses, strict=True))
        return total, tuple(w * slope for w, slope in zip(weights, slopes, strict=True))

    def check_targets(self, targets, scores_shape):
        """Raise ``TypeError`` or ``ValueError`` unless targets are classes, one for each vector of scores."""
        class_labels(targets, scores_shape[0], scores_shape[-1])

    def settings(self):
        """Return what decides the loss, for the comparison with a checkpoint."""
        return {"label_smoothing": self.label_smoothing, "aux_weight": self.aux_weight}


def train_step(
    model: Layer,
    optimizer: Optimizer,
    x: Array,
    targets: Array,
    *,
    loss: Callable[..., Any] = CrossEntropy(),  # noqa: B008  immutable
    clip_norm: float | None = None,
) -> tuple[float, Array]:
    """Train a network on one batch; a loss that is not finite changes no weight.

    Parameters
    ----------
    model : Layer
        A built network.
    optimizer : Optimizer
        Made for this network: ``optim.SGD(model, lr=0.01)``.
    x : array (N, …)
        A batch, as the network takes it.
    targets : array (N, …)
        What the loss compares the outputs with: integer labels (N,) for a :class:`CrossEntropy`.
    loss : callable
        ``loss(scores, targets)`` returns the loss and its derivative ∂e/∂scores, as :class:`CrossEntropy` does.
    clip_norm : float, optional
        Largest norm of all gradients together, as in :func:`refconv.optim.clip_by_global_norm`.

    Returns
    -------
    loss : float
        The mean loss of the batch before the step.
    scores : array (N, …)
        The output of the network before the step, without the scores of auxiliary heads.

    Raises
    ------
    TypeError, ValueError
        If the optimiser holds parameters of another model, or of an earlier build, or if the targets do not suit the loss.
        Nothing has changed then.

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
    optimizer.check_model(model)
    if hasattr(loss, "check_targets"):  # before the forward pass, which takes longer
        targets = check_targets(loss, targets, (len(x), *model.output_shape(x.shape[1:])))
    scores, backward = model.forward(x, train=True)
    value, dscores = loss(scores, targets)
    if math.isfinite(value):
        model.zero_grad()
        call_backward(backward, dscores, want_dx=False)
        if clip_norm is not None:
            clip_by_global_norm(optimizer.parameters, clip_norm)
        optimizer.step()
    return value, main_scores(scores)


def check_targets(loss: Callable[..., Any], targets: Any, scores_shape: tuple[int, ...]) -> Array:
    """Return targets as an array if the loss accepts them; a loss without ``check_targets`` gets them as they are."""
    if not hasattr(loss, "check_targets"):
        return targets
    loss.check_targets(targets, scores_shape)  # before the conversion, which removes the mask of a masked array
    return np.asarray(targets)


def main_scores(scores: Array | tuple[Array, ...]) -> Array:
    """Return the scores of the network itself, which come first if it has auxiliary heads."""
    return scores[0] if isinstance(scores, tuple) else scores
