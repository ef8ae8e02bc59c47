"""What layers use beside the operators: several operators in one pass, operators in place, and where branches come together.

The first two have no loops: layers ask for them only while the kernels run. Branches come together on either engine.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from refconv._config import get_config
from refconv._errors import ArgumentValueError
from refconv.geometry import Window
from refconv.ops.check import FLOATS, as_float, axes, channels_last, floats, same_shape
from refconv.ops.conv import conv2d_db, conv2d_dw, conv2d_dx
from refconv.ops.dispatch import kernels
from refconv.ops.norm import checked
from refconv.typing import Array, ArrayLike, Shape

__all__ = [
    "batch_norm_inference_in_place",
    "conv2d_relu_pool",
    "conv2d_relu_pool_grads",
    "pools_with",
    "relu_in_place",
    "side_by_side",
    "total",
]


def pools_with(window: Window, inputs: int, groups: int) -> bool:
    """Whether there is a kernel for a convolution with this window, ReLU and 2×2 max pooling in one."""
    return kernels().conv_relu_pool.takes(window, inputs, groups)


def conv2d_relu_pool(x: ArrayLike, w: ArrayLike, b: ArrayLike | None, window: Window) -> tuple[Array, Array]:
    """conv2d with this window, relu, and max_pool2d of 2×2.

    Parameters
    ----------
    x : array (N, H, W, C), float32 or float64
    w : array (kh, kw, C, O), of x's type
    b : array (O,), of x's type, or None
    window : Window
        Of the convolution; :func:`pools_with` it.

    Returns
    -------
    y : array (N, P, Q, O), of x's type
    winners : array of uint8, of y's shape
        Which of the four is the largest, 2r + s for row r and column s of the window; 4 where it is not above 0.

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
    """∂e/∂x (None unless wanted), ∂e/∂w and ∂e/∂b of :func:`conv2d_relu_pool`, from its arguments and its winners."""
    x, w, dy = floats(x=x, w=w, dy=dy)
    size = window.output_size(x.shape[1:3])
    same_shape("winners", winners, (len(x), size[0] // 2, size[1] // 2, w.shape[3]), "one for each window and output")
    same_shape("dy", dy, winners.shape, "the shape of y")
    gradients = kernels().conv_relu_pool_grads.backward(x, w, dy, winners, window, want_dx)
    return gradients or _grads_apart(x, w, dy, winners, window, want_dx)


def _grads_apart(
    x: Array, w: Array, dy: Array, winners: Array, window: Window, want_dx: bool
) -> tuple[Array | None, Array, Array]:
    """The same with numbers that are not finite: the sums of the three operators, zeros included."""
    size = window.output_size(x.shape[1:3])
    down, across = winners.shape[1:3]
    whole = np.zeros((len(x), *size, w.shape[-1]), dy.dtype)
    for number in range(4):
        r, s = divmod(number, 2)
        whole[:, r : 2 * down : 2, s : 2 * across : 2] = np.where(winners == number, dy, 0)
    options: dict[str, Any] = {"stride": window.stride, "padding": window.padding, "dilation": window.dilation}
    dx = conv2d_dx(whole, w, x.shape[1:3], **options) if want_dx else None
    return dx, conv2d_dw(x, whole, window.kernel, **options), conv2d_db(whole)


def relu_in_place(y: ArrayLike) -> Array:
    """relu of y, written over y if its numbers are floats that lie in order. For arrays that nobody else holds."""
    y = as_float("y", y)
    kernels().activation.relu_in_place(y.reshape(-1))
    return y


def batch_norm_inference_in_place(
    y: ArrayLike, gamma: ArrayLike, beta: ArrayLike, mean: ArrayLike, var: ArrayLike, eps: float, relu: bool
) -> Array:
    """batch_norm_inference of y (…, C), and relu of that if asked for, written over y. For arrays that nobody else holds."""
    y, gamma, beta, mean, var = floats(y=y, gamma=gamma, beta=beta, mean=mean, var=var)
    eps = checked(eps, y.shape[-1], gamma=gamma, beta=beta, mean=mean, var=var)
    kernels().norm.batch_norm_inference_in_place(y.reshape(-1, y.shape[-1]), gamma, beta, mean, var, eps, relu)
    return y


def total(arrays: Sequence[Array]) -> Array:
    """The sum of arrays of one shape, a new array: on all threads where the kernels can, or else NumPy's."""
    if _kernels_take(arrays, {a.shape for a in arrays}):
        return kernels().combine.total(arrays)
    result = arrays[0] + 0
    for a in arrays[1:]:
        result += a
    return result


def side_by_side(arrays: Sequence[Array], axis: int) -> Array:
    """The arrays behind one another along an axis, a new array: on all threads along the last one, or else NumPy's."""
    if axis in (-1, arrays[0].ndim - 1) and arrays[0].size and _kernels_take(arrays, {a.shape[:-1] for a in arrays}):
        return kernels().combine.side_by_side(arrays)
    return np.concatenate(arrays, axis)


def _kernels_take(arrays: Sequence[Array], shapes: set[Shape]) -> bool:
    """Whether they do; ``shapes`` holds what must be the same of all arrays."""
    dtype = arrays[0].dtype
    return (
        get_config().engine == "kernels"
        and len(shapes) == 1
        and dtype in FLOATS
        and all(a.dtype == dtype and a.flags.c_contiguous and a.ndim for a in arrays)
    )
