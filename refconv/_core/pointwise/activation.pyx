"""Activation functions and their derivatives: one element in, one element out.

Arrays of any shape are flattened and divided into blocks; a task is a block. The function is selected once per block, outside
of the loop over its elements, so that the compiler vectorises the loop. exp and tanh of the C library are accurate to the last
bit or two. All arrays must be C-contiguous.
"""
import numpy as np  # no-cython-lint: used by functions of arrays.pxd, which are compiled into this module

from cython.parallel cimport prange
from libc.math cimport exp, expf, expm1, expm1f, tanh as tanh64, tanhf

from refconv._core.common.arrays cimport aligned_empty
from refconv._core.common.real cimport real
from refconv._core.common.stream cimport PIECE_ELEMENTS, exceeds_caches, stream, stream_end

include "common/threads.pxi"

cdef enum:
    BLOCK_ELEMENTS = 4096   # elements of one task: input and output stay in L1 or L2
    STEPS_OF_EXP = 16       # steps (threads.h) of an exponential

cdef enum Function:
    RELU, RELU_DX, RELU6, RELU6_DX, LEAKY_RELU, LEAKY_RELU_DX, ELU, ELU_DX, SIGMOID, SIGMOID_DX, TANH, TANH_DX


def relu(x):
    """Return y = max(0, x)."""
    return _each(RELU, x, x, 0)


def relu_dx(dy, *, x):
    """Return dx = dy · [x > 0]."""
    return _each(RELU_DX, x, dy, 0)


def relu_in_place(real[::1] y):
    """Set negative elements of the flat array y to 0, in place."""
    cdef Py_ssize_t size = y.shape[0], first
    for first in prange(0, size, BLOCK_ELEMENTS, nogil=True, schedule="static", num_threads=threads_for(size)):
        cut(&y[first], min(BLOCK_ELEMENTS, size - first))


cdef void cut(real *y, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        y[i] = 0 if y[i] < 0 else y[i]


def relu6(x):
    """Return y = min(max(0, x), 6)."""
    return _each(RELU6, x, x, 0)


def relu6_dx(dy, *, x):
    """Return dx = dy · [0 < x < 6]."""
    return _each(RELU6_DX, x, dy, 0)


def leaky_relu(x, double slope):
    """Return y = x > 0 ? x : slope · x."""
    return _each(LEAKY_RELU, x, x, slope)


def leaky_relu_dx(dy, *, x, double slope):
    """Return dx = dy · (x > 0 ? 1 : slope)."""
    return _each(LEAKY_RELU_DX, x, dy, slope)


def elu(x, double alpha):
    """Return y = x > 0 ? x : α (eˣ − 1)."""
    return _each(ELU, x, x, alpha)


def elu_dx(dy, *, x, double alpha):
    """Return dx = dy · (x > 0 ? 1 : α eˣ)."""
    return _each(ELU_DX, x, dy, alpha)


def sigmoid(x):
    """Return y = 1 / (1 + e⁻ˣ)."""
    return _each(SIGMOID, x, x, 0)


def sigmoid_dx(dy, *, y):
    """Return dx = dy · y (1 − y)."""
    return _each(SIGMOID_DX, y, dy, 0)


def tanh(x):
    """Return y = tanh x."""
    return _each(TANH, x, x, 0)


def tanh_dx(dy, *, y):
    """Return dx = dy · (1 − y²)."""
    return _each(TANH_DX, y, dy, 0)


def _each(Function function, a, dy, double constant):
    """Apply a function to each element; return an array like `a`.

    `a` is x, or y for derivatives that use the output. `dy` is `a` again if the function is not a derivative.
    """
    result = aligned_empty(a.shape, a.dtype)
    _each_block(a.reshape(-1), dy.reshape(-1), result.reshape(-1), function, constant)
    return result


def _each_block(const real[::1] a, const real[::1] dy, real[::1] out, Function function, real constant):
    cdef Py_ssize_t size = a.shape[0], steps = size, first, count
    if function in (ELU, ELU_DX, SIGMOID, TANH):
        steps *= STEPS_OF_EXP
    cdef bint streamed = exceeds_caches(size * sizeof(real))
    for first in prange(0, size, BLOCK_ELEMENTS, nogil=True, schedule="static", num_threads=threads_for(steps)):
        count = min(BLOCK_ELEMENTS, size - first)
        if streamed:
            stream_block(function, &a[first], &dy[first], constant, count, &out[first])
        else:
            block(function, &a[first], &dy[first], constant, count, &out[first])


cdef void stream_block(Function function, const real *a, const real *dy, real constant, Py_ssize_t size,
                       real *out) noexcept nogil:
    cdef real piece[PIECE_ELEMENTS]
    cdef Py_ssize_t i = 0, count
    while i < size:
        count = min(PIECE_ELEMENTS, size - i)
        block(function, a + i, dy + i, constant, count, piece)
        stream(out + i, piece, count * sizeof(real))
        i += count
    stream_end()


cdef void block(Function function, const real *a, const real *dy, real constant, Py_ssize_t size,
                real *out) noexcept nogil:
    cdef Py_ssize_t i
    if function == RELU:
        for i in range(size):
            out[i] = 0 if a[i] < 0 else a[i]
    elif function == RELU_DX:
        for i in range(size):
            out[i] = dy[i] if a[i] > 0 else 0
    elif function == RELU6:
        for i in range(size):
            out[i] = 0 if a[i] < 0 else (6 if a[i] >= 6 else a[i])
    elif function == RELU6_DX:
        for i in range(size):
            out[i] = dy[i] if a[i] > 0 and a[i] < 6 else 0
    elif function == LEAKY_RELU:
        for i in range(size):
            out[i] = a[i] if a[i] > 0 else constant * a[i]
    elif function == LEAKY_RELU_DX:
        for i in range(size):
            out[i] = dy[i] if a[i] > 0 else dy[i] * constant
    elif function == ELU:
        for i in range(size):
            out[i] = a[i] if a[i] > 0 else constant * (expm1f(a[i]) if real is float else expm1(a[i]))
    elif function == ELU_DX:
        for i in range(size):
            out[i] = dy[i] if a[i] > 0 else dy[i] * (constant * (expf(a[i]) if real is float else exp(a[i])))
    elif function == SIGMOID:
        for i in range(size):
            out[i] = 1 / (1 + (expf(-a[i]) if real is float else exp(-a[i])))
    elif function == SIGMOID_DX:
        for i in range(size):
            out[i] = dy[i] * a[i] * (1 - a[i])
    elif function == TANH:
        for i in range(size):
            out[i] = tanhf(a[i]) if real is float else tanh64(a[i])
    elif function == TANH_DX:
        for i in range(size):
            out[i] = dy[i] * (1 - a[i] * a[i])
