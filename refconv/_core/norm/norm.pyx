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

cdef extern from "norm/rows.h" nogil:
    void normalise_elements(Py_ssize_t size, Py_ssize_t width, const void *coefficients, const void *x, const void *add,
                            bint relu, void *y)
    void derive_elements(Py_ssize_t size, Py_ssize_t width, const void *coefficients, const void *dy, const void *x, bint relu,
                         void *dx)

cdef enum:
    LEAST_WIDTH = 64  # elements of a loop: the coefficients of channels are repeated for several rows (rows.h)


def batch_norm(const real[:, ::1] x, const real[::1] gamma, const real[::1] beta, double eps):
    """Return the normalised batch, its mean and its variance.

    IN x (M, C), gamma and beta (C,); OUT y (M, C), mean and var (C,).
    """
    y, affine, var = normalised[real](x, gamma, beta, eps, None, False)
    return y, affine[0], var


def batch_norm_relu(const real[:, ::1] x, const real[::1] gamma, const real[::1] beta, double eps,
                    const real[:, ::1] add=None):
    """Return max(y + add, 0) for the normalised batch y, its affine map and its variance.

    IN x (M, C), gamma and beta (C,), add (M, C) or None; OUT (M, C), affine (3, C), var (C,). The rows of affine are the mean,
    the scale and the shift of y = (x − mean)·scale + shift.
    """
    return normalised[real](x, gamma, beta, eps, add, True)


cdef tuple normalised(const real[:, ::1] x, const real[::1] gamma, const real[::1] beta, double eps, const real[:, ::1] add,
                      bint relu):
    """Return the results of batch_norm_relu, without ReLU if `relu` is False."""
    cdef Py_ssize_t M = x.shape[0], C = x.shape[1], step = chunk_rows(C), t, c
    dtype = dtype_of[real](NULL)
    y, factors, var = aligned_empty((M, C), dtype), np.empty((3, C), dtype), np.empty(C, dtype)
    cdef double[:, ::1] means = np.empty((chunk_count(M, C), C)), squares = np.empty((chunk_count(M, C), C))
    for t in prange(means.shape[0], nogil=True, num_threads=threads_for(STEPS_PER_ELEMENT * M * C)):
        chunk_moments(&x[t * step, 0], min(step, M - t * step), C, &means[t, 0], &squares[t, 0])
    cdef double[:, ::1] mu = np.zeros((3, C)), sigma2 = np.zeros((3, C))
    merge_moments(M, C, &means[0, 0], &squares[0, 0], &mu[0, 0], &sigma2[0, 0])

    # The mean is rounded to the type of x, and the shift corrects the rounding error. The scale is computed from the rounded
    # variance, because the derivative uses the rounded one: if it overflows, both must use ∞.
    cdef real[:, ::1] affine = factors
    cdef real[::1] variance = var
    for c in range(C):
        affine[0, c], variance[c] = <real>mu[2, c], <real>sigma2[2, c]
    cdef real[::1] scale = scale_of[real](gamma, variance, eps)
    for c in range(C):
        affine[1, c], affine[2, c] = scale[c], beta[c]
        if isfinite(scale[c]):  # 0 · ∞ is NaN
            affine[2, c] = <real>(beta[c] - (mu[2, c] - affine[0, c]) * scale[c])
    normalise[real](x, factors, add, relu, y)
    return y, factors, var


cdef normalise(const real[:, ::1] x, factors, const real[:, ::1] add, bint relu, real[:, ::1] y):
    """Compute y as in rows.h.

    The rows of `factors` are the mean, the scale and the shift. The last chunk is computed first, because the caches still
    contain the end of x.
    """
    cdef Py_ssize_t M = x.shape[0], C = x.shape[1], step = chunk_rows(C), chunks = chunk_count(M, C), k, t
    cdef bint streamed = &x[0, 0] != &y[0, 0] and exceeds_caches(M * C * sizeof(real)) if M else False
    cdef real[:, ::1] coefficients = repeated(factors)
    for k in prange(chunks, nogil=True, num_threads=threads_for(STEPS_PER_ELEMENT * M * C)):
        t = chunks - 1 - k
        normalise_chunk(min(step, M - t * step) * C, coefficients.shape[1], &coefficients[0, 0], &x[t * step, 0],
                        &add[t * step, 0] if add is not None else NULL, relu, streamed, &y[t * step, 0])


cdef object repeated(factors):
    """Repeat each row of coefficients until it has LEAST_WIDTH elements or more."""
    rows, channels = factors.shape
    result = aligned_empty((rows, max(LEAST_WIDTH // channels, 1), channels), factors.dtype)
    result[...] = factors[:, None]
    return result.reshape(rows, -1)


cdef void normalise_chunk(Py_ssize_t size, Py_ssize_t width, const real *coefficients, const real *x, const real *add,
                          bint relu, bint streamed, real *y) noexcept nogil:
    cdef real piece[PIECE_ELEMENTS]
    cdef Py_ssize_t k = 0, count, pieces
    if not streamed or width > PIECE_ELEMENTS:
        normalise_elements(size, width, coefficients, x, add, relu, y)
        return
    pieces = PIECE_ELEMENTS // width * width
    while k < size:
        count = min(pieces, size - k)
        normalise_elements(count, width, coefficients, x + k, add + k if add != NULL else add, relu, &piece[0])
        stream(y + k, piece, count * sizeof(real))
        k += count
    stream_end()


def batch_norm_grads(const real[:, ::1] dy, *, const real[:, ::1] x, const real[::1] gamma, const real[::1] mean,
                     const real[::1] var, double eps):
    """Return the derivatives of batch normalisation.

    IN dy, x (M, C), gamma, mean, var (C,); OUT dx (M, C), dgamma, dbeta (C,). The three paths from x to y add up to
    dx = γ/σ·(dy − dβ/M − x̂·dγ/M)  with  x̂ = (x − μ)/σ,  σ = √(var + ε).
    """
    return grads[real](dy, x, affine_of[real](mean, scale_of[real](gamma, var, eps), mean), var, eps, False)


def batch_norm_relu_grads(const real[:, ::1] dy, *, const real[:, ::1] x, const real[:, ::1] affine, const real[::1] var,
                          double eps):
    """Return the derivatives of batch_norm_relu without a sum.

    IN dy, x (M, C), affine (3, C), var (C,); OUT dx (M, C), dgamma, dbeta (C,).
    """
    return grads[real](dy, x, affine, var, eps, True)


cdef tuple grads(const real[:, ::1] dy, const real[:, ::1] x, const real[:, ::1] affine, const real[::1] var, double eps,
                 bint relu):
    """Return the results of batch_norm_relu_grads, or of batch_norm_grads if `relu` is False."""
    cdef Py_ssize_t M = x.shape[0], C = x.shape[1], step = chunk_rows(C), chunks = chunk_count(M, C), k, t, c
    cdef bint streamed = exceeds_caches(M * C * sizeof(real))
    dtype = dtype_of[real](NULL)
    dx, dgamma, dbeta = aligned_empty((M, C), dtype), np.empty(C, dtype), np.empty(C, dtype)
    cdef double[:, ::1] sums = np.empty((chunks, 2 * C))   # Σ dy·(x − mean), then Σ dy
    for t in prange(chunks, nogil=True, num_threads=threads_for(STEPS_PER_ELEMENT * M * C)):
        chunk_sums(&dy[t * step, 0], &x[t * step, 0], min(step, M - t * step), C, &affine[0, 0], &sums[t, 0], relu)
    merge_sums[real](sums, var, eps, dgamma, dbeta)

    factors = np.empty((5, C), dtype)
    cdef real[::1] gamma_sum = dgamma, beta_sum = dbeta
    cdef real[:, ::1] coefficients = factors, out = dx
    for c in range(C):
        coefficients[0, c], coefficients[1, c], coefficients[2, c] = affine[0, c], affine[1, c], affine[2, c]
        coefficients[3, c] = <real>(affine[1, c] * gamma_sum[c] / sqrt(var[c] + eps) / M)
        coefficients[4, c] = <real>(affine[1, c] * <double>beta_sum[c] / M)
    coefficients = repeated(factors)
    for k in prange(chunks, nogil=True, num_threads=threads_for(STEPS_PER_ELEMENT * M * C)):
        t = chunks - 1 - k
        derive_chunk(min(step, M - t * step) * C, coefficients.shape[1], &coefficients[0, 0], &dy[t * step, 0],
                     &x[t * step, 0], relu, streamed, &out[t * step, 0])
    return dx, dgamma, dbeta


cdef void derive_chunk(Py_ssize_t size, Py_ssize_t width, const real *coefficients, const real *dy, const real *x, bint relu,
                       bint streamed, real *dx) noexcept nogil:
    cdef real piece[PIECE_ELEMENTS]
    cdef Py_ssize_t k = 0, count, pieces
    if not streamed or width > PIECE_ELEMENTS:
        derive_elements(size, width, coefficients, dy, x, relu, dx)
        return
    pieces = PIECE_ELEMENTS // width * width
    while k < size:
        count = min(pieces, size - k)
        derive_elements(count, width, coefficients, dy + k, x + k, relu, &piece[0])
        stream(dx + k, piece, count * sizeof(real))
        k += count
    stream_end()


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
    normalise[real](x, affine_of[real](mean, scale_of[real](gamma, var, eps), beta), None, False, y)
    return y


cdef object affine_of(const real[::1] mean, const real[::1] scale, const real[::1] shift):
    """Return the rows mean, scale and shift as one array (3, C)."""
    cdef Py_ssize_t C = mean.shape[0], c
    factors = np.empty((3, C), dtype_of[real](NULL))
    cdef real[:, ::1] affine = factors
    for c in range(C):
        affine[0, c], affine[1, c], affine[2, c] = mean[c], scale[c], shift[c]
    return factors


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
    normalise[real](y, affine_of[real](mean, scale_of[real](gamma, var, eps), beta), None, relu, y)


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
