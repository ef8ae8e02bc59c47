/* The two inner loops of convolutions whose groups have G inputs and G outputs, with G = 1 (depthwise), 2 or 4.
 *
 * Lanes are channels. A depthwise convolution (G = 1) multiplies a lane of x by the same lane of w. With G channels in a
 * group, an output channel needs all G inputs of its group. They are in the same vector, so the vector is shuffled: for
 * c = 0 … G - 1 in turn, channel c of each group is copied to all lanes of the group,
 *
 *     spread(x, 1) = x1 x1 x1 x1  x5 x5 x5 x5  x9 …          (G = 4)
 *
 * and then the vectors are multiplied lane by lane. The other factor is a row of w, in its order in memory:
 *
 *     sweep     y[p, v]             = bias[v] + sum over taps and c of  spread(x[p + tap], c)[v] * w[tap, c, v]
 *     gather    sums[tap, c, v]    += sum over p of  x[p + tap][v] * spread(dy[p], c)[v]
 *
 * In the gather, v is an input channel and c an output channel of the group, so its sums are the gradient of weights whose
 * inputs and outputs are exchanged.
 *
 * A sweep with more than SUM_BLOCK products in a sum divides the kernel into smaller rectangles of taps (sums.h). The caller
 * of the gather adds at most SUM_BLOCK pixels to the same sums.
 *
 * The channels must fill at least one vector. The last vector ends with the last channel, so it may overlap the one before
 * it; channels in both are computed twice, with the same bits. Tiles of pixels overlap in the same way. So no load goes
 * beyond the arrays.
 */
#ifndef REFCONV_DEPTHWISE_H
#define REFCONV_DEPTHWISE_H

#include "tile/finish.h"
#include "tile/tile.h"

#define SWEEP_PIXELS 4 /* pixels that share one load of a weight */

/* The taps of one sum: a rectangle of the kernel, and the steps from tap to tap in x and in w. */
typedef struct {
    ptrdiff_t rows, columns;
    ptrdiff_t x_row, x_column;
    ptrdiff_t w_row, w_column;
    ptrdiff_t w_input; /* from the weights of one input of a group to the next */
} Patch;

/* A line of pixels, and the number of elements from one pixel to the next in x, and in y or ∂e/∂y. */
typedef struct {
    ptrdiff_t pixels, channels;
    ptrdiff_t x_pixel, y_pixel;
} Line;

#define LEAST(a, b) ((a) < (b) ? (a) : (b))

/* Channels that are computed tile by tile together: their weights stay in L1, and their lines of x are whole cache lines. */
#define BLOCK_CHANNELS(lanes) (128 < (lanes) ? (lanes) : 128)

/* Return the stride, 1 or 2, of a 3×3 kernel that has code without loops over taps; 0 for other kernels and strides. */
static inline ptrdiff_t square_step(const Patch *taps, ptrdiff_t x_pixel)
{
    if (taps->rows != 3 || taps->columns != 3)
        return 0;
    return x_pixel == taps->x_column ? 1 : x_pixel == 2 * taps->x_column ? 2 : 0;
}

/* Compute some channels of a row of outputs, tile by tile, with 3×3 taps. All channels of a tile are computed before the next
 * tile, so x and y are read and written in their order in memory; with one pass over the row for each vector of channels, the
 * rows of x would be loaded from the second-level cache in each pass. `step` is x_pixel / x_column, a constant once the
 * function is inlined, so each value is loaded only once for all taps in a row. */
#define DEFINE_SQUARE(name, real, vector, spread, G, PIXELS)                                                           \
    static INLINE void name##_square(const ptrdiff_t step, const Patch *taps, Line line, const real *x, const real *w, \
                                     const real *bias, const Finish *finish, real *y)                                  \
    {                                                                                                                  \
        enum { LANES = sizeof(vector) / sizeof(real) };                                                                \
        const ptrdiff_t x_row = taps->x_row, x_column = taps->x_column, w_row = taps->w_row;                           \
        for (ptrdiff_t next = 0; next < line.pixels; next += PIXELS) {                                                 \
            const ptrdiff_t first = LEAST(next, line.pixels - PIXELS);                                                 \
            for (ptrdiff_t beyond = 0; beyond < line.channels; beyond += LANES) {                                      \
                const ptrdiff_t v = LEAST(beyond, line.channels - LANES);                                              \
                const real *row = x + first * step * x_column + v, *weights = w + v;                                   \
                real *to = y + first * line.y_pixel + v;                                                               \
                vector sum[PIXELS] = {0};                                                                              \
                UNROLLED_FOR (int m = 0; m < 3; m++) {                                                                 \
                    const real *from = row;                                                                            \
                    vector value[2 * PIXELS + 1];                                                                      \
                    UNROLLED_FOR (int k = 0; k < step * (PIXELS - 1) + 3; k++) {                                       \
                        value[k] = *(const vector *)from;                                                              \
                        from += x_column;                                                                              \
                    }                                                                                                  \
                    UNROLLED_FOR (int n = 0; n < 3; n++)                                                               \
                        UNROLLED_FOR (int c = 0; c < G; c++) {                                                         \
                            const vector weight = *(const vector *)(weights + n * taps->w_column + c * taps->w_input); \
                            UNROLLED_FOR (int p = 0; p < PIXELS; p++)                                                  \
                                sum[p] += spread(value[step * p + n], c) * weight;                                     \
                        }                                                                                              \
                    row += x_row;                                                                                      \
                    weights += w_row;                                                                                  \
                }                                                                                                      \
                const vector start = bias ? *(const vector *)(bias + v) : (vector){0};                                 \
                UNROLLED_FOR (int p = 0; p < PIXELS; p++) {                                                            \
                    sum[p] += start;                                                                                   \
                    if (finish)                                                                                        \
                        sum[p] = finished_##vector(sum[p], finish, (first + p) * finish->add_pixel + v);               \
                    *(vector *)to = sum[p];                                                                            \
                    to += line.y_pixel;                                                                                \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }

/* The same for any number of taps. */
#define DEFINE_SWEEP(name, real, vector, spread, G, PIXELS)                                                            \
    DEFINE_SQUARE(name, real, vector, spread, G, PIXELS)                                                               \
    static INLINE void name##_any(const Patch *taps, Line line, const real *x, const real *w, const real *bias,        \
                                  const Finish *finish, real *y)                                                       \
    {                                                                                                                  \
        const vector start = bias ? *(const vector *)bias : (vector){0};                                               \
        for (ptrdiff_t next = 0; next < line.pixels; next += PIXELS) {                                                 \
            const ptrdiff_t first = LEAST(next, line.pixels - PIXELS);                                                 \
            const real *row = x + first * line.x_pixel, *weights_row = w;                                              \
            real *to = y + first * line.y_pixel;                                                                       \
            vector sum[PIXELS] = {0};                                                                                  \
            for (ptrdiff_t m = taps->rows; m > 0; m--) {                                                               \
                const real *value = row, *weights = weights_row;                                                       \
                for (ptrdiff_t n = taps->columns; n > 0; n--) {                                                        \
                    UNROLLED_FOR (int c = 0; c < G; c++) {                                                             \
                        const vector weight = *(const vector *)(weights + c * line.channels);                          \
                        UNROLLED_FOR (int p = 0; p < PIXELS; p++)                                                      \
                            sum[p] += spread(*(const vector *)(value + p * line.x_pixel), c) * weight;                 \
                    }                                                                                                  \
                    value += taps->x_column;                                                                           \
                    weights += taps->w_column;                                                                         \
                }                                                                                                      \
                row += taps->x_row;                                                                                    \
                weights_row += taps->w_row;                                                                            \
            }                                                                                                          \
            UNROLLED_FOR (int p = 0; p < PIXELS; p++) {                                                                \
                sum[p] += start;                                                                                       \
                if (finish)                                                                                            \
                    sum[p] = finished_##vector(sum[p], finish, (first + p) * finish->add_pixel);                       \
                *(vector *)to = sum[p];                                                                                \
                to += line.y_pixel;                                                                                    \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    AS_WRITTEN static void name##_long(const Patch *taps, const Line *line, const real *x, const real *w,              \
                                       const real *bias, const Finish *finish, real *y)                                \
    {                                                                                                                  \
        enum { LANES = sizeof(vector) / sizeof(real), SIZE = PIXELS * LANES, MOST = SUM_BLOCK / G };                   \
        const vector start = bias ? *(const vector *)bias : (vector){0};                                               \
        const ptrdiff_t across = LEAST(taps->columns, MOST), down = MOST / across;                                     \
        for (ptrdiff_t next = 0; next < line->pixels; next += PIXELS) {                                                \
            const ptrdiff_t first = LEAST(next, line->pixels - PIXELS);                                                \
            real block[SIZE], group[SIZE] = {0}, total[SIZE] = {0};                                                    \
            const Line tile = {PIXELS, line->channels, line->x_pixel, LANES};                                          \
            ptrdiff_t number = 0;                                                                                      \
            for (ptrdiff_t m = 0; m < taps->rows; m += down)                                                           \
                for (ptrdiff_t n = 0; n < taps->columns; n += across, number++) {                                      \
                    Patch part = *taps;                                                                                \
                    part.rows = LEAST(down, taps->rows - m);                                                           \
                    part.columns = LEAST(across, taps->columns - n);                                                   \
                    name##_any(&part, tile, x + first * line->x_pixel + m * taps->x_row + n * taps->x_column,          \
                               w + m * taps->w_row + n * taps->w_column, NULL, NULL, block);                           \
                    carry_block_##real(number, SIZE, block, group, total);                                             \
                }                                                                                                      \
            carry_##real(SIZE, group, total);                                                                          \
            for (int p = 0; p < PIXELS; p++) {                                                                         \
                vector sum = *(const vector *)(total + p * LANES) + start;                                             \
                if (finish)                                                                                            \
                    sum = finished_##vector(sum, finish, (first + p) * finish->add_pixel);                             \
                *(vector *)(y + (first + p) * line->y_pixel) = sum;                                                    \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    static void name(const Patch *taps, const Line *line, const real *x, const real *w, const real *bias,              \
                     const Finish *finish, real *y)                                                                    \
    {                                                                                                                  \
        enum { LANES = sizeof(vector) / sizeof(real), BLOCK = BLOCK_CHANNELS(LANES) };                                 \
        const ptrdiff_t step = square_step(taps, line->x_pixel), most = step ? BLOCK : LANES;                          \
        for (ptrdiff_t beyond = 0; beyond < line->channels; beyond += most) {                                          \
            const ptrdiff_t left = line->channels - beyond, width = left < LANES ? LANES : LEAST(left, most);          \
            const ptrdiff_t v = LEAST(beyond, line->channels - width);                                                 \
            const real *offset = bias ? bias + v : NULL;                                                               \
            const Line block = {line->pixels, width, line->x_pixel, line->y_pixel};                                    \
            Finish part, *end = NULL;                                                                                  \
            if (finish) {                                                                                              \
                part = finish_at_##real(finish, 0, v);                                                                 \
                end = &part;                                                                                           \
            }                                                                                                          \
            if (step == 1)                                                                                             \
                name##_square(1, taps, block, x + v, w + v, offset, end, y + v);                                       \
            else if (step == 2)                                                                                        \
                name##_square(2, taps, block, x + v, w + v, offset, end, y + v);                                       \
            else if (taps->rows * taps->columns * G > SUM_BLOCK)                                                       \
                name##_long(taps, line, x + v, w + v, offset, end, y + v);                                             \
            else                                                                                                       \
                name##_any(taps, *line, x + v, w + v, offset, end, y + v);                                             \
        }                                                                                                              \
    }

/* Add the products of each tap to its part of `sums`, which has whole vectors, so that vectors do not overlap there. The sums
 * of TAPS taps at a time stay in registers along a line of pixels. If fewer taps are left, the first one is computed again in
 * the unused registers, which are not stored. */
#define DEFINE_GATHER(name, real, vector, spread, G, TAPS)                                                             \
    static INLINE void name##_square(const ptrdiff_t step, const Patch *taps, Line line, const real *x,                \
                                     const real *dy, real *sums)                                                       \
    {                                                                                                                  \
        const ptrdiff_t x_row = taps->x_row, x_column = taps->x_column;                                                \
        vector sum[3][3];                                                                                              \
        UNROLLED_FOR (int m = 0; m < 3; m++)                                                                           \
            UNROLLED_FOR (int n = 0; n < 3; n++)                                                                       \
                sum[m][n] = *(const vector *)(sums + m * taps->w_row + n * taps->w_column);                            \
        for (ptrdiff_t left = line.pixels, tile; left > 0; left -= tile) {                                             \
            tile = left < SWEEP_PIXELS ? 1 : SWEEP_PIXELS;                                                             \
            if (tile == 1) {                                                                                           \
                const vector factor = *(const vector *)dy;                                                             \
                UNROLLED_FOR (int m = 0; m < 3; m++)                                                                   \
                    UNROLLED_FOR (int n = 0; n < 3; n++)                                                               \
                        sum[m][n] += *(const vector *)(x + m * x_row + n * x_column) * factor;                         \
            } else {                                                                                                   \
                const real *row = x;                                                                                   \
                vector factor[SWEEP_PIXELS];                                                                           \
                UNROLLED_FOR (int p = 0; p < SWEEP_PIXELS; p++)                                                        \
                    factor[p] = *(const vector *)(dy + p * line.y_pixel);                                              \
                UNROLLED_FOR (int m = 0; m < 3; m++) {                                                                 \
                    const real *from = row;                                                                            \
                    vector value[2 * SWEEP_PIXELS + 1];                                                                \
                    UNROLLED_FOR (int k = 0; k < step * (SWEEP_PIXELS - 1) + 3; k++) {                                 \
                        value[k] = *(const vector *)from;                                                              \
                        from += x_column;                                                                              \
                    }                                                                                                  \
                    UNROLLED_FOR (int p = 0; p < SWEEP_PIXELS; p++)                                                    \
                        UNROLLED_FOR (int n = 0; n < 3; n++)                                                           \
                            sum[m][n] += value[step * p + n] * factor[p];                                              \
                    row += x_row;                                                                                      \
                }                                                                                                      \
            }                                                                                                          \
            x += tile * step * x_column;                                                                               \
            dy += tile * line.y_pixel;                                                                                 \
        }                                                                                                              \
        UNROLLED_FOR (int m = 0; m < 3; m++)                                                                           \
            UNROLLED_FOR (int n = 0; n < 3; n++)                                                                       \
                *(vector *)(sums + m * taps->w_row + n * taps->w_column) = sum[m][n];                                  \
    }                                                                                                                  \
                                                                                                                       \
    static INLINE void name##_any(const Patch *taps, Line line, ptrdiff_t width, const real *x, const real *dy,        \
                                  real *sums)                                                                          \
    {                                                                                                                  \
        const ptrdiff_t count = taps->rows * taps->columns;                                                            \
        for (ptrdiff_t first = 0; first < count; first += TAPS) {                                                      \
            const int filled = (int)LEAST(count - first, TAPS);                                                        \
            const real *from[TAPS], *out = dy;                                                                         \
            real *to[TAPS];                                                                                            \
            vector sum[TAPS][G];                                                                                       \
            UNROLLED_FOR (int t = 0; t < TAPS; t++) {                                                                  \
                const ptrdiff_t tap = first + (t < filled ? t : 0), m = tap / taps->columns, n = tap % taps->columns;  \
                from[t] = x + m * taps->x_row + n * taps->x_column;                                                    \
                to[t] = sums + m * taps->w_row + n * taps->w_column;                                                   \
                UNROLLED_FOR (int c = 0; c < G; c++)                                                                   \
                    sum[t][c] = *(const vector *)(to[t] + c * width);                                                  \
            }                                                                                                          \
            for (ptrdiff_t p = 0, at = 0; p < line.pixels; p++, at += line.x_pixel, out += line.y_pixel) {             \
                vector factor[G];                                                                                      \
                UNROLLED_FOR (int c = 0; c < G; c++)                                                                   \
                    factor[c] = spread(*(const vector *)out, c);                                                       \
                UNROLLED_FOR (int t = 0; t < TAPS; t++) {                                                              \
                    const vector value = *(const vector *)(from[t] + at);                                              \
                    UNROLLED_FOR (int c = 0; c < G; c++)                                                               \
                        sum[t][c] += value * factor[c];                                                                \
                }                                                                                                      \
            }                                                                                                          \
            UNROLLED_FOR (int t = 0; t < TAPS; t++)                                                                    \
                UNROLLED_FOR (int c = 0; c < G; c++)                                                                   \
                    if (t < filled)                                                                                    \
                        *(vector *)(to[t] + c * width) = sum[t][c];                                                    \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    static void name(const Patch *taps, const Line *line, const real *x, const real *dy, real *sums)                   \
    {                                                                                                                  \
        enum { LANES = sizeof(vector) / sizeof(real) };                                                                \
        const ptrdiff_t width = (line->channels + LANES - 1) / LANES * LANES;                                          \
        const ptrdiff_t step = G == 1 ? square_step(taps, line->x_pixel) : 0;                                          \
        for (ptrdiff_t beyond = 0; beyond < line->channels; beyond += LANES) {                                         \
            const ptrdiff_t v = LEAST(beyond, line->channels - LANES);                                                 \
            if (step == 1)                                                                                             \
                name##_square(1, taps, *line, x + v, dy + v, sums + beyond);                                           \
            else if (step == 2)                                                                                        \
                name##_square(2, taps, *line, x + v, dy + v, sums + beyond);                                           \
            else                                                                                                       \
                name##_any(taps, *line, width, x + v, dy + v, sums + beyond);                                          \
        }                                                                                                              \
    }

/* The loops for one vector width and one G: sweeps of four pixels and of single pixels, and the gather. */
#define DEFINE_KERNELS(real, vector, spread, G, TAPS)                                                                  \
    DEFINE_SWEEP(sweep_##vector##_##G, real, vector, spread, G, SWEEP_PIXELS)                                          \
    DEFINE_SWEEP(sweep_single_##vector##_##G, real, vector, spread, G, 1)                                              \
    DEFINE_GATHER(gather_##vector##_##G, real, vector, spread, G, TAPS)
#define ENTRY(real, vector, G)                                                                                         \
    {sizeof(vector) / sizeof(real), G, sweep_##vector##_##G, sweep_single_##vector##_##G, gather_##vector##_##G}

#define SPREAD_1(v, c) (v)
DEFINE_KERNELS(float, float, SPREAD_1, 1, 9)
DEFINE_KERNELS(double, double, SPREAD_1, 1, 9)

/* Compilers without shuffles use the same loops with one channel at a time. */
#ifdef REFCONV_SHUFFLES
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
    DEFINE_FINISHED(real, real##_##LANES)                                                                              \
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

/* The kernels of one type, the widest first. kernel_for returns the first one whose vector the channels fill, or -1. */
#define DEFINE_TABLE(real)                                                                                             \
    static const struct {                                                                                              \
        int lanes, G;                                                                                                  \
        void (*sweep)(const Patch *, const Line *, const real *, const real *, const real *, const Finish *, real *);  \
        void (*sweep_single)(const Patch *, const Line *, const real *, const real *, const real *, const Finish *,    \
                             real *);                                                                                  \
        void (*gather)(const Patch *, const Line *, const real *, const real *, real *);                               \
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
    static inline void sweep_##real(int kernel, const Patch *taps, const Line *line, const real *x, const real *w,     \
                                    const real *bias, const Finish *finish, real *y)                                   \
    {                                                                                                                  \
        (line->pixels < SWEEP_PIXELS ? kernels_##real[kernel].sweep_single                                             \
                                     : kernels_##real[kernel].sweep)(taps, line, x, w, bias, finish, y);               \
    }                                                                                                                  \
    static inline void gather_##real(int kernel, const Patch *taps, const Line *line, const real *x, const real *dy,   \
                                     real *sums)                                                                       \
    {                                                                                                                  \
        kernels_##real[kernel].gather(taps, line, x, dy, sums);                                                        \
    }

DEFINE_TABLE(float)
DEFINE_TABLE(double)

/* kernel_for: the number of the kernel for these channels in groups of G, or -1 if there is none. lanes_of: the number of
 * lanes of that kernel. The pointer selects the element type. */
#define kernel_for(pointer, channels, G) FOR_TYPE_OF(pointer, kernel_for)(channels, G)
#define lanes_of(pointer, kernel) FOR_TYPE_OF(pointer, lanes)(kernel)
#define sweep(kernel, taps, line, x, w, bias, finish, y)                                                               \
    FOR_TYPE_OF(y, sweep)(kernel, taps, line, x, w, bias, finish, y)
#define gather(kernel, taps, line, x, dy, sums) FOR_TYPE_OF(sums, gather)(kernel, taps, line, x, dy, sums)

#endif
