/* How many threads a parallel loop uses. Every parallel loop of the kernels calls `threads_for`; no other function reads the
 * thread count.
 *
 * Waking a sleeping thread takes about ten microseconds, and a short loop ends before that. So a loop uses one thread for each
 * STEPS_TO_WAKE steps of its work: at least one, and at most the count in the settings of the calling thread. A step reads one
 * element from a cache, applies a few operations and writes one element to a cache. Each kernel converts its own operations to
 * steps that take the same time.
 */
#ifndef REFCONV_THREADS_H
#define REFCONV_THREADS_H

#include <stddef.h>

#include "machine/regions.h"

#define STEPS_TO_WAKE 65536      /* steps that one thread runs while another one wakes up */
#define MULTIPLY_ADDS_PER_STEP 8 /* in a kernel that keeps its sums in registers */

/* Return the number of threads for a loop of `steps` steps. It depends on the thread count, so no result may depend on it. */
static inline int threads_for(ptrdiff_t steps)
{
    ptrdiff_t worth = steps / STEPS_TO_WAKE;
    if (worth <= 1)
        return 1;
    int most = team->settings()->threads;
    return worth < most ? (int)worth : most;
}

#endif
