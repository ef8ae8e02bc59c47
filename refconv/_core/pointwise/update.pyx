"""Updates of parameters, in place, in one pass over memory.

Arrays of any shape are flattened and divided into blocks; a task is a block. No element depends on another, so each block is
read and written once, and the bits do not depend on the number of threads. All arrays must be C-contiguous.

Small parameters are updated often, so the overhead of a call matters: selecting the type by the item size is faster than
Cython's own selection among fused types. For an array of another type, the conversion to a memoryview raises the error.
"""
import numpy as np

from cython.parallel cimport prange
from libc.math cimport sqrt, sqrtf

from refconv._core.common.real cimport real

include "common/threads.pxi"

cdef enum:
    BLOCK_ELEMENTS = 4096   # elements of one task: all arrays of an update stay in L1 or L2
    STEPS_PER_ELEMENT = 3   # steps (threads.h): an update reads three or four arrays from memory and writes two or three


cdef enum Rule:
    SGD, NESTEROV, RMSPROP, ADAM


cdef struct Constants:
    # Constants of a step, in double precision; each block rounds them to the type of its arrays. A rule uses some of them.
    Rule rule
    double lr                   # in adam: divided by the sum of the weights in m
    double shrink               # in adamw: 1 − lr·decay, by which theta is multiplied first; otherwise 1
    double momentum, decay
    double rho                  # in adam: beta2
    double beta1
    double squared              # in adam: factor of s, 1 / the sum of the weights in s
    double inside, outside      # ε inside or outside of the square root; the other one is 0


def sgd(theta, v, g, double lr, double momentum, double decay, bint nesterov):
    """Update theta and v in place by a step of SGD with momentum.

    fall = lr·(g + decay·theta),  v = momentum·v − fall,  theta += v, or with `nesterov` theta += momentum·v − fall.
    """
    step(theta, v, v, g, Constants(rule=NESTEROV if nesterov else SGD, lr=lr, momentum=momentum, decay=decay))


def rmsprop(theta, s, v, g, *, double lr, double rho, double momentum, double eps, bint eps_inside_sqrt, double decay):
    """Update theta, s and v in place by a step of RMSprop.

    h = g + decay·theta,  s = rho·s + (1 − rho)·h²,  v = momentum·v − lr·h / √(s + eps) (or / (√s + eps)),  theta += v.
    """
    step(theta, s, v, g, Constants(rule=RMSPROP, lr=lr, rho=rho, momentum=momentum, decay=decay,
                                   inside=eps if eps_inside_sqrt else 0, outside=0 if eps_inside_sqrt else eps))


def adam(theta, m, s, g, *, double lr, double beta1, double beta2, double eps, Py_ssize_t t, double decay):
    """Update theta, m and s in place by step number t of Adam.

    h = g + decay·theta,  m = beta1·m + (1 − beta1)·h,  s = beta2·s + (1 − beta2)·h²,
    theta −= lr·(m / (1 − beta1ᵗ)) / (√(s / (1 − beta2ᵗ)) + eps).
    """
    step(theta, m, s, g, Constants(rule=ADAM, lr=lr / (1 - beta1**t), shrink=1, decay=decay, beta1=beta1, rho=beta2,
                                   squared=1 / (1 - beta2**t), outside=eps))


def adamw(theta, m, s, g, *, double lr, double beta1, double beta2, double eps, Py_ssize_t t, double decay):
    """Update theta, m and s in place by step number t of AdamW.

    theta −= lr·decay·theta, then Adam without decay.
    """
    step(theta, m, s, g, Constants(rule=ADAM, lr=lr / (1 - beta1**t), shrink=1 - lr * decay, decay=0, beta1=beta1, rho=beta2,
                                   squared=1 / (1 - beta2**t), outside=eps))


cdef step(theta, first, second, g, Constants c):
    """Make one step of any rule.

    `first` and `second` are its state; a rule with one array of state gets the same array twice.
    """
    if theta.itemsize == 4:
        in_blocks[float](theta.reshape(-1), first.reshape(-1), second.reshape(-1), g.reshape(-1), c)
    else:
        in_blocks[double](theta.reshape(-1), first.reshape(-1), second.reshape(-1), g.reshape(-1), c)


cdef in_blocks(real[::1] theta, real[::1] first, real[::1] second, const real[::1] g, Constants c):
    cdef Py_ssize_t size = theta.shape[0], i
    cdef int threads = threads_for(STEPS_PER_ELEMENT * size)
    for i in prange(0, size, BLOCK_ELEMENTS, nogil=True, schedule="static", num_threads=threads):
        block(&c, min(BLOCK_ELEMENTS, size - i), &theta[i], &first[i], &second[i], &g[i])


cdef void block(const Constants *c, Py_ssize_t size, real *theta, real *first, real *second, const real *g) noexcept nogil:
    if c.rule == SGD:
        sgd_block(c, size, theta, first, g)
    elif c.rule == NESTEROV:
        nesterov_block(c, size, theta, first, g)
    elif c.rule == RMSPROP:
        rmsprop_block(c, size, theta, first, second, g)
    else:
        adam_block(c, size, theta, first, second, g)


cdef void sgd_block(const Constants *c, Py_ssize_t size, real *theta, real *v, const real *g) noexcept nogil:
    cdef real lr = <real>c.lr, momentum = <real>c.momentum, decay = <real>c.decay
    cdef Py_ssize_t i
    for i in range(size):
        v[i] = momentum * v[i] - lr * (g[i] + decay * theta[i])
        theta[i] += v[i]


cdef void nesterov_block(const Constants *c, Py_ssize_t size, real *theta, real *v, const real *g) noexcept nogil:
    cdef real lr = <real>c.lr, momentum = <real>c.momentum, decay = <real>c.decay, fall
    cdef Py_ssize_t i
    for i in range(size):
        fall = lr * (g[i] + decay * theta[i])
        v[i] = momentum * v[i] - fall
        theta[i] += momentum * v[i] - fall


cdef void rmsprop_block(const Constants *c, Py_ssize_t size, real *theta, real *s, real *v, const real *g) noexcept nogil:
    cdef real lr = <real>c.lr, rho = <real>c.rho, rest = <real>(1 - c.rho), momentum = <real>c.momentum
    cdef real inside = <real>c.inside, outside = <real>c.outside, decay = <real>c.decay, h
    cdef Py_ssize_t i
    for i in range(size):
        h = g[i] + decay * theta[i]
        s[i] = rho * s[i] + rest * h * h
        v[i] = momentum * v[i] - lr * h / (root(s[i] + inside) + outside)
        theta[i] += v[i]


cdef void adam_block(const Constants *c, Py_ssize_t size, real *theta, real *m, real *s, const real *g) noexcept nogil:
    cdef real lr = <real>c.lr, shrink = <real>c.shrink, beta1 = <real>c.beta1, rest1 = <real>(1 - c.beta1)
    cdef real beta2 = <real>c.rho, rest2 = <real>(1 - c.rho), squared = <real>c.squared, eps = <real>c.outside
    cdef real decay = <real>c.decay, h
    cdef Py_ssize_t i
    for i in range(size):
        h = g[i] + decay * theta[i]
        m[i] = beta1 * m[i] + rest1 * h
        s[i] = beta2 * s[i] + rest2 * h * h
        theta[i] = shrink * theta[i] - lr * m[i] / (root(s[i] * squared) + eps)


def sum_of_squares(g, double scale=1):
    """Return Σ (scale · g)², computed in double precision.

    The sums of the blocks are added in order.
    """
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
    """Return the sum of squares of one block.

    Eight partial sums let the compiler vectorise the loop without an option that permits it to reorder additions.
    """
    cdef double sums[8]
    cdef double scaled
    cdef Py_ssize_t i, k, full = size - size % 8
    for k in range(8):
        sums[k] = 0
    for i in range(0, full, 8):
        for k in range(8):
            scaled = scale * g[i + k]
            sums[k] += scaled * scaled
    for i in range(full, size):
        scaled = scale * g[i]
        sums[i - full] += scaled * scaled
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]))


cdef inline real root(real x) noexcept nogil:
    return sqrtf(x) if real is float else sqrt(x)
