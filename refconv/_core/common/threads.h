/* How many threads a parallel loop uses. Every loop of every kernel asks `threads_for`; nothing else reads the thread count.
 *
 * A thread that sleeps is awake after some ten microseconds, and a short loop is done before. So a loop uses one thread more
 * for each STEPS_TO_WAKE steps of its work, up to the count in the settings of the calling thread. A step is one element read,
 * a few operations on it, and one element written, from and to a cache. A kernel states how many of its own operations take as
 * long.
 */
#ifndef REFCONV_THREADS_H
#define REFCONV_THREADS_H

#include <stddef.h>

#include "machine/regions.h"

#define STEPS_TO_WAKE 65536      /* of one thread, in the time in which another one wakes up */
#define MULTIPLY_ADDS_PER_STEP 8 /* of a kernel that keeps its sums in registers */

/* The number of threads for a loop of so many steps. It depends on the thread count, so no result may depend on it. */
static inline int threads_for(ptrdiff_t steps)
{
    ptrdiff_t worth = steps / STEPS_TO_WAKE;
    if (worth <= 1)
        return 1;
    int most = team->settings()->threads;
    return worth < most ? (int)worth : most;
}

#endif
