"""Mistakes in max pooling and its derivative."""

from __future__ import annotations

import numpy as np

from refconv.verify.student.mistakes.images import crop
from refconv.verify.student.mistakes.mistake import Mistake
from refconv.verify.student.mistakes.pool import both, padded, places, under_each_window

__all__ = ["MISTAKES"]


def maximum(ndim):
    return (
        Mistake("the zeros of the padding are compared: padding must never be the maximum", under_each_window(np.max)),
        Mistake("the maximum starts from 0, so negative values are never chosen", lambda a: np.maximum(a(), 0)),
        Mistake("the result is the average, not the maximum", lambda a: a.other(f"avg_pool{ndim}d")),
        Mistake("the result is the minimum, not the maximum", lambda a: -a(x=-a.x)),
        Mistake("the maximum is taken of the absolute values", lambda a: a(x=np.abs(a.x))),
        Mistake("the maximum also runs over the channels", lambda a: a().max(-1, keepdims=True), lambda a: a().max(-1)),
        Mistake("the dilation is ignored", lambda a: a(dilation=1), lambda a: a(dilation=1, padding=a.pads)),
        *both(ndim),
    )


def share_of_ties(function):
    """Return the mistake of giving each of several equal maxima a share of ∂e/∂y.

    ``function(ties, axes)`` returns the shares.
    """

    def way(a):
        x = padded(a, -np.inf)
        g = a.geometry
        dx = np.zeros_like(x)
        axes = tuple(range(1, 1 + a.ndim))
        for index, place in places(a):
            window_values = x[(slice(None), *place)]
            ties = (window_values == window_values.max(axes, keepdims=True)).astype(float)
            dy = np.expand_dims(a.dy[(slice(None), *index)], axes)
            dx[(slice(None), *place)] += function(ties, axes) * dy
        return crop(dx, a.size, [before for before, _ in g.pads(a.size)])

    return way


def last_of_ties(ties, axes):
    flat = ties.reshape(len(ties), -1, ties.shape[-1])[:, ::-1]
    last = flat * (np.cumsum(flat, 1) == 1)
    return last[:, ::-1].reshape(ties.shape)


def overwritten(a):
    """Compute ∂e/∂x with = instead of +=: a maximum of several windows keeps only the last."""
    dx = np.zeros((len(a.dy), int(np.prod(a.size)), a.dy.shape[-1]))
    for index in np.ndindex(a.dy.shape):
        dx[index[0], a.argmax[index], index[-1]] = a.dy[index]
    return dx.reshape(len(a.dy), *a.size, -1)


def maximum_dx(ndim):
    return (
        Mistake("each of several equal maxima gets ∂e/∂y; only the first should", share_of_ties(lambda ties, axes: ties)),
        Mistake("the last of several equal maxima gets ∂e/∂y; the first should", share_of_ties(last_of_ties)),
        Mistake(
            "equal maxima share ∂e/∂y; the first should get all of it",
            share_of_ties(lambda ties, axes: ties / ties.sum(axes, keepdims=True)),
        ),
        Mistake("windows with the same maximum overwrite each other: use += instead of =", overwritten),
        Mistake(
            "all pixels under the window get ∂e/∂y; only the maximum should",
            share_of_ties(lambda ties, axes: np.ones_like(ties)),
        ),
        Mistake("the result is 1 at each maximum; it should be ∂e/∂y", lambda a: a(dy=np.ones_like(a.dy))),
        Mistake("the result is the maximum itself; it should be ∂e/∂y", lambda a: a(dy=a.other(f"max_pool{ndim}d"))),
    )


MISTAKES = {
    "max_pool1d": maximum(1),
    "max_pool1d_dx": maximum_dx(1),
    "max_pool2d": maximum(2),
    "max_pool2d_dx": maximum_dx(2),
}
