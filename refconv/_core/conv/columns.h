/* The second step of columns.pyx: the sum of the contributions of all taps to one pixel, in one or several vectors.
 *
 *     out[v] = sum over r, s of  z[row[r] + column[s] - before + v]
 *
 * The taps are added to two sums in turn, so that an addition does not wait for the previous one.
 */
#ifndef REFCONV_COLUMNS_H
#define REFCONV_COLUMNS_H

#include "tile/tile.h"

#define DEFINE_SUM_OF_TAPS(real)                                                                                       \
    static inline void sum_of_taps_##real(ptrdiff_t channels, ptrdiff_t down, const ptrdiff_t *row, ptrdiff_t across,  \
                                          const ptrdiff_t *column, ptrdiff_t before, const real *z, real *out)         \
    {                                                                                                                  \
        enum { LANES = sizeof(half_##real) / sizeof(real) };                                                           \
        for (ptrdiff_t v = 0; v < channels; v += LANES) {                                                              \
            half_##real sum = {0}, other = {0};                                                                        \
            for (ptrdiff_t r = 0; r < down; r++) {                                                                     \
                const real *line = z + (row[r] - before) + v;                                                          \
                ptrdiff_t s = 0;                                                                                       \
                for (; s + 1 < across; s += 2) {                                                                       \
                    sum += *(const half_##real *)(line + column[s]);                                                   \
                    other += *(const half_##real *)(line + column[s + 1]);                                             \
                }                                                                                                      \
                if (s < across)                                                                                        \
                    sum += *(const half_##real *)(line + column[s]);                                                   \
            }                                                                                                          \
            *(half_##real *)(out + v) = sum + other;                                                                   \
        }                                                                                                              \
    }

DEFINE_SUM_OF_TAPS(float)
DEFINE_SUM_OF_TAPS(double)

#define sum_of_taps(channels, down, row, across, column, before, z, out)                                               \
    FOR_TYPE_OF(out, sum_of_taps)(channels, down, row, across, column, before, z, out)

#endif
