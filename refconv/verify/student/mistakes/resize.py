"""Mistakes in padding, upsampling and adaptive pooling and their derivatives."""

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


def parts(n, K, bounds):
    """Return the start and the end of each of K windows along an axis of n inputs."""
    return [bounds(i, n, K) for i in range(K)]


def pooled(bounds, join=np.mean):
    """Return a mistake in the windows of adaptive pooling.

    ``bounds(i, n, K)`` returns the start and the end of window i.
    """

    def way(a):
        K, L = a.output_size
        rows, columns = parts(a.x.shape[1], K, bounds), parts(a.x.shape[2], L, bounds)
        means = [[join(a.x[:, t:b, l:r], (1, 2)) for l, r in columns] for t, b in rows]
        return np.moveaxis(np.array(means), 2, 0)

    return way


def covering(i, n, K):
    return i * n // K, -(-(i + 1) * n // K)


def disjoint(i, n, K):
    return min(i * n // K, n - 1), max((i + 1) * n // K, min(i * n // K, n - 1) + 1)


def equal_size(i, n, K):
    size = -(-n // K)
    return min(i * (n // K), n - 1), min(i * (n // K), n - 1) + size


def shared_out(share):
    """Return a mistake in the divisor of ∂e/∂x of adaptive pooling.

    ``share`` computes the divisor from the size of a window and the mean size.
    """

    def way(a):
        (H, W), (K, L) = a.size, a.dy.shape[1:3]
        dx = np.zeros((len(a.dy), H, W, a.dy.shape[-1]))
        for i, (t, b) in enumerate(parts(H, K, covering)):
            for j, (l, r) in enumerate(parts(W, L, covering)):
                dx[:, t:b, l:r] += a.dy[:, i : i + 1, j : j + 1] / share(b - t, r - l, H / K, W / L)
        return dx

    return way


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
    "adaptive_avg_pool2d": (
        Mistake("the windows end at ⌊(i + 1)·H/K⌋; they should end at ⌈(i + 1)·H/K⌉ and overlap", pooled(disjoint)),
        Mistake("all windows have the same size and stride; both should vary if K does not divide H", pooled(equal_size)),
        Mistake("the sums are not divided by the number of pixels", pooled(covering, np.sum)),
        Mistake("the result is the maximum, not the average", pooled(covering, np.max)),
        Mistake("height and width of the output are swapped", lambda a: a(output_size=a.output_size[::-1])),
    ),
    "adaptive_avg_pool2d_dx": (
        Mistake("∂e/∂y is not divided by the number of pixels", shared_out(lambda h, w, p, q: 1)),
        Mistake(
            "∂e/∂y is divided by H·W / (K·L); the divisor should be the size of the window",
            shared_out(lambda h, w, p, q: p * q),
        ),
    ),
}
