/* Interleave six lines: out[6 l + o] = lines[o][l], for the lanes l of one vector.
 *
 * If lanes are pixels, the sums of each output channel are contiguous, but in y the channels of a pixel must be contiguous.
 * Moving elements one by one takes a third of the time of the sums. Compilers turn a loop that interleaves two or three lines
 * into shuffles, but not a loop with six lines. So this function first interleaves the six lines to three lines of pairs.
 */
#ifndef REFCONV_INTERLEAVE_H
#define REFCONV_INTERLEAVE_H

#include "tile/tile.h"

#define INTERLEAVED_LINES 6

#ifdef REFCONV_VECTORS
typedef double __attribute__((aligned(sizeof(float)), may_alias)) pair_float;
typedef VECTOR_OF(double, 2 * sizeof(double)) pair_double;
#define ON_A_LINE __attribute__((aligned(64))) /* otherwise a load could span two stores and wait for both */
#else
typedef struct {
    float numbers[2];
} pair_float;
typedef struct {
    double numbers[2];
} pair_double;
#define ON_A_LINE
#endif

#define DEFINE_INTERLEAVE(real, LANES)                                                                                 \
    static inline void interleave_##real(const real *lines, real *out)                                                 \
    {                                                                                                                  \
        real pairs[INTERLEAVED_LINES / 2][2 * (LANES)] ON_A_LINE;                                                      \
        const pair_##real *a = (const pair_##real *)pairs[0], *b = (const pair_##real *)pairs[1];                      \
        const pair_##real *c = (const pair_##real *)pairs[2];                                                          \
        pair_##real *to = (pair_##real *)out;                                                                          \
        for (int o = 0; o < INTERLEAVED_LINES / 2; o++)                                                                \
            for (int l = 0; l < (LANES); l++) {                                                                        \
                pairs[o][2 * l] = lines[2 * o * (LANES) + l];                                                          \
                pairs[o][2 * l + 1] = lines[(2 * o + 1) * (LANES) + l];                                                \
            }                                                                                                          \
        for (int l = 0; l < (LANES); l++) {                                                                            \
            to[3 * l] = a[l];                                                                                          \
            to[3 * l + 1] = b[l];                                                                                      \
            to[3 * l + 2] = c[l];                                                                                      \
        }                                                                                                              \
    }

DEFINE_INTERLEAVE(float, (int)(sizeof(vector_float) / sizeof(float)))
DEFINE_INTERLEAVE(double, (int)(sizeof(vector_double) / sizeof(double)))

#define interleave(lines, out) FOR_TYPE_OF(out, interleave)(lines, out)

#endif
