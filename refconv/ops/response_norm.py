"""Local response normalisation across channels, and its derivative.

The functions accept rows (N, C), signals (N, n, C) and images (N, H, W, C), or arrays whose channels follow the batch axis
with ``data_format="channels_first"``. Each position of each example is normalised separately, by its neighbouring channels.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from refconv._arguments import flag, integer
from refconv._errors import ArgumentValueError
from refconv.ops.check import as_float, channels_last, floats, restore, same_shape, scalar
from refconv.ops.dispatch import implementation
from refconv.typing import Array, ArrayLike, DataFormat

__all__ = ["local_response_norm", "local_response_norm_dx"]


def local_response_norm(
    x: ArrayLike,
    size: int = 5,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 2,
    *,
    divide_by_size: bool = False,
    data_format: DataFormat = "channels_last",
) -> Array:
    r"""Divide each element by a power of a sum of squares over neighbouring channels.

    .. math:: y_c = \frac{x_c}{d_c^{\,\beta}}, \quad d_c = k + \alpha \sum_{j = \max(0,\; c - \lfloor size / 2 \rfloor)}^
              {\min(C - 1,\; c + \lfloor (size - 1) / 2 \rfloor)} x_j^2

    The sum runs over channels of the same pixel; other pixels and examples have no influence. The defaults are from AlexNet.

    Parameters
    ----------
    x : array (N, C), (N, n, C) or (N, H, W, C), float32 or float64
        A batch, which may be empty; (N, C, …) with ``data_format="channels_first"``.
    size : int
        Number of channels of a neighbourhood, including c. If it is even, there is one more channel before c than after it, as
        in PyTorch. The neighbourhood ends at the first and the last channel.
    alpha : float
        α, the weight of the squares, at least 0. As in the paper, it is not divided by the size.
    beta : float
        β.
    k : float
        k, larger than 0.
    divide_by_size : bool
        Use α / size instead of α, also at the first and last channels. This is the alpha of PyTorch and other libraries.
    data_format : str
        "channels_last" or "channels_first".

    Returns
    -------
    array of x's shape and type

    Raises
    ------
    TypeError
        If x is not an array of float32, float64 or integers, or another argument has the wrong type.
    ValueError
        If x is not a batch of rows, signals or images, size is below 1, alpha is negative, or k is not positive.

    Examples
    --------
    >>> local_response_norm([[3.0, 1, 2]], size=2, alpha=0.5, beta=1, k=0.5)
    array([[0.6       , 0.18181818, 0.66666667]])

    Source: lecture rows M3 and M5 (SOURCES.md); Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep
    convolutional neural networks", 2012, section 3.3.
    """
    x = channels_last("x", as_float("x", x), None, data_format)
    numbers = _checked(x, size, alpha, beta, k, divide_by_size)
    y = implementation("response_norm").local_response_norm(_rows(x), *numbers)
    return restore(y.reshape(x.shape), data_format)


def local_response_norm_dx(
    dy: ArrayLike,
    size: int = 5,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 2,
    *,
    x: ArrayLike,
    divide_by_size: bool = False,
    data_format: DataFormat = "channels_last",
) -> Array:
    r"""Compute ∂e/∂x of :func:`local_response_norm`, through numerator and denominators.

    .. math:: \frac{\partial e}{\partial x_c} = \frac{1}{d_c^{\,\beta}} \frac{\partial e}{\partial y_c}
              - 2 \alpha \beta \, x_c \sum_{j = \max(0,\; c - \lfloor (size - 1) / 2 \rfloor)}^
              {\min(C - 1,\; c + \lfloor size / 2 \rfloor)}
              \frac{\partial e}{\partial y_j} \frac{x_j}{d_j^{\,\beta + 1}}

    Parameters
    ----------
    dy : array of x's shape and type
        ∂e/∂y.
    x : array (N, C), (N, n, C) or (N, H, W, C), float32 or float64
        The input of the forward pass.
    size, alpha, beta, k, divide_by_size, data_format
        As in the forward pass.

    Returns
    -------
    array of x's shape and type

    Raises
    ------
    TypeError, ValueError
        As :func:`local_response_norm`; also if dy and x differ in type or shape.

    Examples
    --------
    >>> local_response_norm_dx([[0.0, 121, 0]], x=[[3.0, 1, 2]], size=2, alpha=0.5, beta=1, k=0.5)
    array([[-12.,  18.,   0.]])

    Source: lecture rows M3 and M5 (SOURCES.md); the chain rule.
    """
    dy, x = floats(dy=dy, x=x)
    same_shape("dy", dy, x.shape, "the shape of x")
    dy, x = (channels_last(name, array, None, data_format) for name, array in (("dy", dy), ("x", x)))
    numbers = _checked(x, size, alpha, beta, k, divide_by_size)
    dx = implementation("response_norm").local_response_norm_dx(_rows(dy), *numbers, x=_rows(x))
    return restore(dx.reshape(x.shape), data_format)


def _checked(x: Array, size: int, alpha: float, beta: float, k: float, divide_by_size: bool) -> tuple[int, Any, Any, Any]:
    """Check the arguments and return size, α as the loops define it, β and k."""
    size = integer("size", size)
    alpha, beta, k = scalar("alpha", alpha, x, least=0), scalar("beta", beta, x), scalar("k", k, x, above=0)
    if x.dtype != object and x.dtype.type(k) == 0:  # a pixel of zeros would be divided by 0
        raise ArgumentValueError(f"k must be above 0 as {x.dtype}, got {k!r}")
    # A Fraction divided by a Fraction stays exact, and a float divided by a Fraction is a float.
    return size, alpha / Fraction(size) if flag("divide_by_size", divide_by_size) else alpha, beta, k


def _rows(array: Array) -> Array:
    return array.reshape(-1, array.shape[-1])
