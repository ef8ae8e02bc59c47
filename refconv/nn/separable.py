"""Depthwise and depthwise separable convolution layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from refconv._arguments import integer
from refconv.nn.conv import Conv2D
from refconv.nn.description import window_caption
from refconv.nn.initializers import he_normal, zeros
from refconv.nn.layer import Spec
from refconv.nn.layout import join_shape, split_shape
from refconv.ops.conv import conv2d_db
from refconv.ops.separable import (
    depthwise_conv2d,
    depthwise_conv2d_db,
    depthwise_conv2d_dw,
    depthwise_conv2d_dx,
    separable_conv2d,
    separable_conv2d_grads,
)
from refconv.typing import Array, Backward, DataFormat, Padding, Shape, Size

__all__ = ["DepthwiseConv2D", "SeparableConv2D"]


class SeparableConv2D(Conv2D):
    r"""Depthwise separable convolution layer: a depthwise convolution, then a 1×1 convolution.

    The depthwise convolution works on each channel separately; the 1×1 convolution combines the channels.

    .. math:: z_{i,j,\,c Q + q} = \sum_{m,n} x_{i S + m D,\; j S + n D,\; c} \; \mathrm{depthwise}_{m,n,c,q}, \qquad
              y_{i,j,o} = \mathrm{bias}_o + \sum_p z_{i,j,p} \; \mathrm{pointwise}_{0,0,p,o}

    Parameters
    ----------
    filters : int
        Number of output channels O.
    kernel_size : int or (int, int)
        kh and kw, in pixels.
    multiplier : int
        Q, the number of depthwise kernels for each input channel.
    stride, padding, dilation, data_format
        As in :func:`refconv.separable_conv2d`.
    bias : bool
        If True, there is a bias b. A batch normalisation directly after the layer cancels it (lecture row A17).
    initializer : callable, optional
        ``initializer(rng, shape)`` returns the initial values of both kernels. The default is :func:`he_normal` with a fan-in
        for each kernel: an output of the depthwise kernel has only kh·kw products, and no ReLU halves the variance of the
        input of the pointwise kernel.

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid, when the layer is constructed; if the input does not fit, when its shape is known.

    Examples
    --------
    >>> layer = SeparableConv2D(16, (3, 5), padding="same")
    >>> layer.output_shape((14, 16, 6)), layer.count_parameters((14, 16, 6)), layer.multiply_adds((14, 16, 6))
    ((14, 16, 16), 202, 41664)

    Source: lecture row C7 (SOURCES.md); Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision
    applications", 2017.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Size,
        multiplier: int = 1,
        *,
        stride: Size = 1,
        padding: Padding = "valid",
        dilation: Size = 1,
        bias: bool = True,
        initializer: Callable[..., Array] | None = None,
        data_format: DataFormat = "channels_last",
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            bias=bias,
            initializer=initializer,
            data_format=data_format,
        )
        self.multiplier = integer("multiplier", multiplier)
        del self.arguments["groups"]

    def output_shape(self, shape: Shape) -> Shape:
        size, _ = split_shape(self, shape)
        return join_shape(self.window.output_size(size), self.filters, self.data_format)

    def specs(self, shape: Shape) -> dict[str, Spec]:
        intermediate = split_shape(self, shape)[1] * self.multiplier  # channels between the two convolutions
        specs = {
            "depthwise": _depthwise_spec(self, shape),
            "pointwise": Spec(
                (1, 1, intermediate, self.filters), self.initializer or partial(he_normal, fan_in=2 * intermediate)
            ),
        }
        return {**specs, "b": Spec((self.filters,), zeros)} if self.bias else specs

    def multiply_adds(self, shape: Shape) -> int:
        size, channels = split_shape(self, shape)
        per_channel = math.prod(self.window.kernel) + self.filters
        return math.prod(self.window.output_size(size)) * channels * self.multiplier * per_channel

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        depthwise, pointwise = self.parameters["depthwise"], self.parameters["pointwise"]
        b = self.parameters["b"] if self.bias else None
        bias = None if b is None else b.value
        y = separable_conv2d(x, depthwise.value, pointwise.value, bias, **self.arguments)

        def backward(dy: Array, want_dx: bool = True) -> Array | None:
            dx, ddepthwise, dpointwise = separable_conv2d_grads(
                dy, x=x, depthwise=depthwise.value, pointwise=pointwise.value, **self.arguments
            )
            depthwise.grad += ddepthwise
            pointwise.grad += dpointwise
            if b is not None:
                b.grad += conv2d_db(dy, data_format=self.data_format)
            return dx

        return y, backward

    def caption(self) -> str:
        return window_caption(self.window, "separable", str(self.filters), *_multiplier(self))

    def _settings(self) -> list[str]:
        return _multiplier(self) + super()._settings()


class DepthwiseConv2D(Conv2D):
    r"""Depthwise convolution layer: ``multiplier`` kernels for each channel.

    Each output channel depends on a single input channel.

    .. math:: y_{i,j,\,c Q + q} = \mathrm{bias}_{c Q + q} + \sum_{m,n} x_{i S + m D,\; j S + n D,\; c} \; w_{m,n,c,q}

    Parameters
    ----------
    kernel_size : int or (int, int)
        kh and kw, in pixels.
    multiplier : int
        Q, the number of output channels for each input channel.
    stride, padding, dilation, data_format
        As in :func:`refconv.depthwise_conv2d`.
    bias : bool
        If True, there is a bias b. A batch normalisation directly after the layer cancels it (lecture row A17).
    initializer : callable, optional
        ``initializer(rng, shape)`` returns the initial w. The default is :func:`he_normal` with the fan-in kh·kw.

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid, when the layer is constructed; if the input does not fit, when its shape is known.

    Examples
    --------
    >>> layer = DepthwiseConv2D((3, 5), multiplier=2, padding="same")
    >>> layer.output_shape((14, 16, 6)), layer.count_parameters((14, 16, 6)), layer.multiply_adds((14, 16, 6))
    ((14, 16, 12), 192, 40320)

    Source: lecture row C7 (SOURCES.md).
    """

    def __init__(
        self,
        kernel_size: Size,
        multiplier: int = 1,
        *,
        stride: Size = 1,
        padding: Padding = "valid",
        dilation: Size = 1,
        bias: bool = True,
        initializer: Callable[..., Array] | None = None,
        data_format: DataFormat = "channels_last",
    ) -> None:
        super().__init__(
            1,  # the number of filters depends on the input
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            bias=bias,
            initializer=initializer,
            data_format=data_format,
        )
        self.multiplier = integer("multiplier", multiplier)
        del self.arguments["groups"]

    def output_shape(self, shape: Shape) -> Shape:
        size, channels = split_shape(self, shape)
        return join_shape(self.window.output_size(size), channels * self.multiplier, self.data_format)

    def specs(self, shape: Shape) -> dict[str, Spec]:
        w = _depthwise_spec(self, shape)
        return {"w": w, "b": Spec((math.prod(w.shape[2:]),), zeros)} if self.bias else {"w": w}

    def multiply_adds(self, shape: Shape) -> int:
        size, channels = split_shape(self, shape)
        return math.prod(self.window.output_size(size)) * channels * self.multiplier * math.prod(self.window.kernel)

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        w, b = self.parameters["w"], self.parameters["b"] if self.bias else None
        y = depthwise_conv2d(x, w.value, None if b is None else b.value, **self.arguments)

        def backward(dy: Array, want_dx: bool = True) -> Array | None:
            size, _ = split_shape(self, x.shape[1:])
            w.grad += depthwise_conv2d_dw(x, dy, self.window.kernel, **self.arguments)
            if b is not None:
                b.grad += depthwise_conv2d_db(dy, data_format=self.data_format)
            return depthwise_conv2d_dx(dy, w.value, size, **self.arguments) if want_dx else None

        return y, backward

    def caption(self) -> str:
        return window_caption(self.window, "depthwise", *_multiplier(self))

    def __repr__(self) -> str:
        kernel = "×".join(map(str, self.window.kernel))
        return ", ".join([f"DepthwiseConv2D({kernel}", *_multiplier(self), *self._settings()]) + ")"


def _depthwise_spec(layer: SeparableConv2D | DepthwiseConv2D, shape: Shape) -> Spec:
    kernel = layer.window.kernel
    _, channels = split_shape(layer, shape)
    initializer = layer.initializer or partial(he_normal, fan_in=math.prod(kernel))
    return Spec((*kernel, channels, layer.multiplier), initializer)


def _multiplier(layer: SeparableConv2D | DepthwiseConv2D) -> list[str]:
    return [f"multiplier {layer.multiplier}"] if layer.multiplier > 1 else []
