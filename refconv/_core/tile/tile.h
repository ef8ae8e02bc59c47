/* The inner loop of convolutions and dense layers: a small tile of sums, kept in registers from the first product to the last.
 *
 *     out[p][v] = start[v] + sum over k of  a[p][k] * b[k][v]          p < ROWS,  v < VECTORS * lanes
 *
 * The forward pass, both derivatives and the dense layer compute this sum; only the arrays `a` and `b` differ:
 *
 *     pass       p is            v is             k runs over
 *     y          output pixel    output channel   taps and input channels
 *     de/dx      input pixel     input channel    taps and output channels
 *     de/dw      tap, channel    output channel   output pixels
 *
 * Registers contain ROWS x VECTORS sums, VECTORS vectors of b and one broadcast element of a. The tile shapes below fit into
 * the registers of their instruction set, so no sum is spilled to memory. b is packed, and read once from the first byte to
 * the last. The elements of a are read in place: k goes through the runs (struct Runs), and run r begins at a[p] + run[r].
 * Nothing else is read. `start`, the bias, may be NULL. `finish`, the epilogue (finish.h), is NULL if there is none; its
 * `add` begins at the first sum. Rows are stored in order, so a row may overlap the beginning of the next one.
 *
 * A sum of more than SUM_BLOCK products is computed block by block (sums.h). Each block adds its products in the order of k,
 * and the division into blocks depends only on the runs and their length, so the result has the same bits at any thread count.
 */
#ifndef REFCONV_TILE_H
#define REFCONV_TILE_H

#include <stddef.h>
#include <string.h>

#include "common/lanes.h"
#include "common/real.h"
#include "common/sums.h"
#include "tile/finish.h"
#include "tile/pack.h"
#include "tile/vectors.h"

typedef enum { WIDE, NARROW, HALF } Kind;

typedef struct {
    Kind kind;
    ptrdiff_t rows;  /* sums down: pixels, or entries of the kernel */
    ptrdiff_t width; /* sums across: channels */
} Shape;

typedef struct { /* positions of the factors a of one sum: `count` runs of `length` elements */
    ptrdiff_t count, length;
    ptrdiff_t step;         /* from one element of a run to the next */
    const ptrdiff_t *start; /* offset of each run */
} Runs;

#ifdef REFCONV_VECTORS

#define DEFINE_TILE(name, real, vector, ROWS, VECTORS)                                                                 \
    AS_WRITTEN static void name(const Runs *runs, const real **a, const real *b, const real *start,                    \
                                const Finish *finish, real **out)                                                      \
    {                                                                                                                  \
        enum { LANES = sizeof(vector) / sizeof(real) };                                                                \
        const ptrdiff_t *run = runs->start, count = runs->count, length = runs->length, step = runs->step;             \
        vector sum[ROWS][VECTORS];                                                                                     \
        UNROLLED_FOR (int p = 0; p < ROWS; p++) /* fetch early: stores wait for each other */                          \
            UNROLLED_FOR (int v = 0; v < VECTORS; v++)                                                                 \
                __builtin_prefetch(out[p] + v * LANES, 1);                                                             \
        UNROLLED_FOR (int v = 0; v < VECTORS; v++) {                                                                   \
            vector first = {0};                                                                                        \
            if (start)                                                                                                 \
                first = *(const vector *)(start + v * LANES);                                                          \
            UNROLLED_FOR (int p = 0; p < ROWS; p++)                                                                    \
                sum[p][v] = first;                                                                                     \
        }                                                                                                              \
        for (ptrdiff_t r = 0; r < count; r++) { /* k ends at 0: another end would need a register */                   \
            const real *row[ROWS];                                                                                     \
            UNROLLED_FOR (int p = 0; p < ROWS; p++)                                                                    \
                row[p] = a[p] + run[r] + length * step;                                                                \
            for (ptrdiff_t k = -length * step; k < 0; k += step, b += VECTORS * LANES) {                               \
                vector weight[VECTORS];                                                                                \
                UNROLLED_FOR (int v = 0; v < VECTORS; v++)                                                             \
                    weight[v] = *(const vector *)(b + v * LANES);                                                      \
                UNROLLED_FOR (int p = 0; p < ROWS; p++)                                                                \
                    UNROLLED_FOR (int v = 0; v < VECTORS; v++)                                                         \
                        sum[p][v] += row[p][k] * weight[v];                                                            \
            }                                                                                                          \
        }                                                                                                              \
        if (finish)                                                                                                    \
            UNROLLED_FOR (int p = 0; p < ROWS; p++)                                                                    \
                UNROLLED_FOR (int v = 0; v < VECTORS; v++)                                                             \
                    sum[p][v] = finished_##vector(sum[p][v], finish, p * finish->add_pixel + v * LANES);               \
        UNROLLED_FOR (int p = 0; p < ROWS; p++)                                                                        \
            UNROLLED_FOR (int v = 0; v < VECTORS; v++)                                                                 \
                *(vector *)(out[p] + v * LANES) = sum[p][v];                                                           \
    }

#else /* for a compiler without vector extensions: the same sums, one element at a time */

#define DEFINE_TILE(name, real, vector, ROWS, VECTORS)                                                                 \
    static void name(const Runs *runs, const real **a, const real *b, const real *start, const Finish *finish,         \
                     real **out)                                                                                       \
    {                                                                                                                  \
        enum { WIDTH = VECTORS * (vector) };                                                                           \
        for (int p = 0; p < ROWS; p++) {                                                                               \
            const real *weight = b;                                                                                    \
            for (int v = 0; v < WIDTH; v++)                                                                            \
                out[p][v] = start ? start[v] : 0;                                                                      \
            for (ptrdiff_t r = 0; r < runs->count; r++)                                                                \
                for (ptrdiff_t k = 0; k < runs->length * runs->step; k += runs->step, weight += WIDTH)                 \
                    for (int v = 0; v < WIDTH; v++)                                                                    \
                        out[p][v] += a[p][runs->start[r] + k] * weight[v];                                             \
            if (finish)                                                                                                \
                for (int v = 0; v < WIDTH; v++)                                                                        \
                    out[p][v] = finished_##real(out[p][v], finish, p * finish->add_pixel + v);                         \
        }                                                                                                              \
    }

#endif

#ifdef REFCONV_VECTORS
#define DEFINE_TILES(real)                                                                                             \
    DEFINE_TILE(wide_tile_##real, real, vector_##real, WIDE_ROWS, 2)                                                   \
    DEFINE_TILE(narrow_tile_##real, real, vector_##real, NARROW_ROWS, 1)                                               \
    DEFINE_TILE(half_tile_##real, real, half_##real, NARROW_ROWS, 1)                                                   \
    DEFINE_TILE(short_wide_tile_##real, real, vector_##real, SHORT_ROWS, 2)                                            \
    DEFINE_TILE(short_narrow_tile_##real, real, vector_##real, SHORT_ROWS, 1)                                          \
    DEFINE_TILE(short_half_tile_##real, real, half_##real, SHORT_ROWS, 1)
#else
#define DEFINE_TILES(real)                                                                                             \
    DEFINE_TILE(wide_tile_##real, real, LANES_##real, WIDE_ROWS, 2)                                                    \
    DEFINE_TILE(narrow_tile_##real, real, LANES_##real, NARROW_ROWS, 1)                                                \
    DEFINE_TILE(half_tile_##real, real, HALF_LANES_##real, NARROW_ROWS, 1)                                             \
    DEFINE_TILE(short_wide_tile_##real, real, LANES_##real, SHORT_ROWS, 2)                                             \
    DEFINE_TILE(short_narrow_tile_##real, real, LANES_##real, SHORT_ROWS, 1)                                           \
    DEFINE_TILE(short_half_tile_##real, real, HALF_LANES_##real, SHORT_ROWS, 1)
#endif

/* block_tile: computes one block of the sums of a tile. If few rows are left at the end of a sweep, a short tile is faster.
 *
 * long_tile: computes the sums of many products. A block is several whole runs, or a part of one run.
 *
 * tile: computes the first `rows` rows of a tile of this shape; a and out have pointers for all rows of the shape. The
 * sums of a whole tile get their epilogue in registers. For fewer rows, `add` has no elements for the other rows, so the sums
 * get it after they are stored; so do sums of many products. */
#define DEFINE_TILE_OF_SHAPE(real)                                                                                     \
    static inline void block_tile_##real(Kind kind, ptrdiff_t rows, const Runs *k, const real **a, const real *b,      \
                                         const real *start, const Finish *finish, real **out)                          \
    {                                                                                                                  \
        int few = rows <= SHORT_ROWS;                                                                                  \
        if (kind == WIDE)                                                                                              \
            (few ? short_wide_tile_##real : wide_tile_##real)(k, a, b, start, finish, out);                            \
        else if (kind == NARROW)                                                                                       \
            (few ? short_narrow_tile_##real : narrow_tile_##real)(k, a, b, start, finish, out);                        \
        else                                                                                                           \
            (few ? short_half_tile_##real : half_tile_##real)(k, a, b, start, finish, out);                            \
    }                                                                                                                  \
    AS_WRITTEN static void long_tile_##real(Shape shape, ptrdiff_t rows, Runs runs, const real **a, const real *b,     \
                                            const real *start, real **out)                                             \
    {                                                                                                                  \
        const ptrdiff_t width = shape.width, size = (rows < shape.rows ? rows : shape.rows) * width;                   \
        const ptrdiff_t runs_of_block = runs.length < SUM_BLOCK ? SUM_BLOCK / runs.length : 1;                         \
        const ptrdiff_t pieces = (runs.length + SUM_BLOCK - 1) / SUM_BLOCK;                                            \
        const ptrdiff_t blocks = (runs.count + runs_of_block - 1) / runs_of_block * pieces;                            \
        const real *at[MOST_ROWS];                                                                                     \
        real block[MOST_SUMS], group[MOST_SUMS], total[MOST_SUMS], *block_rows[MOST_ROWS], *group_rows[MOST_ROWS];     \
        const real *result = blocks > SUM_BLOCK ? total : group;                                                       \
        memset(total, 0, blocks > SUM_BLOCK ? size * sizeof(real) : 0);                                                \
        for (ptrdiff_t p = 0; p < shape.rows; p++) {                                                                   \
            block_rows[p] = block + p * width;                                                                         \
            group_rows[p] = group + p * width;                                                                         \
        }                                                                                                              \
        for (ptrdiff_t number = 0; number < blocks; number++) {                                                        \
            const ptrdiff_t r = number / pieces * runs_of_block, k = number % pieces * SUM_BLOCK;                      \
            const int first = number % SUM_BLOCK == 0, last = (number + 1) % SUM_BLOCK == 0 || number + 1 == blocks;   \
            Runs part = {runs.count - r, runs.length - k, runs.step, runs.start + r};                                  \
            part.count = part.count < runs_of_block ? part.count : runs_of_block;                                      \
            part.length = part.length < SUM_BLOCK ? part.length : SUM_BLOCK;                                           \
            for (ptrdiff_t p = 0; p < shape.rows; p++)                                                                 \
                at[p] = a[p] + k * runs.step;                                                                          \
            block_tile_##real(shape.kind, rows, &part, at, b, number ? NULL : start, NULL,                             \
                              first ? group_rows : block_rows);                                                        \
            b += part.count * part.length * width;                                                                     \
            if (!first)                                                                                                \
                add_sums_##real(size, block, group);                                                                   \
            if (last && result == total)                                                                               \
                add_sums_##real(size, group, total);                                                                   \
        }                                                                                                              \
        for (ptrdiff_t v = 0; v < size; v += width)                                                                    \
            memcpy(*out++, result + v, width * sizeof(real));                                                          \
    }                                                                                                                  \
    static inline void tile_##real(Shape shape, ptrdiff_t rows, const Runs *runs, const real **a, const real *b,       \
                                   const real *start, const Finish *finish, real **out)                                \
    {                                                                                                                  \
        const int is_long = runs->count * runs->length > SUM_BLOCK, at_once = !is_long && rows == shape.rows;          \
        if (is_long)                                                                                                   \
            long_tile_##real(shape, rows, *runs, a, b, start, out);                                                    \
        else                                                                                                           \
            block_tile_##real(shape.kind, rows, runs, a, b, start, at_once ? finish : NULL, out);                      \
        if (finish && !at_once)                                                                                        \
            finish_rows_##real(finish, 0, 0, rows, shape.width, out, out);                                             \
    }

DEFINE_TILES(float)
DEFINE_TILES(double)
DEFINE_TILE_OF_SHAPE(float)
DEFINE_TILE_OF_SHAPE(double)

#define tile(shape, rows, runs, a, b, start, out) FOR_TYPE_OF(b, tile)(shape, rows, runs, a, b, start, NULL, out)
#define finished_tile(shape, rows, runs, a, b, start, finish, out)                                                     \
    FOR_TYPE_OF(b, tile)(shape, rows, runs, a, b, start, finish, out)

#endif
