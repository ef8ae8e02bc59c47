/* The inner loops of pooling: LANES channels of one window, from its first entry to its last.
 *
 * x is the window's first entry inside the image. The best values, their places and the sums stay in registers until
 * the window is done; then the first `stored` lanes are written. Where an image has fewer channels than there are lanes,
 * the lanes left over read the beginning of the next pixel, and are thrown away. `readable` is smaller than LANES only
 * where the array itself ends: nothing outside of it is read.
 */
#ifndef REFCONV_POOL_H
#define REFCONV_POOL_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

enum { LANES = 16 }; /* a cache line of float32 */

/* The entries of a window that lie inside the image: how many down and across, and how many pixels apart. */
typedef struct {
    ptrdiff_t down, across, row, column, channels;
} Entries;

/* A loop over lanes must reach the vectoriser as a loop: unrolled before, it would stay scalar. */
#if defined(__clang__)
#define EACH_LANE _Pragma("clang loop unroll(disable)")
#define INLINE __attribute__((always_inline)) inline
#elif defined(__GNUC__)
#define EACH_LANE _Pragma("GCC unroll 1")
#define INLINE __attribute__((always_inline)) inline
#else
#define EACH_LANE
#define INLINE inline
#endif

/* `place` is an integer as wide as `real`, so that values and places lie in vectors of the same number of lanes. */
#define DEFINE_POOL(real, place)                                                                                       \
    static INLINE void max_lanes_##real(const real *x, const Entries *e, ptrdiff_t at, ptrdiff_t lanes,                \
                                        ptrdiff_t stored, real *y, int places, ptrdiff_t *argmax)                      \
    {                                                                                                                  \
        real best[LANES];                                                                                              \
        place winner[LANES]; /* in pixels from the first entry */                                                      \
        EACH_LANE for (ptrdiff_t c = 0; c < LANES; c++) {                                                              \
            best[c] = (real)-INFINITY; /* if all are −∞, none is larger, and the first entry has won */                \
            winner[c] = 0;                                                                                             \
        }                                                                                                              \
        for (ptrdiff_t m = 0; m < e->down; m++)                                                                        \
            for (ptrdiff_t n = 0; n < e->across; n++) {                                                                \
                ptrdiff_t step = m * e->row + n * e->column;                                                           \
                const real *value = x + step * e->channels;                                                            \
                EACH_LANE for (ptrdiff_t c = 0; c < lanes; c++) {                                                      \
                    int wins = (value[c] > best[c]) | (value[c] != value[c]); /* | not ||: no jump */                  \
                    best[c] = wins ? value[c] : best[c];                                                               \
                    if (places)                                                                                        \
                        winner[c] = wins ? (place)step : winner[c];                                                    \
                }                                                                                                      \
            }                                                                                                          \
        for (ptrdiff_t c = 0; c < stored; c++)                                                                         \
            y[c] = best[c];                                                                                            \
        for (ptrdiff_t c = 0; places && c < stored; c++)                                                               \
            argmax[c] = at + winner[c];                                                                                \
    }                                                                                                                  \
                                                                                                                       \
    static INLINE void avg_lanes_##real(const real *x, const Entries *e, real count, ptrdiff_t lanes,                  \
                                        ptrdiff_t stored, real *y)                                                     \
    {                                                                                                                  \
        real sum[LANES] = {0};                                                                                         \
        for (ptrdiff_t m = 0; m < e->down; m++)                                                                        \
            for (ptrdiff_t n = 0; n < e->across; n++) {                                                                \
                const real *value = x + (m * e->row + n * e->column) * e->channels;                                    \
                EACH_LANE for (ptrdiff_t c = 0; c < lanes; c++) sum[c] += value[c];                                    \
            }                                                                                                          \
        EACH_LANE for (ptrdiff_t c = 0; c < LANES; c++) sum[c] /= count;                                               \
        for (ptrdiff_t c = 0; c < stored; c++)                                                                         \
            y[c] = sum[c];                                                                                             \
    }                                                                                                                  \
                                                                                                                       \
    /* The same functions, compiled for the constants that make vectors of their loops. */                             \
    static void max_window_##real(const real *x, const Entries *e, ptrdiff_t at, ptrdiff_t readable, ptrdiff_t stored, \
                                  real *y, ptrdiff_t *argmax)                                                          \
    {                                                                                                                  \
        if (readable < LANES)                                                                                          \
            max_lanes_##real(x, e, at, readable, stored, y, argmax != NULL, argmax);                                   \
        else if (argmax && stored == LANES)                                                                            \
            max_lanes_##real(x, e, at, LANES, LANES, y, 1, argmax);                                                    \
        else if (argmax)                                                                                               \
            max_lanes_##real(x, e, at, LANES, stored, y, 1, argmax);                                                   \
        else if (stored == LANES)                                                                                      \
            max_lanes_##real(x, e, at, LANES, LANES, y, 0, NULL);                                                      \
        else                                                                                                           \
            max_lanes_##real(x, e, at, LANES, stored, y, 0, NULL);                                                     \
    }                                                                                                                  \
                                                                                                                       \
    static void avg_window_##real(const real *x, const Entries *e, real count, ptrdiff_t readable, ptrdiff_t stored,   \
                                  real *y)                                                                             \
    {                                                                                                                  \
        if (readable < LANES)                                                                                          \
            avg_lanes_##real(x, e, count, readable, stored, y);                                                        \
        else if (stored == LANES)                                                                                      \
            avg_lanes_##real(x, e, count, LANES, LANES, y);                                                            \
        else                                                                                                           \
            avg_lanes_##real(x, e, count, LANES, stored, y);                                                           \
    }

DEFINE_POOL(float, int32_t)
DEFINE_POOL(double, int64_t)

#endif
