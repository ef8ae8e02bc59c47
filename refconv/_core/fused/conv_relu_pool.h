/* The inner loops of conv_relu_pool.pyx: in the forward pass, a convolution of one channel with few outputs, ReLU and the
 * maximum of each 2 x 2 outputs; in the backward pass, sums of patches.
 *
 * Forward, lanes are the windows of a row of the pool. The even columns of x are stored before the odd ones, so that the four
 * outputs of one window are in the same lane of four vectors, and the maximum needs no shuffles:
 *
 *     sum[r][s][o][l] = start[o] + sum over m, n of  x[r + m][2 l + s + n] * w[m][n][o]
 *
 * Backward, only winners have a non-zero derivative, so both dE/dw and dE/dx are weighted sums of few patches:
 *
 *     out[r][v] += sum over k of  weight[k] * source[at[k] + r * pitch + v]
 *
 * For dE/dw the patches are the inputs of winners; for dE/dx they are kernels, shifted by the positions of their winners.
 * Registers contain a block of rows of sums, six to fifteen vectors: enough to hide the latency of a multiply-add. Patches can
 * begin at any element, so vectors are not aligned. Half of the unaligned vectors of 32 bytes cross no cache line, but nearly
 * all vectors of 64 bytes do, so vectors have at most 32 bytes.
 */
#ifndef REFCONV_CONV_RELU_POOL_H
#define REFCONV_CONV_RELU_POOL_H

#include <stdint.h>

#include "tile/tile.h"

#define NO_WINNER 4 /* a winner's number is 2 r + s, or NO_WINNER if the largest output is not above zero */

#if defined(__AVX512F__) || defined(__aarch64__)
#define LANE_OUTPUTS 6 /* 24 sums + 4 of x + 1 weight, of 32 registers */
#else
#define LANE_OUTPUTS 3 /* 12 sums, of 16 */
#endif

#define MOST_PATCH_VECTORS 5
#define MOST_PATCH_ROWS 6

#define WINDOW_LANES_float ((int)(sizeof(vector_float) / sizeof(float)))
#define WINDOW_LANES_double ((int)(sizeof(vector_double) / sizeof(double)))

/* Find the largest of four outputs in each lane, and its number. NaN counts as larger than any number and passes ReLU. All
 * four vectors are read before anything is written. */
#define DEFINE_LARGEST(real, place)                                                                                    \
    static inline void largest_##real(const real *a, const real *b, const real *c, const real *d, real *best,          \
                                      unsigned char *winner)                                                           \
    {                                                                                                                  \
        enum { LANES = WINDOW_LANES_##real };                                                                          \
        real value[LANES];                                                                                             \
        place number[LANES];                                                                                           \
        for (int l = 0; l < LANES; l++) {                                                                              \
            real most = a[l];                                                                                          \
            place at = 0;                                                                                              \
            at = (b[l] > most) | (b[l] != b[l]) ? 1 : at;                                                              \
            most = (b[l] > most) | (b[l] != b[l]) ? b[l] : most;                                                       \
            at = (c[l] > most) | (c[l] != c[l]) ? 2 : at;                                                              \
            most = (c[l] > most) | (c[l] != c[l]) ? c[l] : most;                                                       \
            at = (d[l] > most) | (d[l] != d[l]) ? 3 : at;                                                              \
            most = (d[l] > most) | (d[l] != d[l]) ? d[l] : most;                                                       \
            number[l] = most > 0 ? at : NO_WINNER;                                                                     \
            value[l] = most < 0 ? 0 : most;                                                                            \
        }                                                                                                              \
        for (int l = 0; l < LANES; l++)                                                                                \
            best[l] = value[l];                                                                                        \
        for (int l = 0; l < LANES; l++)                                                                                \
            winner[l] = (unsigned char)number[l];                                                                      \
    }

DEFINE_LARGEST(float, int32_t)
DEFINE_LARGEST(double, int64_t)

#define largest(a, b, c, d, best, winner) FOR_TYPE_OF(best, largest)(a, b, c, d, best, winner)

/* Compute out[2 r + s][o][l]. `even` points to the even columns of the upper row of the first window; the odd columns begin
 * `half` elements later. */
#define DEFINE_WINDOWS(real, vector)                                                                                   \
    AS_WRITTEN static void windows_##real(ptrdiff_t kh, ptrdiff_t kw, ptrdiff_t pitch, ptrdiff_t half,                 \
                                          const real *even, const real *w, const real *start, real *out)               \
    {                                                                                                                  \
        enum { LANES = sizeof(vector) / sizeof(real) };                                                                \
        vector sum[4][LANE_OUTPUTS];                                                                                   \
        UNROLLED_FOR (int o = 0; o < LANE_OUTPUTS; o++)                                                                \
            sum[0][o] = sum[1][o] = sum[2][o] = sum[3][o] = (vector){0} + start[o];                                    \
        for (ptrdiff_t m = 0; m < kh; m++)                                                                             \
            for (ptrdiff_t n = 0; n < kw; n++, w += LANE_OUTPUTS) {                                                    \
                const real *left = even + m * pitch + n / 2 + n % 2 * half;                                            \
                const real *right = even + m * pitch + (n + 1) / 2 + (n + 1) % 2 * half;                               \
                vector x[4] = {*(const vector *)left, *(const vector *)right, *(const vector *)(left + pitch),         \
                               *(const vector *)(right + pitch)};                                                      \
                UNROLLED_FOR (int o = 0; o < LANE_OUTPUTS; o++)                                                        \
                    UNROLLED_FOR (int p = 0; p < 4; p++)                                                               \
                        sum[p][o] += x[p] * w[o];                                                                      \
            }                                                                                                          \
        UNROLLED_FOR (int p = 0; p < 4; p++)                                                                           \
            UNROLLED_FOR (int o = 0; o < LANE_OUTPUTS; o++)                                                            \
                *(vector *)(out + (p * LANE_OUTPUTS + o) * LANES) = sum[p][o];                                         \
    }

DEFINE_WINDOWS(float, vector_float)
DEFINE_WINDOWS(double, vector_double)

#define windows(kh, kw, pitch, half, even, w, start, out)                                                              \
    FOR_TYPE_OF(out, windows)(kh, kw, pitch, half, even, w, start, out)

#define PATCH_BYTES (VECTOR_BYTES > 32 ? 32 : VECTOR_BYTES)
/* The most vectors in a row if there are five or six rows of sums: with AVX-512, they use 30 of 32 registers. */
#define MOST_TALL (VECTOR_BYTES > 32 ? 5 : 2)

#ifdef REFCONV_VECTORS
typedef VECTOR_OF(float, PATCH_BYTES) patch_float;
typedef VECTOR_OF(double, PATCH_BYTES) patch_double;
#else
typedef float patch_float;
typedef double patch_double;
#endif

#define PATCH_LANES_float ((int)(sizeof(patch_float) / sizeof(float)))
#define PATCH_LANES_double ((int)(sizeof(patch_double) / sizeof(double)))

#define DEFINE_PATCHES(real, VECTORS, ROWS)                                                                            \
    AS_WRITTEN static void patches_##ROWS##x##VECTORS##_##real(ptrdiff_t count, const ptrdiff_t *at,                   \
                                                               const real *weight, const real *source,                 \
                                                               ptrdiff_t pitch, real *out, ptrdiff_t out_pitch)        \
    {                                                                                                                  \
        enum { LANES = PATCH_LANES_##real };                                                                           \
        patch_##real sum[ROWS][VECTORS] = {{{0}}};                                                                     \
        const real *row[ROWS]; /* an address is then row[r] + at[k] + a constant */                                    \
        UNROLLED_FOR (int r = 0; r < ROWS; r++)                                                                        \
            row[r] = source + r * pitch;                                                                               \
        for (ptrdiff_t k = 0; k < count; k++)                                                                          \
            UNROLLED_FOR (int r = 0; r < ROWS; r++)                                                                    \
                UNROLLED_FOR (int v = 0; v < VECTORS; v++)                                                             \
                    sum[r][v] += weight[k] * *(const patch_##real *)(row[r] + at[k] + v * LANES);                      \
        UNROLLED_FOR (int r = 0; r < ROWS; r++)                                                                        \
            UNROLLED_FOR (int v = 0; v < VECTORS; v++)                                                                 \
                *(patch_##real *)(out + r * out_pitch + v * LANES) += sum[r][v];                                       \
    }

#define DEFINE_ROWS_OF_PATCHES(real, ROWS)                                                                             \
    DEFINE_PATCHES(real, 1, ROWS)                                                                                      \
    DEFINE_PATCHES(real, 2, ROWS)                                                                                      \
    DEFINE_PATCHES(real, 3, ROWS)                                                                                      \
    DEFINE_PATCHES(real, 4, ROWS)                                                                                      \
    DEFINE_PATCHES(real, 5, ROWS)                                                                                      \
    static const Patches_##real patches_##ROWS##_##real[] = {patches_##ROWS##x1_##real, patches_##ROWS##x2_##real,     \
                                                             patches_##ROWS##x3_##real, patches_##ROWS##x4_##real,     \
                                                             patches_##ROWS##x5_##real};

typedef struct {           /* sizes in elements */
    ptrdiff_t rows, width; /* of a patch */
    ptrdiff_t pitch;       /* from one row of the source to the next */
    ptrdiff_t out_pitch;   /* from one row of the sums to the next */
} PatchSize;

/* Add patches in whole vectors, which may be wider than the patches, in blocks whose sums fit into the registers. */
#define DEFINE_ADD_PATCHES(real)                                                                                       \
    typedef void (*Patches_##real)(ptrdiff_t, const ptrdiff_t *, const real *, const real *, ptrdiff_t, real *,        \
                                   ptrdiff_t);                                                                         \
    DEFINE_ROWS_OF_PATCHES(real, 3)                                                                                    \
    DEFINE_ROWS_OF_PATCHES(real, 5)                                                                                    \
    DEFINE_ROWS_OF_PATCHES(real, 6)                                                                                    \
    static inline void add_patches_##real(ptrdiff_t count, const ptrdiff_t *at, const real *weight,                    \
                                          const real *source, const PatchSize *size, real *out)                        \
    {                                                                                                                  \
        enum { LANES = PATCH_LANES_##real };                                                                           \
        ptrdiff_t left = (size->width + LANES - 1) / LANES;                                                            \
        for (; left > 0; left -= MOST_PATCH_VECTORS) {                                                                 \
            const int vectors = left < MOST_PATCH_VECTORS ? (int)left : MOST_PATCH_VECTORS;                            \
            for (ptrdiff_t row = 0, done; row < size->rows; row += done) {                                             \
                const ptrdiff_t rows = size->rows - row;                                                               \
                done = rows <= 3 || vectors > MOST_TALL ? 3 : rows <= 5 ? 5 : 6;                                       \
                (done == 3   ? patches_3_##real                                                                        \
                 : done == 5 ? patches_5_##real                                                                        \
                             : patches_6_##real)[vectors - 1](count, at, weight, source + row * size->pitch,           \
                                                              size->pitch, out + row * size->out_pitch,                \
                                                              size->out_pitch);                                        \
            }                                                                                                          \
            source += vectors * LANES;                                                                                 \
            out += vectors * LANES;                                                                                    \
        }                                                                                                              \
    }

DEFINE_ADD_PATCHES(float)
DEFINE_ADD_PATCHES(double)

#define add_patches(count, at, weight, source, size, out)                                                              \
    FOR_TYPE_OF(out, add_patches)(count, at, weight, source, size, out)

/* Add the elements of x to *sum, a vector at a time. With a single sum, each addition would wait for the previous one. */
#define DEFINE_ADD_TOTAL(real)                                                                                         \
    static inline void add_total_##real(const real *x, ptrdiff_t count, real *sum)                                     \
    {                                                                                                                  \
        enum { LANES = PATCH_LANES_##real };                                                                           \
        patch_##real sums = {0};                                                                                       \
        real total = 0, last[LANES];                                                                                   \
        ptrdiff_t k = 0;                                                                                               \
        for (; k + LANES <= count; k += LANES)                                                                         \
            sums += *(const patch_##real *)(x + k);                                                                    \
        *(patch_##real *)last = sums;                                                                                  \
        for (int l = 0; l < LANES; l++)                                                                                \
            total += last[l];                                                                                          \
        for (; k < count; k++)                                                                                         \
            total += x[k];                                                                                             \
        *sum += total;                                                                                                 \
    }

DEFINE_ADD_TOTAL(float)
DEFINE_ADD_TOTAL(double)

#define add_total(x, count, sum) FOR_TYPE_OF(x, add_total)(x, count, sum)

#define DEFINE_ALL_FINITE(real)                                                                                        \
    static inline int all_finite_##real(const real *x, ptrdiff_t count)                                                \
    {                                                                                                                  \
        int odd = 0;                                                                                                   \
        for (ptrdiff_t k = 0; k < count; k++)                                                                          \
            odd |= !(x[k] - x[k] == 0);                                                                                \
        return !odd;                                                                                                   \
    }

DEFINE_ALL_FINITE(float)
DEFINE_ALL_FINITE(double)

#define all_finite(x, count) FOR_TYPE_OF(x, all_finite)(x, count)

#endif
