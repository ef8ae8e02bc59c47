"""Mistakes in the transposed convolution and its derivatives."""

from __future__ import annotations

import numpy as np

from refconv.geometry import Window
from refconv.verify.student.mistakes.conv import bias_times
from refconv.verify.student.mistakes.images import SPACE, along, crop, flipped, only
from refconv.verify.student.mistakes.mistake import Mistake

__all__ = ["MISTAKES"]


def ends(a):
    """The output padding, one number for each axis."""
    return tuple(np.broadcast_to(a.output_padding, a.ndim))


def output_size(a):
    return a().shape[SPACE]


def whole(a, **changes):
    """Everything that the stamps reach, nothing cut off."""
    return a(padding="valid", output_padding=0, **changes)


def in_front(a):
    """The zeros of the output padding before the rest."""
    y = a(b=None)
    for axis, n in enumerate(ends(a), 1):
        y = np.roll(y, n, axis)
    return y if a.b is None else y + a.b


def overwritten(a):
    """Each stamp replaces what others have left there."""
    y, w = np.zeros_like(a(b=None)), np.ones_like(a.w)
    for index in np.ndindex(a.x.shape[SPACE]):
        one = np.zeros_like(a.x)
        one[(slice(None), *index)] = 1
        touched = a(x=one, w=w, b=None) != 0
        y[touched] = a(x=one * a.x, b=None)[touched]
    return y if a.b is None else y + a.b


def cropped_at(start):
    """The padding is cut off, but too much or too little of it in front."""

    def way(a):
        pads = Window(a.geometry.kernel, a.stride, a.padding, a.dilation).pads(output_size(a))
        y = a(padding="valid")
        return crop(y, output_size(a), [start(*pair) for pair in pads])

    return way


def forward(ndim):
    return (
        *along(ndim, "the kernel is flipped{}: w[0] belongs on the first pixel of its stamp", flipped),
        Mistake(
            "the stride is ignored: stamps lie stride pixels apart",
            lambda a: a(stride=1, output_padding=0),
            lambda a: whole(a, stride=1),
        ),
        Mistake("stamps that overlap overwrite each other: += is needed where there is =", overwritten),
        Mistake("the padding is not cut off", lambda a: a(padding="valid"), whole),
        Mistake("the padding is cut off only at the end", cropped_at(lambda before, after: 0)),
        Mistake("the padding is cut off only in front", cropped_at(lambda before, after: before + after)),
        Mistake("the output padding is in front; it belongs at the end", in_front),
        Mistake("the output padding is ignored", lambda a: a(output_padding=0)),
        Mistake("input and output channels of the kernel are exchanged", lambda a: a(w=np.swapaxes(a.w, -1, -2))),
        Mistake("the bias is forgotten", lambda a: a(b=None)),
        Mistake("the bias is subtracted", bias_times(lambda a: -1)),
        Mistake("only the last input channel counts; the sum runs over all of them", lambda a: a(x=only(a.x, -1, -1))),
    )


def derivative_x(ndim):
    return (
        *along(ndim, "the kernel is flipped{}; here ∂e/∂y is correlated with it as it is", flipped),
        Mistake("input and output channels of the kernel are exchanged", lambda a: a(w=np.swapaxes(a.w, -1, -2))),
    )


def derivative_w(ndim):
    return (
        *along(ndim, "the result is flipped{}", lambda a, axes: np.flip(a(), axes)),
        Mistake("the result is averaged over the batch; it is a sum", lambda a: a() / len(a.x)),
        Mistake("input and output channels of the result are exchanged", lambda a: np.swapaxes(a(), -1, -2)),
    )


MISTAKES = {
    f"conv_transpose{ndim}d{suffix}": mistakes(ndim)
    for ndim in (1, 2)
    for suffix, mistakes in (("", forward), ("_dx", derivative_x), ("_dw", derivative_w))
}
