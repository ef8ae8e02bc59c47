"""Peak throughput of this processor, in registers and from memory.

Benchmarks compare the kernels with these limits. The module is not a family: refconv.reference has no loops for it, and the
package does not import it. Only the running time of its functions matters.
"""
import numpy as np

from cython.parallel cimport prange

from refconv._core.common.real cimport real
from refconv._core.tile.tile cimport LANES_double, LANES_float

include "common/threads.pxi"

cdef extern from "machine/peak.h" nogil:
    enum:
        CHAINS
    float chains_float(Py_ssize_t rounds)
    double chains_double(Py_ssize_t rounds)


def multiply_adds(Py_ssize_t rounds, dtype, int threads):
    """Run multiply-adds in registers; return the number of floating-point operations.

    Each of `threads` threads computes `rounds` rounds of independent multiply-adds of float32 or float64, with the vectors of
    this instruction set. An instruction set without a multiply-add instruction multiplies and adds in two instructions.
    """
    cdef bint single = dtype == np.float32
    cdef double[::1] sums = np.empty(threads)  # storing the results keeps the compiler from removing the work
    cdef Py_ssize_t t
    for t in prange(threads, nogil=True, schedule="static", chunksize=1, num_threads=threads):
        sums[t] = chains_float(rounds) if single else chains_double(rounds)
    return 2 * rounds * CHAINS * (LANES_float if single else LANES_double) * threads


def triad(real[::1] a, const real[::1] b, const real[::1] c, Py_ssize_t passes, int threads):
    """Compute a = b + r·c in passes r = 0, 1, …, which memory bandwidth limits.

    IN b, c (n,); OUT a (n,). Each pass reads two arrays and writes one. Each thread repeats all passes on its own part, so
    that the time to start the threads does not count.
    """
    cdef Py_ssize_t n = a.shape[0], t, begin
    if not n:
        return
    for t in prange(threads, nogil=True, schedule="static", chunksize=1, num_threads=threads):
        begin = n * t // threads
        if begin < n * (t + 1) // threads:
            triad_share(&a[begin], &b[begin], &c[begin], n * (t + 1) // threads - begin, passes)


cdef void triad_share(real *a, const real *b, const real *c, Py_ssize_t n, Py_ssize_t passes) noexcept nogil:
    cdef Py_ssize_t r, k
    for r in range(passes):
        for k in range(n):
            a[k] = b[k] + r * c[k]
