/* The two inner loops of convolutions whose groups have as many outputs as inputs, G: one (depthwise), two or four.
 *
 * Lanes are channels. For a depthwise convolution that is all: a lane of x times the same lane of w. With G channels a
 * group, an output channel needs all G inputs of its group. They lie in the same vector, so it is shuffled: c = 0 … G - 1
 * in turn is spread over its group,
 *
 *     spread(x, 1) = x1 x1 x1 x1  x5 x5 x5 x5  x9 …          (G = 4)
 *
 * and then the lanes are again multiplied one by one. A row of w, as it lies in memory, is just the other factor:
 *
 *     sweep     y[p, v]             = bias[v] + sum over taps and c of  spread(x[p + tap], c)[v] * w[tap, c, v]
 *     gather    sums[tap, c, v]    += sum over p of  x[p + tap][v] * spread(dy[p], c)[v]
 *
 * In the second one v is an input channel and c an output channel of the group: the weights with both exchanged.
 *
 * Any number of channels from one vector on: the last vector ends with the last channel, and begins before the end of the one
 * before it. What both hold is computed twice, with the same bits. Tiles of pixels do the same. So nothing outside is read.
 */
#ifndef REFCONV_DEPTHWISE_H
#define REFCONV_DEPTHWISE_H

#include "tile.h"

#define SWEEP_PIXELS 4 /* a weight is loaded once for so many pixels */

/* The taps of one sum: a rectangle of the kernel, and the steps from tap to tap in x and in w. */
typedef struct {
    ptrdiff_t rows, columns;
    ptrdiff_t x_row, x_column;
    ptrdiff_t w_row, w_column;
} Patch;

#define LEAST(a, b) ((a) < (b) ? (a) : (b))

/* Vectors and shuffles of GCC (from 12 on) and clang; other compilers get the same loops for one channel at a time. */
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define VECTORS 1
#endif
#endif
#if VECTORS
#define UNROLLED _Pragma("GCC unroll 16")
#else
#define UNROLLED
#endif

/* One tile. Not inlined, so that the few integers of its loops stay in registers as well. */
#define DEFINE_TILE_OF_SWEEP(name, real, vector, spread, G, PIXELS)                                                    \
    AS_WRITTEN static void name##_tile(const Patch *taps, ptrdiff_t channels, const real *x, ptrdiff_t x_pixel,        \
                                       const real *w, const real *bias, real *y, ptrdiff_t y_pixel)                    \
    {                                                                                                                  \
        const ptrdiff_t columns = taps->columns, x_column = taps->x_column, w_column = taps->w_column;                 \
        const ptrdiff_t threes = x_column == x_pixel ? columns / 3 : 0;                                                \
        vector sum[PIXELS] = {0};                                                                                      \
        for (ptrdiff_t m = taps->rows; m > 0; m--) {                                                                   \
            const real *tap = x, *weights = w;                                                                         \
            for (ptrdiff_t n = threes; n > 0; n--) {                                                                   \
                vector value[PIXELS + 2];                                                                              \
                const real *from = tap;                                                                                \
                UNROLLED for (int p = 0; p < PIXELS + 2; p++) {                                                        \
                    value[p] = *(const vector *)from;                                                                  \
                    from += x_pixel;                                                                                   \
                }                                                                                                      \
                UNROLLED for (int c = 0; c < G; c++)                                                                   \
                    UNROLLED for (int t = 0; t < 3; t++) {                                                             \
                        const vector weight = *(const vector *)(weights + t * w_column + c * channels);                \
                        UNROLLED for (int p = 0; p < PIXELS; p++)                                                      \
                            sum[p] += spread(value[p + t], c) * weight;                                                \
                    }                                                                                                  \
                tap += 3 * x_column;                                                                                   \
                weights += 3 * w_column;                                                                               \
            }                                                                                                          \
            for (ptrdiff_t n = columns - 3 * threes; n > 0; n--) {                                                     \
                vector value[PIXELS];                                                                                  \
                const real *from = tap;                                                                                \
                UNROLLED for (int p = 0; p < PIXELS; p++) {                                                            \
                    value[p] = *(const vector *)from;                                                                  \
                    from += x_pixel;                                                                                   \
                }                                                                                                      \
                UNROLLED for (int c = 0; c < G; c++) {                                                                 \
                    const vector weight = *(const vector *)(weights + c * channels);                                   \
                    UNROLLED for (int p = 0; p < PIXELS; p++)                                                          \
                        sum[p] += spread(value[p], c) * weight;                                                        \
                }                                                                                                      \
                tap += x_column;                                                                                       \
                weights += w_column;                                                                                   \
            }                                                                                                          \
            x += taps->x_row;                                                                                          \
            w += taps->w_row;                                                                                          \
        }                                                                                                              \
        if (bias)                                                                                                      \
            UNROLLED for (int p = 0; p < PIXELS; p++)                                                                  \
                sum[p] += *(const vector *)bias;                                                                       \
        UNROLLED for (int p = 0; p < PIXELS; p++) {                                                                    \
            *(vector *)y = sum[p];                                                                                     \
            y += y_pixel;                                                                                              \
        }                                                                                                              \
    }

/* Tiles of pixels and vectors of channels, over all of them. */
#define DEFINE_SWEEP(name, real, vector, spread, G, PIXELS)                                                            \
    DEFINE_TILE_OF_SWEEP(name, real, vector, spread, G, PIXELS)                                                        \
    static void name(const Patch *taps, ptrdiff_t pixels, ptrdiff_t channels, const real *x, ptrdiff_t x_pixel,        \
                     const real *w, const real *bias, real *y, ptrdiff_t y_pixel)                                      \
    {                                                                                                                  \
        enum { LANES = sizeof(vector) / sizeof(real) };                                                                \
        for (ptrdiff_t next = 0; next < pixels; next += PIXELS) {                                                      \
            const ptrdiff_t first = LEAST(next, pixels - PIXELS);                                                      \
            for (ptrdiff_t beyond = 0; beyond < channels; beyond += LANES) {                                           \
                const ptrdiff_t channel = LEAST(beyond, channels - LANES);                                             \
                name##_tile(taps, channels, x + first * x_pixel + channel, x_pixel, w + channel,                       \
                            bias ? bias + channel : NULL, y + first * y_pixel + channel, y_pixel);                     \
            }                                                                                                          \
        }                                                                                                              \
    }

/* TAPS taps at a time, which stand `offset` from a pixel and have their sums at `place`; the last of them repeat one that
 * is there, and are not stored. `sums` has whole vectors, so that none overlap there. */
#define DEFINE_GATHER(name, real, vector, spread, G, TAPS)                                                             \
    static void name(ptrdiff_t taps, const ptrdiff_t *offset, const ptrdiff_t *place, ptrdiff_t pixels,                \
                     ptrdiff_t channels, const real *x, ptrdiff_t x_pixel, const real *dy, ptrdiff_t dy_pixel,         \
                     real *sums)                                                                                       \
    {                                                                                                                  \
        enum { LANES = sizeof(vector) / sizeof(real) };                                                                \
        const ptrdiff_t width = (channels + LANES - 1) / LANES * LANES;                                                \
        for (ptrdiff_t beyond = 0; beyond < channels; beyond += LANES) {                                               \
            const ptrdiff_t channel = LEAST(beyond, channels - LANES);                                                 \
            for (ptrdiff_t first = 0; first < taps; first += TAPS) {                                                   \
                const int filled = (int)LEAST(taps - first, TAPS);                                                     \
                const real *from[TAPS], *out = dy + channel;                                                           \
                vector sum[TAPS][G];                                                                                   \
                UNROLLED for (int t = 0; t < TAPS; t++) {                                                              \
                    const ptrdiff_t tap = first + (t < filled ? t : 0);                                                \
                    from[t] = x + offset[tap] + channel;                                                               \
                    UNROLLED for (int c = 0; c < G; c++)                                                               \
                        sum[t][c] = *(const vector *)(sums + (place[tap] * G + c) * width + beyond);                   \
                }                                                                                                      \
                for (ptrdiff_t p = 0, step = 0; p < pixels; p++, step += x_pixel, out += dy_pixel) {                   \
                    vector factor[G];                                                                                  \
                    UNROLLED for (int c = 0; c < G; c++)                                                               \
                        factor[c] = spread(*(const vector *)out, c);                                                   \
                    UNROLLED for (int t = 0; t < TAPS; t++) {                                                          \
                        const vector value = *(const vector *)(from[t] + step);                                        \
                        UNROLLED for (int c = 0; c < G; c++)                                                           \
                            sum[t][c] += value * factor[c];                                                            \
                    }                                                                                                  \
                }                                                                                                      \
                UNROLLED for (int t = 0; t < TAPS; t++)                                                                \
                    UNROLLED for (int c = 0; c < G; c++)                                                               \
                        if (t < filled)                                                                                \
                            *(vector *)(sums + (place[first + t] * G + c) * width + beyond) = sum[t][c];               \
            }                                                                                                          \
        }                                                                                                              \
    }

/* What a convolution needs for one width of vectors and one G: sweeps of four pixels and of single ones, and the gather. */
#define DEFINE_KERNELS(real, vector, spread, G, TAPS)                                                                  \
    DEFINE_SWEEP(sweep_##vector##_##G, real, vector, spread, G, SWEEP_PIXELS)                                          \
    DEFINE_SWEEP(sweep_single_##vector##_##G, real, vector, spread, G, 1)                                              \
    DEFINE_GATHER(gather_##vector##_##G, real, vector, spread, G, TAPS)
#define ENTRY(real, vector, G)                                                                                         \
    {                                                                                                                  \
        sizeof(vector) / sizeof(real), G, sweep_##vector##_##G, sweep_single_##vector##_##G, gather_##vector##_##G     \
    }

#define SPREAD_1(v, c) (v)
DEFINE_KERNELS(float, float, SPREAD_1, 1, 9)
DEFINE_KERNELS(double, double, SPREAD_1, 1, 9)

#if VECTORS
#define AT(i, G, c) (((i) & ~((G) - 1)) + (c))
#define SHUFFLE_2(v, G, c) __builtin_shufflevector(v, v, AT(0, G, c), AT(1, G, c))
#define SHUFFLE_4(v, G, c) __builtin_shufflevector(v, v, AT(0, G, c), AT(1, G, c), AT(2, G, c), AT(3, G, c))
#define SHUFFLE_8(v, G, c)                                                                                             \
    __builtin_shufflevector(v, v, AT(0, G, c), AT(1, G, c), AT(2, G, c), AT(3, G, c), AT(4, G, c), AT(5, G, c),        \
                            AT(6, G, c), AT(7, G, c))
#define SHUFFLE_16(v, G, c)                                                                                            \
    __builtin_shufflevector(v, v, AT(0, G, c), AT(1, G, c), AT(2, G, c), AT(3, G, c), AT(4, G, c), AT(5, G, c),        \
                            AT(6, G, c), AT(7, G, c), AT(8, G, c), AT(9, G, c), AT(10, G, c), AT(11, G, c),            \
                            AT(12, G, c), AT(13, G, c), AT(14, G, c), AT(15, G, c))

#define DEFINE_PAIRS(real, LANES)                                                                                      \
    typedef VECTOR_OF(real, LANES * sizeof(real)) real##_##LANES;                                                      \
    static inline real##_##LANES spread_2_##real##_##LANES(real##_##LANES v, int c)                                    \
    {                                                                                                                  \
        return c ? SHUFFLE_##LANES(v, 2, 1) : SHUFFLE_##LANES(v, 2, 0);                                                \
    }                                                                                                                  \
    DEFINE_KERNELS(real, real##_##LANES, SPREAD_1, 1, 9)                                                               \
    DEFINE_KERNELS(real, real##_##LANES, spread_2_##real##_##LANES, 2, 5)
#define DEFINE_FOURS(real, LANES)                                                                                      \
    DEFINE_PAIRS(real, LANES)                                                                                          \
    static inline real##_##LANES spread_4_##real##_##LANES(real##_##LANES v, int c)                                    \
    {                                                                                                                  \
        return c == 0   ? SHUFFLE_##LANES(v, 4, 0)                                                                     \
               : c == 1 ? SHUFFLE_##LANES(v, 4, 1)                                                                     \
               : c == 2 ? SHUFFLE_##LANES(v, 4, 2)                                                                     \
                        : SHUFFLE_##LANES(v, 4, 3);                                                                    \
    }                                                                                                                  \
    DEFINE_KERNELS(real, real##_##LANES, spread_4_##real##_##LANES, 4, 3)
#define PAIRS(real, LANES) ENTRY(real, real##_##LANES, 1), ENTRY(real, real##_##LANES, 2),
#define FOURS(real, LANES) PAIRS(real, LANES) ENTRY(real, real##_##LANES, 4),

DEFINE_FOURS(float, 4)
DEFINE_PAIRS(double, 2)
#define NARROW_float FOURS(float, 4)
#define NARROW_double PAIRS(double, 2)
#if VECTOR_BYTES >= 32
DEFINE_FOURS(float, 8)
DEFINE_FOURS(double, 4)
#define MIDDLE_float FOURS(float, 8)
#define MIDDLE_double FOURS(double, 4)
#endif
#if VECTOR_BYTES >= 64
DEFINE_FOURS(float, 16)
DEFINE_FOURS(double, 8)
#define WIDE_float FOURS(float, 16)
#define WIDE_double FOURS(double, 8)
#endif
#endif

#ifndef NARROW_float
#define NARROW_float
#define NARROW_double
#endif
#ifndef MIDDLE_float
#define MIDDLE_float
#define MIDDLE_double
#endif
#ifndef WIDE_float
#define WIDE_float
#define WIDE_double
#endif

/* The kernels of one type, the widest first. kernel_for finds the first whose vector the channels fill, or -1. */
#define DEFINE_TABLE(real)                                                                                             \
    static const struct {                                                                                              \
        int lanes, G;                                                                                                  \
        void (*sweep)(const Patch *, ptrdiff_t, ptrdiff_t, const real *, ptrdiff_t, const real *, const real *,        \
                      real *, ptrdiff_t);                                                                              \
        void (*sweep_single)(const Patch *, ptrdiff_t, ptrdiff_t, const real *, ptrdiff_t, const real *, const real *, \
                             real *, ptrdiff_t);                                                                       \
        void (*gather)(ptrdiff_t, const ptrdiff_t *, const ptrdiff_t *, ptrdiff_t, ptrdiff_t, const real *, ptrdiff_t, \
                       const real *, ptrdiff_t, real *);                                                               \
    } kernels_##real[] = {WIDE_##real MIDDLE_##real NARROW_##real ENTRY(real, real, 1)};                               \
                                                                                                                       \
    static inline int kernel_for_##real(ptrdiff_t channels, ptrdiff_t G)                                               \
    {                                                                                                                  \
        for (int k = 0; k < (int)(sizeof kernels_##real / sizeof *kernels_##real); k++)                                \
            if (kernels_##real[k].G == G && kernels_##real[k].lanes <= channels)                                       \
                return k;                                                                                              \
        return -1;                                                                                                     \
    }                                                                                                                  \
    static inline int lanes_##real(int kernel) { return kernels_##real[kernel].lanes; }                                \
    static inline void sweep_##real(int kernel, const Patch *taps, ptrdiff_t pixels, ptrdiff_t channels,               \
                                    const real *x, ptrdiff_t x_pixel, const real *w, const real *bias, real *y,        \
                                    ptrdiff_t y_pixel)                                                                 \
    {                                                                                                                  \
        (pixels < SWEEP_PIXELS ? kernels_##real[kernel].sweep_single : kernels_##real[kernel].sweep)(                  \
            taps, pixels, channels, x, x_pixel, w, bias, y, y_pixel);                                                  \
    }                                                                                                                  \
    static inline void gather_##real(int kernel, ptrdiff_t taps, const ptrdiff_t *offset, const ptrdiff_t *place,      \
                                     ptrdiff_t pixels, ptrdiff_t channels, const real *x, ptrdiff_t x_pixel,           \
                                     const real *dy, ptrdiff_t dy_pixel, real *sums)                                   \
    {                                                                                                                  \
        kernels_##real[kernel].gather(taps, offset, place, pixels, channels, x, x_pixel, dy, dy_pixel, sums);          \
    }

DEFINE_TABLE(float)
DEFINE_TABLE(double)

#endif
