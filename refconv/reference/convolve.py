r"""Convolution and cross-correlation of one signal or one image with one kernel, as loops.

Both slide the kernel over the input and sum products. Convolution runs through the kernel against the direction of the
input, cross-correlation along with it; so ``convolve(x, w) == cross_correlate(x, flip(w))``. Outside of the input are
zeros. Which outputs there are is the mode's choice: "valid", those that need no zeros; "same", as many as inputs; "full",
all that touch the input.
"""

import numpy as np

from refconv.geometry import mode_window

__all__ = ["convolve1d", "convolve2d", "cross_correlate1d", "cross_correlate2d"]


def cross_correlate1d(x, w, mode):
    r"""Cross-correlation of a signal: the kernel as it is, slid along.

    .. math:: (w \star x)_t = \sum_i x_{t+i} \, w_i

    ``x`` (n,), ``w`` (k,), ``mode`` "valid", "same" or "full".

    >>> cross_correlate1d(np.array([1.0, 2, 3, 4, 5, 6]), np.array([1.0, 2, 3]), "valid")
    array([14., 20., 26., 32.])

    Source: A4.
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


def convolve1d(x, w, mode):
    r"""Convolution of a signal: the kernel flipped, slid along.

    .. math:: (w * x)_t = \sum_i x_{t-i} \, w_i

    ``x`` (n,), ``w`` (k,), ``mode`` "valid", "same" or "full".

    >>> convolve1d(np.array([1.0, 2, 3, 4, 5, 6]), np.array([1.0, 2, 3]), "valid")
    array([10., 16., 22., 28.])

    Source: A2.
    """
    window = mode_window(w.shape, mode)
    ((before, _after),) = window.pads(x.shape)
    first = w.shape[0] - 1 - before  # t of the first output: "full" begins at 0, "valid" where the kernel is inside
    y = np.zeros(window.output_size(x.shape), x.dtype)
    for t in range(y.shape[0]):
        for i in range(w.shape[0]):
            s = first + t - i
            if 0 <= s < x.shape[0]:
                y[t] += x[s] * w[i]
    return y


def cross_correlate2d(x, w, mode):
    r"""Cross-correlation of an image: the kernel as it is, slid over it.

    .. math:: (K \star I)_{i,j} = \sum_{m,n} I_{i+m,\,j+n} \, K_{m,n}

    ``x`` is I (H, W), ``w`` is K (kh, kw), ``mode`` "valid", "same" or "full".

    >>> cross_correlate2d(np.array([[1.0, 2, 3], [4, 5, 6]]), np.array([[1.0, 10], [100, 1000]]), "valid")
    array([[5421., 6532.]])

    Source: A4.
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


def convolve2d(x, w, mode):
    r"""Convolution of an image: the kernel flipped in both directions, slid over it.

    .. math:: (K * I)_{i,j} = \sum_{m,n} I_{i-m,\,j-n} \, K_{m,n}

    ``x`` is I (H, W), ``w`` is K (kh, kw), ``mode`` "valid", "same" or "full".

    >>> convolve2d(np.array([[1.0, 2, 3], [4, 5, 6]]), np.array([[1.0, 10], [100, 1000]]), "valid")
    array([[1245., 2356.]])

    Source: A3.
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
