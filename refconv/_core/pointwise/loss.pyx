"""Softmax and the losses, with their derivatives.

Each row, or each task of elements, belongs to one thread. Exponentials are computed and summed in double precision, after
subtracting the row's maximum: no exponent is positive and one is 0, so the sum neither overflows nor becomes 0. Sums and
maxima of a row are computed in ROW_PARTS parts, with element k in part k mod ROW_PARTS, so that the compiler vectorises the
loops over the parts. Sums over the classes or over the rows of a batch are computed block by block (sums.h).

For float32 logits, ten digits of an exponential are enough. A series of eight products, computed in vectors, is several times
as fast as calls of the C library. Rounded to float32, the two results rarely differ.
"""
import numpy as np

from cython.parallel cimport prange
from libc.math cimport exp, fabs, log, log1p
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from refconv._core.common.arrays cimport dtype_of
from refconv._core.common.real cimport real
from refconv._core.common.sums cimport SUM_BLOCK, block_count, carry, carry_block

include "common/threads.pxi"

cdef enum:
    ROW_PARTS = 32      # partial sums and maxima of a row
    STEPS_OF_EXP = 8    # steps (threads.h) of an exponential and the other operations on a class
    TASK_ELEMENTS = 4096    # elements of one task of a loss over elements

cdef double LOG2E = 1.4426950408889634, LN2 = 0.6931471805599453
cdef double ROUNDING_SHIFT = 6755399441055744.0     # 1.5·2⁵²: adding it rounds a number to an integer, in the lowest bits
cdef uint64_t BITS_OF_ONE = 0x3ff0000000000000      # the bits of 1.0: the exponent above 52 bits of the fraction


cdef inline double short_exp(double x) noexcept nogil:
    """Return exp(x) to ten digits, for x ≤ 0 or NaN.

    For x < −708 the result is e⁻⁷⁰⁸, which float32 rounds to 0. With n = round(x / ln 2) and r = x − n·ln 2, so |r| < 0.35,
    exp(x) is 2ⁿ·eʳ: an exponent, and Taylor's series up to r⁸.
    """
    cdef double clamped = -708 if x < -708 else x
    cdef double rounded = clamped * LOG2E + ROUNDING_SHIFT
    cdef double r = clamped - (rounded - ROUNDING_SHIFT) * LN2, power
    cdef double series = 1 + r * (1 + r * (1. / 2 + r * (1. / 6 + r * (1. / 24 + r * (1. / 120 + r * (
        1. / 720 + r * (1. / 5040 + r * (1. / 40320))))))))
    cdef uint64_t bits
    memcpy(&bits, &rounded, sizeof(bits))
    bits = (bits << 52) + BITS_OF_ONE
    memcpy(&power, &bits, sizeof(power))
    return series * power


cdef double maximum(const real *x, Py_ssize_t K) noexcept nogil:
    cdef real best[ROW_PARTS]
    cdef real largest = x[0]
    cdef Py_ssize_t k, l
    for l in range(min(ROW_PARTS, K)):
        best[l] = x[l]
    k = ROW_PARTS
    while k < K:
        for l in range(min(ROW_PARTS, K - k)):
            best[l] = x[k + l] if x[k + l] > best[l] else best[l]
        k += ROW_PARTS
    for l in range(min(ROW_PARTS, K)):
        if best[l] > largest:
            largest = best[l]
    return largest


cdef double exponentials(const real *x, Py_ssize_t K, double largest, real *powers) noexcept nogil:
    """Write exp(x[k] − largest) to powers[k]; return the sum of the exponentials."""
    cdef double block[ROW_PARTS]
    cdef double group[ROW_PARTS]
    cdef double total[ROW_PARTS]
    cdef double power, result = 0
    cdef Py_ssize_t k = 0, l
    cdef bint is_long = K > ROW_PARTS * SUM_BLOCK   # a short row is one block
    for l in range(ROW_PARTS):
        block[l] = 0
    if is_long:
        for l in range(ROW_PARTS):
            group[l] = total[l] = 0
    while k < K:
        for l in range(min(ROW_PARTS, K - k)):
            power = short_exp(x[k + l] - largest) if real is float else exp(x[k + l] - largest)
            powers[k + l] = <real>power
            block[l] += power
        k += ROW_PARTS
        if is_long and k % (ROW_PARTS * SUM_BLOCK) == 0:
            carry_block(k // (ROW_PARTS * SUM_BLOCK) - 1, ROW_PARTS, block, group, total)
    if is_long:
        carry(ROW_PARTS, block, group)
        carry(ROW_PARTS, group, total)
        carry(ROW_PARTS, total, block)
    for l in range(min(ROW_PARTS, K)):
        result += block[l]
    return result


def softmax(const real[:, ::1] x):
    """Return the softmax of each row.

    IN x (N, classes); OUT y (N, classes).
    """
    cdef Py_ssize_t N = x.shape[0], K = x.shape[1], b
    result = np.empty((N, K), dtype_of[real](NULL))
    cdef real[:, ::1] y = result
    for b in prange(N, nogil=True, num_threads=threads_for(STEPS_OF_EXP * N * K)):
        softmax_row(&x[b, 0], K, &y[b, 0])
    return result


cdef void softmax_row(const real *x, Py_ssize_t K, real *y) noexcept nogil:
    cdef double total = exponentials(x, K, maximum(x, K), y)
    cdef Py_ssize_t k
    for k in range(K):
        y[k] = <real>(y[k] / total)


def softmax_dx(const real[:, ::1] dy, *, const real[:, ::1] y):
    """Return ∂e/∂x of softmax.

    IN dy, y (N, classes); OUT dx (N, classes).
    """
    cdef Py_ssize_t N = y.shape[0], K = y.shape[1], b
    result = np.empty((N, K), dtype_of[real](NULL))
    cdef real[:, ::1] dx = result
    for b in prange(N, nogil=True, num_threads=threads_for(STEPS_OF_EXP * N * K)):
        softmax_row_dx(&dy[b, 0], &y[b, 0], K, &dx[b, 0])
    return result


cdef void softmax_row_dx(const real *dy, const real *y, Py_ssize_t K, real *dx) noexcept nogil:
    cdef double block = 0, group = 0, mean = 0
    cdef Py_ssize_t n, k
    for n in range(block_count(K)):
        for k in range(n * SUM_BLOCK, min((n + 1) * SUM_BLOCK, K)):
            block += <double>dy[k] * y[k]
        carry_block(n, 1, &block, &group, &mean)
    carry(1, &group, &mean)
    for k in range(K):
        dx[k] = <real>(y[k] * (dy[k] - mean))


def log_softmax(const real[:, ::1] x):
    """Return the logarithm of the softmax of each row.

    IN x (N, classes); OUT y (N, classes).
    """
    cdef Py_ssize_t N = x.shape[0], K = x.shape[1], b
    result = np.empty((N, K), dtype_of[real](NULL))
    cdef real[:, ::1] y = result
    for b in prange(N, nogil=True, num_threads=threads_for(STEPS_OF_EXP * N * K)):
        log_softmax_row(&x[b, 0], K, &y[b, 0])
    return result


cdef void log_softmax_row(const real *x, Py_ssize_t K, real *y) noexcept nogil:
    cdef double largest = maximum(x, K)
    cdef double log_total = log(exponentials(x, K, largest, y))
    cdef Py_ssize_t k
    for k in range(K):
        y[k] = <real>(x[k] - largest - log_total)


def log_softmax_dx(const real[:, ::1] dy, *, const real[:, ::1] y):
    """Return ∂e/∂x of log_softmax.

    IN dy, y (N, classes); OUT dx (N, classes).
    """
    cdef Py_ssize_t N = y.shape[0], K = y.shape[1], b
    result = np.empty((N, K), dtype_of[real](NULL))
    cdef real[:, ::1] dx = result
    for b in prange(N, nogil=True, num_threads=threads_for(STEPS_OF_EXP * N * K)):
        log_softmax_row_dx(&dy[b, 0], &y[b, 0], K, &dx[b, 0])
    return result


cdef void log_softmax_row_dx(const real *dy, const real *y, Py_ssize_t K, real *dx) noexcept nogil:
    cdef double block = 0, group = 0, total = 0
    cdef Py_ssize_t n, k
    for n in range(block_count(K)):
        for k in range(n * SUM_BLOCK, min((n + 1) * SUM_BLOCK, K)):
            block += dy[k]
        carry_block(n, 1, &block, &group, &total)
    carry(1, &group, &total)
    for k in range(K):
        dx[k] = <real>(dy[k] - exp(y[k]) * total)


cdef double sum_in_blocks(const double[::1] terms) noexcept nogil:
    """Return the sum of the losses of rows or tasks.

    They are added in order, so the result has the same bits at any thread count.
    """
    cdef double block = 0, group = 0, total = 0
    cdef Py_ssize_t size = terms.shape[0], n, i
    for n in range(block_count(size)):
        for i in range(n * SUM_BLOCK, min((n + 1) * SUM_BLOCK, size)):
            block += terms[i]
        carry_block(n, 1, &block, &group, &total)
    carry(1, &group, &total)
    return total


def softmax_cross_entropy(const real[:, ::1] logits, const Py_ssize_t[::1] labels, double alpha, class_weights=None):
    """Return the mean cross-entropy of the softmax and its derivative.

    IN logits (N, K), labels (N,), alpha, class_weights (K,) or None; OUT the loss and dlogits (N, K).
    """
    cdef Py_ssize_t N = logits.shape[0], K = logits.shape[1], b
    dtype = dtype_of[real](NULL)
    result = np.empty((N, K), dtype)
    cdef real[:, ::1] dlogits = result
    cdef double[::1] row_loss = np.empty(N)
    cdef const double[::1] weights = None
    cdef bint weighted = class_weights is not None
    cdef double total = N
    if weighted:
        weights = np.asarray(class_weights, np.float64)[np.asarray(labels)]
        total = sum_in_blocks(weights)
    for b in prange(N, nogil=True, num_threads=threads_for(STEPS_OF_EXP * N * K)):
        # The row's share of the mean is 1 / N, or weight / total.
        row_loss[b] = cross_entropy_row(&logits[b, 0], K, labels[b], alpha, total / weights[b] if weighted else total,
                                        &dlogits[b, 0])
        if weighted:
            row_loss[b] = weights[b] * row_loss[b] if weights[b] > 0 else 0
    return dtype(sum_in_blocks(row_loss) / total), result


cdef double cross_entropy_row(const real *logits, Py_ssize_t K, Py_ssize_t label, double alpha, double divisor,
                              real *dlogits) noexcept nogil:
    """Return the loss of one row, and write (softmax − target) / divisor to dlogits."""
    cdef double largest = maximum(logits, K), total = exponentials(logits, K, largest, dlogits)
    cdef double log_total = log(total), share = alpha / K, of_label = dlogits[label] / total, scale = 1 / (total * divisor)
    cdef double block = 0, group = 0, smoothing = 0, loss = 0
    cdef Py_ssize_t n, k
    for k in range(K):
        dlogits[k] = <real>(dlogits[k] * scale - share / divisor)
    # In double precision, because in float32 p − 1 would lose its digits if p is close to 1.
    dlogits[label] = <real>((of_label - share - (1 - alpha)) / divisor)
    # Skip a term of weight 0: its logit may be −∞, and 0·∞ would be NaN.
    if alpha < 1:
        loss -= (1 - alpha) * (logits[label] - largest - log_total)
    if alpha > 0:
        for n in range(block_count(K)):
            for k in range(n * SUM_BLOCK, min((n + 1) * SUM_BLOCK, K)):
                block += share * (logits[k] - largest - log_total)
            carry_block(n, 1, &block, &group, &smoothing)
        carry(1, &group, &smoothing)
        loss -= smoothing
    return loss


def mean_squared_error(const real[::1] predictions, const real[::1] targets):
    """Return the mean squared error and its derivative.

    IN predictions, targets (M,); OUT the loss and dpredictions (M,).
    """
    cdef Py_ssize_t M = predictions.shape[0], task, first
    dtype = dtype_of[real](NULL)
    result = np.empty(M, dtype)
    cdef real[::1] dpredictions = result
    cdef double[::1] task_loss = np.empty((M + TASK_ELEMENTS - 1) // TASK_ELEMENTS)
    for task in prange(task_loss.shape[0], nogil=True, schedule="static", num_threads=threads_for(M)):
        first = task * TASK_ELEMENTS
        task_loss[task] = squared_errors(min(TASK_ELEMENTS, M - first), &predictions[first], &targets[first], 2. / M,
                                         &dpredictions[first])
    return dtype(sum_in_blocks(task_loss) / M), result


cdef double squared_errors(Py_ssize_t size, const real *predictions, const real *targets, double scale,
                           real *dpredictions) noexcept nogil:
    """Return the sum of the squared errors, and write scale times each error to dpredictions."""
    cdef double parts[ROW_PARTS]
    cdef double error, total = 0
    cdef Py_ssize_t i = 0, l
    for l in range(ROW_PARTS):
        parts[l] = 0
    while i < size:
        for l in range(min(ROW_PARTS, size - i)):
            error = <double>predictions[i + l] - targets[i + l]
            dpredictions[i + l] = <real>(scale * error)
            parts[l] += error * error
        i += ROW_PARTS
    for l in range(ROW_PARTS):
        total += parts[l]
    return total


def binary_cross_entropy(const real[::1] logits, const real[::1] targets, double pos_weight):
    """Return the mean binary cross-entropy of the sigmoids and its derivative.

    IN logits, targets (M,), pos_weight; OUT the loss and dlogits (M,).
    """
    cdef Py_ssize_t M = logits.shape[0], task, first
    dtype = dtype_of[real](NULL)
    result = np.empty(M, dtype)
    cdef real[::1] dlogits = result
    cdef double[::1] task_loss = np.empty((M + TASK_ELEMENTS - 1) // TASK_ELEMENTS)
    for task in prange(task_loss.shape[0], nogil=True, schedule="static", num_threads=threads_for(STEPS_OF_EXP * M)):
        first = task * TASK_ELEMENTS
        task_loss[task] = binary_losses(min(TASK_ELEMENTS, M - first), &logits[first], &targets[first], pos_weight, 1. / M,
                                        &dlogits[first])
    return dtype(sum_in_blocks(task_loss) / M), result


cdef double binary_losses(Py_ssize_t size, const real *logits, const real *targets, double pos_weight, double scale,
                          real *dlogits) noexcept nogil:
    """Return the sum of the losses, and write scale times their derivatives to dlogits."""
    cdef double parts[ROW_PARTS]
    cdef double x, positive, negative, power, inverse, softplus, loss, total = 0
    cdef Py_ssize_t i = 0, l
    for l in range(ROW_PARTS):
        parts[l] = 0
    while i < size:
        for l in range(min(ROW_PARTS, size - i)):
            x = logits[i + l]
            positive = pos_weight * targets[i + l]
            negative = 1 - <double>targets[i + l]
            power = short_exp(-fabs(x)) if real is float else exp(-fabs(x))
            softplus = short_log1p(power) if real is float else log1p(power)   # softplus(−|x|)
            inverse = 1 / (1 + power)   # sigmoid(|x|); power · inverse is sigmoid(−|x|)
            # Skip a term of weight 0: its logit may be infinite, and 0·∞ would be NaN.
            loss = positive * (softplus - x if x < 0 else softplus) if positive > 0 else 0
            loss += negative * (softplus if x < 0 else softplus + x) if negative > 0 else 0
            parts[l] += loss
            dlogits[i + l] = <real>(scale * inverse * (negative * power - positive if x < 0 else negative - positive * power))
        i += ROW_PARTS
    for l in range(ROW_PARTS):
        total += parts[l]
    return total


cdef inline double short_log1p(double x) noexcept nogil:
    """Return log(1 + x) to ten digits, for x from 0 to 1 or NaN.

    With z = x / (2 + x), so z ≤ 1/3, log(1 + x) is 2·artanh(z): Taylor's series up to z¹⁹. It is also accurate for small x.
    """
    cdef double z = x / (2 + x)
    cdef double square = z * z
    return 2 * z * (1 + square * (1. / 3 + square * (1. / 5 + square * (1. / 7 + square * (1. / 9 + square * (
        1. / 11 + square * (1. / 13 + square * (1. / 15 + square * (1. / 17 + square * (1. / 19))))))))))
