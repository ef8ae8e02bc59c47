"""Mistakes in the convolution layer and its derivatives."""

from __future__ import annotations

import numpy as np

from refconv.geometry import Window
from refconv.verify.mistakes.mistake import Mistake

__all__ = ["MISTAKES", "along", "crop", "put", "zeros_around"]

SPACE = slice(1, -1)


def put(values, axes, new):
    """The values, with those of some axes replaced by one value or by those of another sequence.

    >>> put((2, 3), (1,), 7), put((2, 3), (0, 1), (5, 6))
    ((2, 7), (5, 6))
    """
    news = new if isinstance(new, tuple) else (new,) * len(values)
    return tuple(news[axis] if axis in axes else value for axis, value in enumerate(values))


def along(ndim, words, *ways):
    """One mistake for each choice of axes, said where the words have a {}; a way takes the axes, too, the height being 0."""
    if ndim == 1:
        return [Mistake(words.format(""), *(lambda a, way=way: way(a, (0,)) for way in ways))]
    choices = (
        ((0, 1), ""),
        ((0,), " along the height, not along the width"),
        ((1,), " along the width, not along the height"),
    )
    return [Mistake(words.format(where), *(lambda a, w=way, axes=axes: w(a, axes) for way in ways)) for axes, where in choices]


def crop(y, size, start=None):
    """Of each image so many rows and columns, from the first one on or from others."""
    inside = [slice(s, s + n) for s, n in zip(start or (0,) * len(size), size, strict=True)]
    return y[(slice(None), *inside)]


def zeros_around(x, pads):
    """Images with zeros around them."""
    return np.pad(x, [(0, 0), *pads, (0, 0)])


def flipped(a, axes):
    return a(w=np.flip(a.w, axes))


def one_step(a, axes, name):
    """Stride or dilation 1 along some axes, and the padding as it was."""
    return a(**{name: put(getattr(a.geometry, name), axes, 1), "padding": a.pads})


def padding_as(change, *, when=lambda a: True):
    """The result with other zeros around the image: ``change`` makes them from those that are right."""
    return lambda a: a(padding=tuple(change(*pair) for pair in a.pads)) if when(a) else a()


def swapped_pads(a):
    return a(padding=a.padding if isinstance(a.padding, str) else a.pads[::-1])


def same_as(a, stride, dilation):
    """ "same" as if stride or dilation were others."""
    if not str(a.padding).startswith("same"):
        return a()
    return a(padding=Window(a.geometry.kernel, stride, a.padding, dilation).pads(a.size))


def interleaved_outputs(a):
    order = np.argsort(np.arange(a.w.shape[-1]) % a.groups, kind="stable")
    y = np.empty_like(a())
    y[..., order] = a(w=a.w[..., order], b=None if a.b is None else a.b[order])
    return y


def interleaved_inputs(a):
    return a(x=a.x[..., np.argsort(np.arange(a.x.shape[-1]) % a.groups, kind="stable")])


def first_group(a):
    return a(x=np.tile(a.x[..., : a.w.shape[-2]], a.groups))


def only(array, index, axis):
    """The array with zeros everywhere but at one index, or one slice, of an axis."""
    kept = np.zeros_like(array)
    where = (slice(None),) * (axis % array.ndim) + (index,)
    kept[where] = array[where]
    return kept


def last_product(a):
    w = a.w
    for axis in range(w.ndim - 1):
        w = only(w, -1, axis)
    return a(w=w, b=None)


def last_tap(a, **changes):
    w = a.w
    for axis in range(w.ndim - 2):
        w = only(w, -1, axis)
    return a(w=w, **changes)


def bias_times(count):
    return lambda a: a(b=None if a.b is None else a.b * count(a))


def square(a):
    if a.w.shape[0] > a.w.shape[1]:
        raise IndexError("the kernel has no such column")
    return a(w=a.w[:, : a.w.shape[0]])


def without_last(a, axes):
    y = a()
    return crop(y, put(y.shape[SPACE], axes, tuple(n - 1 for n in y.shape[SPACE])))


def last_is_zero(a, axes):
    y = a()
    for axis in axes:
        y[(slice(None),) * (1 + axis) + (-1,)] = 0
    return y


def forward(ndim):
    mistakes = [
        *along(
            ndim, "the kernel is flipped{}, as in a convolution: w[0] belongs on the first pixel under the window", flipped
        ),
        Mistake("the kernel is flipped, and its channels with it", lambda a: a(w=np.flip(a.w, range(ndim + 1)))),
        *along(
            ndim,
            "the stride is ignored{}",
            lambda a, axes: one_step(a, axes, "stride"),
            lambda a, axes: crop(one_step(a, axes, "stride"), a().shape[SPACE]),
            lambda a, axes: a(stride=put(a.geometry.stride, axes, 1)),
        ),
        *along(
            ndim,
            "the dilation is ignored{}",
            lambda a, axes: one_step(a, axes, "dilation"),
            lambda a, axes: crop(one_step(a, axes, "dilation"), a().shape[SPACE]),
            lambda a, axes: a(dilation=put(a.geometry.dilation, axes, 1)),
        ),
        Mistake("the padding is ignored", lambda a: a(padding="valid")),
        Mistake(
            "the odd zero of 'same' is in front; it belongs at the end, and in front only with 'same_lower'",
            padding_as(lambda before, after: (after, before), when=lambda a: a.padding == "same"),
        ),
        Mistake(
            "'same_lower' is taken for 'same': its odd zero belongs in front",
            padding_as(lambda before, after: (after, before), when=lambda a: a.padding == "same_lower"),
        ),
        Mistake("'same' pads as if the stride were 1", lambda a: same_as(a, 1, a.dilation), lambda a: same_as(a, 1, 1)),
        Mistake("'same' pads as if the dilation were 1", lambda a: same_as(a, a.stride, 1)),
        Mistake("the zeros before and after are exchanged", padding_as(lambda before, after: (after, before))),
        Mistake(
            "there are zeros only before the image, none after it",
            padding_as(lambda before, after: (before, 0)),
            padding_as(lambda before, after: (before + after, 0)),
        ),
        Mistake(
            "there are zeros only after the image, none before it",
            padding_as(lambda before, after: (0, after)),
            padding_as(lambda before, after: (0, before + after)),
        ),
        Mistake("the zeros before the image are put on both sides", padding_as(lambda before, after: (before, before))),
        Mistake(
            "each output reads the input channels of the first group",
            lambda a: first_group(a),
        ),
        Mistake(
            "groups are interleaved: output channel o belongs to group o // (outputs / groups), not to o % groups",
            interleaved_outputs,
        ),
        Mistake("groups are interleaved: a group's input channels lie side by side", interleaved_inputs),
        Mistake("the bias is forgotten", lambda a: a(b=None)),
        Mistake("the bias is subtracted", bias_times(lambda a: -1)),
        Mistake("the bias is added once for each tap of the kernel", bias_times(lambda a: np.prod(a.w.shape[:ndim]))),
        Mistake("the bias is added once for each input channel", bias_times(lambda a: a.w.shape[-2])),
        Mistake("the bias is added once for each product of the sum", bias_times(lambda a: np.prod(a.w.shape[:-1]))),
        Mistake(
            "each product overwrites the sum: += is needed where there is =",
            last_product,
            lambda a: last_product(a) + (0 if a.b is None else a.b),
        ),
        Mistake(
            "each tap of the kernel overwrites the sum: += is needed where there is =", last_tap, lambda a: last_tap(a, b=None)
        ),
        Mistake("only the first input channel counts; the sum runs over all of them", lambda a: a(w=only(a.w, 0, -2))),
        Mistake("only the last input channel counts; the sum runs over all of them", lambda a: a(w=only(a.w, -1, -2))),
        Mistake(
            "the sum is divided by the number of its terms",
            lambda a: a(w=a.w / np.prod(a.w.shape[:-1])),
            lambda a: a(w=a.w / np.prod(a.w.shape[:ndim])),
            lambda a: a() / np.prod(a.w.shape[:ndim]),
        ),
        Mistake(
            "only the first image of the batch is looked at",
            lambda a: only(a(), 0, 0),
            lambda a: np.repeat(a()[:1], len(a.x), 0),
            lambda a: a()[:1],
            lambda a: a()[0],
        ),
        Mistake("input and output channels of the kernel are exchanged", lambda a: a(w=np.swapaxes(a.w, -1, -2))),
        *along(ndim, "the end of the result is missing{}", without_last, last_is_zero),
    ]
    return (*mistakes, *FORWARD_2D) if ndim == 2 else tuple(mistakes)


FORWARD_2D = (
    Mistake(
        "the strides of height and width are exchanged",
        lambda a: a(stride=a.geometry.stride[::-1]),
        lambda a: a(stride=a.geometry.stride[::-1], padding=a.pads),
    ),
    Mistake("the stride of the height is used for the width as well", lambda a: a(stride=a.geometry.stride[0])),
    Mistake(
        "the dilations of height and width are exchanged",
        lambda a: a(dilation=a.geometry.dilation[::-1]),
        lambda a: a(dilation=a.geometry.dilation[::-1], padding=a.pads),
    ),
    Mistake("the padding of height and width is exchanged", swapped_pads, lambda a: a(padding=a.pads[::-1])),
    Mistake("the padding of the height is used for the width as well", lambda a: a(padding=a.pads[:1] * 2)),
    Mistake("the kernel's height and width are exchanged", lambda a: a(w=np.swapaxes(a.w, 0, 1))),
    Mistake("the kernel's height is taken for its width as well", square),
    Mistake("height and width of the result are exchanged", lambda a: np.swapaxes(a(), 1, 2)),
)


def spread(a, stride, dilation):
    """∂e/∂x with the padding still around it, as if stride and dilation were others."""
    size = tuple(
        (n - 1) * S + (k - 1) * D + 1
        for n, k, S, D in zip(a.dy.shape[SPACE], a.geometry.kernel, stride, dilation, strict=True)
    )
    return a(stride=stride, dilation=dilation, padding="valid", input_size=size)


def on_canvas(a, dx):
    """What of dx lies in the padded image, with the padding cut off."""
    canvas = np.zeros((len(dx), *a.geometry.padded_size(a.size), dx.shape[-1]))
    size = tuple(map(min, canvas.shape[SPACE], dx.shape[SPACE]))
    crop(canvas, size)[...] = crop(dx, size)
    return crop(canvas, a.size, [before for before, _ in a.pads])


def narrow(a, axes, name):
    g = a.geometry
    steps = {"stride": g.stride, "dilation": g.dilation} | {name: put(getattr(g, name), axes, 1)}
    return spread(a, **steps)


def without_pads(a, dx):
    """dx without so many rows and columns at its edges, however large it is."""
    size = tuple(n - before - after for n, (before, after) in zip(dx.shape[SPACE], a.pads, strict=True))
    return crop(dx, size, [before for before, _ in a.pads])


def channels_exchanged(a):
    """The kernel's last axes exchanged; a single channel serves for all, as in NumPy."""
    w = np.swapaxes(a.w, -1, -2)
    channels = max(w.shape[-1], a.dy.shape[-1])
    w, dy = (np.broadcast_to(array, (*array.shape[:-1], channels)) for array in (w, a.dy))
    return a(w=w, dy=dy)


def with_padding(a):
    return a(padding="valid", input_size=a.geometry.padded_size(a.size))


def cropped_at(start):
    """The padding is cut off, but too much or too little of it in front."""
    return lambda a: crop(with_padding(a), a.size, [start(*pair) for pair in a.pads])


def overwritten(a):
    """Each window's share of ∂e/∂x replaces what other windows have left there."""
    dx, w = np.zeros_like(a()), np.ones_like(a.w)
    for index in np.ndindex(a.dy.shape[SPACE]):
        at = (slice(None), *index)
        one = np.zeros_like(a.dy)
        one[at] = 1
        touched = a(dy=one, w=w) != 0
        dx[touched] = a(dy=one * a.dy)[touched]
    return dx


def derivative_x(ndim):
    mistakes = [
        *along(
            ndim,
            "∂e/∂y is correlated with the kernel as it is{}; it has to be flipped, or else sent back to x[i + m]",
            flipped,
        ),
        *along(
            ndim,
            "the stride is ignored{}: output i belongs to the window that begins at i · stride",
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
        Mistake("the padding is cut off only at the end", cropped_at(lambda before, after: 0)),
        Mistake("the padding is cut off only in front", cropped_at(lambda before, after: before + after)),
        Mistake("the zeros before and after are exchanged", cropped_at(lambda before, after: after)),
        Mistake("input and output channels of the kernel are exchanged", channels_exchanged),
        Mistake("windows that overlap overwrite each other: += is needed where there is =", overwritten),
        Mistake("only the first output channel counts; the sum runs over all of them", lambda a: a(dy=only(a.dy, 0, -1))),
        Mistake("only the last output channel counts; the sum runs over all of them", lambda a: a(dy=only(a.dy, -1, -1))),
        Mistake("only the first image of the batch is looked at", lambda a: only(a(), 0, 0), lambda a: a()[:1]),
        Mistake("the result is divided by the number of images", lambda a: a() / len(a.dy)),
        *along(ndim, "the end of the result is missing{}", without_last, last_is_zero),
    ]
    if ndim == 2:
        mistakes.append(Mistake("the kernel's height and width are exchanged", lambda a: a(w=np.swapaxes(a.w, 0, 1))))
        mistakes.append(Mistake("height and width of the result are exchanged", lambda a: np.swapaxes(a(), 1, 2)))
    return tuple(mistakes)


def near(a, axes, name):
    """∂e/∂w where the inputs are read as if stride or dilation were 1."""
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
    """∂e/∂w from x without its zeros: a smaller kernel."""
    kernel = tuple(n - (rows - 1) for n, rows in zip(a.size, a.dy.shape[SPACE], strict=True))
    return a() if not np.any(a.pads) else a(padding="valid", stride=1, dilation=1, kernel_size=kernel)


def derivative_w(ndim):
    return (
        *along(
            ndim,
            "the stride is ignored{}: output i was made from the window that begins at i · stride",
            lambda a, axes: near(a, axes, "stride"),
        ),
        *along(ndim, "the dilation is ignored{}", lambda a, axes: near(a, axes, "dilation")),
        *along(ndim, "the result is flipped{}", lambda a, axes: np.flip(a(), axes)),
        Mistake("the padding is ignored: the zeros around x belong to it", unpadded),
        Mistake("the zeros before and after are exchanged", padding_as(lambda before, after: (after, before))),
        Mistake("the result is averaged over the batch; it is a sum", lambda a: a() / len(a.x)),
        Mistake(
            "the result is averaged over the pixels; it is a sum",
            lambda a: a() / np.prod(a.dy.shape[SPACE]),
            lambda a: a() / np.prod(a.dy.shape[:-1]),
        ),
        Mistake("only the last image of the batch counts: += is needed where there is =", lambda a: a(dy=only(a.dy, -1, 0))),
        Mistake("only the first image of the batch counts", lambda a: a(dy=only(a.dy, 0, 0))),
        Mistake(
            "only the last pixel of ∂e/∂y counts: += is needed where there is =",
            lambda a: a(dy=only(last_position(a), -1, 0)),
            lambda a: a(dy=last_position(a)),
        ),
        Mistake("input and output channels of the result are exchanged", lambda a: np.swapaxes(a(), -1, -2)),
        *([Mistake("height and width of the result are exchanged", lambda a: np.swapaxes(a(), 0, 1))] if ndim == 2 else []),
    )


def derivative_b(ndim):
    space = tuple(range(1, ndim + 1))
    return (
        Mistake("the result is averaged over the batch; it is a sum", lambda a: a() / len(a.dy)),
        Mistake("the result is averaged over the pixels; it is a sum", lambda a: a() / np.prod(a.dy.shape[SPACE])),
        Mistake("the result is an average; it is a sum", lambda a: a.dy.mean((0, *space))),
        Mistake("the sum runs over the batch, but not over the pixels", lambda a: a.dy.sum(0)),
        Mistake("the sum runs over the pixels, but not over the batch", lambda a: a.dy.sum(space)),
        Mistake("the sum runs over the channels as well", lambda a: a.dy.sum()),
        Mistake("only the last image of the batch counts", lambda a: a(dy=a.dy[-1:])),
        Mistake("only the first image of the batch counts", lambda a: a(dy=a.dy[:1])),
    )


MISTAKES = {
    f"conv{ndim}d{suffix}": mistakes(ndim)
    for ndim in (1, 2)
    for suffix, mistakes in (("", forward), ("_dx", derivative_x), ("_dw", derivative_w), ("_db", derivative_b))
}
