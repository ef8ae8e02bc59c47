"""Softmax and the cross-entropy loss, with their derivatives. Each row belongs to one thread.

Exponentials are taken and summed in double precision. They are of logits less the row's maximum: no exponent is
positive and one is 0, so that the sum neither overflows nor vanishes.
"""
import numpy as np

from cython.parallel cimport prange
from libc.math cimport exp, log

from refconv._core.arrays cimport dtype_of
from refconv._core.real cimport real

include "threads.pxi"


cdef double maximum(const real *x, Py_ssize_t K) noexcept nogil:
    cdef real largest = x[0]
    cdef Py_ssize_t k
    for k in range(1, K):
        if x[k] > largest:
            largest = x[k]
    return largest


cdef double exponentials(const real *x, Py_ssize_t K, double largest, real *powers) noexcept nogil:
    """OUT powers[k] = exp(x[k] − largest), and returns their sum."""
    cdef double power, total = 0
    cdef Py_ssize_t k
    for k in range(K):
        power = exp(x[k] - largest)
        powers[k] = <real>power
        total += power
    return total


def softmax(const real[:, ::1] x):
    """IN x (N, classes); OUT y (N, classes)."""
    cdef Py_ssize_t N = x.shape[0], K = x.shape[1], b
    result = np.empty((N, K), dtype_of[real](NULL))
    cdef real[:, ::1] y = result
    for b in prange(N, nogil=True, num_threads=num_threads()):
        softmax_row(&x[b, 0], K, &y[b, 0])
    return result


cdef void softmax_row(const real *x, Py_ssize_t K, real *y) noexcept nogil:
    cdef double total = exponentials(x, K, maximum(x, K), y)
    cdef Py_ssize_t k
    for k in range(K):
        y[k] = <real>(y[k] / total)


def softmax_dx(const real[:, ::1] dy, const real[:, ::1] y):
    """IN dy, y (N, classes); OUT dx (N, classes)."""
    cdef Py_ssize_t N = y.shape[0], K = y.shape[1], b
    result = np.empty((N, K), dtype_of[real](NULL))
    cdef real[:, ::1] dx = result
    for b in prange(N, nogil=True, num_threads=num_threads()):
        softmax_row_dx(&dy[b, 0], &y[b, 0], K, &dx[b, 0])
    return result


cdef void softmax_row_dx(const real *dy, const real *y, Py_ssize_t K, real *dx) noexcept nogil:
    cdef double mean = 0
    cdef Py_ssize_t k
    for k in range(K):
        mean += <double>dy[k] * y[k]
    for k in range(K):
        dx[k] = <real>(y[k] * (dy[k] - mean))


def log_softmax(const real[:, ::1] x):
    """IN x (N, classes); OUT y (N, classes)."""
    cdef Py_ssize_t N = x.shape[0], K = x.shape[1], b
    result = np.empty((N, K), dtype_of[real](NULL))
    cdef real[:, ::1] y = result
    for b in prange(N, nogil=True, num_threads=num_threads()):
        log_softmax_row(&x[b, 0], K, &y[b, 0])
    return result


cdef void log_softmax_row(const real *x, Py_ssize_t K, real *y) noexcept nogil:
    cdef double largest = maximum(x, K)
    cdef double log_total = log(exponentials(x, K, largest, y))
    cdef Py_ssize_t k
    for k in range(K):
        y[k] = <real>(x[k] - largest - log_total)


def log_softmax_dx(const real[:, ::1] dy, const real[:, ::1] y):
    """IN dy, y (N, classes); OUT dx (N, classes)."""
    cdef Py_ssize_t N = y.shape[0], K = y.shape[1], b
    result = np.empty((N, K), dtype_of[real](NULL))
    cdef real[:, ::1] dx = result
    for b in prange(N, nogil=True, num_threads=num_threads()):
        log_softmax_row_dx(&dy[b, 0], &y[b, 0], K, &dx[b, 0])
    return result


cdef void log_softmax_row_dx(const real *dy, const real *y, Py_ssize_t K, real *dx) noexcept nogil:
    cdef double total = 0
    cdef Py_ssize_t k
    for k in range(K):
        total += dy[k]
    for k in range(K):
        dx[k] = <real>(dy[k] - exp(y[k]) * total)


def softmax_cross_entropy(const real[:, ::1] logits, const Py_ssize_t[::1] labels, double alpha):
    """IN logits (N, K), labels (N,), alpha; OUT the loss and dlogits (N, K).

    Each row has a loss of its own, and these are added in order: the same bits at any thread count.
    """
    cdef Py_ssize_t N = logits.shape[0], K = logits.shape[1], b
    dtype = dtype_of[real](NULL)
    result = np.empty((N, K), dtype)
    cdef real[:, ::1] dlogits = result
    cdef double[::1] row_loss = np.empty(N)
    for b in prange(N, nogil=True, num_threads=num_threads()):
        row_loss[b] = cross_entropy_row(&logits[b, 0], K, labels[b], alpha, N, &dlogits[b, 0])
    cdef double loss = 0
    for b in range(N):
        loss += row_loss[b]
    return dtype(loss / N), result


cdef double cross_entropy_row(const real *logits, Py_ssize_t K, Py_ssize_t label, double alpha, Py_ssize_t N,
                              real *dlogits) noexcept nogil:
    """The loss of one row; OUT its share of ∂e/∂logits, which is (softmax − target) / N."""
    cdef double largest = maximum(logits, K), total = exponentials(logits, K, largest, dlogits)
    cdef double log_total = log(total), loss = 0, target
    cdef Py_ssize_t k
    for k in range(K):
        target = alpha / K + (1 - alpha if k == label else 0)
        if target > 0:  # a class that is not asked for costs nothing, though its logit be −∞
            loss -= target * (logits[k] - largest - log_total)
        dlogits[k] = <real>((dlogits[k] / total - target) / N)
    return loss
