"""Mistakes in max and average pooling and their derivatives."""

from __future__ import annotations

import numpy as np

from refconv.geometry import Window
from refconv.verify.student.mistakes.images import SPACE, along, crop, last_is_zero, only, put, without_last, zeros_around
from refconv.verify.student.mistakes.mistake import Mistake

__all__ = ["MISTAKES"]


def places(a):
    """For each output position, the input pixels under the window, as slices of the padded image of this size."""
    g = a.geometry
    for index in np.ndindex(g.output_size(a.size)):
        yield index, tuple(slice(i * S, i * S + s, D) for i, S, s, D in zip(index, g.stride, g.span, g.dilation, strict=True))


def padded(a, value=0.0):
    """x with the value around it: its padding, and what the last window reaches beyond it."""
    g = a.geometry
    ends = [(n - 1) * S + s for n, S, s in zip(g.output_size(a.size), g.stride, g.span, strict=True)]
    pads = [(p0, max(p1, end - n - p0)) for n, (p0, p1), end in zip(a.size, a.pads, ends, strict=True)]
    return np.pad(a.x, [(0, 0), *pads, (0, 0)], constant_values=value)


def under_each_window(function, value=0.0):
    """y where ``function`` makes it from all that is under the window, what lies outside of the image included."""

    def way(a):
        x, y = padded(a, value), np.zeros_like(a())
        for index, place in places(a):
            y[(slice(None), *index)] = function(x[(slice(None), *place)], tuple(range(1, 1 + a.ndim)))
        return y

    return way


def axes_exchanged(a, **changes):
    return a(window=a.geometry.kernel[::-1], **changes)


def of_the_stride(ndim):
    return (
        *along(
            ndim,
            "the stride is ignored{}: it is 1",
            lambda a, axes: a(stride=put(a.geometry.stride, axes, 1)),
            lambda a, axes: a(stride=put(a.geometry.stride, axes, 1), padding=a.pads),
            lambda a, axes: crop(a(stride=put(a.geometry.stride, axes, 1), padding=a.pads), a().shape[SPACE]),
        ),
        *along(
            ndim,
            "the stride is ignored{}: it is the size of the window",
            lambda a, axes: a(stride=put(a.geometry.stride, axes, a.geometry.kernel)),
            lambda a, axes: a(stride=put(a.geometry.stride, axes, a.geometry.kernel), padding=a.pads),
        ),
    )


PADDING = (
    Mistake("the padding is ignored", lambda a: a(padding="valid")),
    Mistake("the zeros before and after are exchanged", lambda a: a(padding=tuple(pair[::-1] for pair in a.pads))),
    Mistake(
        "the odd zero of 'same' is in front; it belongs at the end, and in front only with 'same_lower'",
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
        Mistake("only the first image of the batch is looked at", lambda a: only(a(), 0, 0), lambda a: a()[:1]),
        Mistake("only the first channel is looked at", lambda a: only(a(), 0, -1), lambda a: a()[..., :1]),
    )


AXES = (
    Mistake(
        "the window's height and width are exchanged",
        axes_exchanged,
        lambda a: axes_exchanged(a, stride=a.geometry.stride),
    ),
    Mistake("the window's height is taken for its width as well", lambda a: a(window=a.geometry.kernel[0])),
    Mistake("the strides of height and width are exchanged", lambda a: a(stride=a.geometry.stride[::-1])),
    Mistake("height and width of the result are exchanged", lambda a: np.swapaxes(a(), 1, 2)),
)


def both(ndim):
    """Mistakes of windows, whatever is done under them."""
    return (*of_the_stride(ndim), *PADDING, *of_the_result(ndim), *(AXES if ndim == 2 else ()))


def maximum(ndim):
    return (
        Mistake("the zeros of the padding take part: padding must never win", under_each_window(np.max)),
        Mistake("the maximum begins at 0, so that negative values never win", lambda a: np.maximum(a(), 0)),
        Mistake("it is the average, not the maximum", lambda a: a.other(f"avg_pool{ndim}d")),
        Mistake("it is the minimum, not the maximum", lambda a: -a(x=-a.x)),
        Mistake("the maximum is taken of the magnitudes", lambda a: a(x=np.abs(a.x))),
        Mistake("the maximum runs over the channels as well", lambda a: a().max(-1, keepdims=True), lambda a: a().max(-1)),
        Mistake("the dilation is ignored", lambda a: a(dilation=1), lambda a: a(dilation=1, padding=a.pads)),
        *both(ndim),
    )


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


def share_of_ties(function):
    """∂e/∂x where ``function(ties)`` says which share of ∂e/∂y each of a window's largest values gets."""

    def way(a):
        x, g = padded(a, -np.inf), a.geometry
        dx = np.zeros_like(x)
        axes = tuple(range(1, 1 + a.ndim))
        for index, place in places(a):
            under = x[(slice(None), *place)]
            ties = (under == under.max(axes, keepdims=True)).astype(float)
            dy = np.expand_dims(a.dy[(slice(None), *index)], axes)
            dx[(slice(None), *place)] += function(ties, axes) * dy
        return crop(dx, a.size, [before for before, _ in g.pads(a.size)])

    return way


def last_of_ties(ties, axes):
    flat = ties.reshape(len(ties), -1, ties.shape[-1])[:, ::-1]
    last = flat * (np.cumsum(flat, 1) == 1)
    return last[:, ::-1].reshape(ties.shape)


def overwritten(a):
    """Of several windows with one winner, the last one's ∂e/∂y alone."""
    dx = np.zeros((len(a.dy), int(np.prod(a.size)), a.dy.shape[-1]))
    for index in np.ndindex(a.dy.shape):
        dx[index[0], a.argmax[index], index[-1]] = a.dy[index]
    return dx.reshape(len(a.dy), *a.size, -1)


def maximum_dx(ndim):
    return (
        Mistake("all of several equal values get ∂e/∂y; the first one takes it alone", share_of_ties(lambda ties, axes: ties)),
        Mistake("the last of several equal values gets ∂e/∂y; the first one ought to", share_of_ties(last_of_ties)),
        Mistake(
            "equal values share ∂e/∂y; the first one takes it alone",
            share_of_ties(lambda ties, axes: ties / ties.sum(axes, keepdims=True)),
        ),
        Mistake("windows with the same winner overwrite each other: += is needed where there is =", overwritten),
        Mistake(
            "all pixels under the window get ∂e/∂y; the winner takes it alone",
            share_of_ties(lambda ties, axes: np.ones_like(ties)),
        ),
        Mistake("the result is 1 where a winner was; ∂e/∂y belongs there", lambda a: a(dy=np.ones_like(a.dy))),
        Mistake("the winner itself goes back; ∂e/∂y ought to", lambda a: a(dy=a.other(f"max_pool{ndim}d"))),
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
    f"{name}{ndim}d{suffix}": mistakes(ndim)
    for ndim in (1, 2)
    for name, suffix, mistakes in (
        ("max_pool", "", maximum),
        ("max_pool", "_dx", maximum_dx),
        ("avg_pool", "", average),
        ("avg_pool", "_dx", average_dx),
    )
}
