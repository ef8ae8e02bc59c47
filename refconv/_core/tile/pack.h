/* Packing: copies of the factors of a tile (tile.h) in the order in which the tile reads them.
 *
 * For each product, a tile reads vectors of b and one element of each row of a. If consecutive elements are far apart in
 * memory, each is in another cache line. If their distance is a power of two, these lines compete for a few places in the
 * cache: with 1 KB between two elements, 32 of the 512 lines of a 32 KB cache remain.
 */
#ifndef REFCONV_PACK_H
#define REFCONV_PACK_H

#include <stddef.h>
#include <string.h>

#include "common/lanes.h"
#include "common/real.h"
#include "tile/vectors.h"

#define STRIP_TILES (48 / WIDE_ROWS) /* wide tiles whose factors a are packed together */

/* Copy one row of b into whole vectors: the channels, then zeros. Whole vectors are read, so the caller must not pass a row
 * whose last vector ends outside of the array. */
#define DEFINE_COPY_ROW(real)                                                                                          \
    static INLINE void copy_lanes_##real(const real *from, ptrdiff_t channels, const int lanes, real *to)              \
    {                                                                                                                  \
        const int wanted = (int)channels; /* as narrow as a float: needs half the comparisons */                       \
        if (channels >= lanes)                                                                                         \
            memcpy(to, from, lanes * sizeof(real));                                                                    \
        else                                                                                                           \
            EACH_LANE_FOR (int v = 0; v < lanes; v++) {                                                                \
                const real number = from[v];                                                                           \
                to[v] = v < wanted ? number : 0;                                                                       \
            }                                                                                                          \
    }                                                                                                                  \
    static inline void copy_row_##real(const real *from, ptrdiff_t channels, ptrdiff_t width, real *to)                \
    {                                                                                                                  \
        if (width == 2 * LANES_##real) /* each call passes a constant, so it is unrolled */                            \
            copy_lanes_##real(from, channels, 2 * LANES_##real, to);                                                   \
        else if (width == LANES_##real)                                                                                \
            copy_lanes_##real(from, channels, LANES_##real, to);                                                       \
        else                                                                                                           \
            copy_lanes_##real(from, channels, HALF_LANES_##real, to);                                                  \
    }

DEFINE_COPY_ROW(float)
DEFINE_COPY_ROW(double)

/* Transpose a square of 16 bytes by 16 bytes: to[k * width + v] = from[k + v * step]. */
#ifdef REFCONV_SHUFFLES
typedef VECTOR_OF(float, 16) square_float;
typedef VECTOR_OF(double, 16) square_double;
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)

static INLINE void turn_square_float(const float *from, ptrdiff_t step, float *to, ptrdiff_t width)
{
    const square_float a = *(const square_float *)from, b = *(const square_float *)(from + step);
    const square_float c = *(const square_float *)(from + 2 * step), d = *(const square_float *)(from + 3 * step);
    const square_float ab = SHUFFLE(a, b, 0, 4, 1, 5), cd = SHUFFLE(c, d, 0, 4, 1, 5);
    const square_float ab_end = SHUFFLE(a, b, 2, 6, 3, 7), cd_end = SHUFFLE(c, d, 2, 6, 3, 7);
    *(square_float *)to = SHUFFLE(ab, cd, 0, 1, 4, 5);
    *(square_float *)(to + width) = SHUFFLE(ab, cd, 2, 3, 6, 7);
    *(square_float *)(to + 2 * width) = SHUFFLE(ab_end, cd_end, 0, 1, 4, 5);
    *(square_float *)(to + 3 * width) = SHUFFLE(ab_end, cd_end, 2, 3, 6, 7);
}

static INLINE void turn_square_double(const double *from, ptrdiff_t step, double *to, ptrdiff_t width)
{
    const square_double a = *(const square_double *)from, b = *(const square_double *)(from + step);
    *(square_double *)to = SHUFFLE(a, b, 0, 2);
    *(square_double *)(to + width) = SHUFFLE(a, b, 1, 3);
}
#else
#define DEFINE_TURN_SQUARE(real)                                                                                       \
    static INLINE void turn_square_##real(const real *from, ptrdiff_t step, real *to, ptrdiff_t width)                 \
    {                                                                                                                  \
        enum { SIDE = 16 / sizeof(real) };                                                                             \
        for (int v = 0; v < SIDE; v++)                                                                                 \
            for (int k = 0; k < SIDE; k++)                                                                             \
                to[k * width + v] = from[k + v * step];                                                                \
    }

DEFINE_TURN_SQUARE(float)
DEFINE_TURN_SQUARE(double)
#endif

/* copy_turned: to[k * width + v] = from[k + v * step] for k < depth, with zeros from v = channels on. All elements of a cache
 * line are copied before the next line is read.
 *
 * copy_tiles: to[t * size + k * WIDE_ROWS + i] = from[k * step + t * WIDE_ROWS + i] for k < length, t < tiles and
 * i < WIDE_ROWS: the factors a of several wide tiles. Copying STRIP_TILES tiles together reads whole cache lines.
 *
 * copy_columns: to[k * WIDE_ROWS + i] = from[k * step + i] for k < length and i < columns, for some rows of one tile. */
#define DEFINE_COPY_TURNED(real)                                                                                       \
    static inline void copy_turned_##real(const real *from, ptrdiff_t depth, ptrdiff_t step, ptrdiff_t channels,       \
                                          ptrdiff_t width, real *to)                                                   \
    {                                                                                                                  \
        enum { SIDE = 16 / sizeof(real), LINE = 64 / sizeof(real) };                                                   \
        const ptrdiff_t filled = channels < width ? channels : width, squares = filled / SIDE * SIDE;                  \
        for (ptrdiff_t begin = 0, end; begin < depth; begin = end) {                                                   \
            ptrdiff_t k;                                                                                               \
            end = begin + LINE < depth ? begin + LINE : depth;                                                         \
            for (ptrdiff_t v = 0; v < squares; v += SIDE) {                                                            \
                for (k = begin; k + SIDE <= end; k += SIDE)                                                            \
                    turn_square_##real(from + k + v * step, step, to + k * width + v, width);                          \
                for (; k < end; k++)                                                                                   \
                    for (int i = 0; i < SIDE; i++)                                                                     \
                        to[k * width + v + i] = from[k + (v + i) * step];                                              \
            }                                                                                                          \
            for (ptrdiff_t v = squares; v < width; v++)                                                                \
                for (k = begin; k < end; k++)                                                                          \
                    to[k * width + v] = v < filled ? from[k + v * step] : 0;                                           \
        }                                                                                                              \
    }                                                                                                                  \
    static inline void copy_tiles_##real(ptrdiff_t length, ptrdiff_t step, const real *from, ptrdiff_t tiles,          \
                                         ptrdiff_t size, real *to)                                                     \
    {                                                                                                                  \
        for (ptrdiff_t k = 0; k < length; k++, from += step, to += WIDE_ROWS)                                          \
            for (ptrdiff_t t = 0; t < tiles; t++)                                                                      \
                memcpy(to + t * size, from + t * WIDE_ROWS, WIDE_ROWS * sizeof(real));                                 \
    }                                                                                                                  \
    static inline void copy_columns_##real(ptrdiff_t length, ptrdiff_t step, const real *from, ptrdiff_t columns,      \
                                           real *to)                                                                   \
    {                                                                                                                  \
        for (ptrdiff_t k = 0; k < length; k++, from += step, to += WIDE_ROWS)                                          \
            for (ptrdiff_t i = 0; i < columns; i++)                                                                    \
                to[i] = from[i];                                                                                       \
    }

DEFINE_COPY_TURNED(float)
DEFINE_COPY_TURNED(double)

#define copy_row(from, channels, width, to) FOR_TYPE_OF(to, copy_row)(from, channels, width, to)
#define copy_turned(from, depth, step, channels, width, to)                                                            \
    FOR_TYPE_OF(to, copy_turned)(from, depth, step, channels, width, to)
#define copy_tiles(length, step, from, tiles, size, to) FOR_TYPE_OF(to, copy_tiles)(length, step, from, tiles, size, to)
#define copy_columns(length, step, from, columns, to) FOR_TYPE_OF(to, copy_columns)(length, step, from, columns, to)

#endif
