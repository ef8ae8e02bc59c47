"""Mistakes that max pooling and average pooling share."""

from __future__ import annotations

import numpy as np

from refconv.geometry import Window
from refconv.verify.student.mistakes.images import SPACE, along, crop, last_is_zero, only, put, without_last
from refconv.verify.student.mistakes.mistake import Mistake

__all__ = ["both", "padded", "places", "under_each_window"]


def places(a):
    """Yield each output position and the slices of the padded image that its window covers."""
    g = a.geometry
    for index in np.ndindex(g.output_size(a.size)):
        yield index, tuple(slice(i * S, i * S + s, D) for i, S, s, D in zip(index, g.stride, g.span, g.dilation, strict=True))


def padded(a, value=0.0):
    """Pad x with the value up to the end of the last window."""
    g = a.geometry
    ends = [(n - 1) * S + s for n, S, s in zip(g.output_size(a.size), g.stride, g.span, strict=True)]
    pads = [(p0, max(p1, end - n - p0)) for n, (p0, p1), end in zip(a.size, a.pads, ends, strict=True)]
    return np.pad(a.x, [(0, 0), *pads, (0, 0)], constant_values=value)


def under_each_window(function, value=0.0):
    """Return the mistake of pooling with ``function(pixels, axes)``, which includes the padding."""

    def way(a):
        x, y = padded(a, value), np.zeros_like(a())
        for index, place in places(a):
            y[(slice(None), *index)] = function(x[(slice(None), *place)], tuple(range(1, 1 + a.ndim)))
        return y

    return way


def axes_swapped(a, **changes):
    return a(kernel_size=a.geometry.kernel[::-1], **changes)


def of_the_stride(ndim):
    return (
        *along(
            ndim,
            "the stride is ignored{}: it is always 1",
            lambda a, axes: a(stride=put(a.geometry.stride, axes, 1)),
            lambda a, axes: a(stride=put(a.geometry.stride, axes, 1), padding=a.pads),
            lambda a, axes: crop(a(stride=put(a.geometry.stride, axes, 1), padding=a.pads), a().shape[SPACE]),
        ),
        *along(
            ndim,
            "the stride is ignored{}: it is always the size of the window",
            lambda a, axes: a(stride=put(a.geometry.stride, axes, a.geometry.kernel)),
            lambda a, axes: a(stride=put(a.geometry.stride, axes, a.geometry.kernel), padding=a.pads),
        ),
    )


PADDING = (
    Mistake("the padding is ignored", lambda a: a(padding="valid")),
    Mistake("the zeros before and after the image are swapped", lambda a: a(padding=tuple(pair[::-1] for pair in a.pads))),
    Mistake(
        "the extra zero of 'same' is added before the image; it belongs after it, and before it only with 'same_lower'",
        lambda a: a(padding=tuple(pair[::-1] for pair in a.pads)) if a.padding == "same" else a(),
    ),
    Mistake(
        "'same' pads as if the stride were 1",
        lambda a: (
            a(padding=Window(a.geometry.kernel, 1, a.padding, a.geometry.dilation).pads(a.size))
            if str(a.padding).startswith("same")
            else a()
        ),
    ),
)


def of_the_result(ndim):
    return (
        Mistake("ceil_mode is ignored: the size is rounded down", lambda a: a(ceil_mode=False)),
        Mistake("the size is rounded up, although ceil_mode is not set", lambda a: a(ceil_mode=True)),
        *along(ndim, "the end of the result is missing{}", without_last, last_is_zero),
        Mistake("only the first image of the batch is used", lambda a: only(a(), 0, 0), lambda a: a()[:1]),
        Mistake("only the first channel is used", lambda a: only(a(), 0, -1), lambda a: a()[..., :1]),
    )


AXES = (
    Mistake(
        "the window's height and width are swapped",
        axes_swapped,
        lambda a: axes_swapped(a, stride=a.geometry.stride),
    ),
    Mistake("the window's height is also used as its width", lambda a: a(kernel_size=a.geometry.kernel[0])),
    Mistake("the strides of height and width are swapped", lambda a: a(stride=a.geometry.stride[::-1])),
    Mistake("height and width of the result are swapped", lambda a: np.swapaxes(a(), 1, 2)),
)


def both(ndim):
    """Return the mistakes in the window that all kinds of pooling share."""
    return (*of_the_stride(ndim), *PADDING, *of_the_result(ndim), *(AXES if ndim == 2 else ()))
