"""Local response normalisation across channels, and its derivative.

It works on dense layers (N, C), signals (N, n, C) and images (N, H, W, C), or with the channels after the batch and
``data_format="channels_first"``: each position of each example is normalised on its own, by its neighbouring channels.
"""

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
    r"""Local response normalisation: each value over a power of the squares in its own and the neighbouring channels.

    .. math:: y_c = \frac{x_c}{d_c^{\,\beta}}, \quad d_c = k + \alpha \sum_{j = \max(0,\; c - \lfloor size / 2 \rfloor)}^
              {\min(C - 1,\; c + \lfloor (size - 1) / 2 \rfloor)} x_j^2

    The channels are those of one pixel; other pixels and examples have no part in it. The defaults are AlexNet's.

    Parameters
    ----------
    x : array (N, C), (N, n, C) or (N, H, W, C), float32 or float64
        A batch, which may be empty; (N, C, …) with ``data_format="channels_first"``.
    size : int
        Channels of a neighbourhood, c among them. If it is even, there is one more before c than after it, as in
        PyTorch. At the first and the last channel the neighbourhood is cut off.
    alpha : float
        α, of at least 0: how much a square counts. It is the paper's, and not divided by anything.
    beta : float
        β.
    k : float
        k, larger than 0.
    divide_by_size : bool
        Put α / size, also at the ends, in the place of α: what PyTorch and others call alpha.
    data_format : str
        "channels_last" or "channels_first".

    Returns
    -------
    array of x's shape and type

    Raises
    ------
    TypeError
        If x holds neither float32, float64 nor integers, or a number is none.
    ValueError
        If x is no batch of rows, signals or images, size is smaller than 1, alpha negative, or k not positive.

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
    r"""∂e/∂x of :func:`local_response_norm`: by the value itself, and by each neighbourhood that holds it.

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
        As :func:`local_response_norm`; also if dy has not the shape and type of x.

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
    """size, α as the loops mean it, β and k, once they have been found good."""
    size = integer("size", size)
    alpha, beta, k = scalar("alpha", alpha, x, least=0), scalar("beta", beta, x), scalar("k", k, x, above=0)
    if x.dtype != object and x.dtype.type(k) == 0:  # a pixel of zeros would be divided by 0
        raise ArgumentValueError(f"k must be above 0 as {x.dtype}, got {k!r}")
    # A Fraction divided by a Fraction stays exact; a float divided by one is the usual quotient.
    return size, alpha / Fraction(size) if flag("divide_by_size", divide_by_size) else alpha, beta, k


def _rows(array: Array) -> Array:
    return array.reshape(-1, array.shape[-1])
