"""Plain convolution and cross-correlation: the convolution layer with one image, one channel and one kernel.

A layer correlates (A4), so a convolution flips its kernel first. One output channel would leave the vector lanes idle;
instead the lanes hold neighbouring outputs of a row, and each weight in turn is broadcast to all of them.

By the FFT it is NumPy's fast transform, on one thread. Of real numbers half of the transform is enough, the other half being
its mirror image; and zeros fill up the signal to a length without prime factors above 5, for which the transform is fastest.
"""
import numpy as np

from cython.parallel cimport prange

from refconv._core.arrays cimport dtype_of
from refconv._core.real cimport real
from refconv.geometry import mode_window

include "threads.pxi"


def cross_correlate2d(const real[:, ::1] x, const real[:, ::1] w, mode):
    """IN x (H, W), w (kh, kw); OUT y, of the mode's size."""
    cdef Py_ssize_t H = x.shape[0], W = x.shape[1], kh = w.shape[0], kw = w.shape[1]
    window = mode_window((kh, kw), mode)
    cdef Py_ssize_t top = window.pads((H, W))[0][0], left = window.pads((H, W))[1][0]
    result = np.zeros(window.output_size((H, W)), dtype_of[real](NULL))
    cdef real[:, ::1] y = result
    cdef Py_ssize_t rows = y.shape[0], columns = y.shape[1], i
    for i in prange(rows, nogil=True, num_threads=num_threads()):
        correlate_row(&x[0, 0], &w[0, 0], &y[i, 0], i - top, left, H, W, kh, kw, columns)
    return result


cdef void correlate_row(const real *x, const real *w, real *y, Py_ssize_t row, Py_ssize_t left, Py_ssize_t H,
                        Py_ssize_t W, Py_ssize_t kh, Py_ssize_t kw, Py_ssize_t columns) noexcept nogil:
    """One row of outputs, from input rows row … row + kh − 1; what lies outside of the image adds nothing."""
    cdef Py_ssize_t m, n, j
    cdef const real *line
    cdef real weight
    for m in range(max(0, -row), min(kh, H - row)):
        line = x + (row + m) * W - left
        for n in range(kw):
            weight = w[m * kw + n]
            for j in range(max(0, left - n), min(columns, W + left - n)):
                y[j] += line[j + n] * weight


def convolve2d(x, w, mode):
    """IN x (H, W), w (kh, kw); OUT y, of the mode's size."""
    return cross_correlate2d(x, np.ascontiguousarray(w[::-1, ::-1]), mode)


def cross_correlate1d(x, w, mode):
    """IN x (n,), w (k,); OUT y, of the mode's size."""
    return cross_correlate2d(x[None], w[None], mode)[0]


def convolve1d(x, w, mode):
    """IN x (n,), w (k,); OUT y, of the mode's size."""
    return cross_correlate1d(x, np.ascontiguousarray(w[::-1]), mode)


def fft_convolve1d(x, w, mode):
    """IN x (n,), w (k,); OUT y, of the mode's size."""
    return fft_convolve2d(x[None], w[None], mode)[0]


def fft_convolve2d(x, w, mode):
    """IN x (H, W), w (kh, kw); OUT y, of the mode's size."""
    window = mode_window(w.shape, mode)
    size = [fast_length(n + k - 1) for n, k in zip(x.shape, w.shape)]
    y = np.fft.irfft2(np.fft.rfft2(x, size) * np.fft.rfft2(w, size), size)
    (top, _bottom), (left, _right) = window.pads(x.shape)
    (rows, columns), i, j = window.output_size(x.shape), w.shape[0] - 1 - top, w.shape[1] - 1 - left
    # Older versions of NumPy transform in double precision only.
    return y[i:i + rows, j:j + columns].astype(x.dtype, order="C")


cdef Py_ssize_t fast_length(Py_ssize_t n):
    """The smallest product of powers of 2, 3 and 5 that is at least n."""
    cdef Py_ssize_t rest = 0
    while rest != 1:
        rest = n
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        n += 1
    return n - 1
