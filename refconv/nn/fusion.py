"""Fusion of consecutive layers that are computed together, for training.

Only this module decides which layers are fused. If :class:`refconv.config` allows it, a ``Sequential`` runs the following
consecutive layers, which have a common kernel, as one step:

- a convolution of few channels, ReLU and 2×2 max pooling: the outputs of the convolution never leave the caches, and the
  backward function visits only the winners of the pooling;
- a batch normalisation with ReLU, also in a residual block, which adds its shortcut before the ReLU: one pass computes the
  output, and the backward function applies the derivative of ReLU while it reads ∂e/∂y;
- a convolution, a dense layer or another sum of branches, with ReLU: ReLU works in place, and its derivative is computed from
  the output;
- a concatenation of the input and a branch: the backward function does not copy the gradient of the input.

The layers keep their parameters and gradients, and outputs are the same. Models do not mention fusion. In inference the same
steps run; :func:`refconv.compile_model` fuses more.
"""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

from refconv._config import get_config
from refconv.nn.activation import ReLU
from refconv.nn.branches import Concat, Sum
from refconv.nn.conv import Conv2D
from refconv.nn.dense import Dense
from refconv.nn.layer import Layer, call_backward
from refconv.nn.max_pool import MaxPool2D
from refconv.nn.norm import BatchNorm
from refconv.nn.separable import DepthwiseConv2D
from refconv.ops.activation import relu_dx
from refconv.ops.fused import (
    add_channels,
    batch_norm_relu,
    batch_norm_relu_grads,
    conv2d_relu_pool,
    conv2d_relu_pool_grads,
    pools_with,
    relu_in_place,
)
from refconv.ops.norm import batch_norm_grads
from refconv.typing import Array, Backward

__all__ = ["COMBINATORS", "Plan", "Step", "run"]

CONVOLUTIONS = (Conv2D, DepthwiseConv2D)
COMBINATORS: dict[str, type] = {}  # Sequential and Identity; combinators.py, which imports this module, adds them


class Plan:
    """Cache of the steps for one sequence of layers.

    The steps are computed at their first use. They depend on the layers, on their settings, which are fixed at construction,
    and on the shapes of their parameters. They are computed again if a layer is replaced or built again.
    """

    def __init__(self) -> None:
        self._inputs: list[object] = []  # the objects that the steps depend on
        self._steps: list[Step] = []

    def steps(self, layers: Iterable[Layer]) -> Sequence[Step]:
        """Return the steps that a ``Sequential`` of these layers runs.

        If fusion is off, these are the layers themselves.
        """
        layers = [*layers]
        if not _is_on():
            return layers
        inputs = [part for layer in layers for part in (layer, layer._parameters, vars(layer).get("forward"))]
        if not _same_objects(self._inputs, inputs):
            self._inputs, self._steps = inputs, plan(layers)
        return self._steps

    def __reduce__(self) -> tuple[type[Plan], tuple[()]]:  # a copy of the sequence has other layers and needs a new plan
        return Plan, ()


def _is_on() -> bool:
    settings = get_config()
    return settings.fusion and settings.engine == "kernels"


def _same_objects(first: Sequence[object], second: Sequence[object]) -> bool:
    return len(first) == len(second) and all(map(operator.is_, first, second))


def plan(layers: Iterable[Layer]) -> list[Step]:
    """Return the steps that compute these built layers."""
    steps: list[Step] = []
    remaining = list(layers)
    while remaining:
        step, count = _first_step(remaining)
        steps.append(step)
        del remaining[:count]
    return steps


def _first_step(layers: Sequence[Any]) -> tuple[Step, int]:
    # Exact types only: a subclass, or a layer whose forward was replaced, may compute something else.
    kinds = tuple(None if "forward" in vars(layer) else type(layer) for layer in layers[:3])
    if kinds == (Conv2D, ReLU, MaxPool2D) and _pool_together(layers[0], layers[2]):
        return _ConvReLUPool(layers[0]), 3
    if kinds[:2] == (BatchNorm, ReLU) and _channels_last(layers[0]):
        return _BatchNormReLU(layers[0]), 2
    if kinds[:2] == (Sum, ReLU) and len(layers[0]) == 2:
        return _ResidualReLU(layers[0]), 2
    if kinds[0] in (*CONVOLUTIONS, Dense, BatchNorm, Sum) and kinds[1:2] == (ReLU,):
        return _WithReLU(layers[0]), 2  # these layers return a new array and keep no reference to it
    if kinds[0] is Concat and len(layers[0]) == 2 and layers[0].axis == -1 and _is_exactly("Identity", layers[0][0]):
        return _ConcatWithInput(layers[0]), 1
    return layers[0], 1


def _channels_last(*layers: Any) -> bool:
    return all(layer.data_format == "channels_last" for layer in layers)


def _pool_together(conv: Conv2D, pool: MaxPool2D) -> bool:
    return (
        (pool.window.kernel, pool.window.stride, pool.window.dilation) == ((2, 2), (2, 2), (1, 1))
        and (pool.window.padding, pool.window.ceil_mode) == ("valid", False)
        and _channels_last(conv, pool)
        and pools_with(conv.window, conv.parameters["w"].value.shape[2], conv.groups)
    )


class _Step(ABC):
    """Base class of steps that compute several layers together.

    ``layers`` may omit layers without parameters.
    """

    def __init__(self, *layers: Any) -> None:
        self.layers = layers

    @property
    def is_trainable(self) -> bool:
        return any(layer.is_trainable for layer in self.layers)

    @abstractmethod
    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        """Return the output of the last layer and a backward function."""

    def __call__(self, x: Array) -> Array:
        return self.forward(x, train=False)[0]


class _ConvReLUPool(_Step):
    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        (conv,) = self.layers
        w, b = conv.parameters["w"], conv.parameters["b"] if conv.bias else None
        y, winners = conv2d_relu_pool(x, w.value, None if b is None else b.value, conv.window)

        def backward(dy: Array, want_dx: bool = True) -> Array | None:
            dx, dw, db = conv2d_relu_pool_grads(x, w.value, dy, winners, conv.window, want_dx)
            w.grad += dw
            if b is not None:
                b.grad += db
            return dx

        return y, backward


class _WithReLU(_Step):
    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        y, layer_backward = self.layers[0].forward(x, train)
        y = relu_in_place(y)
        return y, lambda dy, want_dx=True: layer_backward(relu_dx(dy, x=y), want_dx)

    def __call__(self, x: Array) -> Array:
        return relu_in_place(self.layers[0](x))


class _BatchNormReLU(_WithReLU):
    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        norm = self.layers[0]
        if not train or norm.frozen:
            return super().forward(x, train)
        y, affine, var, update = _normalised(norm, x)
        return y, norm.backward_of(lambda dy: batch_norm_relu_grads(dy, x=x, affine=affine, var=var, eps=norm.eps), update)


def _normalised(norm: BatchNorm, x: Array, add: Array | None = None) -> tuple[Array, Array, Array, Any]:
    """Return the results of batch_norm_relu, and the function that updates the averages."""
    y, affine, var = batch_norm_relu(x, norm.parameters["gamma"].value, norm.parameters["beta"].value, norm.eps, add)
    return y, affine, var, norm.update_of(affine[0], var, x.size // var.size)


class _ResidualReLU(_WithReLU):
    """Sum of two branches with ReLU.

    If a branch is a chain of layers that ends with a batch normalisation, one pass computes this normalisation, the sum and
    the ReLU in training.
    """

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        branches = list(self.layers[0].layers.values())
        main = next((k for k, branch in enumerate(branches) if train and _ends_with_norm(branch)), None)
        if main is None:
            return super().forward(x, train)
        chain, other = branches[main], branches[1 - main]
        *before, norm = chain.steps()
        hidden, chain_backward = run(before, x, train)
        shortcut, other_backward = other.forward(x, train)
        self.layers[0]._one_shape([hidden.shape, shortcut.shape])
        y, affine, var, update = _normalised(norm, hidden, shortcut)
        fixed = {"gamma": norm.parameters["gamma"].value, "mean": affine[0], "var": var, "eps": norm.eps}
        norm_backward = norm.backward_of(lambda dy: batch_norm_grads(dy, x=hidden, **fixed), update)

        def backward(dy: Array, want_dx: bool = True) -> Array | None:
            dy = relu_dx(dy, x=y)
            dx = other_dx = None
            if want_dx or chain.is_trainable:
                dx = call_backward(chain_backward, norm_backward(dy), want_dx)
            if want_dx or other.is_trainable:
                other_dx = call_backward(other_backward, dy, want_dx)
            return _sum_of_gradients(before, dx, other_dx) if want_dx else None

        return y, backward


class _ConcatWithInput(_Step):
    """Concatenation of the input, which comes first, and the output of a chain of layers."""

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        concat, (first, chain) = self.layers[0], self.layers[0].layers.values()
        if not (_is_exactly("Identity", first) and _is_exactly("Sequential", chain)):
            return concat.forward(x, train)
        y, chain_backward = chain.forward(x, train)

        def backward(dy: Array, want_dx: bool = True) -> Array | None:
            dx = None
            if want_dx or chain.is_trainable:
                dx = call_backward(chain_backward, np.ascontiguousarray(dy[..., x.shape[-1] :]), want_dx)
            return _sum_of_gradients(chain.steps(), dx, dy) if want_dx else None

        return concat._join([x, y]), backward

    def __call__(self, x: Array) -> Array:
        return self.layers[0](x)


def run(steps: Sequence[Step], x: Array, train: bool) -> tuple[Array, Backward]:
    """Run the forward passes of some steps and return the output and a backward function."""
    backward_functions = []
    for step in steps:
        x, step_backward = step.forward(x, train)
        backward_functions.append(step_backward)

    def backward(dy: Array, want_dx: bool = True) -> Array | None:
        # No gradient is needed before the first layer with trainable parameters.
        first = 0 if want_dx else next((k for k, step in enumerate(steps) if step.is_trainable), None)
        if first is None:
            return None
        for step_backward in reversed(backward_functions[first + 1 :]):
            dy = step_backward(dy)
        dx: Array | None = call_backward(backward_functions[first], dy, want_dx) if backward_functions else dy
        return dx

    return x, backward


def _ends_with_norm(branch: Any) -> bool:
    """Return True for a chain of layers that ends with a batch normalisation in training mode."""
    if not _is_exactly("Sequential", branch):
        return False
    last = branch.steps()[-1]
    return type(last) is BatchNorm and "forward" not in vars(last) and _channels_last(last) and not last.frozen


def _is_exactly(name: str, layer: Any) -> bool:
    """Return True if a layer has exactly this type and the type's forward pass."""
    return type(layer) is COMBINATORS[name] and "forward" not in vars(layer)


def _sum_of_gradients(steps: Sequence[Step], dx: Any, other: Any) -> Array:
    """Return ∂e/∂x of a chain of steps plus another gradient, which may have further channels.

    The sum is computed in place if nothing else refers to ∂e/∂x.
    """
    return add_channels(dx if steps and _returns_new_array(steps[0]) else dx.copy(), other)


def _returns_new_array(step: Any) -> bool:
    """Return True if nothing else refers to the array that a step's backward function returns."""
    if _is_exactly("Sequential", step):
        return _returns_new_array(step.steps()[0])
    kinds = (*CONVOLUTIONS, Dense, BatchNorm)
    return isinstance(step, _Step) or (type(step) in kinds and "forward" not in vars(step))


Step: TypeAlias = "Layer | _Step"  # what a Sequential runs
