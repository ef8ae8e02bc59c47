"""Group normalisation and its derivatives, on arrays (N, M, C).

x has N examples with M positions and C channels. Layer and instance normalisation are group normalisation with one group and
with C groups. Memory bandwidth limits the speed, as in batch normalisation, and the same functions read the rows
(moments.pxi): a task is a chunk of the rows of one example.

First the moments μ_c and σ²_c of each channel of an example are computed, as if the example were a batch. A group g of K
channels then has

    μ_g = Σ_c μ_c / K        σ²_g = Σ_c (σ²_c + (μ_c − μ_g)²) / K

The second pass needs one scale and one shift for each channel of each example, so it is the second pass of batch
normalisation. The derivative works in the same way: the sums of each channel are added to the sums of its group.
"""
import numpy as np

from cython.parallel cimport prange, threadid
from libc.math cimport sqrt
from libc.string cimport memset

from refconv._core.common.arrays cimport aligned_empty, dtype_of
from refconv._core.common.stream cimport exceeds_caches

include "common/threads.pxi"
include "norm/moments.pxi"


def group_norm(const real[:, :, ::1] x, const real[::1] gamma, const real[::1] beta, Py_ssize_t groups, double eps):
    """Return the normalised examples, and the mean and variance of each group of each example.

    IN x (N, M, C), gamma and beta (C,); OUT y (N, M, C), mean and var (N, groups).
    """
    cdef Py_ssize_t N = x.shape[0], M = x.shape[1], C = x.shape[2], step = chunk_rows(C), chunks = chunk_count(M, C)
    cdef int threads = threads_for(STEPS_PER_ELEMENT * N * M * C)
    cdef bint streamed = C <= PIECE_ELEMENTS and exceeds_caches(N * M * C * sizeof(real))
    cdef Py_ssize_t t, n, first
    dtype = dtype_of[real](NULL)
    y, mean, var = aligned_empty((N, M, C), dtype), np.empty((N, groups), dtype), np.empty((N, groups), dtype)
    cdef double[:, ::1] means = np.empty((N * chunks, C)), squares = np.empty((N * chunks, C))
    for t in prange(N * chunks, nogil=True, num_threads=threads):
        first = t % chunks * step
        chunk_moments(&x[t // chunks, first, 0], min(step, M - first), C, &means[t, 0], &squares[t, 0])

    cdef real[:, ::1] affine = np.empty((N, 3 * C), dtype), group_mean = mean, group_var = var
    cdef real[:, ::1] weights = np.stack([gamma, beta])
    cdef double[:, ::1] scratch = np.empty((threads, 6 * C))
    for n in prange(N, nogil=True, num_threads=threads):
        memset(&scratch[threadid(), 0], 0, 6 * C * sizeof(double))
        merge_moments(M, C, &means[n * chunks, 0], &squares[n * chunks, 0], &scratch[threadid(), 0],
                      &scratch[threadid(), 3 * C])
        group_moments(C, groups, &scratch[threadid(), 0], &weights[0, 0], eps, &group_mean[n, 0], &group_var[n, 0],
                      &affine[n, 0])

    cdef real[:, :, ::1] out = y
    for t in prange(N * chunks, nogil=True, num_threads=threads):
        n = t // chunks
        first = t % chunks * step
        if streamed:
            stream_normalised(&x[n, first, 0], min(step, M - first), C, &affine[n, 0], &affine[n, C], &affine[n, 2 * C],
                              &out[n, first, 0])
        else:
            normalise_rows(&x[n, first, 0], min(step, M - first), C, &affine[n, 0], &affine[n, C], &affine[n, 2 * C],
                           &out[n, first, 0])
    return y, mean, var


def layer_norm(x, gamma, beta, double eps):
    """Return group_norm with one group."""
    return group_norm(x, gamma, beta, 1, eps)


def instance_norm(x, gamma, beta, double eps):
    """Return group_norm with one group for each channel."""
    return group_norm(x, gamma, beta, x.shape[2], eps)


cdef void group_moments(Py_ssize_t C, Py_ssize_t groups, const double *moments, const real *weights, double eps, real *mean,
                        real *var, real *affine) noexcept nogil:
    """Compute the moments of the groups of one example, and the coefficients of the output.

    IN moments (6, C) of the channels, means in moments[2] and variances in moments[5], weights (2, C): gamma and beta; OUT
    mean, var (groups,), affine (3, C): centre, scale and shift of y = (x − centre)·scale + shift.
    """
    cdef const double *means = moments + 2 * C
    cdef const double *variances = moments + 5 * C
    cdef Py_ssize_t K = C // groups, g, c
    cdef double exact_mean, scale
    for g in range(groups):
        exact_mean = long_sum(means + g * K, K) / K
        # As in batch normalisation, the mean is rounded to the type of x, the shift corrects the rounding error, and the scale
        # is computed from the rounded variance.
        mean[g] = <real>exact_mean
        var[g] = <real>((long_sum(variances + g * K, K) + sum_of_squares(means + g * K, K, exact_mean)) / K)
        for c in range(g * K, (g + 1) * K):
            scale = weights[c] / sqrt(var[g] + eps)
            affine[c], affine[C + c], affine[2 * C + c] = mean[g], <real>scale, weights[C + c]
            if isfinite(scale):  # 0 · ∞ is NaN
                affine[2 * C + c] = <real>(weights[C + c] - (exact_mean - mean[g]) * scale)


cdef double long_sum(const double *terms, Py_ssize_t count) noexcept nogil:
    """Return the sum of consecutive terms, added block by block."""
    cdef double block = 0, group = 0, total = 0
    cdef Py_ssize_t k, i
    for k in range(block_count(count)):
        for i in range(k * SUM_BLOCK, min((k + 1) * SUM_BLOCK, count)):
            block += terms[i]
        carry_block(k, 1, &block, &group, &total)
    return total + group


cdef double sum_of_squares(const double *terms, Py_ssize_t count, double centre) noexcept nogil:
    """Return Σ (term − centre)², added block by block."""
    cdef double block = 0, group = 0, total = 0
    cdef Py_ssize_t k, i
    for k in range(block_count(count)):
        for i in range(k * SUM_BLOCK, min((k + 1) * SUM_BLOCK, count)):
            block += (terms[i] - centre) * (terms[i] - centre)
        carry_block(k, 1, &block, &group, &total)
    return total + group


def group_norm_grads(const real[:, :, ::1] dy, *, const real[:, :, ::1] x, const real[::1] gamma, const real[:, ::1] mean,
                     const real[:, ::1] var, double eps):
    """Return the derivatives of group normalisation.

    IN dy, x (N, M, C), gamma (C,), mean, var (N, groups); OUT dx (N, M, C), dgamma, dbeta (C,). With x̂ = (x − μ)/σ and
    σ = √(var + ε), the three paths from x to y add up to dx = (γ·dy − a − x̂·b)/σ, where a and b are the means of γ·dy and
    γ·dy·x̂ over the group.
    """
    cdef Py_ssize_t N = x.shape[0], M = x.shape[1], C = x.shape[2], groups = mean.shape[1]
    cdef Py_ssize_t step = chunk_rows(C), chunks = chunk_count(M, C), t, n, first
    cdef int threads = threads_for(STEPS_PER_ELEMENT * N * M * C)
    dtype = dtype_of[real](NULL)
    dx, dgamma, dbeta = aligned_empty((N, M, C), dtype), np.empty(C, dtype), np.empty(C, dtype)

    cdef real[:, ::1] coefficients = np.empty((N, 4 * C), dtype)   # mean, scale, slope and offset: see rows_dx
    np.asarray(coefficients)[:, :C] = np.repeat(mean, C // groups, axis=1)
    cdef double[:, ::1] sigma = np.sqrt(np.asarray(var, np.float64) + eps)
    cdef double[:, ::1] sums = np.empty((N * chunks, 2 * C))   # Σ dy·(x − mean), then Σ dy
    for t in prange(N * chunks, nogil=True, num_threads=threads):
        n = t // chunks
        first = t % chunks * step
        chunk_sums(&dy[n, first, 0], &x[n, first, 0], min(step, M - first), C, &coefficients[n, 0], &sums[t, 0])

    cdef double[:, ::1] scratch = np.empty((threads, 6 * C))
    cdef double[:, ::1] examples = np.empty((N, 2 * C))   # ∂e/∂γ and ∂e/∂β of each example
    for n in prange(N, nogil=True, num_threads=threads):
        memset(&scratch[threadid(), 0], 0, 6 * C * sizeof(double))
        merge_chunks(chunks, 2 * C, &sums[n * chunks, 0], &scratch[threadid(), 0])
        group_coefficients(M, C, groups, &gamma[0], &sigma[n, 0], &scratch[threadid(), 0], &coefficients[n, 0],
                           &examples[n, 0])
    cdef double[:, ::1] total = np.zeros((3, 2 * C))
    merge_chunks(N, 2 * C, &examples[0, 0], &total[0, 0])
    dgamma[:], dbeta[:] = np.split(np.asarray(total)[2], 2)

    write_dx[real](dy, x, coefficients, dx)
    return dx, dgamma, dbeta


cdef write_dx(const real[:, :, ::1] dy, const real[:, :, ::1] x, const real[:, ::1] coefficients, real[:, :, ::1] dx):
    """Compute dx from the coefficients (N, 4·C) of each example."""
    cdef Py_ssize_t N = x.shape[0], M = x.shape[1], C = x.shape[2]
    cdef Py_ssize_t step = chunk_rows(C), chunks = chunk_count(M, C), t, n, first
    cdef bint streamed = C <= PIECE_ELEMENTS and exceeds_caches(N * M * C * sizeof(real))
    for t in prange(N * chunks, nogil=True, num_threads=threads_for(STEPS_PER_ELEMENT * N * M * C)):
        n = t // chunks
        first = t % chunks * step
        if streamed:
            stream_dx(&dy[n, first, 0], &x[n, first, 0], min(step, M - first), C, &coefficients[n, 0], &dx[n, first, 0])
        else:
            rows_dx(&dy[n, first, 0], &x[n, first, 0], min(step, M - first), C, &coefficients[n, 0], &dx[n, first, 0])


cdef void merge_chunks(Py_ssize_t chunks, Py_ssize_t size, const double *sums, double *total) noexcept nogil:
    """Add the sums of all chunks.

    IN sums (chunks, size), zeros in total (3, size); OUT the sums in total[2].
    """
    cdef Py_ssize_t t, c
    for t in range(chunks):
        for c in range(size):
            total[c] += sums[t * size + c]
        end_chunk(t, chunks, size, total)


cdef void group_coefficients(Py_ssize_t M, Py_ssize_t C, Py_ssize_t groups, const real *gamma, const double *sigma,
                             double *scratch, real *coefficients, double *example) noexcept nogil:
    """Compute the coefficients of rows_dx for one example, and its part of ∂e/∂γ and ∂e/∂β.

    IN gamma (C,), sigma (groups,), scratch (6, C) with Σ dy·(x − mean) in scratch[4] and Σ dy in scratch[5]; OUT
    coefficients[1:4] (4, C), example (2, C).
    """
    cdef const double *sums = scratch + 4 * C
    cdef Py_ssize_t K = C // groups, g, c, k
    cdef double slope, offset
    for g in range(groups):
        for k in range(K):
            c = g * K + k
            example[c], example[C + c] = sums[c] / sigma[g], sums[C + c]
            scratch[k], scratch[K + k] = gamma[c] * example[c], gamma[c] * example[C + c]
        slope = long_sum(scratch, K) / (sigma[g] * sigma[g] * M * K)
        offset = long_sum(scratch + K, K) / (sigma[g] * M * K)
        for c in range(g * K, (g + 1) * K):
            coefficients[C + c] = <real>(gamma[c] / sigma[g])
            coefficients[2 * C + c], coefficients[3 * C + c] = <real>slope, <real>offset
