"""Fusion of consecutive layers that are computed together, for training.

Only this module decides which layers are fused. If :class:`refconv.config` allows it, a ``Sequential`` runs the following
consecutive layers, which have a common kernel, as one step:

- a convolution of few channels, ReLU and 2×2 max pooling: the outputs of the convolution never leave the caches, and the
  backward function visits only the winners of the pooling;
- a convolution, a dense layer, a batch normalisation or a sum of branches, with ReLU: ReLU works in place, and its
  derivative is computed from the output.

The layers keep their parameters and gradients, and outputs are the same. Models do not mention fusion. In inference the same
steps run; :func:`refconv.compile_model` fuses more.
"""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from refconv._config import get_config
from refconv.nn.activation import ReLU
from refconv.nn.branches import Sum
from refconv.nn.conv import Conv2D
from refconv.nn.dense import Dense
from refconv.nn.layer import Layer
from refconv.nn.max_pool import MaxPool2D
from refconv.nn.norm import BatchNorm
from refconv.nn.separable import DepthwiseConv2D
from refconv.ops.activation import relu_dx
from refconv.ops.fused import (
    conv2d_relu_pool,
    conv2d_relu_pool_grads,
    pools_with,
    relu_in_place,
)
from refconv.typing import Array, Backward

__all__ = ["Plan", "Step"]

CONVOLUTIONS = (Conv2D, DepthwiseConv2D)


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
    if kinds[0] in (*CONVOLUTIONS, Dense, BatchNorm, Sum) and kinds[1:2] == (ReLU,):
        return _WithReLU(layers[0]), 2  # these layers return a new array and keep no reference to it
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


Step: TypeAlias = "Layer | _Step"  # what a Sequential runs
