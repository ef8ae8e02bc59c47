/* The inner loop for images with one channel. The lanes are neighbouring pixels of an output row.
 *
 *     out[r][o][l] = start[o] + sum over m, n of  x[row r + m][l + n] * w[m][n][o]          r < 2,  l < lanes
 *
 * Registers contain the sums of 2 rows x 6 outputs, two vectors of x and one broadcast weight. Each vector of x is multiplied
 * by six weights, each weight by two rows.
 */
#ifndef REFCONV_ONE_CHANNEL_H
#define REFCONV_ONE_CHANNEL_H

#include "tile/interleave.h"
#include "tile/tile.h"

#define PIXEL_ROWS 2
#define PIXEL_OUTPUTS INTERLEAVED_LINES

#ifdef REFCONV_VECTORS
#define SPREAD(vector, value) ((vector){0} + (value))
#else
#define SPREAD(vector, value) (value)
#endif

typedef struct {
    ptrdiff_t kh, kw;       /* taps */
    ptrdiff_t down, across; /* elements from one tap to the next in the rows of x */
} TapGrid;

#define DEFINE_PIXELS(real, vector)                                                                                    \
    static void pixels_##real(TapGrid taps, const real *x, ptrdiff_t next_row, const real *w, const real *start,       \
                              real *out)                                                                               \
    {                                                                                                                  \
        enum { LANES = sizeof(vector) / sizeof(real) };                                                                \
        vector sum[PIXEL_ROWS][PIXEL_OUTPUTS];                                                                         \
        UNROLLED_FOR (int o = 0; o < PIXEL_OUTPUTS; o++)                                                               \
            sum[0][o] = sum[1][o] = SPREAD(vector, start[o]);                                                          \
        for (ptrdiff_t m = 0; m < taps.kh; m++)                                                                        \
            for (ptrdiff_t n = 0; n < taps.kw; n++, w += PIXEL_OUTPUTS) {                                              \
                const real *at = x + m * taps.down + n * taps.across;                                                  \
                vector upper = *(const vector *)at, lower = *(const vector *)(at + next_row);                          \
                UNROLLED_FOR (int o = 0; o < PIXEL_OUTPUTS; o++) {                                                     \
                    sum[0][o] += upper * w[o];                                                                         \
                    sum[1][o] += lower * w[o];                                                                         \
                }                                                                                                      \
            }                                                                                                          \
        UNROLLED_FOR (int r = 0; r < PIXEL_ROWS; r++)                                                                  \
            UNROLLED_FOR (int o = 0; o < PIXEL_OUTPUTS; o++)                                                           \
                *(vector *)(out + (r * PIXEL_OUTPUTS + o) * LANES) = sum[r][o];                                        \
    }

DEFINE_PIXELS(float, vector_float)
DEFINE_PIXELS(double, vector_double)

#define pixels(taps, x, next_row, w, start, out) FOR_TYPE_OF(out, pixels)(taps, x, next_row, w, start, out)

#define LANES_OF_PIXELS_float ((int)(sizeof(vector_float) / sizeof(float)))
#define LANES_OF_PIXELS_double ((int)(sizeof(vector_double) / sizeof(double)))

#endif
