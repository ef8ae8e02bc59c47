"""Output and scratch arrays for the kernels."""
import numpy as np

from refconv._core.common.real cimport real


cdef inline object dtype_of(const real *_):
    return np.float32 if real is float else np.float64


cdef inline object aligned_empty(shape, dtype):
    """Return an uninitialised array that starts at a cache line.

    So no vector of an aligned row crosses from one cache line to the next.
    """
    cdef Py_ssize_t size = np.dtype(dtype).itemsize
    for extent in shape:
        size *= extent
    buffer = np.empty(size + 64, np.uint8)
    cdef unsigned char[::1] memory = buffer
    return np.ndarray(shape, dtype, buffer, -<size_t>&memory[0] % 64)
