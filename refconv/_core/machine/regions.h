/* Parallel regions, which GCC generates from a `prange`; refconv's own team of threads (team.h) runs them.

   GCC turns the body of a parallel loop into a function and calls GOMP_parallel and a few other functions of OpenMP's runtime.
   On Linux these functions are defined here, hidden from other modules, so that GNU's runtime, libgomp, is not loaded: its
   threads spin for milliseconds while they wait, which only the environment can change, and they do not survive a fork. Other
   compilers and systems use their own OpenMP, and so does a build with CFLAGS=-DREFCONV_OPENMP_TEAM.

   These functions support only the code that Cython generates from `prange`: one loop per region, with a static or dynamic
   schedule. */
#ifndef REFCONV_REGIONS_H
#define REFCONV_REGIONS_H

#if defined(_OPENMP) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && !defined(__INTEL_COMPILER)   \
    && !defined(REFCONV_OPENMP_TEAM)
#define REFCONV_OWN_TEAM
#endif

/* Settings of refconv.config for the kernels. Each thread that calls kernels has its own settings. */
typedef struct {
    int threads;   /* the most threads that a parallel loop may use (threads.h) */
    int tile_side; /* side m of Winograd's tiles of m×m outputs: 2 ("standard" precision) or 4 ("fast") */
} Settings;

/* The team of threads of the process. cpu.pyx owns the only one; each kernel module gets a pointer to it at import. */
typedef struct {
    const Settings *(*settings)(void); /* settings of the calling thread */
    /* Functions that run a region with refconv's own threads; NULL if OpenMP runs it. */
    void (*run_region)(void (*body)(void *), void *data, int size);
    int (*current_number)(void);
    int (*current_size)(void);
    /* Returns 0, 1, 2, …: each number once per region; or a negative number if the loop must end early (team.h). */
    long (*take_iteration)(void);
} Team;

static Team *team;
static inline void use_team(Team *shared) { team = shared; }

#ifdef REFCONV_OWN_TEAM

#include <stdbool.h>

#define REPLACES_LIBGOMP __attribute__((visibility("hidden"), used))

REPLACES_LIBGOMP int omp_get_max_threads(void)
{
    return team->settings()->threads;
} /* for a `prange` without num_threads, which the kernels do not contain */
REPLACES_LIBGOMP int omp_get_thread_num(void) { return team->current_number(); }
REPLACES_LIBGOMP int omp_get_num_threads(void) { return team->current_size(); }

/* A barrier would separate reading the loop variable before the loop from writing its last value. `prange` does not read it
   before the loop, so no barrier is needed. */
REPLACES_LIBGOMP void GOMP_barrier(void) {}

static _Thread_local struct Loop {
    long start, end, stride;
} loop; /* the dynamic loop of the call that the current thread runs */

REPLACES_LIBGOMP void GOMP_parallel(void (*body)(void *), void *data, unsigned size, unsigned flags)
{
    struct Loop outer = loop;
    (void)flags;
    team->run_region(body, data, size ? (int)size : 1);
    loop = outer;
}

REPLACES_LIBGOMP bool GOMP_loop_nonmonotonic_dynamic_next(long *first, long *last)
{
    long number = team->take_iteration();
    *first = loop.start + number * loop.stride;
    *last = *first + loop.stride < loop.end ? *first + loop.stride : loop.end;
    return number >= 0 && *first < loop.end;
}

REPLACES_LIBGOMP bool GOMP_loop_nonmonotonic_dynamic_start(long start, long end, long step, long chunk, long *first,
                                                           long *last)
{
    loop.start = start;
    loop.end = end;
    loop.stride = step * chunk;
    return GOMP_loop_nonmonotonic_dynamic_next(first, last);
}

REPLACES_LIBGOMP void GOMP_loop_end_nowait(void) {}

/* GCC 8 and older use these names. */
REPLACES_LIBGOMP bool GOMP_loop_dynamic_next(long *first, long *last)
{
    return GOMP_loop_nonmonotonic_dynamic_next(first, last);
}
REPLACES_LIBGOMP bool GOMP_loop_dynamic_start(long start, long end, long step, long chunk, long *first, long *last)
{
    return GOMP_loop_nonmonotonic_dynamic_start(start, end, step, chunk, first, last);
}

#endif
#endif
