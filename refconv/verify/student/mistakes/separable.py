"""Mistakes in the depthwise and the depthwise separable convolution."""

from __future__ import annotations

import numpy as np

from refconv.verify.student.mistakes.conv import bias_times
from refconv.verify.student.mistakes.mistake import Mistake

__all__ = ["MISTAKES"]


def channels_as_q_c(array, C):
    """Return the array with its last axis in the order q·C + c instead of c·Q + q."""
    return np.swapaxes(array.reshape(*array.shape[:-1], C, -1), -1, -2).reshape(array.shape)


def outputs_as_q_c(a):
    y = channels_as_q_c(a(b=None), a.w.shape[2])
    return y if a.b is None else y + a.b


def flipped(name):
    return lambda a: a(**{name: np.flip(getattr(a, name), (0, 1))})


CHANNEL_ORDER = "the outputs are in the order q · C + c; it should be c · Q + q: the outputs of one channel are consecutive"

WINDOW = (
    Mistake("the stride is ignored", lambda a: a(stride=1), lambda a: a(stride=1, padding=a.pads)),
    Mistake("the padding is ignored", lambda a: a(padding="valid")),
    Mistake("the bias is forgotten", lambda a: a(b=None)),
    Mistake("the bias is subtracted", bias_times(lambda a: -1)),
)

MISTAKES = {
    "depthwise_conv2d": (
        Mistake(CHANNEL_ORDER, outputs_as_q_c),
        Mistake("the kernels are flipped, as in a convolution", flipped("w")),
        Mistake(
            "each output sums over all channels; it should read only its own",
            lambda a: a(x=np.broadcast_to(a.x.sum(-1, keepdims=True), a.x.shape)),
        ),
        *WINDOW,
    ),
    "depthwise_conv2d_dx": (
        Mistake(CHANNEL_ORDER, lambda a: a(dy=channels_as_q_c(a.dy, a.dy.shape[-1] // a.w.shape[2]))),
        Mistake("∂e/∂y is correlated with the kernels themselves; they must be flipped", flipped("w")),
    ),
    "depthwise_conv2d_dw": (
        Mistake("the result is flipped", lambda a: np.flip(a(), (0, 1))),
        Mistake("the result is averaged over the batch; it should be summed", lambda a: a() / len(a.x)),
    ),
    "separable_conv2d": (
        Mistake("the kernels of the depthwise part are flipped, as in a convolution", flipped("depthwise")),
        Mistake(
            "between the parts the channels are in the order q · C + c; it should be c · Q + q",
            lambda a: a(pointwise=np.moveaxis(channels_as_q_c(np.moveaxis(a.pointwise, 2, 3), a.depthwise.shape[3]), 3, 2)),
        ),
        *WINDOW,
    ),
}
