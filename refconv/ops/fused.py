"""Operators for layers only: fused and in-place operators, sums and concatenations.

Fused and in-place operators have no loops, so layers use them only with the engine "kernels". Sums and concatenations join the
outputs of branches and run on both engines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from refconv._config import get_config
from refconv._errors import ArgumentValueError
from refconv.geometry import Window
from refconv.ops.check import FLOATS, as_float, axes, channels_last, floats, same_shape
from refconv.ops.conv import conv2d_db, conv2d_dw, conv2d_dx
from refconv.ops.dispatch import kernels
from refconv.ops.norm import checked, not_empty
from refconv.typing import Array, ArrayLike, Shape

__all__ = [
    "add_channels",
    "batch_norm_inference_in_place",
    "batch_norm_relu",
    "batch_norm_relu_grads",
    "conv2d_relu_pool",
    "conv2d_relu_pool_grads",
    "pools_with",
    "relu_in_place",
    "side_by_side",
    "total",
]


def pools_with(window: Window, inputs: int, groups: int) -> bool:
    """Return True if a kernel fuses a convolution with this window, ReLU and 2×2 max pooling."""
    return kernels().conv_relu_pool.takes(window, inputs, groups)


def conv2d_relu_pool(x: ArrayLike, w: ArrayLike, b: ArrayLike | None, window: Window) -> tuple[Array, Array]:
    """Compute conv2d with this window, relu and 2×2 max_pool2d in one pass.

    Parameters
    ----------
    x : array (N, H, W, C), float32 or float64
    w : array (kh, kw, C, O), of x's type
    b : array (O,), of x's type, or None
    window : Window
        Window of the convolution, for which :func:`pools_with` returns True.

    Returns
    -------
    y : array (N, P, Q, O), of x's type
    winners : array of uint8, of y's shape
        Index of the largest of the four elements, 2r + s for row r and column s of the pooling window; 4 if the largest is not
        above 0.

    Raises
    ------
    TypeError, ValueError
        As :func:`refconv.conv2d` and :func:`refconv.max_pool2d`.
    """
    x, w, b = floats(x=x, w=w, b=b)
    channels_last("x", x, 2, "channels_last")
    axes("w", w, "kernel height", "kernel width", "inputs", "outputs")
    same_shape("x", x, (*x.shape[:3], w.shape[2]), "with the input channels of w")
    same_shape("b", b, w.shape[-1:], "one for each output channel of w")
    size = window.output_size(x.shape[1:3])
    if min(size) < 2:
        raise ArgumentValueError(f"x must give a convolution output of at least 2×2 pixels, got {size}")
    return kernels().conv_relu_pool.forward(x, w, b, window)


def conv2d_relu_pool_grads(
    x: ArrayLike, w: ArrayLike, dy: ArrayLike, winners: Array, window: Window, want_dx: bool = True
) -> tuple[Array | None, Array, Array]:
    """Compute ∂e/∂x, ∂e/∂w and ∂e/∂b of :func:`conv2d_relu_pool`.

    ``winners`` is the array that the forward pass returned. ∂e/∂x is None if ``want_dx`` is False.
    """
    x, w, dy = floats(x=x, w=w, dy=dy)
    size = window.output_size(x.shape[1:3])
    same_shape("winners", winners, (len(x), size[0] // 2, size[1] // 2, w.shape[3]), "one for each window and output")
    same_shape("dy", dy, winners.shape, "the shape of y")
    gradients = kernels().conv_relu_pool_grads.backward(x, w, dy, winners, window, want_dx)
    return gradients or _unfused_grads(x, w, dy, winners, window, want_dx)


def _unfused_grads(
    x: Array, w: Array, dy: Array, winners: Array, window: Window, want_dx: bool
) -> tuple[Array | None, Array, Array]:
    """Compute the derivatives with separate operators, for arrays with non-finite elements.

    The fused kernel skips products with zeros, but 0 · ∞ must be NaN.
    """
    size = window.output_size(x.shape[1:3])
    rows, columns = winners.shape[1:3]
    dconv = np.zeros((len(x), *size, w.shape[-1]), dy.dtype)
    for index in range(4):
        r, s = divmod(index, 2)
        dconv[:, r : 2 * rows : 2, s : 2 * columns : 2] = np.where(winners == index, dy, 0)
    options: dict[str, Any] = {"stride": window.stride, "padding": window.padding, "dilation": window.dilation}
    dx = conv2d_dx(dconv, w, x.shape[1:3], **options) if want_dx else None
    return dx, conv2d_dw(x, dconv, window.kernel, **options), conv2d_db(dconv)


def relu_in_place(y: ArrayLike) -> Array:
    """Return relu of y, computed in place if y is a C-contiguous array of floats.

    No other code may still need the elements of y, since they are overwritten.
    """
    y = as_float("y", y)
    kernels().activation.relu_in_place(y.reshape(-1))
    return y


def batch_norm_relu(
    x: ArrayLike, gamma: ArrayLike, beta: ArrayLike, eps: float, add: ArrayLike | None = None
) -> tuple[Array, Array, Array]:
    """Compute relu of batch_norm in one pass, or of its sum with an array.

    Parameters
    ----------
    x, gamma, beta, eps
        As for :func:`refconv.batch_norm`, channels last.
    add : array of x's shape and type, optional
        Array that is added before the ReLU.

    Returns
    -------
    y : array of x's shape and type
    affine : array (3, C), of x's type
        The mean μ of the batch, the scale γ / √(σ² + ε) and the shift of y = relu((x − μ)·scale + shift + add).
    var : array (C,), of x's type
        The biased variance σ² of the batch.
    """
    x, gamma, beta = floats(x=x, gamma=gamma, beta=beta)
    x = not_empty(channels_last("x", x, None, "channels_last"))
    eps = checked(eps, x.shape[-1], gamma=gamma, beta=beta)
    rows = None
    if add is not None:
        x, add = floats(x=x, add=add)
        rows = same_shape("add", add, x.shape, "the shape of x").reshape(-1, x.shape[-1])
    y, affine, var = kernels().norm.batch_norm_relu(x.reshape(-1, x.shape[-1]), gamma, beta, eps, rows)
    return y.reshape(x.shape), affine, var


def batch_norm_relu_grads(dy: ArrayLike, *, x: ArrayLike, affine: Array, var: Array, eps: float) -> tuple[Array, Array, Array]:
    """Compute ∂e/∂x, ∂e/∂γ and ∂e/∂β of :func:`batch_norm_relu` without ``add``.

    ``affine`` and ``var`` are the arrays that the forward pass returned for this x.
    """
    dy, x, affine, var = floats(dy=dy, x=x, affine=affine, var=var)
    same_shape("dy", dy, x.shape, "the shape of x")
    rows = (-1, x.shape[-1])
    dx, dgamma, dbeta = kernels().norm.batch_norm_relu_grads(
        dy.reshape(rows), x=x.reshape(rows), affine=affine, var=var, eps=eps
    )
    return dx.reshape(x.shape), dgamma, dbeta


def add_channels(out: Array, a: Array) -> Array:
    """Add the first channels of ``a`` to ``out`` in place, and return ``out``.

    The arrays have the same shape, but the last axis of ``a`` may be longer. A kernel adds them on all threads if it accepts
    them, else NumPy does.
    """
    channels = out.shape[-1]
    if _kernels_accept([out, a], {out.shape[:-1], a.shape[:-1]}) and out.size and out.flags.writeable:
        kernels().combine.add_channels(out.reshape(-1, channels), a.reshape(-1, a.shape[-1]))
    else:
        out += a[..., :channels]
    return out


def batch_norm_inference_in_place(
    y: ArrayLike, gamma: ArrayLike, beta: ArrayLike, mean: ArrayLike, var: ArrayLike, eps: float, relu: bool
) -> Array:
    """Return batch_norm_inference of y (…, C), computed in place, and a ReLU of it if requested.

    No other code may still need the elements of y, since they are overwritten.
    """
    y, gamma, beta, mean, var = floats(y=y, gamma=gamma, beta=beta, mean=mean, var=var)
    eps = checked(eps, y.shape[-1], gamma=gamma, beta=beta, mean=mean, var=var)
    kernels().norm.batch_norm_inference_in_place(y.reshape(-1, y.shape[-1]), gamma, beta, mean, var, eps, relu)
    return y


def total(arrays: Sequence[Array]) -> Array:
    """Return the sum of arrays of the same shape as a new array.

    A kernel computes it on all threads if it accepts the arrays, else NumPy does.
    """
    if _kernels_accept(arrays, {a.shape for a in arrays}):
        return kernels().combine.total(arrays)
    result = arrays[0] + 0
    for a in arrays[1:]:
        result += a
    return result


def side_by_side(arrays: Sequence[Array], axis: int) -> Array:
    """Concatenate arrays along an axis and return a new array.

    A kernel does it on all threads along the last axis if it accepts the arrays, else NumPy does.
    """
    if axis in (-1, arrays[0].ndim - 1) and arrays[0].size and _kernels_accept(arrays, {a.shape[:-1] for a in arrays}):
        return kernels().combine.side_by_side(arrays)
    return np.concatenate(arrays, axis)


def _kernels_accept(arrays: Sequence[Array], shapes: set[Shape]) -> bool:
    """Return True if the kernels accept the arrays; ``shapes`` must have one element."""
    dtype = arrays[0].dtype
    return (
        get_config().engine == "kernels"
        and len(shapes) == 1
        and dtype in FLOATS
        and all(a.dtype == dtype and a.flags.c_contiguous and a.flags.aligned and a.ndim for a in arrays)
    )
