"""Convolution, ReLU and 2×2 max pooling in sequence, as LeNet contains them twice.

They are layers of a network, so a library that fuses such layers runs its fused version.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.problem import normal
from benchmarks.problems.convolution import KERNEL, Convolution
from benchmarks.side import Side
from refconv import nn


@dataclass(frozen=True)
class Pooled(Convolution):
    """Convolution, ReLU and max pooling; backward computes ∂x (not in a first layer), ∂w and ∂b."""

    def draw(self, work):
        images, rows, columns, outputs = self.output_shape
        dy = {} if work == "forward" else dict(dy=(images, rows // 2, columns // 2, outputs))
        x = (self.images, self.size, self.size, self.inputs)
        return normal(self.dtype, x=x, w=self.kernel_shape, b=(outputs,), **dy)

    def refconv(self, work, a):
        conv = nn.Conv2D(self.outputs, self.kernel, padding=self.padding)
        model = nn.Sequential(conv, nn.ReLU(), nn.MaxPool2D(2))
        model.build(a["x"].shape[1:], rng=0, dtype=a["x"].dtype)
        conv.parameters["w"].value[...], conv.parameters["b"].value[...] = a["w"], a["b"]
        if work == "forward":
            return Side(lambda: model.forward(a["x"])[0])
        _, backward = model.forward(a["x"])

        def back():
            model.zero_grad()
            dx = backward(a["dy"], not self.first)
            return (*(() if self.first else (dx,)), conv.parameters["w"].grad, conv.parameters["b"].grad)

        return Side(back)

    def torch(self, work, a, layout):
        import torch

        x, w, b = (make(a[name]) for name, make in (("x", layout.image), ("w", layout.kernel), ("b", layout.image)))
        wanted = [tensor.requires_grad_() for tensor in ((w, b) if self.first else (x, w, b))]

        def forward():
            return torch.max_pool2d(torch.relu(torch.conv2d(x, w, b, padding=self.padding)), 2)

        if work == "forward":
            return Side(forward, lambda y: [layout.read(y.detach())])
        y, dy = forward(), layout.image(a["dy"])

        def read(grads):
            *dx, dw, db = grads
            return [*(layout.read(tensor) for tensor in dx), layout.read(dw, KERNEL), layout.read(db)]

        return Side(lambda: torch.autograd.grad(y, wanted, dy, retain_graph=True), read)

    def jax(self, work, a):
        return None

    def onnxruntime(self, work, a):
        return None
