r"""Convolution and cross-correlation of one signal or one image with one kernel, as loops.

Both slide the kernel over the input and sum products. Convolution reads the kernel and the input in opposite directions,
cross-correlation reads both in the same direction. So ``convolve(x, w) == cross_correlate(x, flip(w))``. The input counts as 0
outside its range. The mode selects the outputs: "valid" selects the outputs that need no zeros, "same" one output for each
input, and "full" every output whose window overlaps the input. With an even kernel, "same" pads one more zero at the beginning
than at the end, as SciPy does; a convolution layer pads it at the end.

The convolution theorem: the Fourier transform turns a convolution into an elementwise product. The functions ``fft_…`` compute
convolutions in this way, with the sums of the discrete Fourier transform written out. The fast Fourier transform rearranges
these sums so that it needs fewer operations.
"""

import numpy as np

from refconv.geometry import mode_window
from refconv.reference.functions import root_of_unity
from refconv.typing import Array

__all__ = ["convolve1d", "convolve2d", "cross_correlate1d", "cross_correlate2d", "fft_convolve1d", "fft_convolve2d"]


def cross_correlate1d(x: Array, w: Array, mode: str) -> Array:
    r"""Compute the cross-correlation of a signal: the kernel slides over it unflipped.

    .. math:: (w \star x)_t = \sum_i x_{t+i} \, w_i

    ``x`` (n,), ``w`` (k,), ``mode`` "valid", "same" or "full"; ``y[0]`` is the output at t = −``before``, where ``before`` is
    the number of zeros before the signal.

    >>> cross_correlate1d(np.array([1.0, 2, 3, 4, 5, 6]), np.array([1.0, 2, 3]), "valid")
    array([14., 20., 26., 32.])

    Source: lecture row A4 (SOURCES.md).
    """
    window = mode_window(w.shape, mode)
    ((before, _after),) = window.pads(x.shape)
    y = np.zeros(window.output_size(x.shape), x.dtype)
    for t in range(y.shape[0]):
        for i in range(w.shape[0]):
            s = t + i - before
            if 0 <= s < x.shape[0]:
                y[t] += x[s] * w[i]
    return y


def convolve1d(x: Array, w: Array, mode: str) -> Array:
    r"""Compute the convolution of a signal: the flipped kernel slides over it.

    .. math:: (w * x)_t = \sum_i x_{t-i} \, w_i

    ``x`` (n,), ``w`` (k,), ``mode`` "valid", "same" or "full"; ``y[0]`` is the output at t = ``first``: 0 for "full", k − 1
    for "valid".

    >>> convolve1d(np.array([1.0, 2, 3, 4, 5, 6]), np.array([1.0, 2, 3]), "valid")
    array([10., 16., 22., 28.])

    Source: lecture row A2 (SOURCES.md).
    """
    window = mode_window(w.shape, mode)
    ((before, _after),) = window.pads(x.shape)
    first = w.shape[0] - 1 - before  # t of the first output: 0 for "full", k − 1 for "valid"
    y = np.zeros(window.output_size(x.shape), x.dtype)
    for t in range(y.shape[0]):
        for i in range(w.shape[0]):
            s = first + t - i
            if 0 <= s < x.shape[0]:
                y[t] += x[s] * w[i]
    return y


def cross_correlate2d(x: Array, w: Array, mode: str) -> Array:
    r"""Compute the cross-correlation of an image: the kernel slides over it unflipped.

    .. math:: (K \star I)_{i,j} = \sum_{m,n} I_{i+m,\,j+n} \, K_{m,n}

    ``x`` is I (H, W), ``w`` is K (kh, kw), ``mode`` "valid", "same" or "full".
    ``y[0, 0]`` is the output at i, j = −``top``, −``left``, where ``top`` and ``left`` are the numbers of zeros on these
    sides.

    >>> cross_correlate2d(np.array([[1.0, 2, 3], [4, 5, 6]]), np.array([[1.0, 10], [100, 1000]]), "valid")
    array([[5421., 6532.]])

    Source: lecture row A4 (SOURCES.md).
    """
    window = mode_window(w.shape, mode)
    (top, _bottom), (left, _right) = window.pads(x.shape)
    y = np.zeros(window.output_size(x.shape), x.dtype)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            for m in range(w.shape[0]):
                for n in range(w.shape[1]):
                    u, v = i + m - top, j + n - left
                    if 0 <= u < x.shape[0] and 0 <= v < x.shape[1]:
                        y[i, j] += x[u, v] * w[m, n]
    return y


def convolve2d(x: Array, w: Array, mode: str) -> Array:
    r"""Compute the convolution of an image: the kernel, flipped on both axes, slides over it.

    .. math:: (K * I)_{i,j} = \sum_{m,n} I_{i-m,\,j-n} \, K_{m,n}

    ``x`` is I (H, W), ``w`` is K (kh, kw), ``mode`` "valid", "same" or "full".
    ``y[0, 0]`` is the output at i, j = ``first_i``, ``first_j``.

    >>> convolve2d(np.array([[1.0, 2, 3], [4, 5, 6]]), np.array([[1.0, 10], [100, 1000]]), "valid")
    array([[1245., 2356.]])

    Source: lecture row A3 (SOURCES.md).
    """
    window = mode_window(w.shape, mode)
    (top, _bottom), (left, _right) = window.pads(x.shape)
    first_i, first_j = w.shape[0] - 1 - top, w.shape[1] - 1 - left
    y = np.zeros(window.output_size(x.shape), x.dtype)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            for m in range(w.shape[0]):
                for n in range(w.shape[1]):
                    u, v = first_i + i - m, first_j + j - n
                    if 0 <= u < x.shape[0] and 0 <= v < x.shape[1]:
                        y[i, j] += x[u, v] * w[m, n]
    return y


def fft_convolve1d(x: Array, w: Array, mode: str) -> Array:
    r"""Compute the convolution of a signal by Fourier transforms (convolution theorem).

    .. math:: X_k = \sum_t x_t \, e^{-2\pi \mathrm{i}\, k t / n}, \qquad Y_k = X_k W_k, \qquad
              y_t = \frac{1}{n} \sum_k Y_k \, e^{+2\pi \mathrm{i}\, k t / n}

    The discrete Fourier transform treats signals as periodic. Both signals are therefore padded with zeros to the length n of
    the full convolution, so that no product wraps around.

    ``x`` (n,), ``w`` (k,), ``mode`` "valid", "same" or "full".

    >>> fft_convolve1d(np.array([1.0, 2, 3, 4, 5, 6]), np.array([1.0, 2, 3]), "valid").round(12)
    array([10., 16., 22., 28.])

    Source: lecture row A2 (SOURCES.md).
    """
    n = x.shape[0] + w.shape[0] - 1
    y = fourier1d(fourier1d(x, n, -1) * fourier1d(w, n, -1), n, +1) / n
    return crop_to_mode(y, x, w, mode)


def fft_convolve2d(x: Array, w: Array, mode: str) -> Array:
    r"""Compute the convolution of an image by Fourier transforms (convolution theorem).

    .. math:: X_{k,l} = \sum_{i,j} x_{i,j} \, e^{-2\pi \mathrm{i}\, (k i / H + l j / W)}, \qquad
              Y_{k,l} = X_{k,l} W_{k,l}, \qquad
              y_{i,j} = \frac{1}{H W} \sum_{k,l} Y_{k,l} \, e^{+2\pi \mathrm{i}\, (k i / H + l j / W)}

    ``x`` (rows, columns), ``w`` (kh, kw), ``mode`` "valid", "same" or "full"; H×W is the size of the full convolution.

    >>> fft_convolve2d(np.array([[1.0, 2, 3], [4, 5, 6]]), np.array([[1.0, 10], [100, 1000]]), "valid").round(9)
    array([[1245., 2356.]])

    Source: lecture rows A2 and A3 (SOURCES.md).
    """
    H, W = x.shape[0] + w.shape[0] - 1, x.shape[1] + w.shape[1] - 1
    y = fourier2d(fourier2d(x, H, W, -1) * fourier2d(w, H, W, -1), H, W, +1) / (H * W)
    return crop_to_mode(y, x, w, mode)


def fourier1d(x: Array, n: int, sign: int) -> Array:
    r"""Compute the discrete Fourier transform of a signal padded with zeros to length n.

    .. math:: X_k = \sum_t x_t \, e^{\pm 2\pi \mathrm{i}\, k t / n}

    ``sign`` is the sign of the exponent: −1 for the transform, +1 for the inverse transform, which still has to be divided
    by n.

    >>> fourier1d(np.array([1.0, 10, 100]), 4, -1).real.round(9)
    array([111., -99.,  91., -99.])
    """
    X = np.zeros(n, np.result_type(x.dtype, np.complex64))
    for k in range(n):
        for t in range(x.shape[0]):
            X[k] += x[t] * root_of_unity(sign * k * t, n, x.dtype)
    return X


def fourier2d(x: Array, H: int, W: int, sign: int) -> Array:
    r"""Compute the discrete Fourier transform of an image padded with zeros to size H×W.

    .. math:: X_{k,l} = \sum_{i,j} x_{i,j} \, e^{\pm 2\pi \mathrm{i}\, (k i / H + l j / W)}

    ``sign`` is the sign of the exponent, as in :func:`fourier1d`.

    >>> fourier2d(np.array([[1.0, 10], [100, 1000]]), 2, 2, -1).real.round(9)
    array([[ 1111.,  -909.],
           [-1089.,   891.]])
    """
    X = np.zeros((H, W), np.result_type(x.dtype, np.complex64))
    for k in range(H):
        for l in range(W):
            for i in range(x.shape[0]):
                for j in range(x.shape[1]):
                    X[k, l] += x[i, j] * root_of_unity(sign * (k * i * W + l * j * H), H * W, x.dtype)
    return X


def crop_to_mode(y: Array, x: Array, w: Array, mode: str) -> Array:
    """Return the outputs that ``mode`` selects from the full convolution y of x and w.

    The imaginary part of y contains only rounding errors and is dropped.
    """
    window = mode_window(w.shape, mode)
    first = [k - 1 - before for k, (before, _after) in zip(w.shape, window.pads(x.shape), strict=True)]
    part = tuple(slice(f, f + n) for f, n in zip(first, window.output_size(x.shape), strict=True))
    return np.ascontiguousarray(y.real[part])
