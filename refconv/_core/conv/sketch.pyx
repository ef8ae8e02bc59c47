"""Convolution as compiled loops, a step between reference/conv.py and direct.pyx.

It computes the same sum with the same names as the loops of reference/conv.py, with types added and two changes. The loop over
output channels o is innermost: they are contiguous in y and in w, so the compiler vectorises it. The loop over groups g
replaces the division o // O_g. Weights are not packed and no sums stay in registers: each product loads its sum from memory
and stores it again, which direct.pyx avoids. No layer uses this function; tutorial 12 measures its time.
"""
import numpy as np

from cython.parallel cimport prange

from refconv._core.common.arrays cimport dtype_of
from refconv._core.common.real cimport real

include "common/threads.pxi"


def conv2d(const real[:, :, :, ::1] x, const real[:, :, :, ::1] w, const real[::1] bias, window, Py_ssize_t groups):
    """Return the output y of a convolution layer.

    IN x (N, H, W, C), w (kh, kw, C / groups, O), bias (O,) or None; OUT y (N, rows, columns, O).
    """
    size = (x.shape[1], x.shape[2])
    result = np.zeros((x.shape[0], *window.output_size(size), w.shape[3]), dtype_of[real](NULL))
    if bias is not None:
        result += np.asarray(bias)
    cdef real[:, :, :, ::1] y = result
    x = np.pad(x, ((0, 0), *window.pads(size), (0, 0)))
    cdef Py_ssize_t S_h = window.stride[0], S_w = window.stride[1], D_h = window.dilation[0], D_w = window.dilation[1]
    cdef Py_ssize_t C_g = w.shape[2], O_g = w.shape[3] // groups, b, i, j, m, n, g, c, o
    cdef int threads = threads_for(result.size * w.shape[0] * w.shape[1] * C_g)
    for b in prange(y.shape[0], nogil=True, schedule="dynamic", num_threads=threads):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                for m in range(w.shape[0]):
                    for n in range(w.shape[1]):
                        for g in range(groups):
                            for c in range(C_g):
                                for o in range(g * O_g, (g + 1) * O_g):
                                    y[b, i, j, o] += x[b, i * S_h + m * D_h, j * S_w + n * D_w, g * C_g + c] * w[m, n, c, o]
    return result
