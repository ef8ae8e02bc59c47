"""Plain convolution and cross-correlation of one image with one kernel.

This is the convolution layer with one image, one channel and one kernel. A layer correlates (lecture row A4, SOURCES.md), so a
convolution flips its kernel first. One output channel would leave most vector lanes idle, so the lanes are neighbouring
outputs of a row, and each weight in turn is broadcast to all of them. The sums of a large kernel are computed block by block
(sums.h).

The FFT variant uses NumPy's fast transform, on one thread. Half of the transform of real numbers is enough, because the other
half is its mirror image. The signal is padded with zeros to a length without prime factors above 5, for which the transform is
fastest.
"""
import numpy as np

from cython.parallel cimport prange, threadid

from refconv._core.common.arrays cimport dtype_of
from refconv._core.common.real cimport real
from refconv._core.common.sums cimport SUM_BLOCK, carry, carry_block
from refconv.geometry import mode_window

include "common/threads.pxi"


def cross_correlate2d(const real[:, ::1] x, const real[:, ::1] w, mode):
    """Return the cross-correlation of an image with a kernel.

    IN x (H, W), w (kh, kw); OUT y, of the mode's size.
    """
    cdef Py_ssize_t H = x.shape[0], W = x.shape[1], kh = w.shape[0], kw = w.shape[1]
    window = mode_window((kh, kw), mode)
    cdef Py_ssize_t top = window.pads((H, W))[0][0], left = window.pads((H, W))[1][0]
    result = np.zeros(window.output_size((H, W)), dtype_of[real](NULL))
    cdef real[:, ::1] y = result
    cdef Py_ssize_t rows = y.shape[0], i
    # Two multiply-adds that load and store their sums take as long as a step (threads.h).
    cdef int threads = threads_for(rows * y.shape[1] * kh * kw // 2)
    cdef Slide s = Slide(H=H, W=W, kh=kh, kw=kw, left=left, columns=y.shape[1])
    cdef real[:, ::1] scratch = np.zeros((threads, 2 * s.columns if kh * kw > SUM_BLOCK else 0), dtype_of[real](NULL))
    for i in prange(rows, nogil=True, schedule="dynamic", num_threads=threads):
        correlate_row(&s, &x[0, 0], &w[0, 0], i - top, &scratch[threadid(), 0] if scratch.shape[1] else NULL, &y[i, 0])
    return result


cdef struct Slide:
    # Sizes of image and kernel, zeros to the left of the image, and outputs in a row.
    Py_ssize_t H, W, kh, kw, left, columns


cdef void correlate_row(const Slide *s, const real *x, const real *w, Py_ssize_t row, real *block, real *y) noexcept nogil:
    """Add the products of input rows row … row + kh − 1 to one row of outputs.

    Taps outside of the image are skipped. `block` is a buffer of two rows, which is zero before and after the call. It is NULL
    if there are at most SUM_BLOCK taps.
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
    """Add the inputs under tap n of a kernel row, times its weight, to a row of outputs."""
    cdef Py_ssize_t j
    for j in range(max(0, s.left - n), min(s.columns, s.W + s.left - n)):
        y[j] += x[j] * weight


def convolve2d(x, w, mode):
    """Return the convolution of an image with a kernel.

    IN x (H, W), w (kh, kw); OUT y, of the mode's size.
    """
    return cross_correlate2d(x, np.ascontiguousarray(w[::-1, ::-1]), mode)


def cross_correlate1d(x, w, mode):
    """Return the cross-correlation of a signal with a kernel.

    IN x (n,), w (k,); OUT y, of the mode's size.
    """
    return cross_correlate2d(x[None], w[None], mode)[0]


def convolve1d(x, w, mode):
    """Return the convolution of a signal with a kernel.

    IN x (n,), w (k,); OUT y, of the mode's size.
    """
    return cross_correlate1d(x, np.ascontiguousarray(w[::-1]), mode)


def fft_convolve1d(x, w, mode):
    """Return the convolution of a signal with a kernel, by the FFT.

    IN x (n,), w (k,); OUT y, of the mode's size.
    """
    return fft_convolve2d(x[None], w[None], mode)[0]


def fft_convolve2d(x, w, mode):
    """Return the convolution of an image with a kernel, by the FFT.

    IN x (H, W), w (kh, kw); OUT y, of the mode's size.
    """
    window = mode_window(w.shape, mode)
    size = [fast_length(n + k - 1) for n, k in zip(x.shape, w.shape)]
    y = np.fft.irfft2(np.fft.rfft2(x, size) * np.fft.rfft2(w, size), size)
    (top, _bottom), (left, _right) = window.pads(x.shape)
    (rows, columns), i, j = window.output_size(x.shape), w.shape[0] - 1 - top, w.shape[1] - 1 - left
    # Older versions of NumPy compute the transform in double precision only, so the result is converted back.
    return y[i:i + rows, j:j + columns].astype(x.dtype, order="C")


cdef Py_ssize_t fast_length(Py_ssize_t n):
    """Return the smallest product of powers of 2, 3 and 5 that is at least n."""
    cdef Py_ssize_t rest = 0
    while rest != 1:
        rest = n
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        n += 1
    return n - 1
