"""Convolution layers: plain, strided, dilated, grouped, depthwise and transposed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

import refconv
from benchmarks.peers import jax_side, onnx_side
from benchmarks.problem import Problem, normal
from benchmarks.side import Side
from refconv import Window

KERNEL = (2, 3, 1, 0)  # the axes that transpose (O, C, kh, kw) to (kh, kw, C, O)


@dataclass(frozen=True)
class Convolution(Problem):
    """Convolution of square images with square kernels, a bias and symmetric padding.

    Backward computes ∂x, ∂w and ∂b; a first layer computes no ∂x.
    """

    images: int
    size: int
    inputs: int
    outputs: int
    kernel: int = 3
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1
    first: bool = False
    dtype: str = "float32"

    @property
    def options(self):
        return dict(stride=self.stride, padding=self.padding, dilation=self.dilation, groups=self.groups)

    @property
    def window(self):
        return Window((self.kernel, self.kernel), self.stride, self.padding, self.dilation)

    @property
    def output_shape(self):
        return (self.images, *self.window.output_size((self.size, self.size)), self.outputs)

    @property
    def kernel_shape(self):
        return (self.kernel, self.kernel, self.inputs // self.groups, self.outputs)

    def draw(self, work):
        images = dict(x=(self.images, self.size, self.size, self.inputs))
        if work == "forward":
            return normal(self.dtype, **images, w=self.kernel_shape, b=(self.outputs,))
        return normal(self.dtype, **images, dy=self.output_shape, **({} if self.first else {"w": self.kernel_shape}))

    def refconv(self, work, a):
        if work == "forward":
            return Side(lambda: refconv.conv2d(a["x"], a["w"], a["b"], **self.options))

        def back():
            dx = () if self.first else (refconv.conv2d_dx(a["dy"], a["w"], a["x"].shape[1:3], **self.options),)
            dw = refconv.conv2d_dw(a["x"], a["dy"], (self.kernel, self.kernel), **self.options)
            return (*dx, dw, refconv.conv2d_db(a["dy"]))

        return Side(back)

    def torch(self, work, a, layout):
        import torch

        x, w = layout.image(a["x"]), layout.kernel(a.get("w", np.zeros(self.kernel_shape, self.dtype)))
        options = ([self.stride] * 2, [self.padding] * 2, [self.dilation] * 2)
        if work == "forward":
            b = layout.image(a["b"])
            return Side(lambda: torch.conv2d(x, w, b, *options, self.groups), lambda y: [layout.read(y)])
        dy, wanted = layout.image(a["dy"]), [not self.first, True, True]
        back, more = torch.ops.aten.convolution_backward, ([self.outputs], *options, False, [0, 0], self.groups, wanted)
        return Side(lambda: back(dy, x, w, *more), lambda grads: read_grads(layout, grads, KERNEL))

    def jax(self, work, a):
        from jax import lax

        def conv(x, w, b):
            return b + lax.conv_general_dilated(
                x,
                w,
                [self.stride] * 2,
                [(self.padding, self.padding)] * 2,
                rhs_dilation=[self.dilation] * 2,
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
                feature_group_count=self.groups,
            )

        return jax_conv_side(conv, work, a, self.kernel_shape, self.first)

    def onnxruntime(self, work, a):
        if work != "forward":
            return None
        constants = dict(w=a["w"].transpose(3, 2, 0, 1), b=a["b"])
        return onnx_images("Conv", a["x"], constants, self.output_shape, group=self.groups, **self.onnx_window)

    @property
    def onnx_window(self):
        return dict(strides=[self.stride] * 2, pads=[self.padding] * 4, dilations=[self.dilation] * 2)

    def flops(self, work, a, results):
        pixels = np.prod(self.output_shape[:3])
        passes = 1 if work == "forward" or self.first else 2
        return int(2 * passes * pixels * np.prod(self.kernel_shape))

    def small(self):
        return replace(self, images=2, size=9)


@dataclass(frozen=True)
class Transposed(Convolution):
    """Transposed convolution; its kernel is the one of the convolution from outputs to inputs."""

    @property
    def output_shape(self):
        return (self.images, *self.window.transposed_output_size((self.size, self.size)), self.outputs)

    @property
    def kernel_shape(self):
        return (self.kernel, self.kernel, self.outputs // self.groups, self.inputs)

    def refconv(self, work, a):
        if work == "forward":
            return Side(lambda: refconv.conv_transpose2d(a["x"], a["w"], a["b"], **self.options))

        def back():
            dx = refconv.conv_transpose2d_dx(a["dy"], a["w"], **self.options)
            dw = refconv.conv_transpose2d_dw(a["x"], a["dy"], (self.kernel, self.kernel), **self.options)
            return dx, dw, refconv.conv_transpose2d_db(a["dy"])

        return Side(back)

    def torch(self, work, a, layout):
        import torch

        x, w = layout.image(a["x"]), layout.kernel(a["w"])
        stride, padding, dilation = [self.stride] * 2, [self.padding] * 2, [self.dilation] * 2
        if work == "forward":
            b = layout.image(a["b"])
            transposed = torch.conv_transpose2d
            return Side(
                lambda: transposed(x, w, b, stride, padding, [0, 0], self.groups, dilation), lambda y: [layout.read(y)]
            )
        dy, back = layout.image(a["dy"]), torch.ops.aten.convolution_backward
        more = ([self.outputs], stride, padding, dilation, True, [0, 0], self.groups, [True, True, True])
        return Side(lambda: back(dy, x, w, *more), lambda grads: read_grads(layout, grads, KERNEL))

    def jax(self, work, a):
        from jax import lax

        reach = (self.kernel - 1) * self.dilation - self.padding

        def transposed(x, w, b):
            return b + lax.conv_transpose(
                x,
                w,
                [self.stride] * 2,
                [(reach, reach)] * 2,
                rhs_dilation=[self.dilation] * 2,
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
                transpose_kernel=True,
            )

        return jax_conv_side(transposed, work, a, self.kernel_shape, False) if self.groups == 1 else None

    def onnxruntime(self, work, a):
        if work != "forward":
            return None
        constants = dict(w=a["w"].transpose(3, 2, 0, 1), b=a["b"])
        return onnx_images("ConvTranspose", a["x"], constants, self.output_shape, group=self.groups, **self.onnx_window)

    def flops(self, work, a, results):
        passes = 1 if work == "forward" else 2
        return int(2 * passes * self.images * self.size**2 * np.prod(self.kernel_shape))


@dataclass(frozen=True)
class Depthwise(Convolution):
    """Depthwise convolution, with one kernel for each channel.

    refconv has a separate function for it. The other libraries compute a convolution with one group per channel.
    """

    groups: int = 0  # set to the number of input channels

    def __post_init__(self):
        object.__setattr__(self, "groups", self.inputs)

    def refconv(self, work, a):
        options = {name: value for name, value in self.options.items() if name != "groups"}
        one_each = (self.kernel, self.kernel, self.inputs, self.outputs // self.inputs)
        if work == "forward":
            w = a["w"].reshape(one_each)
            return Side(lambda: refconv.depthwise_conv2d(a["x"], w, a["b"], **options))
        w = a["w"].reshape(one_each)

        def back():
            dx = refconv.depthwise_conv2d_dx(a["dy"], w, a["x"].shape[1:3], **options)
            dw = refconv.depthwise_conv2d_dw(a["x"], a["dy"], (self.kernel, self.kernel), **options)
            return dx, dw, refconv.conv2d_db(a["dy"])

        return Side(back, lambda grads: [grads[0], grads[1].reshape(self.kernel_shape), grads[2]])


def read_grads(layout, grads, kernel):
    """Return ∂x (if computed), ∂w and ∂b of PyTorch's convolution_backward as arrays."""
    dx, dw, db = grads
    return [*([] if dx is None else [layout.read(dx)]), layout.read(dw, kernel), layout.read(db)]


def jax_conv_side(function, work, a, kernel_shape, first):
    """Return JAX's side of y = function(x, w, b), or of its derivatives."""
    if work == "forward":
        return jax_side(function, [a["x"], a["w"], a["b"]])
    dtype = a["x"].dtype
    w, b = a.get("w", np.zeros(kernel_shape, dtype)), np.zeros(a["dy"].shape[-1], dtype)
    return jax_side(function, [a["x"], w, b], a["dy"], wanted=(1, 2) if first else (0, 1, 2))


def onnx_images(operator, x, constants, output_shape, **attributes):
    """Return ONNX Runtime's side of an operator on images, or None for float64.

    ONNX Runtime stores channels first, and its convolutions support float32 only.
    """
    if x.dtype != np.float32:
        return None
    N, rows, columns, O = output_shape
    shape = (N, O, rows, columns)
    return onnx_side(operator, x.transpose(0, 3, 1, 2), constants, shape, lambda y: y.transpose(0, 2, 3, 1), **attributes)
