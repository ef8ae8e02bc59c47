"""Mistakes in the derivatives of the convolution layer."""

from __future__ import annotations

import numpy as np

from refconv.verify.student.mistakes.images import (
    SPACE,
    along,
    crop,
    flipped,
    last_is_zero,
    only,
    padding_as,
    put,
    without_last,
    zeros_around,
)
from refconv.verify.student.mistakes.mistake import Mistake

__all__ = ["MISTAKES"]


def spread(a, stride, dilation):
    """Compute ∂e/∂x of the padded image for another stride and dilation."""
    size = tuple(
        (n - 1) * S + (k - 1) * D + 1
        for n, k, S, D in zip(a.dy.shape[SPACE], a.geometry.kernel, stride, dilation, strict=True)
    )
    return a(stride=stride, dilation=dilation, padding="valid", input_size=size)


def on_canvas(a, dx):
    """Crop or extend dx to the size of the padded image, then cut off the padding."""
    canvas = np.zeros((len(dx), *a.geometry.padded_size(a.size), dx.shape[-1]))
    size = tuple(map(min, canvas.shape[SPACE], dx.shape[SPACE]))
    crop(canvas, size)[...] = crop(dx, size)
    return crop(canvas, a.size, [before for before, _ in a.pads])


def narrow(a, axes, name):
    g = a.geometry
    steps = {"stride": g.stride, "dilation": g.dilation} | {name: put(getattr(g, name), axes, 1)}
    return spread(a, **steps)


def without_pads(a, dx):
    """Cut off the rows and columns of the padding from dx, whatever the size of dx."""
    size = tuple(n - before - after for n, (before, after) in zip(dx.shape[SPACE], a.pads, strict=True))
    return crop(dx, size, [before for before, _ in a.pads])


def channels_exchanged(a):
    """Compute ∂e/∂x with the last two axes of the kernel swapped; a single channel is broadcast."""
    w = np.swapaxes(a.w, -1, -2)
    channels = max(w.shape[-1], a.dy.shape[-1])
    w, dy = (np.broadcast_to(array, (*array.shape[:-1], channels)) for array in (w, a.dy))
    return a(w=w, dy=dy)


def with_padding(a):
    return a(padding="valid", input_size=a.geometry.padded_size(a.size))


def cropped_at(start):
    """Return the mistake of cutting off too much or too little padding before the image."""
    return lambda a: crop(with_padding(a), a.size, [start(*pair) for pair in a.pads])


def overwritten(a):
    """Compute ∂e/∂x with = instead of +=: each window overwrites earlier windows."""
    dx, w = np.zeros_like(a()), np.ones_like(a.w)
    for index in np.ndindex(a.dy.shape[SPACE]):
        position = (slice(None), *index)
        unit = np.zeros_like(a.dy)
        unit[position] = 1
        touched = a(dy=unit, w=w) != 0
        dx[touched] = a(dy=unit * a.dy)[touched]
    return dx


def derivative_x(ndim):
    mistakes = [
        *along(
            ndim,
            "∂e/∂y is correlated with the kernel itself{}; flip the kernel, or add ∂e/∂y[i] · w[m] to ∂e/∂x[i + m]",
            flipped,
        ),
        *along(
            ndim,
            "the stride is ignored{}: the window of output i begins at i · stride",
            lambda a, axes: on_canvas(a, narrow(a, axes, "stride")),
            lambda a, axes: without_pads(a, narrow(a, axes, "stride")),
        ),
        *along(
            ndim,
            "the dilation is ignored{}",
            lambda a, axes: on_canvas(a, narrow(a, axes, "dilation")),
            lambda a, axes: without_pads(a, narrow(a, axes, "dilation")),
        ),
        Mistake("the padding is not cut off", with_padding),
        Mistake("the padding is cut off only after the image", cropped_at(lambda before, after: 0)),
        Mistake("the padding is cut off only before the image", cropped_at(lambda before, after: before + after)),
        Mistake("the zeros before and after the image are swapped", cropped_at(lambda before, after: after)),
        Mistake("input and output channels of the kernel are swapped", channels_exchanged),
        Mistake("overlapping windows overwrite each other: use += instead of =", overwritten),
        Mistake(
            "only the first output channel counts; the sum should run over all of them", lambda a: a(dy=only(a.dy, 0, -1))
        ),
        Mistake(
            "only the last output channel counts; the sum should run over all of them", lambda a: a(dy=only(a.dy, -1, -1))
        ),
        Mistake("only the first image of the batch is used", lambda a: only(a(), 0, 0), lambda a: a()[:1]),
        Mistake("the result is divided by the number of images", lambda a: a() / len(a.dy)),
        *along(ndim, "the end of the result is missing{}", without_last, last_is_zero),
    ]
    if ndim == 2:
        mistakes.append(Mistake("the kernel's height and width are swapped", lambda a: a(w=np.swapaxes(a.w, 0, 1))))
        mistakes.append(Mistake("height and width of the result are swapped", lambda a: np.swapaxes(a(), 1, 2)))
    return tuple(mistakes)


def near(a, axes, name):
    """Compute ∂e/∂w with stride or dilation 1 along some axes."""
    g = a.geometry
    steps = {"stride": g.stride, "dilation": g.dilation} | {name: put(getattr(g, name), axes, 1)}
    size = tuple(
        (n - 1) * S + (k - 1) * D + 1
        for n, k, S, D in zip(a.dy.shape[SPACE], g.kernel, steps["stride"], steps["dilation"], strict=True)
    )
    return a(x=crop(zeros_around(a.x, a.pads), size), padding="valid", **steps)


def last_position(a):
    dy = a.dy
    for axis in range(1, dy.ndim - 1):
        dy = only(dy, -1, axis)
    return dy


def unpadded(a):
    """Compute ∂e/∂w from x without its padding, which gives a smaller kernel."""
    kernel = tuple(n - (rows - 1) for n, rows in zip(a.size, a.dy.shape[SPACE], strict=True))
    return a() if not np.any(a.pads) else a(padding="valid", stride=1, dilation=1, kernel_size=kernel)


def derivative_w(ndim):
    return (
        *along(
            ndim,
            "the stride is ignored{}: the window of output i begins at i · stride",
            lambda a, axes: near(a, axes, "stride"),
        ),
        *along(ndim, "the dilation is ignored{}", lambda a, axes: near(a, axes, "dilation")),
        *along(ndim, "the result is flipped{}", lambda a, axes: np.flip(a(), axes)),
        Mistake("the padding is ignored: x must be padded with zeros first", unpadded),
        Mistake("the zeros before and after the image are swapped", padding_as(lambda before, after: (after, before))),
        Mistake("the result is averaged over the batch; it should be summed", lambda a: a() / len(a.x)),
        Mistake(
            "the result is averaged over the pixels; it should be summed",
            lambda a: a() / np.prod(a.dy.shape[SPACE]),
            lambda a: a() / np.prod(a.dy.shape[:-1]),
        ),
        Mistake("only the last image of the batch counts: use += instead of =", lambda a: a(dy=only(a.dy, -1, 0))),
        Mistake("only the first image of the batch counts", lambda a: a(dy=only(a.dy, 0, 0))),
        Mistake(
            "only the last pixel of ∂e/∂y counts: use += instead of =",
            lambda a: a(dy=only(last_position(a), -1, 0)),
            lambda a: a(dy=last_position(a)),
        ),
        Mistake("input and output channels of the result are swapped", lambda a: np.swapaxes(a(), -1, -2)),
        *([Mistake("height and width of the result are swapped", lambda a: np.swapaxes(a(), 0, 1))] if ndim == 2 else []),
    )


def derivative_b(ndim):
    space = tuple(range(1, ndim + 1))
    return (
        Mistake("the result is averaged over the batch; it should be summed", lambda a: a() / len(a.dy)),
        Mistake("the result is averaged over the pixels; it should be summed", lambda a: a() / np.prod(a.dy.shape[SPACE])),
        Mistake("the result is an average; it should be a sum", lambda a: a.dy.mean((0, *space))),
        Mistake("the sum runs over the batch, but not over the pixels", lambda a: a.dy.sum(0)),
        Mistake("the sum runs over the pixels, but not over the batch", lambda a: a.dy.sum(space)),
        Mistake("the sum also runs over the channels", lambda a: a.dy.sum()),
        Mistake("only the last image of the batch counts", lambda a: a(dy=a.dy[-1:])),
        Mistake("only the first image of the batch counts", lambda a: a(dy=a.dy[:1])),
    )


MISTAKES = {
    f"conv{ndim}d{suffix}": mistakes(ndim)
    for ndim in (1, 2)
    for suffix, mistakes in (("_dx", derivative_x), ("_dw", derivative_w), ("_db", derivative_b))
}
