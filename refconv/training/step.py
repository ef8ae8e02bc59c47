"""One step of training: forward, loss, backward, update."""

import math

from refconv.nn.layer import call_backward
from refconv.optim import clip_by_global_norm
from refconv.training.losses import CrossEntropy

__all__ = ["cross_entropy", "train_step"]


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
    if hasattr(loss, "check_targets"):  # before the forward pass, which moves running averages
        loss.check_targets(labels, (len(x), *model.output_shape(x.shape[1:])))
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
