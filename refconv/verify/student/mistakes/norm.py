"""Mistakes in batch normalisation."""

from __future__ import annotations

import numpy as np

from refconv.verify.student.mistakes.mistake import Mistake

__all__ = ["MISTAKES"]


def normalised(a, mean, var, *, scale=lambda var, eps: np.sqrt(var + eps)):
    return a.gamma * (a.x - mean) / scale(var, a.eps) + a.beta


def with_variance(change):
    """Return the mistake of using a changed variance of the batch everywhere."""

    def way(a):
        _, mean, var = a()
        var = change(var, a)
        return normalised(a, mean, var), mean, var

    return way


def with_scale(scale):
    """Return the mistake of a denominator other than √(σ² + ε)."""

    def way(a):
        if "var" in a.arguments:
            return normalised(a, a.mean, a.var, scale=scale)
        _, mean, var = a()
        return normalised(a, mean, var, scale=scale), mean, var

    return way


def over(axes):
    """Return the mistake of computing mean and variance over other axes."""

    def way(a):
        mean, var = a.x.mean(axes(a.x.ndim), keepdims=True), a.x.var(axes(a.x.ndim), keepdims=True)
        return normalised(a, mean, var), np.squeeze(mean), np.squeeze(var)

    return way


def unbiased(var, a):
    n = a.x.size / a.x.shape[-1]
    return var * n / (n - 1)


def scaled(function):
    """Return the mistake of applying a formula other than γ · x̂ + β to x̂."""

    def way(a):
        result = a(gamma=np.ones_like(a.gamma), beta=np.zeros_like(a.beta))
        return (function(result[0], a), *result[1:]) if isinstance(result, tuple) else function(result, a)

    return way


SCALES = (
    Mistake(
        "ε is added to the standard deviation; it belongs under the root", with_scale(lambda var, eps: np.sqrt(var) + eps)
    ),
    Mistake("the root is missing: x is divided by the variance", with_scale(lambda var, eps: var + eps)),
    Mistake("ε is not added to the variance", with_scale(lambda var, eps: np.sqrt(var))),
    Mistake("γ is ignored", scaled(lambda xhat, a: xhat + a.beta)),
    Mistake("β is ignored", scaled(lambda xhat, a: a.gamma * xhat)),
    Mistake("γ and β are ignored", scaled(lambda xhat, a: xhat)),
    Mistake("γ and β are swapped", scaled(lambda xhat, a: a.beta * xhat + a.gamma)),
    Mistake("β is added before the multiplication by γ", scaled(lambda xhat, a: a.gamma * (xhat + a.beta))),
)


def gradient(function):
    """Return a mistake in ∂e/∂x: ``function(g, xhat, axes, a)`` with g = γ / √(σ² + ε) · ∂e/∂y."""

    def way(a):
        _, dgamma, dbeta = a()
        axes = tuple(range(a.x.ndim - 1))
        root = np.sqrt(a.var + a.eps)
        return function(a.gamma * a.dy / root, (a.x - a.mean) / root, axes, a), dgamma, dbeta

    return way


def sums(change):
    """Return a mistake in ∂e/∂γ and ∂e/∂β: ``change(dgamma, dbeta, a)``."""

    def way(a):
        dx, dgamma, dbeta = a()
        return dx, *change(dgamma, dbeta, a)

    return way


def examples(a):
    return a.x.size / a.x.shape[-1]


BACK = (
    Mistake(
        "∂e/∂γ and ∂e/∂β are averaged over the batch; they should be sums",
        sums(lambda dg, db, a: (dg / examples(a), db / examples(a))),
    ),
    Mistake(
        "∂e/∂γ is computed with x; it must be computed with the normalised x̂",
        sums(lambda dg, db, a: ((a.dy * a.x).sum(tuple(range(a.x.ndim - 1))), db)),
    ),
    Mistake("∂e/∂γ and ∂e/∂β are swapped", sums(lambda dg, db, a: (db, dg))),
)

MISTAKES = {
    "batch_norm": (
        Mistake(
            "the variance is unbiased, divided by n − 1; the layer divides by n",
            with_variance(unbiased),
            lambda a: (a()[0], a()[1], unbiased(a()[2], a)),
        ),
        *SCALES,
        Mistake("mean and variance are taken for each pixel, over the batch only", over(lambda ndim: 0)),
        Mistake("mean and variance are taken for each example, over its channels", over(lambda ndim: -1)),
        Mistake(
            "mean and variance are taken for each example, over all its elements", over(lambda ndim: tuple(range(1, ndim)))
        ),
        Mistake("mean and variance are taken for each example and channel", over(lambda ndim: tuple(range(1, ndim - 1)))),
        Mistake("mean and variance are taken over everything, channels included", over(lambda ndim: None)),
        Mistake("the standard deviation is returned instead of the variance", lambda a: (*a()[:2], np.sqrt(a()[2]))),
        Mistake("mean and variance are returned in the wrong order", lambda a: (a()[0], a()[2], a()[1])),
        Mistake("the mean is not subtracted", lambda a: (a.gamma * a.x / np.sqrt(a()[2] + a.eps) + a.beta, a()[1], a()[2])),
    ),
    "batch_norm_inference": SCALES,
    "batch_norm_grads": (
        Mistake("∂e/∂x treats mean and variance as constants; both depend on x", gradient(lambda g, xhat, axes, a: g)),
        Mistake(
            "∂e/∂x treats the variance as a constant; it depends on x, as the mean does",
            gradient(lambda g, xhat, axes, a: g - g.mean(axes)),
        ),
        Mistake(
            "∂e/∂x treats the mean as a constant; it depends on x, as the variance does",
            gradient(lambda g, xhat, axes, a: g - xhat * (g * xhat).mean(axes)),
        ),
        Mistake(
            "∂e/∂x contains sums where it should contain means; divide by the number of examples",
            gradient(lambda g, xhat, axes, a: g - g.sum(axes) - xhat * (g * xhat).sum(axes)),
        ),
        Mistake("γ is forgotten in ∂e/∂x", lambda a: (a(gamma=np.ones_like(a.gamma))[0], *a()[1:])),
        Mistake("ε is forgotten", lambda a: a(eps=0)),
        Mistake(
            "the means in ∂e/∂x divide by n − 1; the layer's variance divides by n",
            gradient(lambda g, xhat, axes, a: g - g.mean(axes) - xhat * (g * xhat).sum(axes) / (examples(a) - 1)),
        ),
        *BACK,
    ),
    "batch_norm_inference_grads": (
        Mistake(
            "∂e/∂x treats mean and variance as functions of x; here they are constants",
            lambda a: (a.other("batch_norm_grads")[0], *a()[1:]),
        ),
        Mistake("γ is forgotten in ∂e/∂x", lambda a: (a(gamma=np.ones_like(a.gamma))[0], *a()[1:])),
        Mistake("ε is forgotten", lambda a: a(eps=0)),
        *BACK,
    ),
}
