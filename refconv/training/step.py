"""One step of training, and the loss that it lowers."""

import math

from refconv._arguments import class_labels, real
from refconv.nn.layer import call_backward
from refconv.ops.loss import softmax_cross_entropy
from refconv.optim import clip_by_global_norm

__all__ = ["CrossEntropy", "cross_entropy", "train_step"]


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


cross_entropy = CrossEntropy()


def train_step(model, optimizer, x, labels, *, loss=cross_entropy, clip_norm=None):
    """One step of training: forward, loss, back, update; a loss that is no finite number changes no weight.

    Parameters
    ----------
    model : Layer
        The network, built; its outputs are the scores of the classes.
    optimizer : Optimizer
        Made for this network: ``optim.SGD(model, lr=0.01)``.
    x : array
        A batch as the network takes it.
    labels : integer array (N,)
        The right classes. Another loss than a :class:`CrossEntropy` may take other targets, such as a class for each pixel.
    loss : callable
        ``loss(scores, labels)`` returns the loss and its derivative, as :class:`CrossEntropy` does.
    clip_norm : float, optional
        The longest gradient, as in :func:`refconv.optim.clip_by_global_norm`.

    Returns
    -------
    loss : float
        The batch's mean cross-entropy, before the step.
    scores : array (N, classes)
        The network's output, before the step; without those of auxiliary heads.

    Raises
    ------
    TypeError, ValueError
        If the optimiser holds parameters of another model, or of an earlier build. If the loss is a :class:`CrossEntropy`
        and the labels are not integers of shape (N,) from 0 on. Nothing has changed.

    Source: A12, A20.
    """
    if isinstance(loss, CrossEntropy):  # before the forward pass, which moves running averages
        labels = class_labels(labels, len(x))
    optimizer.check_model(model)
    scores, backward = model.forward(x, train=True)
    value, dscores = loss(scores, labels)
    if math.isfinite(value):
        model.zero_grad()
        call_backward(backward, dscores, want_dx=False)
        if clip_norm is not None:
            clip_by_global_norm(optimizer.parameters, clip_norm)
        optimizer.step()
    return value, scores[0] if isinstance(scores, tuple) else scores
