"""Batch normalisation and its derivatives, on arrays (M, C): M elements of C channels.

The arithmetic is cheap, and memory bandwidth limits the speed: x is read once for the statistics and once for the output.
Outputs larger than the caches are written with streaming stores (stream.h). The second pass starts with the last chunk, which
is still in a cache.

Means, variances and sums are computed by moments.pxi, in chunks of rows.
"""
import numpy as np

from cython.parallel cimport prange
from libc.math cimport sqrt

from refconv._core.common.arrays cimport aligned_empty, dtype_of
from refconv._core.common.real cimport real
from refconv._core.common.stream cimport exceeds_caches

include "common/threads.pxi"
include "norm/moments.pxi"


def batch_norm(const real[:, ::1] x, const real[::1] gamma, const real[::1] beta, double eps):
    """Return the normalised batch, its mean and its variance.

    IN x (M, C), gamma and beta (C,); OUT y (M, C), mean and var (C,).
    """
    cdef Py_ssize_t M = x.shape[0], C = x.shape[1], step = chunk_rows(C), t, c
    dtype = dtype_of[real](NULL)
    y, mean, var = aligned_empty((M, C), dtype), np.empty(C, dtype), np.empty(C, dtype)
    cdef double[:, ::1] means = np.empty((chunk_count(M, C), C)), squares = np.empty((chunk_count(M, C), C))
    for t in prange(means.shape[0], nogil=True, num_threads=threads_for(STEPS_PER_ELEMENT * M * C)):
        chunk_moments(&x[t * step, 0], min(step, M - t * step), C, &means[t, 0], &squares[t, 0])
    cdef double[:, ::1] mu = np.zeros((3, C)), sigma2 = np.zeros((3, C))
    merge_moments(M, C, &means[0, 0], &squares[0, 0], &mu[0, 0], &sigma2[0, 0])

    # The mean is rounded to the type of x, and the shift corrects the rounding error. The scale is computed from the rounded
    # variance, because the derivative uses the rounded one: if it overflows, both must use ∞.
    cdef real[::1] centre = mean, variance = var, shift = np.empty(C, dtype)
    for c in range(C):
        centre[c], variance[c] = <real>mu[2, c], <real>sigma2[2, c]
    cdef real[::1] scale = scale_of[real](gamma, variance, eps)
    for c in range(C):
        shift[c] = <real>(beta[c] - (mu[2, c] - centre[c]) * scale[c])
    normalise[real](x, centre, scale, shift, y)
    return y, mean, var


cdef normalise(const real[:, ::1] x, const real[::1] centre, const real[::1] scale, const real[::1] shift,
               real[:, ::1] y):
    """Compute y = (x − centre)·scale + shift.

    The last chunk is computed first, because the caches still contain the end of x.
    """
    cdef Py_ssize_t M = x.shape[0], C = x.shape[1], step = chunk_rows(C), chunks = chunk_count(M, C), k, t
    cdef bint streamed = C <= PIECE_ELEMENTS and exceeds_caches(M * C * sizeof(real))
    for k in prange(chunks, nogil=True, num_threads=threads_for(STEPS_PER_ELEMENT * M * C)):
        t = chunks - 1 - k
        if streamed:
            stream_normalised(&x[t * step, 0], min(step, M - t * step), C, &centre[0], &scale[0], &shift[0], &y[t * step, 0])
        else:
            normalise_rows(&x[t * step, 0], min(step, M - t * step), C, &centre[0], &scale[0], &shift[0], &y[t * step, 0])


def batch_norm_grads(const real[:, ::1] dy, *, const real[:, ::1] x, const real[::1] gamma, const real[::1] mean,
                     const real[::1] var, double eps):
    """Return the derivatives of batch normalisation.

    IN dy, x (M, C), gamma, mean, var (C,); OUT dx (M, C), dgamma, dbeta (C,). The three paths from x to y add up to
    dx = γ/σ·(dy − dβ/M − x̂·dγ/M)  with  x̂ = (x − μ)/σ,  σ = √(var + ε).
    """
    cdef Py_ssize_t M = x.shape[0], C = x.shape[1], step = chunk_rows(C), chunks = chunk_count(M, C), k, t, c
    cdef bint streamed = C <= PIECE_ELEMENTS and exceeds_caches(M * C * sizeof(real))
    dtype = dtype_of[real](NULL)
    dx, dgamma, dbeta = aligned_empty((M, C), dtype), np.empty(C, dtype), np.empty(C, dtype)
    cdef double[:, ::1] sums = np.empty((chunks, 2 * C))   # Σ dy·(x − mean), then Σ dy
    for t in prange(chunks, nogil=True, num_threads=threads_for(STEPS_PER_ELEMENT * M * C)):
        chunk_sums(&dy[t * step, 0], &x[t * step, 0], min(step, M - t * step), C, &mean[0], &sums[t, 0])
    merge_sums[real](sums, var, eps, dgamma, dbeta)

    cdef real[::1] scale = scale_of[real](gamma, var, eps), gamma_sum = dgamma, beta_sum = dbeta
    cdef real[:, ::1] coefficients = aligned_empty((4, C), dtype), out = dx
    for c in range(C):
        coefficients[0, c], coefficients[1, c] = mean[c], scale[c]
        coefficients[2, c] = <real>(scale[c] * gamma_sum[c] / sqrt(var[c] + eps) / M)
        coefficients[3, c] = <real>(scale[c] * <double>beta_sum[c] / M)
    for k in prange(chunks, nogil=True, num_threads=threads_for(STEPS_PER_ELEMENT * M * C)):
        t = chunks - 1 - k
        if streamed:
            stream_dx(&dy[t * step, 0], &x[t * step, 0], min(step, M - t * step), C, &coefficients[0, 0], &out[t * step, 0])
        else:
            rows_dx(&dy[t * step, 0], &x[t * step, 0], min(step, M - t * step), C, &coefficients[0, 0], &out[t * step, 0])
    return dx, dgamma, dbeta


cdef merge_sums(const double[:, ::1] sums, const real[::1] var, double eps, real[::1] dgamma, real[::1] dbeta):
    """Compute dgamma and dbeta from Σ dy·(x − mean) and Σ dy of each chunk."""
    cdef Py_ssize_t C = var.shape[0], chunks = sums.shape[0], t, c
    cdef double[:, ::1] total = np.zeros((3, 2 * C))
    for t in range(chunks):
        for c in range(2 * C):
            total[0, c] += sums[t, c]
        end_chunk(t, chunks, 2 * C, &total[0, 0])
    for c in range(C):
        dgamma[c], dbeta[c] = <real>(total[2, c] / sqrt(var[c] + eps)), <real>total[2, C + c]


def batch_norm_inference(const real[:, ::1] x, const real[::1] gamma, const real[::1] beta, const real[::1] mean,
                         const real[::1] var, double eps):
    """Return the batch, normalised with the given mean and variance.

    IN x (M, C), gamma, beta, mean, var (C,); OUT y (M, C).
    """
    y = aligned_empty((x.shape[0], x.shape[1]), dtype_of[real](NULL))
    normalise[real](x, mean, scale_of[real](gamma, var, eps), beta, y)
    return y


cdef real[::1] scale_of(const real[::1] gamma, const real[::1] var, double eps):
    """Return γ / √(var + ε) of each channel."""
    cdef Py_ssize_t C = gamma.shape[0], c
    cdef real[::1] scale = np.empty(C, dtype_of[real](NULL))
    for c in range(C):
        scale[c] = <real>(gamma[c] / sqrt(var[c] + eps))
    return scale


def batch_norm_inference_in_place(real[:, ::1] y, const real[::1] gamma, const real[::1] beta, const real[::1] mean,
                                  const real[::1] var, double eps, bint relu):
    """Normalise y in place with the given mean and variance; if `relu`, also apply ReLU.

    IN OUT y (M, C), IN gamma, beta, mean, var (C,).
    """
    cdef Py_ssize_t M = y.shape[0], C = y.shape[1], step = chunk_rows(C), t
    cdef real[::1] scale = scale_of[real](gamma, var, eps)
    for t in prange(chunk_count(M, C), nogil=True, num_threads=threads_for(STEPS_PER_ELEMENT * M * C)):
        change_rows(&y[t * step, 0], min(step, M - t * step), C, &mean[0], &scale[0], &beta[0], relu)


cdef void change_rows(real *y, Py_ssize_t rows, Py_ssize_t C, const real *centre, const real *scale, const real *shift,
                      bint relu) noexcept nogil:
    cdef Py_ssize_t m, c
    cdef real value
    if relu:
        for m in range(rows):
            for c in range(C):
                value = (y[m * C + c] - centre[c]) * scale[c] + shift[c]
                y[m * C + c] = 0 if value < 0 else value
    else:
        for m in range(rows):
            for c in range(C):
                y[m * C + c] = (y[m * C + c] - centre[c]) * scale[c] + shift[c]


def batch_norm_inference_grads(const real[:, ::1] dy, *, const real[:, ::1] x, const real[::1] gamma,
                               const real[::1] mean, const real[::1] var, double eps):
    """Return the derivatives of batch_norm_inference.

    IN dy, x (M, C), gamma, mean, var (C,); OUT dx (M, C), dgamma, dbeta (C,).
    """
    cdef Py_ssize_t M = x.shape[0], C = x.shape[1], step = chunk_rows(C), chunks = chunk_count(M, C), t
    dtype = dtype_of[real](NULL)
    dx, dgamma, dbeta = aligned_empty((M, C), dtype), np.empty(C, dtype), np.empty(C, dtype)
    cdef double[:, ::1] sums = np.empty((chunks, 2 * C))   # Σ dy·(x − mean), then Σ dy
    cdef real[::1] scale = scale_of[real](gamma, var, eps)
    cdef real[:, ::1] out = dx
    for t in prange(chunks, nogil=True, num_threads=threads_for(STEPS_PER_ELEMENT * M * C)):
        chunk_sums(&dy[t * step, 0], &x[t * step, 0], min(step, M - t * step), C, &mean[0], &sums[t, 0])
        scale_rows(&dy[t * step, 0], min(step, M - t * step), C, &scale[0], &out[t * step, 0])
    merge_sums[real](sums, var, eps, dgamma, dbeta)
    return dx, dgamma, dbeta


cdef void scale_rows(const real *dy, Py_ssize_t rows, Py_ssize_t C, const real *scale, real *dx) noexcept nogil:
    cdef Py_ssize_t m, c
    for m in range(rows):
        for c in range(C):
            dx[m * C + c] = dy[m * C + c] * scale[c]
