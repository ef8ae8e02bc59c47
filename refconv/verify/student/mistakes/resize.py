"""Mistakes in padding and upsampling and their derivatives."""

from __future__ import annotations

import numpy as np

from refconv.verify.student.mistakes.mistake import Mistake

__all__ = ["MISTAKES"]


def scales(a):
    return a.scale if isinstance(a.scale, tuple) else (a.scale, a.scale)


def pairs(a, image):
    """Return the padding as (before, after) pairs, for an image or a signal."""
    return np.broadcast_to(np.array(a.padding).reshape(-1, 1) if np.ndim(a.padding) == 1 else a.padding, (image.ndim - 2, 2))


def framed(change):
    """Return the mistake of padding by ``change(pairs)`` instead of the pairs."""
    return lambda a: a(padding=tuple(tuple(int(p) for p in pair) for pair in change(pairs(a, a.x))))


def numpy_pad(mode):
    return lambda a: np.pad(a.x, [(0, 0), *pairs(a, a.x), (0, 0)], mode=mode) if a.mode == "reflect" else a()


def aligned(a):
    """Compute bilinear upsampling with aligned corner centres."""
    if a.mode != "bilinear":
        return a()
    y = a.x
    for axis, S in enumerate(scales(a), 1):
        n = y.shape[axis]
        positions = np.linspace(0, n - 1, n * S)
        before = np.minimum(positions.astype(int), max(n - 2, 0))
        after = np.minimum(before + 1, n - 1)
        share = (positions - before).reshape(-1, *(1,) * (3 - axis))
        y = np.take(y, before, axis) * (1 - share) + np.take(y, after, axis) * share
    return y


def stuffed(a):
    y = np.zeros_like(a())
    y[:, :: scales(a)[0], :: scales(a)[1]] = a.x
    return y if a.mode == "nearest" else a()


def one_of_each(a):
    S, T = scales(a)
    return a.dy[:, ::S, ::T] if a.mode == "nearest" else a()


MISTAKES = {
    "pad": (
        Mistake("the widths before and after the image are swapped", framed(lambda pads: pads[:, ::-1])),
        Mistake("the padding of height and width is swapped", framed(lambda pads: pads[::-1])),
        Mistake("the width before the image is used on both sides", framed(lambda pads: pads[:, [0, 0]])),
        Mistake("'reflect' repeats the pixel at the edge; the reflection should not contain it", numpy_pad("symmetric")),
        Mistake("the mode is ignored: the padding is always zeros", lambda a: a(mode="zeros")),
    ),
    "pad_dx": (
        Mistake(
            "∂e/∂y of the padding is discarded; with 'reflect' and 'edge' it is added to the copied pixels",
            lambda a: a(mode="zeros"),
        ),
    ),
    "upsample2d": (
        Mistake(
            "the whole image is repeated, as by np.tile; each pixel should be, as by np.repeat",
            lambda a: np.tile(a.x, (1, *scales(a), 1)) if a.mode == "nearest" else a(),
            lambda a: np.tile(a.x, (1, *scales(a), 1)),
        ),
        Mistake(
            "the centres of the corners are aligned, as with align_corners; here the edges of the images should be", aligned
        ),
        Mistake("the scales of height and width are swapped", lambda a: a(scale=scales(a)[::-1])),
        Mistake("height and width of the result are swapped", lambda a: np.swapaxes(a(), 1, 2)),
        Mistake("the new pixels are zeros; they should be copies of the old ones", stuffed),
        Mistake("the mode is ignored: it is always 'nearest'", lambda a: a(mode="nearest")),
    ),
    "upsample2d_dx": (
        Mistake("only one copy of each pixel contributes ∂e/∂y; the result should be the sum over all copies", one_of_each),
        Mistake("∂e/∂y is averaged over the copies of a pixel; it should be summed", lambda a: a() / np.prod(scales(a))),
        Mistake("the scales of height and width are swapped", lambda a: a(scale=scales(a)[::-1])),
        Mistake("the mode is ignored: it is always 'nearest'", lambda a: a(mode="nearest")),
    ),
}
