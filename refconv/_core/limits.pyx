"""What this processor can do at most: the two limits that benchmarks hold the kernels against.

No family: it has no loops in the book, nothing imports it with the package, and its results mean nothing but their time.
"""
import numpy as np

from cython.parallel cimport prange

from refconv._core.real cimport real
from refconv._core.tile cimport LANES_double, LANES_float

include "threads.pxi"

cdef extern from "peak.h" nogil:
    enum:
        CHAINS
    float chains_float(Py_ssize_t rounds)
    double chains_double(Py_ssize_t rounds)


def multiply_adds(Py_ssize_t rounds, dtype):
    """Multiply and add in registers, on all threads; the number of floating-point operations that took.

    Each thread runs that many rounds of independent multiply-adds of float32 or float64, with the vectors of this
    instruction set. Where it has no such instruction, a product and a sum are two.
    """
    cdef int threads = num_threads()
    cdef bint single = dtype == np.float32
    cdef double[::1] sums = np.empty(threads)  # kept, or else the compiler would drop the work
    cdef Py_ssize_t t
    for t in prange(threads, nogil=True, schedule="static", chunksize=1, num_threads=threads):
        sums[t] = chains_float(rounds) if single else chains_double(rounds)
    return 2 * rounds * CHAINS * (LANES_float if single else LANES_double) * threads


def triad(real[::1] a, const real[::1] b, const real[::1] c):
    """IN b, c (n,); OUT a = b + 3·c, each thread on its share: as fast as memory or cache gives two arrays and takes one."""
    cdef Py_ssize_t k
    for k in prange(a.shape[0], nogil=True, schedule="static", num_threads=num_threads()):
        a[k] = b[k] + 3 * c[k]
