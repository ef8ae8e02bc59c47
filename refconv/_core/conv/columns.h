/* The second step of columns.pyx: the sum of the contributions of all taps to each pixel of a row of inputs.
 *
 * First the contributions of each output column are added over the taps down, in whole vectors. Then each pixel adds the
 * results that reach it across, in one or several vectors:
 *
 *     line[j * pitch + e]  = sum over r of  z[row[r] - before + j * pitch + e]          e < size = kw * C
 *     dx[v * C + c]        = sum over s of  line[column[v][s] + c]
 *
 * So each element of z is read once, in a loop whose length is the same for the whole row.
 */
#ifndef REFCONV_COLUMNS_H
#define REFCONV_COLUMNS_H

#include "tile/tile.h"

#define MOST_PIXEL_LANES 32 /* channels of a pixel, rounded up to whole vectors */

/* sum_down: the first sum, for `outputs` output columns. The last vector of z and of line may go up to a vector beyond `size`.
 *
 * sum_across: the second sum, for `pixels` pixels. Pixel p has count[p] taps, whose offsets begin at at[p * kernel]. It is
 * stored in whole vectors, and the next pixel overwrites the idle lanes. If dx has too few of its `left` elements for that,
 * only the channels are stored. */
#define DEFINE_SUM_ACROSS(real, vector)                                                                                \
    static INLINE void sum_across_##vector(ptrdiff_t channels, ptrdiff_t pixels, const ptrdiff_t *count,               \
                                           const ptrdiff_t *at, ptrdiff_t kernel, const real *line, ptrdiff_t left,    \
                                           real *dx)                                                                   \
    {                                                                                                                  \
        enum { LANES = sizeof(vector) / sizeof(real) };                                                                \
        const ptrdiff_t width = (channels + LANES - 1) / LANES * LANES;                                                \
        for (ptrdiff_t p = 0; p < pixels; p++, at += kernel, dx += channels, left -= channels) {                       \
            real last[MOST_PIXEL_LANES], *to = left < width ? last : dx;                                               \
            for (ptrdiff_t v = 0; v < channels; v += LANES) {                                                          \
                vector sum = {0};                                                                                      \
                for (ptrdiff_t s = 0; s < count[p]; s++)                                                               \
                    sum += *(const vector *)(line + at[s] + v);                                                        \
                *(vector *)(to + v) = sum;                                                                             \
            }                                                                                                          \
            for (ptrdiff_t c = 0; c < channels && to != dx; c++)                                                       \
                dx[c] = last[c];                                                                                       \
        }                                                                                                              \
    }

#define DEFINE_SUMS(real)                                                                                              \
    static inline void sum_down_##real(ptrdiff_t size, ptrdiff_t down, const ptrdiff_t *row, ptrdiff_t before,         \
                                       ptrdiff_t outputs, ptrdiff_t pitch, const real *z, real *line)                  \
    {                                                                                                                  \
        enum { LANES = sizeof(vector_##real) / sizeof(real) };                                                         \
        for (ptrdiff_t j = 0; j < outputs; j++, z += pitch, line += pitch)                                             \
            for (ptrdiff_t e = 0; e < size; e += LANES) {                                                              \
                vector_##real sum = {0};                                                                               \
                for (ptrdiff_t r = 0; r < down; r++)                                                                   \
                    sum += *(const vector_##real *)(z + (row[r] - before) + e);                                        \
                *(vector_##real *)(line + e) = sum;                                                                    \
            }                                                                                                          \
    }                                                                                                                  \
    static inline void sum_across_##real(ptrdiff_t channels, ptrdiff_t pixels, const ptrdiff_t *count,                 \
                                         const ptrdiff_t *at, ptrdiff_t kernel, const real *line, ptrdiff_t left,      \
                                         real *dx)                                                                     \
    {                                                                                                                  \
        if (channels <= HALF_LANES_##real)                                                                             \
            sum_across_half_##real(channels, pixels, count, at, kernel, line, left, dx);                               \
        else                                                                                                           \
            sum_across_vector_##real(channels, pixels, count, at, kernel, line, left, dx);                             \
    }

DEFINE_SUM_ACROSS(float, half_float)
DEFINE_SUM_ACROSS(float, vector_float)
DEFINE_SUM_ACROSS(double, half_double)
DEFINE_SUM_ACROSS(double, vector_double)
DEFINE_SUMS(float)
DEFINE_SUMS(double)

#define sum_down(size, down, row, before, outputs, pitch, z, line)                                                     \
    FOR_TYPE_OF(line, sum_down)(size, down, row, before, outputs, pitch, z, line)
#define sum_across(channels, pixels, count, at, kernel, line, left, dx)                                                \
    FOR_TYPE_OF(dx, sum_across)(channels, pixels, count, at, kernel, line, left, dx)

#endif
