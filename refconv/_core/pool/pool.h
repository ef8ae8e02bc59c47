/* The inner loops of pooling: LANES channels of one window, from its first entry to its last.
 *
 * x is the window's first entry inside the image. The best values, their places and the sums stay in registers until the
 * window is done. Where an image has fewer channels than there are lanes, the lanes left over read the beginning of the
 * next pixel, and write where the next window will overwrite them. So all lanes are taken wherever both arrays go on for
 * so long; at their ends it is the channels that are left, one by one: nothing outside is read or written.
 *
 * The sum of a large window is computed block by block (sums.h).
 *
 * Two ways are faster than the others: of windows of 2×2 and 3×3 the compiler knows the size, and makes their loops straight
 * lines. Without places, the largest value is one instruction, which forgets a NaN; so that there was one is kept beside it.
 */
#ifndef REFCONV_POOL_H
#define REFCONV_POOL_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "common/lanes.h"
#include "common/sums.h"

enum { LANES = 16 }; /* a cache line of float32 */

/* The entries of a window that lie inside the image: how many down and across, and how many pixels apart. */
typedef struct {
    ptrdiff_t down, across, row, column, channels;
} Entries;

/* Windows side by side in a row of outputs that have the same entries inside: how many, how many pixels apart, and how
 * many elements x still has from the last entry of the first of them on, and the task's outputs from its output on. */
typedef struct {
    ptrdiff_t count, stride, readable, writable;
} Run;

static inline ptrdiff_t lanes_at(const Entries *e, const Run *run, ptrdiff_t j, ptrdiff_t c)
{
    ptrdiff_t left = e->channels - c;
    int full = (j * run->stride * e->channels + c + LANES <= run->readable)
               & (j * e->channels + c + LANES <= run->writable);
    return full || left > LANES ? LANES : left;
}

/* `place` is an integer as wide as `real`, so that values and places lie in vectors of the same number of lanes. */
#define DEFINE_POOL(real, place)                                                                                       \
    static INLINE void max_lanes_##real(const real *x, Entries e, ptrdiff_t at, ptrdiff_t lanes, real *y, int places,  \
                                        ptrdiff_t *argmax)                                                             \
    {                                                                                                                  \
        real best[LANES];                                                                                              \
        place winner[LANES]; /* in pixels from the first entry; without places, whether there was a NaN */             \
        EACH_LANE for (ptrdiff_t c = 0; c < LANES; c++) {                                                              \
            best[c] = (real)-INFINITY; /* if all are −∞, none is larger, and the first entry has won */                \
            winner[c] = 0;                                                                                             \
        }                                                                                                              \
        for (ptrdiff_t m = 0; m < e.down; m++)                                                                         \
            for (ptrdiff_t n = 0; n < e.across; n++) {                                                                 \
                ptrdiff_t step = m * e.row + n * e.column;                                                             \
                const real *value = x + step * e.channels;                                                             \
                if (places)                                                                                            \
                    EACH_LANE for (ptrdiff_t c = 0; c < lanes; c++) {                                                  \
                        int wins = (value[c] > best[c]) | (value[c] != value[c]); /* | not ||: no jump */              \
                        best[c] = wins ? value[c] : best[c];                                                           \
                        winner[c] = wins ? (place)step : winner[c];                                                    \
                    }                                                                                                  \
                else                                                                                                   \
                    EACH_LANE for (ptrdiff_t c = 0; c < lanes; c++) {                                                  \
                        winner[c] = value[c] != value[c] ? 1 : winner[c];                                              \
                        best[c] = value[c] > best[c] ? value[c] : best[c]; /* one instruction */                       \
                    }                                                                                                  \
            }                                                                                                          \
        if (places) {                                                                                                  \
            EACH_LANE for (ptrdiff_t c = 0; c < lanes; c++) y[c] = best[c];                                            \
            EACH_LANE for (ptrdiff_t c = 0; c < lanes; c++) argmax[c] = at + winner[c];                                \
        } else                                                                                                         \
            EACH_LANE for (ptrdiff_t c = 0; c < lanes; c++) y[c] = winner[c] ? (real)NAN : best[c];                    \
    }                                                                                                                  \
    static INLINE void max_run_##real(const real *x, Entries e, Run run, ptrdiff_t at, real *y, int places,            \
                                      ptrdiff_t *argmax)                                                               \
    {                                                                                                                  \
        for (ptrdiff_t j = 0; j < run.count; j++)                                                                      \
            for (ptrdiff_t c = 0; c < e.channels; c += LANES) {                                                        \
                const real *from = x + j * run.stride * e.channels + c;                                                \
                ptrdiff_t to = j * e.channels + c, first = at + j * run.stride, lanes = lanes_at(&e, &run, j, c);      \
                ptrdiff_t *places_to = places ? argmax + to : NULL;                                                    \
                if (lanes < LANES)                                                                                     \
                    max_lanes_##real(from, e, first, lanes, y + to, places, places_to);                                \
                else                                                                                                   \
                    max_lanes_##real(from, e, first, LANES, y + to, places, places_to);                                \
            }                                                                                                          \
    }                                                                                                                  \
                                                                                                                       \
    static void long_sums_##real(const real *x, Entries e, ptrdiff_t lanes, real *total)                               \
    {                                                                                                                  \
        real block[LANES] = {0}, group[LANES] = {0};                                                                   \
        ptrdiff_t terms = 0, number = 0;                                                                               \
        for (ptrdiff_t m = 0; m < e.down; m++)                                                                         \
            for (ptrdiff_t n = 0, count; n < e.across; n += count) {                                                   \
                const real *value = x + (m * e.row + n * e.column) * e.channels;                                       \
                count = e.across - n < SUM_BLOCK - terms ? e.across - n : SUM_BLOCK - terms;                           \
                for (ptrdiff_t k = 0; k < count; k++, value += e.column * e.channels)                                  \
                    EACH_LANE for (ptrdiff_t c = 0; c < lanes; c++) block[c] += value[c];                              \
                terms += count;                                                                                        \
                if (terms == SUM_BLOCK) {                                                                              \
                    carry_block_##real(number++, LANES, block, group, total);                                          \
                    terms = 0;                                                                                         \
                }                                                                                                      \
            }                                                                                                          \
        carry_##real(LANES, block, group);                                                                             \
        carry_##real(LANES, group, total);                                                                             \
    }                                                                                                                  \
    static INLINE void avg_lanes_##real(const real *x, Entries e, real count, ptrdiff_t lanes, real *y, int is_long)   \
    {                                                                                                                  \
        real sum[LANES] = {0};                                                                                         \
        if (is_long) {                                                                                                 \
            long_sums_##real(x, e, lanes, sum);                                                                        \
            e.down = 0;                                                                                                \
        }                                                                                                              \
        for (ptrdiff_t m = 0; m < e.down; m++)                                                                         \
            for (ptrdiff_t n = 0; n < e.across; n++) {                                                                 \
                const real *value = x + (m * e.row + n * e.column) * e.channels;                                       \
                EACH_LANE for (ptrdiff_t c = 0; c < lanes; c++) sum[c] += value[c];                                    \
            }                                                                                                          \
        EACH_LANE for (ptrdiff_t c = 0; c < lanes; c++) y[c] = sum[c] / count;                                         \
    }                                                                                                                  \
                                                                                                                       \
    static INLINE void avg_run_##real(const real *x, Entries e, Run run, real count, real *y, int is_long)             \
    {                                                                                                                  \
        for (ptrdiff_t j = 0; j < run.count; j++)                                                                      \
            for (ptrdiff_t c = 0; c < e.channels; c += LANES) {                                                        \
                const real *from = x + j * run.stride * e.channels + c;                                                \
                ptrdiff_t to = j * e.channels + c, lanes = lanes_at(&e, &run, j, c);                                   \
                if (lanes < LANES)                                                                                     \
                    avg_lanes_##real(from, e, count, lanes, y + to, is_long);                                          \
                else                                                                                                   \
                    avg_lanes_##real(from, e, count, LANES, y + to, is_long);                                          \
            }                                                                                                          \
    }                                                                                                                  \
                                                                                                                       \
    /* The same functions, compiled for the constants that make straight lines of vectors of their loops. */           \
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

#endif
