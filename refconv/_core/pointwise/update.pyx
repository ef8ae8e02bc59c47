"""Updates of parameters: one pass over memory, in place.

An array of any shape is one line of numbers, cut into blocks; a task is a block, and no element needs another. So a block
is read once and written once, however long the formula is, and the bits do not depend on the threads.

The calls are many and small (a bias has ten elements), so what comes before the loop counts: the type is chosen by the size
of an element, which is quicker than Cython's own choice among fused types. What is neither float nor double is refused
where the array becomes a memoryview.
"""
import numpy as np

from cython.parallel cimport prange
from libc.math cimport sqrt, sqrtf

from refconv._core.common.real cimport real

include "common/threads.pxi"

cdef enum:
    BLOCK = 4096   # elements of one task: all arrays of an update stay in L1 or L2
    STEPS = 3      # that an element counts: it comes from three or four arrays, seldom still in a cache, and goes to two or three


def sgd(theta, v, g, double lr, double momentum, double decay, bint nesterov):
    """IN OUT theta, v; IN g.  fall = lr·(g + decay·theta),  v = momentum·v − fall,  theta += v, or momentum·v − fall.

    All arrays of this module are C-contiguous, of any shape.
    """
    if theta.itemsize == 4:
        _sgd[float](theta.reshape(-1), v.reshape(-1), g.reshape(-1), lr, momentum, decay, nesterov)
    else:
        _sgd[double](theta.reshape(-1), v.reshape(-1), g.reshape(-1), lr, momentum, decay, nesterov)


cdef _sgd(real[::1] theta, real[::1] v, const real[::1] g, real lr, real momentum, real decay, bint nesterov):
    cdef Py_ssize_t size = theta.shape[0], first
    for first in prange(0, size, BLOCK, nogil=True, schedule="static", num_threads=threads_for(STEPS * size)):
        sgd_block(min(BLOCK, size - first), &theta[first], &v[first], &g[first], lr, momentum, decay, nesterov)


cdef void sgd_block(Py_ssize_t size, real *theta, real *v, const real *g, real lr, real momentum, real decay,
                    bint nesterov) noexcept nogil:
    cdef Py_ssize_t i
    cdef real fall
    if nesterov:
        for i in range(size):
            fall = lr * (g[i] + decay * theta[i])
            v[i] = momentum * v[i] - fall
            theta[i] += momentum * v[i] - fall
    else:
        for i in range(size):
            v[i] = momentum * v[i] - lr * (g[i] + decay * theta[i])
            theta[i] += v[i]


def rmsprop(theta, s, v, g, double lr, double rho, double momentum, double eps, bint eps_inside_sqrt, double decay):
    """IN OUT theta, s, v; IN g.  h = g + decay·theta,  s = rho·s + (1 − rho)·h²,  v = momentum·v − lr·h / √(s + eps)
    (or / (√s + eps)),  theta += v."""
    if theta.itemsize == 4:
        _rmsprop[float](theta.reshape(-1), s.reshape(-1), v.reshape(-1), g.reshape(-1), lr, rho, 1 - rho, momentum, eps,
                        eps_inside_sqrt, decay)
    else:
        _rmsprop[double](theta.reshape(-1), s.reshape(-1), v.reshape(-1), g.reshape(-1), lr, rho, 1 - rho, momentum, eps,
                         eps_inside_sqrt, decay)


cdef _rmsprop(real[::1] theta, real[::1] s, real[::1] v, const real[::1] g, real lr, real rho, real rest, real momentum,
              real eps, bint eps_inside_sqrt, real decay):
    cdef Py_ssize_t size = theta.shape[0], first
    cdef real inside = eps if eps_inside_sqrt else 0, outside = 0 if eps_inside_sqrt else eps
    for first in prange(0, size, BLOCK, nogil=True, schedule="static", num_threads=threads_for(STEPS * size)):
        rmsprop_block(min(BLOCK, size - first), &theta[first], &s[first], &v[first], &g[first], lr, rho, rest, momentum,
                      inside, outside, decay)


cdef void rmsprop_block(Py_ssize_t size, real *theta, real *s, real *v, const real *g, real lr, real rho, real rest,
                        real momentum, real inside, real outside, real decay) noexcept nogil:
    cdef Py_ssize_t i
    cdef real h
    for i in range(size):
        h = g[i] + decay * theta[i]
        s[i] = rho * s[i] + rest * h * h
        v[i] = momentum * v[i] - lr * h / (root(s[i] + inside) + outside)
        theta[i] += v[i]


def adam(theta, m, s, g, double lr, double beta1, double beta2, double eps, Py_ssize_t t, double decay):
    """IN OUT theta, m, s; IN g.  h = g + decay·theta,  m = beta1·m + (1 − beta1)·h,  s = beta2·s + (1 − beta2)·h²,
    theta −= lr·(m / (1 − beta1ᵗ)) / (√(s / (1 − beta2ᵗ)) + eps)."""
    cdef double enlarged = 1 / (1 - beta1**t), squared = 1 / (1 - beta2**t)
    if theta.itemsize == 4:
        _adam[float](theta.reshape(-1), m.reshape(-1), s.reshape(-1), g.reshape(-1), lr * enlarged, beta1, 1 - beta1,
                     beta2, 1 - beta2, squared, eps, decay)
    else:
        _adam[double](theta.reshape(-1), m.reshape(-1), s.reshape(-1), g.reshape(-1), lr * enlarged, beta1, 1 - beta1,
                      beta2, 1 - beta2, squared, eps, decay)


cdef _adam(real[::1] theta, real[::1] m, real[::1] s, const real[::1] g, real lr, real beta1, real rest1, real beta2,
           real rest2, real squared, real eps, real decay):
    cdef Py_ssize_t size = theta.shape[0], first
    for first in prange(0, size, BLOCK, nogil=True, schedule="static", num_threads=threads_for(STEPS * size)):
        adam_block(min(BLOCK, size - first), &theta[first], &m[first], &s[first], &g[first], lr, beta1, rest1, beta2,
                   rest2, squared, eps, decay)


cdef void adam_block(Py_ssize_t size, real *theta, real *m, real *s, const real *g, real lr, real beta1, real rest1,
                     real beta2, real rest2, real squared, real eps, real decay) noexcept nogil:
    cdef Py_ssize_t i
    cdef real h
    for i in range(size):
        h = g[i] + decay * theta[i]
        m[i] = beta1 * m[i] + rest1 * h
        s[i] = beta2 * s[i] + rest2 * h * h
        theta[i] -= lr * m[i] / (root(s[i] * squared) + eps)


def sum_of_squares(g, double scale=1):
    """IN g; returns Σ (scale · g)², summed in double precision: block by block, and the blocks in order."""
    if g.itemsize == 4:
        return _sum_of_squares[float](g.reshape(-1), scale)
    return _sum_of_squares[double](g.reshape(-1), scale)


cdef double _sum_of_squares(const real[::1] g, double scale):
    cdef Py_ssize_t size = g.shape[0], task
    cdef double[::1] sums = np.empty((size + BLOCK - 1) // BLOCK)
    for task in prange(sums.shape[0], nogil=True, schedule="static", num_threads=threads_for(size)):
        sums[task] = block_squares(min(BLOCK, size - task * BLOCK), &g[task * BLOCK], scale)
    return np.sum(sums)  # pairwise


cdef double block_squares(Py_ssize_t size, const real *g, double scale) noexcept nogil:
    """Eight sums side by side: one vector, in an order that the compiler need not be asked to change."""
    cdef double sums[8]
    cdef double scaled
    cdef Py_ssize_t i, k, whole = size - size % 8
    for k in range(8):
        sums[k] = 0
    for i in range(0, whole, 8):
        for k in range(8):
            scaled = scale * g[i + k]
            sums[k] += scaled * scaled
    for i in range(whole, size):
        scaled = scale * g[i]
        sums[i - whole] += scaled * scaled
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]))


cdef inline real root(real x) noexcept nogil:
    return sqrtf(x) if real is float else sqrt(x)
