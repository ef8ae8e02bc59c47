"""Steps of a plan: each computes the output of one node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from refconv.geometry import Window
from refconv.inference.graph import (
    Affine,
    Concatenation,
    Convolution,
    Limits,
    Node,
    PooledConvolution,
    Product,
    Reshape,
    Run,
    Total,
)
from refconv.nn.joins import Join
from refconv.ops.dispatch import kernels
from refconv.ops.fused import batch_norm_inference_in_place, conv2d_relu_pool, relu_in_place
from refconv.typing import Array

__all__ = ["Step", "step_of"]


class Step:
    """Computation of a node.

    Attributes
    ----------
    node : Node
    kernel : str
        Algorithm that computes it.
    nbytes : int
        Size of the packed weights.
    """

    kernel = ""
    nbytes = 0

    def __init__(self, node: Any, dtype: np.dtype[Any], images: int) -> None:
        self.node = node

    def __call__(self, inputs: Sequence[Array], y: Any) -> Array:
        """Compute the output in y, its place in the arena, and return it.

        If y is None, return a new array.
        """
        raise NotImplementedError


class ConvolutionStep(Step):
    """Convolution with packed weights."""

    def __init__(self, node: Convolution, dtype: np.dtype[Any], images: int) -> None:
        super().__init__(node, dtype, images)
        size = node.input_shape[:2]
        self.prepared = kernels().conv.prepare(*_weights(node, dtype), node.window, node.groups, images, size)
        self.kernel, self.nbytes = self.prepared.algorithm, self.prepared.nbytes
        self.options = _options(node.limits)
        if node.prologue is not None:
            self.options |= dict(zip(("scale", "shift"), (_packable(part, dtype) for part in node.prologue), strict=True))

    def __call__(self, inputs: Sequence[Array], y: Any) -> Array:
        x, *add = inputs
        self.prepared(x, y, add[0] if add else None, **self.options)
        return y


class PooledConvolutionStep(Step):
    """Convolution, ReLU and max pooling in one kernel, without packed weights."""

    kernel = "conv_relu_pool"

    def __init__(self, node: PooledConvolution, dtype: np.dtype[Any], images: int) -> None:
        super().__init__(node, dtype, images)
        self.w, self.b = _weights(node.conv, dtype)
        self.nbytes = self.w.nbytes

    def __call__(self, inputs: Sequence[Array], y: Any) -> Array:
        return conv2d_relu_pool(np.ascontiguousarray(inputs[0]), self.w, self.b, self.node.conv.window)[0]


class ProductStep(Step):
    """Dense layer, as a 1×1 convolution of one image whose pixels are the examples."""

    def __init__(self, node: Product, dtype: np.dtype[Any], images: int) -> None:
        super().__init__(node, dtype, images)
        w, b = _weights(node, dtype)
        self.prepared = kernels().conv.prepare(w[None, None], b, Window((1, 1)), 1, 1, (1, images))
        self.kernel, self.nbytes = self.prepared.algorithm, self.prepared.nbytes
        self.options = _options(node.limits)

    def __call__(self, inputs: Sequence[Array], y: Any) -> Array:
        self.prepared(inputs[0][None, None], y[None, None], **self.options)
        return y


class AffineStep(Step):
    """Scale, shift and limits of each channel."""

    kernel = "pointwise"

    def __init__(self, node: Affine, dtype: np.dtype[Any], images: int) -> None:
        super().__init__(node, dtype, images)
        channels = node.shape[-1:]
        self.scale = np.ones(channels, dtype) if node.scale is None else _packable(node.scale, dtype)
        self.shift = np.zeros(channels, dtype) if node.shift is None else _packable(node.shift, dtype)
        self.constants = np.zeros(channels, dtype), np.ones(channels, dtype)  # mean and variance

    def __call__(self, inputs: Sequence[Array], y: Any) -> Array:
        np.copyto(y, inputs[0])
        relu = self.node.limits == Limits(low=0)
        if self.node.scale is not None:
            batch_norm_inference_in_place(y, self.scale, self.shift, *self.constants, 0.0, relu)
        elif relu:
            relu_in_place(y)
        return y if relu else _limited(y, self.node.limits)


class TotalStep(Step):
    """Sum of arrays."""

    kernel = "pointwise"

    def __call__(self, inputs: Sequence[Array], y: Any) -> Array:
        first, second, *others = inputs
        np.add(first, second, out=y)
        for other in others:
            y += other
        return _limited(y, self.node.limits)


class ConcatenationStep(Step):
    """Copy of the inputs that are not computed in their place."""

    def __init__(self, node: Concatenation, dtype: np.dtype[Any], images: int) -> None:
        super().__init__(node, dtype, images)
        self.kernel = "copy" if node.copied else "in place"

    def __call__(self, inputs: Sequence[Array], y: Any) -> Array:
        for k, channel in self.node.copied:
            y[..., channel : channel + inputs[k].shape[-1]] = inputs[k]
        return y


class ReshapeStep(Step):
    """View of the input."""

    kernel = "view"

    def __call__(self, inputs: Sequence[Array], y: Any) -> Array:
        return inputs[0].reshape(len(inputs[0]), *self.node.shape)


class RunStep(Step):
    """Call of a layer."""

    kernel = "layer"

    def __call__(self, inputs: Sequence[Array], y: Any) -> Array:
        arrays = tuple(np.ascontiguousarray(x) for x in inputs)
        result: Array = self.node.layer(arrays if isinstance(self.node.layer, Join) else arrays[0])
        # A view of the arena would change when the memory of the input is used again.
        return result.copy() if any(np.may_share_memory(result, x) for x in arrays) else result


STEPS: dict[type[Node], type[Step]] = {
    Affine: AffineStep,
    Concatenation: ConcatenationStep,
    Convolution: ConvolutionStep,
    PooledConvolution: PooledConvolutionStep,
    Product: ProductStep,
    Reshape: ReshapeStep,
    Run: RunStep,
    Total: TotalStep,
}


def step_of(node: Node, dtype: np.dtype[Any], images: int) -> Step:
    """Return the step of a node for batches of about this size."""
    return STEPS[type(node)](node, dtype, images)


def _weights(node: Any, dtype: np.dtype[Any]) -> tuple[Array, Array | None]:
    """Return copies of w and b, and remove w from the node.

    Folded weights are in float64, which takes twice the memory of the network.
    """
    w, b = _packable(node.w, dtype), _packable(node.b, dtype)
    node.w = None
    return w, b


def _packable(array: Array | None, dtype: np.dtype[Any]) -> Any:
    """Return a contiguous copy: the plan does not change with the network's arrays."""
    return None if array is None else np.array(array, dtype, order="C")


def _options(limits: Limits) -> dict[str, Any]:
    return {"low": limits.low, "high": limits.high}


def _limited(y: Array, limits: Limits) -> Array:
    """Limit y in place; NaN remains NaN."""
    if limits.are_set():
        np.clip(y, limits.low, limits.high, out=y)
    return y
