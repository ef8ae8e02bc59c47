"""Mistakes in the convolution layer; for its derivatives see ``conv_grads``."""

from __future__ import annotations

import numpy as np

from refconv.geometry import Window
from refconv.verify.student.mistakes import conv_grads
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
)
from refconv.verify.student.mistakes.mistake import Mistake

__all__ = ["MISTAKES"]


def one_step(a, axes, name):
    """Compute the result with stride or dilation 1 along some axes and the same padding."""
    return a(**{name: put(getattr(a.geometry, name), axes, 1), "padding": a.pads})


def swapped_pads(a):
    return a(padding=a.padding if isinstance(a.padding, str) else a.pads[::-1])


def same_as(a, stride, dilation):
    """Compute the result with the padding that "same" has for another stride or dilation."""
    if not str(a.padding).startswith("same"):
        return a()
    return a(padding=Window(a.geometry.kernel, stride, a.padding, dilation).pads(a.size))


def interleaved_outputs(a):
    permutation = np.argsort(np.arange(a.w.shape[-1]) % a.groups, kind="stable")
    y = np.empty_like(a())
    y[..., permutation] = a(w=a.w[..., permutation], b=None if a.b is None else a.b[permutation])
    return y


def interleaved_inputs(a):
    return a(x=a.x[..., np.argsort(np.arange(a.x.shape[-1]) % a.groups, kind="stable")])


def first_group(a):
    return a(x=np.tile(a.x[..., : a.w.shape[-2]], a.groups))


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


def half_on_both_sides(a):
    """Compute "same" with padding=k // 2, a common simplification."""
    return a(padding=tuple((k // 2, k // 2) for k in a.geometry.kernel)) if a.padding == "same" else a()


def of_the_kernel(ndim):
    """Return the mistakes in the orientation of the kernel."""
    return (
        *along(
            ndim,
            "the kernel is flipped{}, as in a convolution: w[0] multiplies the first pixel under the window",
            flipped,
        ),
        Mistake("the kernel is flipped, and its channels with it", lambda a: a(w=np.flip(a.w, range(ndim + 1)))),
    )


def of_the_window(ndim):
    """Return the mistakes in the positions of the window."""
    return (
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
    )


def of_the_padding():
    """Return the mistakes in the padding of the image."""
    return (
        Mistake("the padding is ignored", lambda a: a(padding="valid")),
        Mistake(
            "the extra zero of 'same' is added before the image; it belongs after it, and before it only with 'same_lower'",
            padding_as(lambda before, after: (after, before), when=lambda a: a.padding == "same"),
        ),
        Mistake(
            "'same_lower' pads like 'same': its extra zero belongs before the image",
            padding_as(lambda before, after: (after, before), when=lambda a: a.padding == "same_lower"),
        ),
        Mistake("'same' adds k // 2 zeros on both sides; a kernel of even size needs one zero less", half_on_both_sides),
        Mistake("'same' pads as if the stride were 1", lambda a: same_as(a, 1, a.dilation), lambda a: same_as(a, 1, 1)),
        Mistake("'same' pads as if the dilation were 1", lambda a: same_as(a, a.stride, 1)),
        Mistake("the zeros before and after the image are swapped", padding_as(lambda before, after: (after, before))),
        Mistake(
            "zeros are added only before the image, not after it",
            padding_as(lambda before, after: (before, 0)),
            padding_as(lambda before, after: (before + after, 0)),
        ),
        Mistake(
            "zeros are added only after the image, not before it",
            padding_as(lambda before, after: (0, after)),
            padding_as(lambda before, after: (0, before + after)),
        ),
        Mistake(
            "the number of zeros before the image is used on both sides", padding_as(lambda before, after: (before, before))
        ),
    )


def of_groups():
    """Return the mistakes in the input channels that an output channel reads."""
    return (
        Mistake(
            "each output reads the input channels of the first group",
            lambda a: first_group(a),
        ),
        Mistake(
            "groups are interleaved: output channel o belongs to group o // (outputs / groups), not to o % groups",
            interleaved_outputs,
        ),
        Mistake("groups are interleaved: the input channels of a group should be consecutive", interleaved_inputs),
    )


def of_the_bias(ndim):
    """Return the mistakes in the bias."""
    return (
        Mistake("the bias is forgotten", lambda a: a(b=None)),
        Mistake("the bias is subtracted", bias_times(lambda a: -1)),
        Mistake("the bias is added once for each tap of the kernel", bias_times(lambda a: np.prod(a.w.shape[:ndim]))),
        Mistake("the bias is added once for each input channel", bias_times(lambda a: a.w.shape[-2])),
        Mistake("the bias is added once for each product of the sum", bias_times(lambda a: np.prod(a.w.shape[:-1]))),
    )


def of_the_sum(ndim):
    """Return the mistakes in the sum of products."""
    return (
        Mistake(
            "each product overwrites the sum: use += instead of =",
            last_product,
            lambda a: last_product(a) + (0 if a.b is None else a.b),
        ),
        Mistake("each tap of the kernel overwrites the sum: use += instead of =", last_tap, lambda a: last_tap(a, b=None)),
        Mistake("only the first input channel counts; the sum should run over all of them", lambda a: a(w=only(a.w, 0, -2))),
        Mistake("only the last input channel counts; the sum should run over all of them", lambda a: a(w=only(a.w, -1, -2))),
        Mistake(
            "the sum is divided by the number of its terms",
            lambda a: a(w=a.w / np.prod(a.w.shape[:-1])),
            lambda a: a(w=a.w / np.prod(a.w.shape[:ndim])),
            lambda a: a() / np.prod(a.w.shape[:ndim]),
        ),
    )


def of_the_result(ndim):
    """Return the mistakes in the result as a whole."""
    return (
        Mistake(
            "only the first image of the batch is used",
            lambda a: only(a(), 0, 0),
            lambda a: np.repeat(a()[:1], len(a.x), 0),
            lambda a: a()[:1],
            lambda a: a()[0],
        ),
        Mistake("input and output channels of the kernel are swapped", lambda a: a(w=np.swapaxes(a.w, -1, -2))),
        *along(ndim, "the end of the result is missing{}", without_last, last_is_zero),
    )


def forward(ndim):
    mistakes = (
        *of_the_kernel(ndim),
        *of_the_window(ndim),
        *of_the_padding(),
        *of_groups(),
        *of_the_bias(ndim),
        *of_the_sum(ndim),
        *of_the_result(ndim),
    )
    return (*mistakes, *FORWARD_2D) if ndim == 2 else mistakes


FORWARD_2D = (
    Mistake(
        "the strides of height and width are swapped",
        lambda a: a(stride=a.geometry.stride[::-1]),
        lambda a: a(stride=a.geometry.stride[::-1], padding=a.pads),
    ),
    Mistake("the stride of the height is also used for the width", lambda a: a(stride=a.geometry.stride[0])),
    Mistake(
        "the dilations of height and width are swapped",
        lambda a: a(dilation=a.geometry.dilation[::-1]),
        lambda a: a(dilation=a.geometry.dilation[::-1], padding=a.pads),
    ),
    Mistake("the padding of height and width is swapped", swapped_pads, lambda a: a(padding=a.pads[::-1])),
    Mistake("the padding of the height is also used for the width", lambda a: a(padding=a.pads[:1] * 2)),
    Mistake("the kernel's height and width are swapped", lambda a: a(w=np.swapaxes(a.w, 0, 1))),
    Mistake("the kernel's height is also used as its width", square),
    Mistake("height and width of the result are swapped", lambda a: np.swapaxes(a(), 1, 2)),
)

MISTAKES = {"conv1d": forward(1), "conv2d": forward(2), **conv_grads.MISTAKES}
