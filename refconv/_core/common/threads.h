/* The thread count of one extension module: every kernel asks here, and only `set_num_threads` changes it. */
#ifndef REFCONV_THREADS_H
#define REFCONV_THREADS_H

#include <stddef.h>

#include "machine/regions.h"

static int threads_in_use = 1;
static inline int num_threads(void) { return threads_in_use; }
static inline void use_threads(int n) { threads_in_use = n; }

#ifdef REFCONV_OWN_TEAM
REPLACES_LIBGOMP int omp_get_max_threads(void) { return threads_in_use; } /* in Cython's code, but without a num_threads only */
#endif

/* Waking another thread takes as long as this many steps, each one element read, a few operations, and one written. */
#define STEPS_TO_WAKE 65536

/* The threads for a region of so many steps: a short one is done before the others are awake. */
static inline int threads_for(ptrdiff_t steps)
{
    ptrdiff_t worth = steps / STEPS_TO_WAKE;
    return worth < 1 ? 1 : worth < threads_in_use ? (int)worth : threads_in_use;
}

#endif
