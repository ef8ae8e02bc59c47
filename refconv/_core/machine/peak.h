/* What the registers can do at most: chains of multiply-adds that need nothing from memory, and nothing from each other.
 *
 * A multiply-add takes about four cycles, and a core starts two in each: eight chains keep it busy, and twelve, with the
 * factor and the term, still fit sixteen registers.
 */
#ifndef REFCONV_PEAK_H
#define REFCONV_PEAK_H

#include "tile/tile.h"

enum { CHAINS = 12 };

/* Read when it runs: a compiler that knew them would see chains that stand still, and leave them out. Each chain goes to two. */
static volatile double a_half = 0.5, one = 1;

#if defined(__GNUC__) || defined(__clang__)

/* The result is the sum of all chains, so that each of them is needed. */
#define DEFINE_CHAINS(real)                                                                                            \
    __attribute__((noinline)) static real chains_##real(ptrdiff_t rounds)                                              \
    {                                                                                                                  \
        const real factor = (real)a_half, term = (real)one;                                                            \
        vector_##real sum[CHAINS], total = {0};                                                                        \
        for (int c = 0; c < CHAINS; c++)                                                                               \
            sum[c] = total + (real)c;                                                                                  \
        for (ptrdiff_t r = 0; r < rounds; r++)                                                                         \
            for (int c = 0; c < CHAINS; c++)                                                                           \
                sum[c] = sum[c] * factor + term;                                                                       \
        for (int c = 0; c < CHAINS; c++)                                                                               \
            total += sum[c];                                                                                           \
        return total[0];                                                                                               \
    }

#else /* a compiler without vector extensions: it may find the vectors itself */

#define DEFINE_CHAINS(real)                                                                                            \
    static real chains_##real(ptrdiff_t rounds)                                                                        \
    {                                                                                                                  \
        const real factor = (real)a_half, term = (real)one;                                                            \
        real sum[CHAINS * LANES_##real], total = 0;                                                                    \
        for (int c = 0; c < CHAINS * LANES_##real; c++)                                                                \
            sum[c] = (real)c;                                                                                          \
        for (ptrdiff_t r = 0; r < rounds; r++)                                                                         \
            for (int c = 0; c < CHAINS * LANES_##real; c++)                                                            \
                sum[c] = sum[c] * factor + term;                                                                       \
        for (int c = 0; c < CHAINS * LANES_##real; c++)                                                                \
            total += sum[c];                                                                                           \
        return total;                                                                                                  \
    }

#endif

DEFINE_CHAINS(float)
DEFINE_CHAINS(double)

#endif
