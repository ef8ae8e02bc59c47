"""Dense layers, and softmax with cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

import refconv
from benchmarks.peers import CONTIGUOUS, jax_side, onnx_side
from benchmarks.problem import Problem, normal
from benchmarks.side import Side


@dataclass(frozen=True)
class Dense(Problem):
    """Dense layer with a bias; backward computes ∂x, ∂w and ∂b. It has one memory format."""

    examples: int
    inputs: int
    outputs: int
    dtype: str = "float32"

    def draw(self, work):
        N, C, O = self.examples, self.inputs, self.outputs
        more = dict(b=(O,)) if work == "forward" else dict(dy=(N, O))
        return normal(self.dtype, x=(N, C), w=(C, O), **more)

    def refconv(self, work, a):
        x, w = a["x"], a["w"]
        if work == "forward":
            return Side(lambda: refconv.dense(x, w, a["b"]))
        dy = a["dy"]
        return Side(lambda: (refconv.dense_dx(dy, w), refconv.dense_dw(x, dy), refconv.dense_db(dy)))

    def torch(self, work, a, layout):
        import torch

        if layout is not CONTIGUOUS:
            return None
        x, w = torch.from_numpy(a["x"]).clone(), torch.from_numpy(a["w"].T.copy())
        if work == "forward":
            b = torch.from_numpy(a["b"]).clone()
            return Side(lambda: torch.nn.functional.linear(x, w, b))
        dy = torch.from_numpy(a["dy"]).clone()
        return Side(lambda: (dy @ w, (dy.T @ x).T, dy.sum(0)))

    def jax(self, work, a):
        def dense(x, w, b):
            return x @ w + b

        if work == "forward":
            return jax_side(dense, [a["x"], a["w"], a["b"]])
        return jax_side(dense, [a["x"], a["w"], a["dy"][0]], a["dy"], wanted=(0, 1, 2))

    def onnxruntime(self, work, a):
        if work != "forward":
            return None
        return onnx_side("Gemm", a["x"], dict(w=a["w"], b=a["b"]), (self.examples, self.outputs), lambda y: y)

    def flops(self, work, a, results):
        return 2 * (1 if work == "forward" else 2) * self.examples * self.inputs * self.outputs

    def small(self):
        return replace(self, examples=3, inputs=self.inputs // 8)


@dataclass(frozen=True)
class CrossEntropy(Problem):
    """Mean cross-entropy of the softmax, and its derivative by the scores, as in training."""

    examples: int
    classes: int
    dtype: str = "float32"

    def draw(self, work):
        labels = np.random.default_rng(2).integers(self.classes, size=self.examples)
        return {**normal(self.dtype, logits=(self.examples, self.classes)), "labels": labels}

    def refconv(self, work, a):
        return Side(lambda: refconv.softmax_cross_entropy(a["logits"], a["labels"]))

    def torch(self, work, a, layout):
        import torch

        if layout is not CONTIGUOUS:
            return None
        aten, logits, labels = torch.ops.aten, torch.from_numpy(a["logits"]).clone(), torch.from_numpy(a["labels"])
        one = torch.ones((), dtype=logits.dtype)

        def both():
            scores = torch.log_softmax(logits, 1)
            loss, weight = aten.nll_loss_forward(scores, labels, None, 1, -100)
            dscores = aten.nll_loss_backward(one, scores, labels, None, 1, -100, weight)
            return loss, aten._log_softmax_backward_data(dscores, scores, 1, logits.dtype)

        return Side(both)

    def jax(self, work, a):
        import jax

        def loss(logits):
            return -jax.numpy.take_along_axis(jax.nn.log_softmax(logits), a["labels"][:, None], 1).mean()

        return jax_side(jax.value_and_grad(loss), [a["logits"]])

    def flops(self, work, a, results):
        return 5 * a["logits"].size  # an exponential counts as one operation
