"""Helpers for mistakes in operators with a sliding window."""

from __future__ import annotations

import numpy as np

from refconv.verify.student.mistakes.mistake import Mistake

__all__ = [
    "SPACE",
    "along",
    "crop",
    "flipped",
    "last_is_zero",
    "only",
    "padding_as",
    "put",
    "without_last",
    "zeros_around",
]

SPACE = slice(1, -1)


def put(values, axes, new):
    """Return a copy of a sequence, with the items at some axes replaced.

    ``new`` is one number for all of these axes, or a sequence with a number for each axis.

    >>> put((2, 3), (1,), 7), put((2, 3), (0, 1), (5, 6))
    ((2, 7), (5, 6))
    """
    replacements = new if isinstance(new, tuple) else (new,) * len(values)
    return tuple(replacements[axis] if axis in axes else value for axis, value in enumerate(values))


def along(ndim, words, *ways):
    """Return one mistake for each choice of axes: the height, the width, or both.

    In ``words``, {} is replaced by the names of the axes. Each function of ``ways`` is called as ``way(a, axes)``; axis 0 is
    the height.
    """
    if ndim == 1:
        return [Mistake(words.format(""), *(lambda a, way=way: way(a, (0,)) for way in ways))]
    choices = (
        ((0, 1), ""),
        ((0,), " along the height, not along the width"),
        ((1,), " along the width, not along the height"),
    )
    return [Mistake(words.format(where), *(lambda a, w=way, axes=axes: w(a, axes) for way in ways)) for axes, where in choices]


def crop(y, size, start=None):
    """Crop each image to this number of rows and columns, beginning at ``start``."""
    inside = [slice(s, s + n) for s, n in zip(start or (0,) * len(size), size, strict=True)]
    return y[(slice(None), *inside)]


def zeros_around(x, pads):
    """Pad images with zeros."""
    return np.pad(x, [(0, 0), *pads, (0, 0)])


def only(array, index, axis):
    """Return a copy of the array in which only one index or slice of an axis is not set to zero."""
    result = np.zeros_like(array)
    where = (slice(None),) * (axis % array.ndim) + (index,)
    result[where] = array[where]
    return result


def padding_as(change, *, when=lambda a: True):
    """Return a mistake that replaces each padding by ``change(before, after)``."""
    return lambda a: a(padding=tuple(change(*pair) for pair in a.pads)) if when(a) else a()


def flipped(a, axes):
    """Return the result with a kernel that is flipped along some axes."""
    return a(w=np.flip(a.w, axes))


def without_last(a, axes):
    """Return the result without its last row, column or both."""
    y = a()
    return crop(y, put(y.shape[SPACE], axes, tuple(n - 1 for n in y.shape[SPACE])))


def last_is_zero(a, axes):
    """Return the result with zeros in its last row, column or both."""
    y = a()
    for axis in axes:
        y[(slice(None),) * (1 + axis) + (-1,)] = 0
    return y
