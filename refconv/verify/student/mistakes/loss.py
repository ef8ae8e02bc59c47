"""Mistakes in softmax and cross-entropy."""

from __future__ import annotations

import numpy as np

import refconv
from refconv.verify.student.mistakes.mistake import Mistake

__all__ = ["MISTAKES"]


def over(axis, function):
    """The function along another axis than the last."""

    def way(a):
        return np.moveaxis(function(np.moveaxis(a.x, axis, -1)), -1, axis)

    return way


def log_softmax_of_all(a):
    return refconv.log_softmax(a.x.reshape(1, -1)).reshape(a.x.shape)


def scores(function, whole):
    return (
        Mistake("the sum runs over the first axis, the examples; the classes lie along the last", over(0, function)),
        Mistake("the sum runs over axis 1; the classes lie along the last, which is −1", over(1, function)),
        Mistake("the sum runs over all examples together; each has a sum of its own", whole),
        Mistake("the sign of x is wrong", lambda a: function(-a.x)),
    )


def loss_and(change_loss, change_gradient=None):
    def way(a):
        loss, dlogits = a()
        return change_loss(loss, a), change_gradient(dlogits, a) if change_gradient else dlogits

    return way


def shared_among_the_others(a):
    """The smoothed label shared among the other classes only."""
    N, K = a.logits.shape
    target = np.full((N, K), a.label_smoothing / max(K - 1, 1))
    target[np.arange(N), a.labels] = 1 - a.label_smoothing
    log_p = refconv.log_softmax(a.logits)
    return -np.sum(target * log_p) / N, (np.exp(log_p) - target) / N


def times_examples(value, a):
    return value * len(a.logits)


def sign(value, a):
    return -value


def same(value, a):
    return value


MISTAKES = {
    "softmax": (
        Mistake(
            "the exponentials are not divided by their sum",
            lambda a: np.exp(a.x),
            lambda a: np.exp(a.x - a.x.max(-1, keepdims=True)),
        ),
        Mistake("it is x, divided by its sum: the exponential is missing", lambda a: a.x / a.x.sum(-1, keepdims=True)),
        Mistake("it is the logarithm of softmax", lambda a: refconv.log_softmax(a.x)),
        *scores(refconv.softmax, lambda a: np.exp(log_softmax_of_all(a))),
    ),
    "log_softmax": (
        Mistake("the logarithm is missing: it is softmax", lambda a: refconv.softmax(a.x)),
        Mistake("the sign is wrong", lambda a: -a()),
        *scores(refconv.log_softmax, log_softmax_of_all),
    ),
    "softmax_dx": (
        Mistake(
            "each class is differentiated alone: y · (1 − y); the others depend on x[k] too", lambda a: a.dy * a.y * (1 - a.y)
        ),
        Mistake("the sum over the classes is missing: it is y · (∂e/∂y − Σ ∂e/∂y · y)", lambda a: a.dy * a.y),
        Mistake(
            "the factor y is missing: it is y · (∂e/∂y − Σ ∂e/∂y · y)", lambda a: a.dy - (a.dy * a.y).sum(-1, keepdims=True)
        ),
        Mistake("the sum has the wrong sign", lambda a: a.y * (a.dy + (a.dy * a.y).sum(-1, keepdims=True))),
    ),
    "log_softmax_dx": (
        Mistake("e^y is forgotten in ∂e/∂y − e^y · Σ ∂e/∂y", lambda a: a.dy - a.y * a.dy.sum(-1, keepdims=True)),
        Mistake("the sum over the classes is missing: it is ∂e/∂y − e^y · Σ ∂e/∂y", lambda a: a.dy - np.exp(a.y) * a.dy),
        Mistake("it is the derivative of softmax", lambda a: refconv.softmax_dx(a.dy, y=np.exp(a.y))),
    ),
    "softmax_cross_entropy": (
        Mistake(
            "the mean over the examples is missing: it is a sum",
            loss_and(times_examples, times_examples),
            loss_and(times_examples),
        ),
        Mistake("the gradient is not divided by the number of examples, the loss is", loss_and(same, times_examples)),
        Mistake("the label smoothing is ignored", lambda a: a(label_smoothing=0)),
        Mistake("the label smoothing is shared among the wrong classes only; every class gets α / K", shared_among_the_others),
        Mistake("the sign is wrong", loss_and(sign), loss_and(same, sign), loss_and(sign, sign)),
        Mistake(
            "the gradient is softmax alone: the 1 is not subtracted at the label",
            loss_and(same, lambda d, a: refconv.softmax(a.logits) / len(a.logits)),
        ),
        Mistake("the mean is taken over the classes as well", loss_and(lambda loss, a: loss / a.logits.shape[1])),
        Mistake("the logarithm is that of base 2", loss_and(lambda loss, a: loss / np.log(2))),
        Mistake("the logarithm is missing", lambda a: -refconv.softmax(a.logits)[np.arange(len(a.labels)), a.labels].mean()),
    ),
}
