"""Plain convolution and cross-correlation: the convolution layer with one image, one channel and one kernel.

A layer correlates (A4), so a convolution flips its kernel first. One output channel would leave the vector lanes idle;
instead the lanes hold neighbouring outputs of a row, and each weight in turn is broadcast to all of them. The sums of a large
kernel are computed block by block (sums.h).

By the FFT it is NumPy's fast transform, on one thread. Of real numbers half of the transform is enough, the other half being
its mirror image; and zeros fill up the signal to a length without prime factors above 5, for which the transform is fastest.
"""
import numpy as np

from cython.parallel cimport prange, threadid

from refconv._core.common.arrays cimport dtype_of
from refconv._core.common.real cimport real
from refconv._core.common.sums cimport SUM_BLOCK, carry, carry_block
from refconv.geometry import mode_window

include "common/threads.pxi"


def cross_correlate2d(const real[:, ::1] x, const real[:, ::1] w, mode):
    """IN x (H, W), w (kh, kw); OUT y, of the mode's size."""
    cdef Py_ssize_t H = x.shape[0], W = x.shape[1], kh = w.shape[0], kw = w.shape[1]
    window = mode_window((kh, kw), mode)
    cdef Py_ssize_t top = window.pads((H, W))[0][0], left = window.pads((H, W))[1][0]
    result = np.zeros(window.output_size((H, W)), dtype_of[real](NULL))
    cdef real[:, ::1] y = result
    cdef Py_ssize_t rows = y.shape[0], i
    cdef int threads = threads_for(rows * y.shape[1] * kh * kw // 2)  # two multiply-adds in memory take as long as a step
    cdef Slide s = Slide(H=H, W=W, kh=kh, kw=kw, left=left, columns=y.shape[1])
    cdef real[:, ::1] scratch = np.zeros((threads, 2 * s.columns if kh * kw > SUM_BLOCK else 0), dtype_of[real](NULL))
    for i in prange(rows, nogil=True, num_threads=threads):
        correlate_row(&s, &x[0, 0], &w[0, 0], i - top, &scratch[threadid(), 0] if scratch.shape[1] else NULL, &y[i, 0])
    return result


cdef struct Slide:
    # Sizes of image and kernel, zeros to the left of the image, and outputs in a row.
    Py_ssize_t H, W, kh, kw, left, columns


cdef void correlate_row(const Slide *s, const real *x, const real *w, Py_ssize_t row, real *block, real *y) noexcept nogil:
    """One row of outputs, from input rows row … row + kh − 1; what lies outside of the image adds nothing.

    block, of two rows, is zero before and after; NULL if SUM_BLOCK taps are all.
    """
    cdef Py_ssize_t m, n, taps = 0, number = 0
    for m in range(max(0, -row), min(s.kh, s.H - row)):
        for n in range(s.kw):
            add_tap(s, x + (row + m) * s.W - s.left + n, n, w[m * s.kw + n], y if block == NULL else block)
            taps += 1
            if block != NULL and taps % SUM_BLOCK == 0:
                carry_block(number, s.columns, block, block + s.columns, y)
                number += 1
    if block != NULL:
        carry(s.columns, block, block + s.columns)
        carry(s.columns, block + s.columns, y)


cdef inline void add_tap(const Slide *s, const real *x, Py_ssize_t n, real weight, real *y) noexcept nogil:
    """Add to a row of outputs the inputs under tap n of a row of the kernel, times its weight."""
    cdef Py_ssize_t j
    for j in range(max(0, s.left - n), min(s.columns, s.W + s.left - n)):
        y[j] += x[j] * weight


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
