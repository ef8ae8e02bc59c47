/* The inner loops of pooling: they process CHANNELS_AT_ONCE channels of one window, from its first entry to its last.
 *
 * x points to the first entry of the window inside the image. The maxima, their positions and the sums stay in registers until
 * the window is done. If an image has fewer channels than lanes, the remaining lanes read the elements after the pixel and
 * write to elements that the next window will overwrite. If y is a slice of the channels of a wider array, the remaining lanes
 * are idle. So all lanes are used except in slices and at the ends of the arrays, where the remaining channels are processed
 * one by one. Nothing outside of the arrays is read, and nothing outside of y is written.
 *
 * The sum of a large window is computed block by block (sums.h).
 *
 * Two special cases are faster. For windows of 2×2 and 3×3 the size is a constant, and the compiler unrolls the loops. Without
 * positions, the maximum is one instruction, which ignores NaN, so a separate flag records whether there was a NaN.
 */
#ifndef REFCONV_POOL_H
#define REFCONV_POOL_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "common/lanes.h"
#include "common/real.h"
#include "common/sums.h"

enum { CHANNELS_AT_ONCE = 16 }; /* lanes of a window's sums, which are one cache line of float32 */

/* The entries of a window that are inside the image. */
typedef struct {
    ptrdiff_t down, across; /* number of entries */
    ptrdiff_t row, column;  /* pixels from one entry to the next, down and across */
    ptrdiff_t channels;
    ptrdiff_t pixel; /* elements of x from one pixel to the next */
} Entries;

/* Consecutive windows of a row of outputs with the same entries inside the image. */
typedef struct {
    ptrdiff_t count;
    ptrdiff_t stride;   /* pixels from one window to the next */
    ptrdiff_t pixel;    /* elements of y from one pixel to the next */
    ptrdiff_t readable; /* elements of x from the last entry of the first window to the end */
    ptrdiff_t
        writable; /* elements of the task's outputs from the first window's output to the end; 0 if other elements lie
                           between two pixels of y */
} Run;

static inline ptrdiff_t lanes_at(const Entries *e, const Run *run, ptrdiff_t j, ptrdiff_t c)
{
    ptrdiff_t left = e->channels - c;
    int full = (j * run->stride * e->pixel + c + CHANNELS_AT_ONCE <= run->readable)
               & (j * run->pixel + c + CHANNELS_AT_ONCE <= run->writable);
    return full || left > CHANNELS_AT_ONCE ? CHANNELS_AT_ONCE : left;
}

/* `place` is an integer as wide as `real`, so that vectors of values and of positions have the same number of lanes. */
#define DEFINE_POOL(real, place)                                                                                       \
    static INLINE void max_lanes_##real(const real *x, Entries e, ptrdiff_t at, ptrdiff_t lanes, real *y, int places,  \
                                        ptrdiff_t *argmax)                                                             \
    {                                                                                                                  \
        real best[CHANNELS_AT_ONCE];                                                                                   \
        place winner[CHANNELS_AT_ONCE]; /* pixels after the first entry; without positions, 1 after a NaN */           \
        EACH_LANE_FOR (ptrdiff_t c = 0; c < CHANNELS_AT_ONCE; c++) {                                                   \
            best[c] = -(real)INFINITY; /* if all entries are −∞, the first one wins */                                 \
            winner[c] = 0;                                                                                             \
        }                                                                                                              \
        for (ptrdiff_t m = 0; m < e.down; m++)                                                                         \
            for (ptrdiff_t n = 0; n < e.across; n++) {                                                                 \
                ptrdiff_t step = m * e.row + n * e.column;                                                             \
                const real *value = x + step * e.pixel;                                                                \
                if (places) {                                                                                          \
                    EACH_LANE_FOR (ptrdiff_t c = 0; c < lanes; c++) {                                                  \
                        int wins = (value[c] > best[c]) | (value[c] != value[c]); /* | instead of ||: no branch */     \
                        best[c] = wins ? value[c] : best[c];                                                           \
                        winner[c] = wins ? (place)step : winner[c];                                                    \
                    }                                                                                                  \
                } else {                                                                                               \
                    EACH_LANE_FOR (ptrdiff_t c = 0; c < lanes; c++) {                                                  \
                        winner[c] = value[c] != value[c] ? 1 : winner[c];                                              \
                        best[c] = value[c] > best[c] ? value[c] : best[c]; /* one instruction */                       \
                    }                                                                                                  \
                }                                                                                                      \
            }                                                                                                          \
        if (places) {                                                                                                  \
            EACH_LANE_FOR (ptrdiff_t c = 0; c < lanes; c++)                                                            \
                y[c] = best[c];                                                                                        \
            EACH_LANE_FOR (ptrdiff_t c = 0; c < lanes; c++)                                                            \
                argmax[c] = at + winner[c];                                                                            \
        } else {                                                                                                       \
            EACH_LANE_FOR (ptrdiff_t c = 0; c < lanes; c++)                                                            \
                y[c] = winner[c] ? (real)NAN : best[c];                                                                \
        }                                                                                                              \
    }                                                                                                                  \
    static INLINE void max_run_##real(const real *x, Entries e, Run run, ptrdiff_t at, real *y, int places,            \
                                      ptrdiff_t *argmax)                                                               \
    {                                                                                                                  \
        for (ptrdiff_t j = 0; j < run.count; j++)                                                                      \
            for (ptrdiff_t c = 0; c < e.channels; c += CHANNELS_AT_ONCE) {                                             \
                const real *from = x + j * run.stride * e.pixel + c;                                                   \
                ptrdiff_t to = j * run.pixel + c, first = at + j * run.stride, lanes = lanes_at(&e, &run, j, c);       \
                ptrdiff_t *places_to = places ? argmax + to : NULL;                                                    \
                if (lanes < CHANNELS_AT_ONCE)                                                                          \
                    max_lanes_##real(from, e, first, lanes, y + to, places, places_to);                                \
                else                                                                                                   \
                    max_lanes_##real(from, e, first, CHANNELS_AT_ONCE, y + to, places, places_to);                     \
            }                                                                                                          \
    }                                                                                                                  \
                                                                                                                       \
    static void long_sums_##real(const real *x, Entries e, ptrdiff_t lanes, real *total)                               \
    {                                                                                                                  \
        real block[CHANNELS_AT_ONCE] = {0}, group[CHANNELS_AT_ONCE] = {0};                                             \
        ptrdiff_t terms = 0, number = 0;                                                                               \
        for (ptrdiff_t m = 0; m < e.down; m++)                                                                         \
            for (ptrdiff_t n = 0, count; n < e.across; n += count) {                                                   \
                const real *value = x + (m * e.row + n * e.column) * e.pixel;                                          \
                count = e.across - n < SUM_BLOCK - terms ? e.across - n : SUM_BLOCK - terms;                           \
                for (ptrdiff_t k = 0; k < count; k++, value += e.column * e.pixel) {                                   \
                    EACH_LANE_FOR (ptrdiff_t c = 0; c < lanes; c++)                                                    \
                        block[c] += value[c];                                                                          \
                }                                                                                                      \
                terms += count;                                                                                        \
                if (terms == SUM_BLOCK) {                                                                              \
                    carry_block_##real(number++, CHANNELS_AT_ONCE, block, group, total);                               \
                    terms = 0;                                                                                         \
                }                                                                                                      \
            }                                                                                                          \
        carry_##real(CHANNELS_AT_ONCE, block, group);                                                                  \
        carry_##real(CHANNELS_AT_ONCE, group, total);                                                                  \
    }                                                                                                                  \
    static INLINE void avg_lanes_##real(const real *x, Entries e, real count, ptrdiff_t lanes, real *y, int is_long)   \
    {                                                                                                                  \
        real sum[CHANNELS_AT_ONCE] = {0};                                                                              \
        if (is_long) {                                                                                                 \
            long_sums_##real(x, e, lanes, sum);                                                                        \
            e.down = 0;                                                                                                \
        }                                                                                                              \
        for (ptrdiff_t m = 0; m < e.down; m++)                                                                         \
            for (ptrdiff_t n = 0; n < e.across; n++) {                                                                 \
                const real *value = x + (m * e.row + n * e.column) * e.pixel;                                          \
                EACH_LANE_FOR (ptrdiff_t c = 0; c < lanes; c++)                                                        \
                    sum[c] += value[c];                                                                                \
            }                                                                                                          \
        EACH_LANE_FOR (ptrdiff_t c = 0; c < lanes; c++)                                                                \
            y[c] = sum[c] / count;                                                                                     \
    }                                                                                                                  \
                                                                                                                       \
    static INLINE void avg_run_##real(const real *x, Entries e, Run run, real count, real *y, int is_long)             \
    {                                                                                                                  \
        for (ptrdiff_t j = 0; j < run.count; j++)                                                                      \
            for (ptrdiff_t c = 0; c < e.channels; c += CHANNELS_AT_ONCE) {                                             \
                const real *from = x + j * run.stride * e.pixel + c;                                                   \
                ptrdiff_t to = j * run.pixel + c, lanes = lanes_at(&e, &run, j, c);                                    \
                if (lanes < CHANNELS_AT_ONCE)                                                                          \
                    avg_lanes_##real(from, e, count, lanes, y + to, is_long);                                          \
                else                                                                                                   \
                    avg_lanes_##real(from, e, count, CHANNELS_AT_ONCE, y + to, is_long);                               \
            }                                                                                                          \
    }                                                                                                                  \
                                                                                                                       \
    /* The same functions, compiled for constant sizes, for which the compiler unrolls the loops. */                   \
    static INLINE void max_places_##real(const real *x, Entries e, Run run, ptrdiff_t at, real *y, ptrdiff_t *argmax)  \
    {                                                                                                                  \
        if (argmax)                                                                                                    \
            max_run_##real(x, e, run, at, y, 1, argmax);                                                               \
        else                                                                                                           \
            max_run_##real(x, e, run, at, y, 0, NULL);                                                                 \
    }                                                                                                                  \
                                                                                                                       \
    static void max_windows_##real(const real *x, Entries e, Run run, ptrdiff_t at, real *y, ptrdiff_t *argmax)        \
    {                                                                                                                  \
        if (e.down == 2 && e.across == 2) {                                                                            \
            e.down = e.across = 2;                                                                                     \
            max_places_##real(x, e, run, at, y, argmax);                                                               \
        } else if (e.down == 3 && e.across == 3) {                                                                     \
            e.down = e.across = 3;                                                                                     \
            max_places_##real(x, e, run, at, y, argmax);                                                               \
        } else                                                                                                         \
            max_places_##real(x, e, run, at, y, argmax);                                                               \
    }                                                                                                                  \
    static void avg_windows_##real(const real *x, Entries e, Run run, real count, real *y)                             \
    {                                                                                                                  \
        if (e.down * e.across > SUM_BLOCK)                                                                             \
            avg_run_##real(x, e, run, count, y, 1);                                                                    \
        else                                                                                                           \
            avg_run_##real(x, e, run, count, y, 0);                                                                    \
    }

DEFINE_POOL(float, int32_t)
DEFINE_POOL(double, int64_t)

#define max_windows(x, entries, run, at, y, argmax) FOR_TYPE_OF(x, max_windows)(x, entries, run, at, y, argmax)
#define avg_windows(x, entries, run, count, y) FOR_TYPE_OF(x, avg_windows)(x, entries, run, count, y)

#endif
