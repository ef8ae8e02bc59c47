"""Mistakes in average pooling and its derivative."""

from __future__ import annotations

import numpy as np

from refconv.verify.student.mistakes.images import SPACE, crop, zeros_around
from refconv.verify.student.mistakes.mistake import Mistake
from refconv.verify.student.mistakes.pool import both, places, under_each_window

__all__ = ["MISTAKES"]


def whole_average(x, axes):
    return x.mean(axes)


def average(ndim):
    return (
        Mistake("the zeros of the padding are counted", lambda a: a(count_include_pad=True)),
        Mistake(
            "the sum is divided by the whole window's size, even where it reaches over the edge",
            under_each_window(whole_average),
        ),
        Mistake(
            "count_include_pad is ignored: the zeros of the padding are never counted", lambda a: a(count_include_pad=False)
        ),
        Mistake("the sum is not divided by the number of pixels", under_each_window(np.sum)),
        Mistake("it is the maximum, not the average", lambda a: a.other(f"max_pool{ndim}d")),
        Mistake("the average runs over the channels as well", lambda a: a().mean(-1, keepdims=True), lambda a: a().mean(-1)),
        *both(ndim),
    )


def sent_back(kernel=lambda k: k, count=None, *, overwrite=False):
    """∂e/∂x of average pooling with another window, another count, or = instead of +=."""

    def way(a):
        g = a.geometry
        window = kernel(g.kernel)
        inside = (
            np.ones_like(zeros_around(np.ones((1, *a.size, 1)), a.pads))
            if a.count_include_pad
            else zeros_around(np.ones((1, *a.size, 1)), a.pads)
        )
        dx = np.zeros((len(a.dy), *inside.shape[SPACE], a.dy.shape[-1]))
        for index, place in places(a):
            n = inside[(0, *place)].sum() if count is None else count(g.kernel)
            spot = tuple(slice(i * S, i * S + k) for i, S, k in zip(index, g.stride, window, strict=True))
            share = np.expand_dims(a.dy[(slice(None), *index)] / n, tuple(range(1, 1 + a.ndim)))
            if overwrite:
                dx[(slice(None), *spot)] = share
            else:
                dx[(slice(None), *spot)] += share
        return crop(dx, a.size, [before for before, _ in a.pads])

    return way


def average_dx(ndim):
    swapped = Mistake("the window's height and width are exchanged", sent_back(lambda k: k[::-1]))
    return (
        *([swapped] if ndim == 2 else []),
        Mistake("∂e/∂y is divided by the whole window's size, even where it reaches over the edge", sent_back(count=np.prod)),
        Mistake("∂e/∂y is not divided by the number of pixels", sent_back(count=lambda k: 1)),
        Mistake("the zeros of the padding are counted", lambda a: a(count_include_pad=True)),
        Mistake(
            "count_include_pad is ignored: the zeros of the padding are never counted", lambda a: a(count_include_pad=False)
        ),
        Mistake("windows that overlap overwrite each other: += is needed where there is =", sent_back(overwrite=True)),
    )


MISTAKES = {
    "avg_pool1d": average(1),
    "avg_pool1d_dx": average_dx(1),
    "avg_pool2d": average(2),
    "avg_pool2d_dx": average_dx(2),
}
