"""Plain convolution and cross-correlation of one signal or image with one kernel.

There is no batch axis, no channel axis and no stride.
"""

from __future__ import annotations

from refconv._errors import ArgumentTypeError
from refconv.geometry import mode_window
from refconv.ops.check import axes, floats
from refconv.ops.dispatch import implementation
from refconv.reference.functions import is_symbolic
from refconv.typing import Array, ArrayLike

__all__ = ["convolve1d", "convolve2d", "cross_correlate1d", "cross_correlate2d", "fft_convolve1d", "fft_convolve2d"]


def convolve1d(x: ArrayLike, w: ArrayLike, mode: str) -> Array:
    r"""Compute the convolution of a signal with a kernel.

    .. math:: (w * x)_t = \sum_i x_{t-i} \, w_i

    Parameters
    ----------
    x : array (n,), float32 or float64
        The signal; outside its range it counts as zero.
    w : array (k,), of x's type
        The kernel.
    mode : str
        "valid": the n − k + 1 outputs that need no zeros; "same": n outputs, the same ones as in SciPy; "full": all n + k − 1
        outputs.

    Returns
    -------
    array (outputs,), of x's type

    Raises
    ------
    TypeError
        If the arrays are not float32, float64 or integers, or have different types.
    ValueError
        If a shape or the mode does not fit; the message names the argument.

    Examples
    --------
    >>> convolve1d([1, 2, 3, 4, 5, 6], [1, 2, 3], "valid")
    array([10., 16., 22., 28.])

    Source: lecture row A2 (SOURCES.md).
    """
    x, w = _checked(x, w, mode, "position")
    return implementation("convolve").convolve1d(x, w, mode)


def convolve2d(x: ArrayLike, w: ArrayLike, mode: str) -> Array:
    r"""Compute the convolution of an image with a kernel.

    .. math:: (K * I)_{i,j} = \sum_{m,n} I_{i-m,\,j-n} \, K_{m,n}

    Parameters
    ----------
    x : array (H, W), float32 or float64
        The image I; outside its range it counts as zero.
    w : array (kh, kw), of x's type
        The kernel K.
    mode : str
        "valid", "same" or "full", as in :func:`convolve1d`.

    Returns
    -------
    array (rows, columns), of x's type

    Raises
    ------
    TypeError, ValueError
        As :func:`convolve1d`.

    Examples
    --------
    >>> convolve2d([[1, 2, 3], [4, 5, 6]], [[1, 10], [100, 1000]], "valid")
    array([[1245., 2356.]])

    Source: lecture row A3 (SOURCES.md).
    """
    x, w = _checked(x, w, mode, "height", "width")
    return implementation("convolve").convolve2d(x, w, mode)


def cross_correlate1d(x: ArrayLike, w: ArrayLike, mode: str) -> Array:
    r"""Compute the cross-correlation of a signal with a kernel.

    .. math:: (w \star x)_t = \sum_i x_{t+i} \, w_i

    This is the convolution with the flipped kernel.

    Parameters
    ----------
    x : array (n,), float32 or float64
        The signal; outside its range it counts as zero.
    w : array (k,), of x's type
        The kernel.
    mode : str
        "valid", "same" or "full", as in :func:`convolve1d`.

    Returns
    -------
    array (outputs,), of x's type

    Raises
    ------
    TypeError, ValueError
        As :func:`convolve1d`.

    Examples
    --------
    >>> cross_correlate1d([1, 2, 3, 4, 5, 6], [1, 2, 3], "valid")
    array([14., 20., 26., 32.])

    Source: lecture row A4 (SOURCES.md).
    """
    x, w = _checked(x, w, mode, "position")
    return implementation("convolve").cross_correlate1d(x, w, mode)


def cross_correlate2d(x: ArrayLike, w: ArrayLike, mode: str) -> Array:
    r"""Compute the cross-correlation of an image with a kernel, as a convolution layer does.

    .. math:: (K \star I)_{i,j} = \sum_{m,n} I_{i+m,\,j+n} \, K_{m,n}

    Parameters
    ----------
    x : array (H, W), float32 or float64
        The image I; outside its range it counts as zero.
    w : array (kh, kw), of x's type
        The kernel K.
    mode : str
        "valid", "same" or "full", as in :func:`convolve1d`.

    Returns
    -------
    array (rows, columns), of x's type

    Raises
    ------
    TypeError, ValueError
        As :func:`convolve1d`.

    Examples
    --------
    >>> cross_correlate2d([[1, 2, 3], [4, 5, 6]], [[1, 10], [100, 1000]], "valid")
    array([[5421., 6532.]])

    Source: lecture row A4 (SOURCES.md).
    """
    x, w = _checked(x, w, mode, "height", "width")
    return implementation("convolve").cross_correlate2d(x, w, mode)


def fft_convolve1d(x: ArrayLike, w: ArrayLike, mode: str) -> Array:
    r"""Compute the convolution of a signal by Fourier transforms (convolution theorem).

    .. math:: X_k = \sum_t x_t \, e^{-2\pi \mathrm{i}\, k t / n}, \qquad
              (w * x)_t = \frac{1}{n} \sum_k X_k W_k \, e^{+2\pi \mathrm{i}\, k t / n}

    n is at least the length of the full convolution, so that nothing wraps around. The loops compute these sums directly. The
    kernel uses the fast Fourier transform, which needs about n·log n products; :func:`convolve1d` needs n·k. The rounding
    error of every output is proportional to the largest output, so small outputs are less accurate than with
    :func:`convolve1d`. An infinity or a NaN in the input spreads to all outputs.

    Parameters
    ----------
    x : array (n,), float32 or float64
        The signal; outside its range it counts as zero.
    w : array (k,), of x's type
        The kernel.
    mode : str
        "valid", "same" or "full", as in :func:`convolve1d`.

    Returns
    -------
    array (outputs,), of x's type

    Raises
    ------
    TypeError, ValueError
        As :func:`convolve1d`; also for fractions, which cannot represent complex roots of unity.

    Examples
    --------
    >>> fft_convolve1d([1, 2, 3, 4, 5, 6], [1, 2, 3], "valid").round(12)
    array([10., 16., 22., 28.])

    Source: lecture row A2 (SOURCES.md).
    """
    x, w = _checked(*_with_roots_of_unity(x, w), mode, "position")
    return implementation("convolve").fft_convolve1d(x, w, mode)


def fft_convolve2d(x: ArrayLike, w: ArrayLike, mode: str) -> Array:
    r"""Compute the convolution of an image by Fourier transforms (convolution theorem).

    .. math:: X_{k,l} = \sum_{i,j} x_{i,j} \, e^{-2\pi \mathrm{i}\, (k i / H + l j / W)}, \qquad
              (w * x)_{i,j} = \frac{1}{H W} \sum_{k,l} X_{k,l} W_{k,l} \, e^{+2\pi \mathrm{i}\, (k i / H + l j / W)}

    The notes on accuracy at :func:`fft_convolve1d` also apply here. This is faster than :func:`convolve2d` for kernels whose
    height and width are some tens of pixels or more.

    Parameters
    ----------
    x : array (H, W), float32 or float64
        The image; outside its range it counts as zero.
    w : array (kh, kw), of x's type
        The kernel.
    mode : str
        "valid", "same" or "full", as in :func:`convolve1d`.

    Returns
    -------
    array (rows, columns), of x's type

    Raises
    ------
    TypeError, ValueError
        As :func:`fft_convolve1d`.

    Examples
    --------
    >>> fft_convolve2d([[1, 2, 3], [4, 5, 6]], [[1, 10], [100, 1000]], "valid").round(9)
    array([[1245., 2356.]])

    Source: lecture rows A2 and A3 (SOURCES.md).
    """
    x, w = _checked(*_with_roots_of_unity(x, w), mode, "height", "width")
    return implementation("convolve").fft_convolve2d(x, w, mode)


def _checked(x: ArrayLike, w: ArrayLike, mode: str, *space: str) -> tuple[Array, Array]:
    x, w = floats(x=x, w=w)
    axes("x", x, *space), axes("w", w, *space)
    mode_window(w.shape, mode).output_size(x.shape)
    return x, w


def _with_roots_of_unity(x: ArrayLike, w: ArrayLike) -> tuple[Array, Array]:
    """Return x and w as arrays of floats or symbols, which can represent roots of unity.

    Fractions cannot represent them and raise an error.
    """
    x, w = floats(x=x, w=w)
    if x.dtype == object and not all(map(is_symbolic, [*x.flat, *w.flat])):
        raise ArgumentTypeError(
            "x and w must be arrays of floats or sympy symbols, got numbers that cannot represent roots of unity"
        )
    return x, w
