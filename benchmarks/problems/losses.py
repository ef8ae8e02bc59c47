"""Losses of elements with their derivatives: squared error and binary cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass, replace

import refconv
from benchmarks.peers import CONTIGUOUS, jax_side
from benchmarks.problem import Problem, normal
from benchmarks.side import Side


@dataclass(frozen=True)
class ElementLoss(Problem):
    """Mean of one loss over many elements, and its derivative, as in training.

    The loss is the cross-entropy of the sigmoids if ``binary``, else the squared error.
    """

    elements: int
    binary: bool
    dtype: str = "float32"

    def draw(self, work):
        arrays = normal(self.dtype, x=(self.elements,), t=(self.elements,))
        return {**arrays, "t": (arrays["t"] > 0).astype(self.dtype)} if self.binary else arrays

    def refconv(self, work, a):
        function = refconv.binary_cross_entropy if self.binary else refconv.mean_squared_error
        return Side(lambda: function(a["x"], a["t"]))

    def torch(self, work, a, layout):
        import torch

        if layout is not CONTIGUOUS:
            return None
        aten, x, t = torch.ops.aten, torch.from_numpy(a["x"]).clone(), torch.from_numpy(a["t"]).clone()
        one = torch.ones((), dtype=x.dtype)
        if self.binary:  # the derivative as PyTorch's autograd computes it
            return Side(lambda: (aten.binary_cross_entropy_with_logits(x, t, None, None, 1), (torch.sigmoid(x) - t) / len(x)))
        return Side(lambda: (aten.mse_loss(x, t, 1), aten.mse_loss_backward(one, x, t, 1)))

    def jax(self, work, a):
        import jax

        def loss(x):
            if self.binary:
                return (jax.nn.softplus(x) - x * a["t"]).mean()
            return ((x - a["t"]) ** 2).mean()

        return jax_side(jax.value_and_grad(loss), [a["x"]])

    def flops(self, work, a, results):
        return (8 if self.binary else 4) * self.elements  # an exponential or a logarithm counts as one operation

    def small(self):
        return replace(self, elements=1_000)
