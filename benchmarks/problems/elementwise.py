"""Operators that memory bandwidth limits: batch and group normalisation and ReLU."""

from __future__ import annotations

from dataclasses import dataclass, replace

import refconv
from benchmarks.peers import jax_side
from benchmarks.problem import Problem, normal
from benchmarks.problems.convolution import onnx_images
from benchmarks.side import Side

EPS = 1e-3


@dataclass(frozen=True)
class Images(Problem):
    """Base class for operators on a batch of square images."""

    images: int
    size: int
    channels: int
    dtype: str = "float32"

    @property
    def shape(self):
        return (self.images, self.size, self.size, self.channels)

    def small(self):
        return replace(self, images=2, size=9)


class ReLU(Images):
    """ReLU, max(0, x), of each element."""

    def draw(self, work):
        return normal(self.dtype, x=self.shape)

    def refconv(self, work, a):
        return Side(lambda: refconv.relu(a["x"]))

    def torch(self, work, a, layout):
        import torch

        x = layout.image(a["x"])
        return Side(lambda: torch.relu(x), lambda y: [layout.read(y)])

    def jax(self, work, a):
        import jax

        return jax_side(jax.nn.relu, [a["x"]])

    def onnxruntime(self, work, a):
        return onnx_images("Relu", a["x"], {}, self.shape)

    def flops(self, work, a, results):
        return a["x"].size


class BatchNorm(Images):
    """Batch normalisation with the statistics of the batch itself.

    Forward also returns the statistics; backward uses the statistics in the form in which each library stores them.
    """

    def draw(self, work):
        C = (self.channels,)
        a = normal(self.dtype, x=self.shape, gamma=C, beta=C, dy=self.shape)
        return {name: a[name] for name in (("x", "gamma", "beta") if work == "forward" else ("dy", "x", "gamma"))}

    def refconv(self, work, a):
        x, gamma = a["x"], a["gamma"]
        if work == "forward":
            return Side(lambda: refconv.batch_norm(x, gamma, a["beta"], eps=EPS), lambda result: [result[0]])
        _, mean, var = refconv.batch_norm(x, gamma, gamma, eps=EPS)
        return Side(lambda: refconv.batch_norm_grads(a["dy"], x=x, gamma=gamma, mean=mean, var=var, eps=EPS))

    def torch(self, work, a, layout):
        import torch

        aten, x, gamma = torch.ops.aten, layout.image(a["x"]), layout.image(a["gamma"])
        if work == "forward":
            beta, norm = layout.image(a["beta"]), torch.native_batch_norm
            return Side(lambda: norm(x, gamma, beta, None, None, True, 0.1, EPS), lambda result: [layout.read(result[0])])
        _, mean, inverse = torch.native_batch_norm(x, gamma, gamma, None, None, True, 0.1, EPS)
        dy, back = layout.image(a["dy"]), aten.native_batch_norm_backward
        return Side(
            lambda: back(dy, x, gamma, None, None, mean, inverse, True, EPS, [True, True, True]),
            lambda grads: [layout.read(grad) for grad in grads],
        )

    def jax(self, work, a):
        import jax

        def norm(x, gamma, beta):
            mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
            return gamma * (x - mean) * jax.lax.rsqrt(var + EPS) + beta

        if work == "forward":
            return jax_side(norm, [a["x"], a["gamma"], a["beta"]])
        return jax_side(norm, [a["x"], a["gamma"], a["gamma"]], a["dy"], wanted=(0, 1, 2))

    def flops(self, work, a, results):
        return a["x"].size * (6 if work == "forward" else 9)


class GroupNorm(Images):
    """Group normalisation with 32 groups, as in the paper.

    As for batch normalisation, forward also returns the statistics, and backward uses them.
    """

    groups = 32

    def draw(self, work):
        C = (self.channels,)
        a = normal(self.dtype, x=self.shape, gamma=C, beta=C, dy=self.shape)
        return {name: a[name] for name in (("x", "gamma", "beta") if work == "forward" else ("dy", "x", "gamma"))}

    def refconv(self, work, a):
        x, gamma = a["x"], a["gamma"]
        if work == "forward":
            return Side(lambda: refconv.group_norm(x, gamma, a["beta"], self.groups, eps=EPS), lambda result: [result[0]])
        _, mean, var = refconv.group_norm(x, gamma, gamma, self.groups, eps=EPS)
        return Side(lambda: refconv.group_norm_grads(a["dy"], x=x, gamma=gamma, mean=mean, var=var, eps=EPS))

    def torch(self, work, a, layout):
        import torch

        x, gamma = layout.image(a["x"]), layout.image(a["gamma"])
        sizes, norm = (self.images, self.channels, self.size**2, self.groups), torch.native_group_norm
        if work == "forward":
            beta = layout.image(a["beta"])
            return Side(lambda: norm(x, gamma, beta, *sizes, EPS), lambda result: [layout.read(result[0])])
        _, mean, inverse = norm(x, gamma, gamma, *sizes, EPS)
        dy, back = layout.image(a["dy"]), torch.ops.aten.native_group_norm_backward
        return Side(
            lambda: back(dy, x, mean, inverse, gamma, *sizes, [True, True, True]),
            lambda grads: [layout.read(grad) for grad in grads],
        )

    def jax(self, work, a):
        import jax

        def norm(x, gamma, beta):
            grouped = x.reshape(*x.shape[:3], self.groups, -1)
            mean, var = (moment((1, 2, 4), keepdims=True) for moment in (grouped.mean, grouped.var))
            return gamma * ((grouped - mean) * jax.lax.rsqrt(var + EPS)).reshape(x.shape) + beta

        if work == "forward":
            return jax_side(norm, [a["x"], a["gamma"], a["beta"]])
        return jax_side(norm, [a["x"], a["gamma"], a["gamma"]], a["dy"], wanted=(0, 1, 2))

    def flops(self, work, a, results):
        return a["x"].size * (6 if work == "forward" else 9)


class BatchNormInference(Images):
    """Batch normalisation with a given mean and variance: one multiply-add per element."""

    def draw(self, work):
        C = (self.channels,)
        a = normal(self.dtype, x=self.shape, gamma=C, beta=C, mean=C, var=C)
        return {**a, "var": a["var"] ** 2}

    def refconv(self, work, a):
        return Side(lambda: refconv.batch_norm_inference(a["x"], a["gamma"], a["beta"], a["mean"], a["var"], eps=EPS))

    def torch(self, work, a, layout):
        import torch

        x, gamma, beta, mean, var = (layout.image(a[name]) for name in ("x", "gamma", "beta", "mean", "var"))
        norm = torch.native_batch_norm
        return Side(lambda: norm(x, gamma, beta, mean, var, False, 0.1, EPS), lambda result: [layout.read(result[0])])

    def jax(self, work, a):
        import jax

        def norm(x, gamma, beta, mean, var):
            return gamma * (x - mean) * jax.lax.rsqrt(var + EPS) + beta

        return jax_side(norm, [a[name] for name in ("x", "gamma", "beta", "mean", "var")])

    def onnxruntime(self, work, a):
        constants = {name: a[name] for name in ("gamma", "beta", "mean", "var")}
        return onnx_images("BatchNormalization", a["x"], constants, self.shape, epsilon=EPS)

    def flops(self, work, a, results):
        return 2 * a["x"].size
