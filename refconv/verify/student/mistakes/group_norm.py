"""Mistakes in group, layer and instance normalisation."""

from __future__ import annotations

import numpy as np

from refconv.verify.student.mistakes.mistake import Mistake
from refconv.verify.student.mistakes.norm import scaled

__all__ = ["MISTAKES"]


def in_groups(x, groups):
    """Return x with axes (N, M, groups, channels of a group)."""
    return x.reshape(len(x), -1, groups, x.shape[-1] // groups)


def over(axes, groups=None):
    """Return a mistake: mean and variance over other axes of (N, M, groups, C / groups)."""

    def wrong(a):
        count = groups(a) if groups else a()[1].shape[1]
        x = in_groups(a.x, count)
        mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
        xhat = ((x - mean) / np.sqrt(var + a.eps)).reshape(a.x.shape)
        return a.gamma * xhat + a.beta, *a()[1:]

    return wrong


def strided_groups(a):
    """Return the result with every G-th channel in one group instead of consecutive channels."""
    x, count = a.x, a()[1].shape[1]
    x = x.reshape(len(x), -1, x.shape[-1] // count, count)
    mean, var = x.mean((1, 2), keepdims=True), x.var((1, 2), keepdims=True)
    xhat = ((x - mean) / np.sqrt(var + a.eps)).reshape(a.x.shape)
    return a.gamma * xhat + a.beta, mean[:, 0, 0], var[:, 0, 0]


def unbiased(a):
    """Return the result with the variance divided by the number of elements minus 1."""
    y, mean, var = a()
    n = a.x[0].size // mean.shape[1]
    x = in_groups(a.x, mean.shape[1])
    var = var * n / (n - 1)
    xhat = (x - mean[:, None, :, None]) / np.sqrt(var[:, None, :, None] + a.eps)
    return a.gamma * xhat.reshape(y.shape) + a.beta, mean, var


FORWARD = (
    Mistake("mean and variance are also taken over the batch; each example has its own", over((0, 1, 3))),
    Mistake("mean and variance are taken for each position, over the channels of a group", over(3)),
    Mistake("the variance is unbiased, divided by n − 1; the layer divides by n", unbiased),
    Mistake("γ is ignored", scaled(lambda xhat, a: xhat + a.beta)),
    Mistake("β is ignored", scaled(lambda xhat, a: a.gamma * xhat)),
    Mistake("γ and β are swapped", scaled(lambda xhat, a: a.beta * xhat + a.gamma)),
    Mistake("mean and variance are returned in the wrong order", lambda a: (a()[0], a()[2], a()[1])),
)


def gradient(function):
    """Return a mistake in ∂e/∂x: ``function(g, xhat) / σ`` with g = γ · ∂e/∂y in groups."""

    def wrong(a):
        _, dgamma, dbeta = a()
        groups = a.mean.shape[1]
        root = np.sqrt(a.var + a.eps)[:, None, :, None]
        xhat = (in_groups(a.x, groups) - a.mean[:, None, :, None]) / root
        return (function(in_groups(a.gamma * a.dy, groups), xhat) / root).reshape(a.x.shape), dgamma, dbeta

    return wrong


def mean_of_group(values):
    return values.mean((1, 3), keepdims=True)


MISTAKES = {
    "group_norm": (
        *FORWARD,
        Mistake("a group has every G-th channel; it must have consecutive channels", strided_groups),
        Mistake("groups is ignored: mean and variance of the whole example", over((1, 3), groups=lambda a: 1)),
    ),
    "layer_norm": (
        *FORWARD,
        Mistake("each channel has its own mean and variance", over((1, 3), groups=lambda a: a.x.shape[-1])),
    ),
    "instance_norm": (*FORWARD, Mistake("all channels have one mean and variance", over((1, 3), groups=lambda a: 1))),
    "group_norm_grads": (
        Mistake("∂e/∂x treats mean and variance as constants; both depend on x", gradient(lambda g, xhat: g)),
        Mistake(
            "∂e/∂x treats the variance as a constant; it depends on x, as the mean does",
            gradient(lambda g, xhat: g - mean_of_group(g)),
        ),
        Mistake(
            "∂e/∂x treats the mean as a constant; it depends on x, as the variance does",
            gradient(lambda g, xhat: g - xhat * mean_of_group(g * xhat)),
        ),
        Mistake("γ is forgotten in ∂e/∂x", lambda a: (a(gamma=np.ones_like(a.gamma))[0], *a()[1:])),
        Mistake("ε is forgotten", lambda a: a(eps=0)),
        Mistake("∂e/∂γ and ∂e/∂β are swapped", lambda a: (a()[0], a()[2], a()[1])),
    ),
}
