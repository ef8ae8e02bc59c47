"""Max pooling."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

import refconv
from benchmarks.peers import jax_side
from benchmarks.problem import Problem, normal
from benchmarks.problems.convolution import onnx_images
from benchmarks.side import Side
from refconv import Window


@dataclass(frozen=True)
class MaxPooling(Problem):
    """Max pooling of square images with square windows.

    Backward uses the data that each library stores in the forward pass: the winners, or x.
    """

    images: int
    size: int
    channels: int
    window: int
    stride: int
    padding: int = 0
    dtype: str = "float32"

    @property
    def output_shape(self):
        window = Window((self.window, self.window), self.stride, self.padding)
        return (self.images, *window.output_size((self.size, self.size)), self.channels)

    def draw(self, work):
        a = normal(self.dtype, x=(self.images, self.size, self.size, self.channels), dy=self.output_shape)
        return {"x": a["x"]} if work == "forward" else a

    def refconv(self, work, a):
        options = dict(stride=self.stride, padding=self.padding)
        if work == "forward":
            return Side(lambda: refconv.max_pool2d(a["x"], self.window, **options))
        _, argmax = refconv.max_pool2d_with_argmax(a["x"], self.window, **options)
        return Side(lambda: refconv.max_pool2d_dx(a["dy"], argmax, (self.size, self.size)))

    def torch(self, work, a, layout):
        import torch

        x = layout.image(a["x"])
        options = ([self.window] * 2, [self.stride] * 2, [self.padding] * 2, [1, 1], False)
        if work == "forward":
            return Side(lambda: torch.max_pool2d(x, *options), lambda y: [layout.read(y)])
        _, winners = torch.ops.aten.max_pool2d_with_indices(x, *options)
        dy, back = layout.image(a["dy"]), torch.ops.aten.max_pool2d_with_indices_backward
        return Side(lambda: back(dy, x, *options, winners), lambda dx: [layout.read(dx)])

    def jax(self, work, a):
        from jax import lax

        def pool(x):
            window, stride = (1, self.window, self.window, 1), (1, self.stride, self.stride, 1)
            pads = [(0, 0), *[(self.padding, self.padding)] * 2, (0, 0)]
            return lax.reduce_window(x, -np.inf, lax.max, window, stride, pads)

        return jax_side(pool, [a["x"]]) if work == "forward" else jax_side(pool, [a["x"]], a["dy"], wanted=(0,))

    def onnxruntime(self, work, a):
        if work != "forward":
            return None
        window = dict(kernel_shape=[self.window] * 2, strides=[self.stride] * 2, pads=[self.padding] * 4)
        return onnx_images("MaxPool", a["x"], {}, self.output_shape, **window)

    def flops(self, work, a, results):
        # Comparisons in the forward pass, additions in the backward pass.
        return int(np.prod(self.output_shape)) * (self.window**2 if work == "forward" else 1)

    def small(self):
        return replace(self, images=2, size=9)
