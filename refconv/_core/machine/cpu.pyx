"""The processor's instruction sets, the team of threads and the allocator's settings.

This module is compiled for the baseline only, so that any processor can import it.
"""
from cpython.exc cimport PyErr_CheckSignals
from cpython.pycapsule cimport PyCapsule_New

from cython.parallel cimport prange

from refconv._core.common.threads cimport Team, use_team

cdef extern from "Python.h":
    int Py_AddPendingCall(int (*function)(void *) except -1, void *argument)

cdef extern from "machine/team.h":
    Team *create_team(int (*handle_signals)() noexcept nogil)
    void error_is_raised()
    void reserve_workers()
    void release_workers()
    void set_settings_of_this_thread(int threads, int tile_side)

cdef extern from *:
    """
    #if (defined(__x86_64__) || defined(__i386__)) && (defined(__GNUC__) || defined(__clang__))
    static int has_v3(void)
    {
        __builtin_cpu_init();
        return __builtin_cpu_supports("avx") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    }
    static int has_v4(void)
    {
        return has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd")
            && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")
            && __builtin_cpu_supports("avx512vl");
    }
    #elif defined(_M_X64)
    #include <intrin.h>
    /* A set counts only if the operating system saves its registers (XCR0) and the processor lists it (leaf 7). */
    static int listed(unsigned long long registers, int fma, int ebx)
    {
        int one[4], seven[4];
        __cpuid(one, 1);
        if (!(one[2] & 1 << 27) || (_xgetbv(0) & registers) != registers)
            return 0;
        __cpuidex(seven, 7, 0);
        return (one[2] & fma) == fma && (seven[1] & ebx) == ebx;
    }
    static int has_v3(void) { return listed(0x06, 1 << 12 | 1 << 28, 1 << 5); }
    static int has_v4(void)
    {
        return listed(0xe6, 1 << 12 | 1 << 28, 1 << 5 | 1 << 16 | 1 << 17 | 1 << 28 | 1 << 30 | (int)(1u << 31));
    }
    #else
    static int has_v3(void) { return 0; }
    static int has_v4(void) { return 0; }
    #endif

    #if defined(__GLIBC__)
    #include <limits.h>
    #include <malloc.h>
    static int keep_freed(void) { return mallopt(M_MMAP_MAX, 0) && mallopt(M_TRIM_THRESHOLD, INT_MAX); }
    #else
    static int keep_freed(void) { return 0; }
    #endif

    #if defined(REFCONV_OWN_TEAM)
    static int openmp_threads(void) { return processors(); }
    static int runs_own_team(void) { return 1; }
    #elif defined(_OPENMP)
    #include <omp.h>
    static int openmp_threads(void) { return omp_get_max_threads(); }
    static int runs_own_team(void) { return 0; }
    #else
    static int openmp_threads(void) { return 0; }
    static int runs_own_team(void) { return 0; }
    #endif
    """
    int has_v3()
    int has_v4()
    int keep_freed()
    int openmp_threads()
    int runs_own_team()


cdef int run_each_iteration_once() noexcept:
    """Return 1 if a `prange` runs each iteration exactly once.

    Then the code that the compiler generates for it calls the functions of regions.h.
    """
    cdef int k, ok = 1
    cdef int visits[5]
    for k in range(5):
        visits[k] = 0
    for k in prange(5, nogil=True, schedule="dynamic", num_threads=2):
        visits[k] += 1
    for k in prange(5, nogil=True, schedule="static", num_threads=2):
        visits[k] += 1
    for k in range(5):
        ok &= visits[k] == 2
    return ok


cdef list raised = []  # error of a signal's handler, which Python raises as soon as the running kernel returns


cdef int handle_signals() noexcept nogil:
    """Run the handlers of received signals; return 1 if one raised an error.

    A kernel calls it in the main thread. The pending call runs before the next instruction of Python in that thread.
    """
    with gil:
        try:
            PyErr_CheckSignals()
        except BaseException as error:
            raised.append(error)
        return len(raised) > 0 and Py_AddPendingCall(raise_error, NULL) == 0


cdef int raise_error(void *unused) except -1:
    error_is_raised()
    raise raised.pop()


cdef Team *shared = create_team(handle_signals)
use_team(shared)
if runs_own_team():
    reserve_workers()  # the check then runs on this thread, so that importing the package starts no threads
    _works = run_each_iteration_once()
    release_workers()
    if not _works:
        raise ImportError("refconv does not support this compiler's OpenMP calls; build it with CFLAGS=-DREFCONV_OPENMP_TEAM")

team = PyCapsule_New(<void *> shared, "refconv.team", NULL)  # for the kernel modules


def use_settings(int threads, int tile_side):
    """Set the number of threads and the side of Winograd's tiles for the calling thread."""
    set_settings_of_this_thread(threads, tile_side)


def settings_in_use():
    """Return the calling thread's settings: number of threads, side of Winograd's tiles."""
    return shared.settings().threads, shared.settings().tile_side


def has_own_team():
    """Return True if refconv's own threads run the parallel loops, False if OpenMP's do.

    In a forked child, OpenMP's threads hang; refconv's own team works.
    """
    return bool(runs_own_team())


def instruction_sets():
    """Return the names of the instruction sets that this processor can run, best first."""
    return [name for name, has in (("v4", has_v4()), ("v3", has_v3()), ("baseline", True)) if has]


def available_threads():
    """Return the number of threads that kernels can use by default, or 0 without OpenMP."""
    return openmp_threads()


def keep_freed_memory():
    """Let the C library keep up to two gigabytes of freed memory for the next allocation.

    Return False if the C library has no such setting. A training step allocates the same arrays as the step before. If their
    memory is returned to the system in between, each page costs a page fault at its first access; together they may take
    longer than the arithmetic. By default, each large array has a separate mapping, which is returned as soon as the array is
    freed. So this setting allocates large arrays from the heap, like all others.
    """
    return bool(keep_freed())
