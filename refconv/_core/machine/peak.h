/* Peak arithmetic throughput: independent chains of multiply-adds in registers, without memory accesses.
 *
 * A multiply-add takes about four cycles, and a core starts two per cycle, so eight chains keep it busy. Twelve chains, the
 * factor and the term still fit into sixteen registers.
 */
#ifndef REFCONV_PEAK_H
#define REFCONV_PEAK_H

#include "tile/tile.h"

enum { CHAINS = 12 };

/* Volatile, because with constant values a compiler could compute the limit of the chains, 2, and remove the loops. */
static volatile double a_half = 0.5, one = 1;

#ifdef REFCONV_VECTORS

/* The result is the sum of all chains, so that the compiler cannot remove any of them. */
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

#else /* a compiler without vector extensions may vectorise the loop itself */

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
