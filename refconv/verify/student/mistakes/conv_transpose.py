"""Mistakes in the transposed convolution and its derivatives."""

from __future__ import annotations

import numpy as np

from refconv.geometry import Window
from refconv.verify.student.mistakes.conv import bias_times
from refconv.verify.student.mistakes.images import SPACE, along, crop, flipped, only
from refconv.verify.student.mistakes.mistake import Mistake

__all__ = ["MISTAKES"]


def output_paddings(a):
    """Return the output padding, one number for each axis."""
    return Window(a.geometry.kernel, a.stride, a.padding, a.dilation).output_padding(a.output_padding)


def output_size(a):
    return a().shape[SPACE]


def uncropped(a, **changes):
    """Compute the result without cutting off the padding."""
    return a(padding="valid", output_padding=0, **changes)


def in_front(a):
    """Compute the result with the output padding at the beginning instead of the end."""
    y = a(b=None)
    for axis, n in enumerate(output_paddings(a), 1):
        y = np.roll(y, n, axis)
    return y if a.b is None else y + a.b


def overwritten(a):
    """Compute the result with = instead of +=: each copy of the kernel overwrites earlier ones."""
    y, w = np.zeros_like(a(b=None)), np.ones_like(a.w)
    for index in np.ndindex(a.x.shape[SPACE]):
        unit = np.zeros_like(a.x)
        unit[(slice(None), *index)] = 1
        touched = a(x=unit, w=w, b=None) != 0
        y[touched] = a(x=unit * a.x, b=None)[touched]
    return y if a.b is None else y + a.b


def cropped_at(start):
    """Return the mistake of cutting off too much or too little padding at the beginning."""

    def way(a):
        pads = Window(a.geometry.kernel, a.stride, a.padding, a.dilation).pads(output_size(a))
        y = a(padding="valid")
        return crop(y, output_size(a), [start(*pair) for pair in pads])

    return way


def forward(ndim):
    return (
        *along(ndim, "the kernel is flipped{}: w[0] belongs to the first pixel of each stamp", flipped),
        Mistake(
            "the stride is ignored: consecutive stamps should be stride pixels apart",
            lambda a: a(stride=1, output_padding=0),
            lambda a: uncropped(a, stride=1),
        ),
        Mistake("overlapping stamps overwrite each other: use += instead of =", overwritten),
        Mistake("the padding is not cut off", lambda a: a(padding="valid"), uncropped),
        Mistake("the padding is cut off only at the end", cropped_at(lambda before, after: 0)),
        Mistake("the padding is cut off only at the beginning", cropped_at(lambda before, after: before + after)),
        Mistake("the output padding is at the beginning; it belongs at the end", in_front),
        Mistake("the output padding is ignored", lambda a: a(output_padding=0)),
        Mistake("input and output channels of the kernel are swapped", lambda a: a(w=np.swapaxes(a.w, -1, -2))),
        Mistake("the bias is forgotten", lambda a: a(b=None)),
        Mistake("the bias is subtracted", bias_times(lambda a: -1)),
        Mistake("only the last input channel counts; the sum should run over all of them", lambda a: a(x=only(a.x, -1, -1))),
    )


def derivative_x(ndim):
    return (
        *along(ndim, "the kernel is flipped{}; here ∂e/∂y should be correlated with the kernel itself", flipped),
        Mistake("input and output channels of the kernel are swapped", lambda a: a(w=np.swapaxes(a.w, -1, -2))),
    )


def derivative_w(ndim):
    return (
        *along(ndim, "the result is flipped{}", lambda a, axes: np.flip(a(), axes)),
        Mistake("the result is averaged over the batch; it should be summed", lambda a: a() / len(a.x)),
        Mistake("input and output channels of the result are swapped", lambda a: np.swapaxes(a(), -1, -2)),
    )


MISTAKES = {
    f"conv_transpose{ndim}d{suffix}": mistakes(ndim)
    for ndim in (1, 2)
    for suffix, mistakes in (("", forward), ("_dx", derivative_x), ("_dw", derivative_w))
}
