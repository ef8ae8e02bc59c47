"""Updates of parameters: one pass over memory, in place.

Arrays of any shape are flattened and cut into blocks; a task is a block. No element depends on another, so each block is read
and written once, and the bits do not depend on the number of threads.

Small parameters are updated often, so the overhead of a call counts: the item size selects the type, which is faster than
Cython's own selection among fused types. Converting an array of another type to a memoryview raises the error.
"""
import numpy as np

from cython.parallel cimport prange
from libc.math cimport sqrt, sqrtf

from refconv._core.common.real cimport real

include "common/threads.pxi"

cdef enum:
    BLOCK_ELEMENTS = 4096   # of one task: all arrays of an update stay in L1 or L2
    STEPS_PER_ELEMENT = 3   # steps (threads.h): an update reads three or four arrays from memory and writes two or three


cdef struct RMSProp:
    # The constants of a step, in double precision; each block rounds them to the type of its arrays.
    double lr, rho, momentum, decay
    double inside, outside      # ε inside or outside of the square root; the other one is 0


cdef struct Adam:
    # The constants of a step, as above.
    double lr                   # divided by the sum of the weights in m
    double beta1, beta2, eps, decay
    double squared              # what s is multiplied by: 1 / the sum of the weights in s


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
    cdef int threads = threads_for(STEPS_PER_ELEMENT * size)
    for first in prange(0, size, BLOCK_ELEMENTS, nogil=True, schedule="static", num_threads=threads):
        sgd_block(min(BLOCK_ELEMENTS, size - first), &theta[first], &v[first], &g[first], lr, momentum, decay, nesterov)


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


def rmsprop(theta, s, v, g, *, double lr, double rho, double momentum, double eps, bint eps_inside_sqrt, double decay):
    """IN OUT theta, s, v; IN g.  h = g + decay·theta,  s = rho·s + (1 − rho)·h²,  v = momentum·v − lr·h / √(s + eps)
    (or / (√s + eps)),  theta += v."""
    cdef RMSProp o = RMSProp(lr=lr, rho=rho, momentum=momentum, decay=decay, inside=eps if eps_inside_sqrt else 0,
                             outside=0 if eps_inside_sqrt else eps)
    if theta.itemsize == 4:
        _rmsprop[float](theta.reshape(-1), s.reshape(-1), v.reshape(-1), g.reshape(-1), o)
    else:
        _rmsprop[double](theta.reshape(-1), s.reshape(-1), v.reshape(-1), g.reshape(-1), o)


cdef _rmsprop(real[::1] theta, real[::1] s, real[::1] v, const real[::1] g, RMSProp o):
    cdef Py_ssize_t size = theta.shape[0], first
    cdef int threads = threads_for(STEPS_PER_ELEMENT * size)
    for first in prange(0, size, BLOCK_ELEMENTS, nogil=True, schedule="static", num_threads=threads):
        rmsprop_block(&o, min(BLOCK_ELEMENTS, size - first), &theta[first], &s[first], &v[first], &g[first])


cdef void rmsprop_block(const RMSProp *o, Py_ssize_t size, real *theta, real *s, real *v, const real *g) noexcept nogil:
    cdef real lr = <real>o.lr, rho = <real>o.rho, rest = <real>(1 - o.rho), momentum = <real>o.momentum
    cdef real inside = <real>o.inside, outside = <real>o.outside, decay = <real>o.decay, h
    cdef Py_ssize_t i
    for i in range(size):
        h = g[i] + decay * theta[i]
        s[i] = rho * s[i] + rest * h * h
        v[i] = momentum * v[i] - lr * h / (root(s[i] + inside) + outside)
        theta[i] += v[i]


def adam(theta, m, s, g, *, double lr, double beta1, double beta2, double eps, Py_ssize_t t, double decay):
    """IN OUT theta, m, s; IN g.  h = g + decay·theta,  m = beta1·m + (1 − beta1)·h,  s = beta2·s + (1 − beta2)·h²,
    theta −= lr·(m / (1 − beta1ᵗ)) / (√(s / (1 − beta2ᵗ)) + eps)."""
    cdef double enlarged = 1 / (1 - beta1**t), squared = 1 / (1 - beta2**t)
    cdef Adam o = Adam(lr=lr * enlarged, beta1=beta1, beta2=beta2, squared=squared, eps=eps, decay=decay)
    if theta.itemsize == 4:
        _adam[float](theta.reshape(-1), m.reshape(-1), s.reshape(-1), g.reshape(-1), o)
    else:
        _adam[double](theta.reshape(-1), m.reshape(-1), s.reshape(-1), g.reshape(-1), o)


cdef _adam(real[::1] theta, real[::1] m, real[::1] s, const real[::1] g, Adam o):
    cdef Py_ssize_t size = theta.shape[0], first
    cdef int threads = threads_for(STEPS_PER_ELEMENT * size)
    for first in prange(0, size, BLOCK_ELEMENTS, nogil=True, schedule="static", num_threads=threads):
        adam_block(&o, min(BLOCK_ELEMENTS, size - first), &theta[first], &m[first], &s[first], &g[first])


cdef void adam_block(const Adam *o, Py_ssize_t size, real *theta, real *m, real *s, const real *g) noexcept nogil:
    cdef real lr = <real>o.lr, beta1 = <real>o.beta1, rest1 = <real>(1 - o.beta1), beta2 = <real>o.beta2
    cdef real rest2 = <real>(1 - o.beta2), squared = <real>o.squared, eps = <real>o.eps, decay = <real>o.decay, h
    cdef Py_ssize_t i
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
    cdef double[::1] sums = np.empty((size + BLOCK_ELEMENTS - 1) // BLOCK_ELEMENTS)
    for task in prange(sums.shape[0], nogil=True, schedule="static", num_threads=threads_for(size)):
        sums[task] = block_squares(min(BLOCK_ELEMENTS, size - task * BLOCK_ELEMENTS), &g[task * BLOCK_ELEMENTS], scale)
    return np.sum(sums)  # pairwise


cdef double block_squares(Py_ssize_t size, const real *g, double scale) noexcept nogil:
    """Eight sums at a time: one vector, without a compiler option that permits another order of additions."""
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
