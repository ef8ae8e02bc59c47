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
            "the sum is divided by the size of the whole window, even where the window extends beyond the edge",
            under_each_window(whole_average),
        ),
        Mistake(
            "count_include_pad is ignored: the zeros of the padding are never counted", lambda a: a(count_include_pad=False)
        ),
        Mistake("the sum is not divided by the number of pixels", under_each_window(np.sum)),
        Mistake("the result is the maximum, not the average", lambda a: a.other(f"max_pool{ndim}d")),
        Mistake("the average also runs over the channels", lambda a: a().mean(-1, keepdims=True), lambda a: a().mean(-1)),
        *both(ndim),
    )


def distributed(kernel=lambda k: k, count=None, *, overwrite=False):
    """Return a mistake in ∂e/∂x: a wrong window, a wrong divisor, or = instead of +=."""

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
            steps = zip(index, g.stride, g.dilation, window, strict=True)
            window_slices = tuple(slice(i * S, i * S + (k - 1) * D + 1, D) for i, S, D, k in steps)
            share = np.expand_dims(a.dy[(slice(None), *index)] / n, tuple(range(1, 1 + a.ndim)))
            if overwrite:
                dx[(slice(None), *window_slices)] = share
            else:
                dx[(slice(None), *window_slices)] += share
        return crop(dx, a.size, [before for before, _ in a.pads])

    return way


def average_dx(ndim):
    swapped = Mistake("the window's height and width are swapped", distributed(lambda k: k[::-1]))
    return (
        *([swapped] if ndim == 2 else []),
        Mistake(
            "∂e/∂y is divided by the size of the whole window, even where the window extends beyond the edge",
            distributed(count=np.prod),
        ),
        Mistake("∂e/∂y is not divided by the number of pixels", distributed(count=lambda k: 1)),
        Mistake("the zeros of the padding are counted", lambda a: a(count_include_pad=True)),
        Mistake(
            "count_include_pad is ignored: the zeros of the padding are never counted", lambda a: a(count_include_pad=False)
        ),
        Mistake("overlapping windows overwrite each other: use += instead of =", distributed(overwrite=True)),
    )


MISTAKES = {
    "avg_pool1d": average(1),
    "avg_pool1d_dx": average_dx(1),
    "avg_pool2d": average(2),
    "avg_pool2d_dx": average_dx(2),
}
