"""Mistakes in softmax and the losses."""

from __future__ import annotations

import numpy as np

import refconv
from refconv.verify.student.mistakes.mistake import Mistake

__all__ = ["MISTAKES"]


def over(axis, function):
    """Return the mistake of applying the function along this axis instead of the last."""

    def way(a):
        return np.moveaxis(function(np.moveaxis(a.x, axis, -1)), -1, axis)

    return way


def log_softmax_of_all(a):
    return refconv.log_softmax(a.x.reshape(1, -1)).reshape(a.x.shape)


def scores(function, of_all_examples):
    return (
        Mistake(
            "the sum runs over the first axis, the examples; it must run over the last axis, the classes", over(0, function)
        ),
        Mistake("the sum runs over axis 1; it must run over the last axis, −1, the classes", over(1, function)),
        Mistake("the sum runs over all examples together; each example needs a separate sum", of_all_examples),
        Mistake("the sign of x is wrong", lambda a: function(-a.x)),
    )


def loss_and(change_loss, change_gradient=None):
    def way(a):
        loss, dlogits = a()
        return change_loss(loss, a), change_gradient(dlogits, a) if change_gradient else dlogits

    return way


def shared_among_the_others(a):
    """Compute both results with the smoothed label shared among the other classes only."""
    K = a.logits.shape[-1]
    one_hot = np.eye(K)[np.asarray(a.labels)]
    target = (1 - a.label_smoothing) * one_hot + a.label_smoothing / max(K - 1, 1) * (1 - one_hot)
    shares = shares_of(a)
    log_p = refconv.log_softmax(a.logits)
    return -np.sum(shares * target * log_p), shares * (np.exp(log_p) - target)


def weights_of(a):
    """Return the weight of each example, with an axis for the classes."""
    labels = np.asarray(a.labels)
    return (np.ones(labels.shape) if a.class_weights is None else np.asarray(a.class_weights, np.float64)[labels])[..., None]


def shares_of(a):
    return weights_of(a) / weights_of(a).sum()


def divided_by_the_examples(a):
    """Compute both results with the weighted sum divided by N instead of the sum of the weights."""
    loss, dlogits = a()
    factor = weights_of(a).mean()
    return loss * factor, dlogits * factor


def examples(a):
    return np.size(a.labels)


def times_examples(value, a):
    return value * examples(a)


def times_elements(value, a):
    return value * first(a).size


def halved(value, a):
    return value / 2


def first(a):
    return a.predictions if a.name == "mean_squared_error" else a.logits


def along_the_first_axis(value, a):
    """Scale a value as if the mean were taken over the examples only."""
    shape = first(a).shape
    return value * first(a).size / (shape[0] if shape else 1)


def sigmoid(a):
    return refconv.sigmoid(a.logits)


def positive_term(a):
    positive = a.pos_weight * np.asarray(a.targets)
    return -np.mean(positive * np.log(sigmoid(a))), -positive * (1 - sigmoid(a)) / a.logits.size


def weighted_the_other_way(a):
    t, w, p = np.asarray(a.targets), a.pos_weight, sigmoid(a)
    loss = -np.mean(t * np.log(p) + w * (1 - t) * np.log(1 - p))
    return loss, (w * (1 - t) * p - t * (1 - p)) / a.logits.size


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
        Mistake("the result is x divided by its sum: the exponential is missing", lambda a: a.x / a.x.sum(-1, keepdims=True)),
        Mistake("the result is the logarithm of softmax", lambda a: refconv.log_softmax(a.x)),
        *scores(refconv.softmax, lambda a: np.exp(log_softmax_of_all(a))),
    ),
    "log_softmax": (
        Mistake("the logarithm is missing: the result is softmax", lambda a: refconv.softmax(a.x)),
        Mistake("the sign is wrong", lambda a: -a()),
        *scores(refconv.log_softmax, log_softmax_of_all),
    ),
    "softmax_dx": (
        Mistake(
            "each class is differentiated alone: y · (1 − y); the other classes also depend on x[k]",
            lambda a: a.dy * a.y * (1 - a.y),
        ),
        Mistake("the sum over the classes is missing: the derivative is y · (∂e/∂y − Σ ∂e/∂y · y)", lambda a: a.dy * a.y),
        Mistake(
            "the factor y is missing: the derivative is y · (∂e/∂y − Σ ∂e/∂y · y)",
            lambda a: a.dy - (a.dy * a.y).sum(-1, keepdims=True),
        ),
        Mistake("the sum has the wrong sign", lambda a: a.y * (a.dy + (a.dy * a.y).sum(-1, keepdims=True))),
    ),
    "log_softmax_dx": (
        Mistake("e^y is forgotten in ∂e/∂y − e^y · Σ ∂e/∂y", lambda a: a.dy - a.y * a.dy.sum(-1, keepdims=True)),
        Mistake(
            "the sum over the classes is missing: the derivative is ∂e/∂y − e^y · Σ ∂e/∂y", lambda a: a.dy - np.exp(a.y) * a.dy
        ),
        Mistake("the result is the derivative of softmax", lambda a: refconv.softmax_dx(a.dy, y=np.exp(a.y))),
    ),
    "softmax_cross_entropy": (
        Mistake(
            "the loss is the sum over the examples; it should be the mean",
            loss_and(times_examples, times_examples),
            loss_and(times_examples),
        ),
        Mistake("the loss is divided by the number of examples, but the gradient is not", loss_and(same, times_examples)),
        Mistake("the label smoothing is ignored", lambda a: a(label_smoothing=0)),
        Mistake("the label smoothing is shared among the wrong classes only; every class gets α / K", shared_among_the_others),
        Mistake("the sign is wrong", loss_and(sign), loss_and(same, sign), loss_and(sign, sign)),
        Mistake(
            "the gradient is softmax alone: the 1 is not subtracted at the label",
            loss_and(same, lambda d, a: refconv.softmax(a.logits) * shares_of(a)),
        ),
        Mistake("the mean is also taken over the classes", loss_and(lambda loss, a: loss / a.logits.shape[-1])),
        Mistake("the logarithm has base 2", loss_and(lambda loss, a: loss / np.log(2))),
        Mistake(
            "the logarithm is missing",
            lambda a: (
                -np.sum(shares_of(a) * np.take_along_axis(refconv.softmax(a.logits), np.asarray(a.labels)[..., None], -1))
            ),
        ),
        Mistake("the class weights are ignored", lambda a: a(class_weights=None)),
        Mistake("the sum is divided by the number of examples, not by the sum of their weights", divided_by_the_examples),
    ),
    "mean_squared_error": (
        Mistake(
            "the loss is the sum over the elements; it should be the mean",
            loss_and(times_elements, times_elements),
            loss_and(times_elements),
        ),
        Mistake(
            "the mean is taken over the first axis alone",
            loss_and(along_the_first_axis, along_the_first_axis),
            loss_and(along_the_first_axis),
        ),
        Mistake("the gradient lacks the factor 2", loss_and(same, halved)),
        Mistake(
            "loss and gradient are halved: the loss is the mean of (p − t)², not of (p − t)² / 2", loss_and(halved, halved)
        ),
        Mistake("the gradient has the wrong sign: it is the gradient with respect to the targets", loss_and(same, sign)),
        Mistake("the loss is divided by the number of elements, but the gradient is not", loss_and(same, times_elements)),
        Mistake(
            "the errors are not squared: the loss is the mean absolute error",
            lambda a: (np.abs(a.predictions - a.targets).mean(), np.sign(a.predictions - a.targets) / a.predictions.size),
            lambda a: np.abs(a.predictions - a.targets).mean(),
        ),
        Mistake("the loss is the root of the mean", loss_and(lambda loss, a: np.sqrt(loss))),
    ),
    "binary_cross_entropy": (
        Mistake(
            "the loss is the sum over the elements; it should be the mean",
            loss_and(times_elements, times_elements),
            loss_and(times_elements),
        ),
        Mistake("the loss is divided by the number of elements, but the gradient is not", loss_and(same, times_elements)),
        Mistake("the sign is wrong", loss_and(sign), loss_and(same, sign), loss_and(sign, sign)),
        Mistake("the term for targets of 0 is missing: (1 − t) · log(1 − σ(x))", positive_term),
        Mistake("pos_weight is ignored", lambda a: a(pos_weight=1)),
        Mistake(
            "pos_weight multiplies the term for targets of 0 instead of the term for targets of 1", weighted_the_other_way
        ),
        Mistake(
            "the gradient is multiplied by the derivative of the sigmoid, which it already contains",
            loss_and(same, lambda d, a: d * sigmoid(a) * (1 - sigmoid(a))),
        ),
    ),
}
