"""Mistakes in plain convolution and cross-correlation."""

from __future__ import annotations

import numpy as np

from refconv.verify.student.mistakes.images import along, only
from refconv.verify.student.mistakes.mistake import Mistake

__all__ = ["MISTAKES"]


def part_of_full(start):
    """Return the mistake of taking the result from another position of the full convolution."""

    def way(a):
        starts = tuple(start(k, length, n) for k, length, n in zip(a.w.shape, a(mode="full").shape, a().shape, strict=True))
        return a(mode="full")[tuple(slice(s, s + n) for s, n in zip(starts, a().shape, strict=True))]

    return way


def odd_zero_behind(a):
    """Compute "same" shifted by one element for an even kernel."""
    return part_of_full(lambda k, length, n: k // 2)(a) if a.mode == "same" else a()


def sliding(ndim, flip, reversed_words):
    def without_last(a, axes):
        y = a()
        return y[tuple(slice(n - (axis in axes)) for axis, n in enumerate(y.shape))]

    def last_product(a):
        w = a.w
        for axis in range(ndim):
            w = only(w, -1, axis)
        return a(w=w)

    mistakes = (
        *along(ndim, flip, lambda a, axes: a(w=np.flip(a.w, axes))),
        Mistake("mode is ignored: the result is always computed with 'full'", lambda a: a(mode="full")),
        Mistake("mode is ignored: the result is always computed with 'valid'", lambda a: a(mode="valid")),
        Mistake("mode is ignored: the result is always computed with 'same'", lambda a: a(mode="same")),
        Mistake("'full' returns the result of 'same'", lambda a: a(mode="same" if a.mode == "full" else a.mode)),
        Mistake(
            "'same' is the beginning of 'full'; it should be the middle",
            lambda a: part_of_full(lambda k, length, n: 0)(a) if a.mode == "same" else a(),
        ),
        Mistake("the middle of 'full' is off by one for a kernel of even size", odd_zero_behind),
        Mistake(reversed_words, lambda a: np.flip(a())),
        Mistake("each product overwrites the sum: use += instead of =", last_product),
        *along(ndim, "the end of the result is missing{}", without_last),
    )
    if ndim == 1:
        return mistakes
    return (*mistakes, Mistake("the kernel's height and width are swapped", lambda a: a(w=a.w.T)))


FLIPPED = "the kernel is flipped{}: a cross-correlation adds x[t + i] · w[i], and a convolution x[t − i] · w[i]"
NOT_FLIPPED = "the kernel is not flipped{}: a convolution adds x[t − i] · w[i], and a cross-correlation x[t + i] · w[i]"

MISTAKES = {
    f"{name}{ndim}d": sliding(ndim, flip, "the result is reversed")
    for ndim in (1, 2)
    for name, flip in (("convolve", NOT_FLIPPED), ("cross_correlate", FLIPPED))
}
