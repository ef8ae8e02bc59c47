"""Steps of a plan: each computes the output of one node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from refconv._core.conv.choose import Layer
from refconv.geometry import Window
from refconv.inference.folding import scaled
from refconv.inference.graph import (
    Affine,
    Concatenation,
    Convolution,
    Crop,
    Limits,
    Node,
    PooledConvolution,
    Pooling,
    Product,
    Reshape,
    Run,
    Total,
    TransposedConvolution,
    Weighted,
)
from refconv.nn.joins import Join
from refconv.ops.dispatch import kernels
from refconv.ops.fused import conv2d_relu_pool
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
        layer = node.layer_of(images, dtype.itemsize)
        self.prepared = kernels().conv.prepare(layer, *_weights(node, dtype), keep=False)
        self.kernel, self.nbytes = self.prepared.algorithm, self.prepared.nbytes
        self.options = _options(node.limits)
        if node.prologue is not None:
            self.options |= dict(zip(("scale", "shift"), (_packable(part, dtype) for part in node.prologue), strict=True))

    def __call__(self, inputs: Sequence[Array], y: Any) -> Array:
        x, *add = inputs
        self.prepared(x, y, add[0] if add else None, **self.options)
        return y


class TransposedConvolutionStep(Step):
    """Transposed convolution with packed weights."""

    kernel = "transposed"

    def __init__(self, node: TransposedConvolution, dtype: np.dtype[Any], images: int) -> None:
        super().__init__(node, dtype, images)
        w, b = _weights(node, dtype)
        self.prepared = kernels().conv_transpose.prepare(w, b, node.shape[:2], node.window, node.groups, images)
        self.nbytes, self.options = self.prepared.nbytes, _options(node.limits)

    def __call__(self, inputs: Sequence[Array], y: Any) -> Array:
        self.prepared(inputs[0], y, **self.options)
        return y


class PooledConvolutionStep(Step):
    """Convolution, ReLU and max pooling in one kernel, without packed weights."""

    kernel = "conv_relu_pool"

    def __init__(self, node: PooledConvolution, dtype: np.dtype[Any], images: int) -> None:
        super().__init__(node, dtype, images)
        self.w, self.b = _weights(node.conv, dtype)
        self.w = self.w.copy()  # the plan does not change with the network's arrays
        self.nbytes = self.w.nbytes

    def __call__(self, inputs: Sequence[Array], y: Any) -> Array:
        return conv2d_relu_pool(np.ascontiguousarray(inputs[0]), self.w, self.b, self.node.conv.window)[0]


class ProductStep(Step):
    """Dense layer, as a 1×1 convolution of one image whose pixels are the examples."""

    def __init__(self, node: Product, dtype: np.dtype[Any], images: int) -> None:
        super().__init__(node, dtype, images)
        w, b = _weights(node, dtype)
        layer = Layer(Window((1, 1)), 1, (1, images), w.shape[0], w.shape[1], 1, dtype.itemsize)
        self.prepared = kernels().conv.prepare(layer, w[None, None], b, keep=False)
        self.kernel, self.nbytes = self.prepared.algorithm, self.prepared.nbytes
        self.options = _options(node.limits)

    def __call__(self, inputs: Sequence[Array], y: Any) -> Array:
        self.prepared(inputs[0][None, None], y[None, None], **self.options)
        return y


class PointwiseStep(Step):
    """Sum of the inputs, with the scale, the shift and the limits of each channel."""

    kernel = "pointwise"

    def __init__(self, node: Affine | Total, dtype: np.dtype[Any], images: int) -> None:
        super().__init__(node, dtype, images)
        self.options = _options(node.limits)
        if node.scale is not None:
            self.options |= {"scale": _packable(node.scale, dtype), "shift": _packable(node.shift, dtype)}

    def __call__(self, inputs: Sequence[Array], y: Any) -> Array:
        kernels().combine.combine(_as_images(y), [_as_images(x) for x in inputs], **self.options)
        return y


class ConcatenationStep(Step):
    """Copy of the inputs that are not computed in their place."""

    def __init__(self, node: Concatenation, dtype: np.dtype[Any], images: int) -> None:
        super().__init__(node, dtype, images)
        self.kernel = "copy" if node.copied else "in place"

    def __call__(self, inputs: Sequence[Array], y: Any) -> Array:
        for k, channel in self.node.copied:
            x = inputs[k]
            kernels().combine.combine(_as_images(y[..., channel : channel + x.shape[-1]]), [_as_images(x)])
        return y


class CropStep(Step):
    """Copy of a part of each image."""

    kernel = "copy"

    def __call__(self, inputs: Sequence[Array], y: Any) -> Array:
        (top, _), (left, _) = self.node.margins
        height, width = self.node.shape[:2]
        kernels().combine.combine(y, [inputs[0][:, top : top + height, left : left + width]])
        return y


class PoolingStep(Step):
    """Max pooling or average pooling."""

    kernel = "pooling"

    def __call__(self, inputs: Sequence[Array], y: Any) -> Array:
        images = _as_images(y)
        if self.node.statistic == "max":
            kernels().max_pool.max_pool2d_to(inputs[0], self.node.window, images)
        else:
            kernels().avg_pool.avg_pool2d_to(inputs[0], self.node.window, self.node.count_include_pad, images)
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
    Affine: PointwiseStep,
    Concatenation: ConcatenationStep,
    Convolution: ConvolutionStep,
    Crop: CropStep,
    PooledConvolution: PooledConvolutionStep,
    Pooling: PoolingStep,
    Product: ProductStep,
    Reshape: ReshapeStep,
    Run: RunStep,
    Total: PointwiseStep,
    TransposedConvolution: TransposedConvolutionStep,
}


def step_of(node: Node, dtype: np.dtype[Any], images: int) -> Step:
    """Return the step of a node for batches of about this size."""
    return STEPS[type(node)](node, dtype, images)


def _weights(node: Weighted, dtype: np.dtype[Any]) -> tuple[Array, Array | None]:
    """Return w, multiplied with the scale, and a copy of b; remove both from the node.

    w can be an array of the network, which must be packed or copied.
    """
    w, b = scaled(node.w, node.factors(), dtype), _packable(node.b, dtype)
    node.w = node.b = None
    return w, b


def _packable(array: Array | None, dtype: np.dtype[Any]) -> Any:
    """Return a contiguous copy: the plan does not change with the network's arrays."""
    return None if array is None else np.array(array, dtype, order="C")


def _options(limits: Limits) -> dict[str, Any]:
    return {"low": limits.low, "high": limits.high}


def _as_images(array: Array) -> Array:
    """Return an array (N, …, C) as images (N, H, W, C), without copying it."""
    return array if array.ndim == 4 else array.reshape(len(array), 1, -1, array.shape[-1])
