/* Winograd's transforms for kernels of 3 x 3 taps: t = m + 2 numbers represent m outputs, m + 2 inputs or 3 taps.
 *
 * Along one axis, correlation of t inputs d with 3 taps g gives m outputs
 *
 *     y = Aᵀ [(G g) ⊙ (Bᵀ d)]
 *
 * with t products instead of 3·m. G and B evaluate polynomials at t points; Aᵀ computes the outputs from the products at these
 * points. For m = 2 the points are 0, 1, -1 and infinity, all entries of the matrices are 0, ±1 and ±1/2, and the result is as
 * accurate as the plain sum. For m = 4 they are 0, ±5/8, ±3/2 and infinity, and rounding errors are about twice the errors of
 * a running sum; with ±1 and ±2 they would be four times as large (python -m benchmarks.winograd_points compares points).
 * Points whose products are near 1 give matrices whose entries differ less. All products of these points in the matrices are
 * exact in float32.
 *
 * The sum is linear in each of its factors, so the derivative needs only transposes: ∂e/∂g = Gᵀ [(A ∂e/∂y) ⊙ (Bᵀ d)].
 *
 * Each function below applies one of these matrices along one axis. A transform in two dimensions applies the same matrix down
 * and across. Channels are independent of each other, so they are the lanes.
 */
#ifndef REFCONV_WINOGRAD_H
#define REFCONV_WINOGRAD_H

#include "tile/tile.h"

/* The points of larger tiles and their squares, and for each the product of its differences from the other points. */
#define A1 (5 / 8.0f)
#define B1 (3 / 2.0f)
#define A2 (A1 * A1)
#define B2 (B1 * B1)
#define PRODUCT_A (2 * A2 * (A2 - B2))
#define PRODUCT_B (2 * B2 * (B2 - A2))

/* The transforms along one axis. `s` and `r` are the steps between the numbers of d and t. */
#define DEFINE_AXES(type)                                                                                              \
    static inline void input_2_##type(const type *d, int s, type *t, int r)                                            \
    {                                                                                                                  \
        t[0 * r] = d[0 * s] - d[2 * s];                                                                                \
        t[1 * r] = d[1 * s] + d[2 * s];                                                                                \
        t[2 * r] = d[2 * s] - d[1 * s];                                                                                \
        t[3 * r] = d[1 * s] - d[3 * s];                                                                                \
    }                                                                                                                  \
    static inline void kernel_2_##type(const type *g, int s, type *t, int r)                                           \
    {                                                                                                                  \
        type even = (g[0 * s] + g[2 * s]) / 2, odd = g[1 * s] / 2;                                                     \
        t[0 * r] = g[0 * s];                                                                                           \
        t[1 * r] = even + odd;                                                                                         \
        t[2 * r] = even - odd;                                                                                         \
        t[3 * r] = g[2 * s];                                                                                           \
    }                                                                                                                  \
    static inline void output_2_##type(const type *t, int s, type *y, int r)                                           \
    {                                                                                                                  \
        y[0 * r] = t[0 * s] + (t[1 * s] + t[2 * s]);                                                                   \
        y[1 * r] = (t[1 * s] - t[2 * s]) - t[3 * s];                                                                   \
    }                                                                                                                  \
    static inline void output_back_2_##type(const type *y, int s, type *t, int r)                                      \
    {                                                                                                                  \
        t[0 * r] = y[0 * s];                                                                                           \
        t[1 * r] = y[0 * s] + y[1 * s];                                                                                \
        t[2 * r] = y[0 * s] - y[1 * s];                                                                                \
        t[3 * r] = -y[1 * s];                                                                                          \
    }                                                                                                                  \
    static inline void kernel_back_2_##type(const type *t, int s, type *g, int r)                                      \
    {                                                                                                                  \
        type even = (t[1 * s] + t[2 * s]) / 2;                                                                         \
        g[0 * r] = t[0 * s] + even;                                                                                    \
        g[1 * r] = (t[1 * s] - t[2 * s]) / 2;                                                                          \
        g[2 * r] = even + t[3 * s];                                                                                    \
    }                                                                                                                  \
    static inline void input_4_##type(const type *d, int s, type *t, int r)                                            \
    {                                                                                                                  \
        type even_a = d[4 * s] - B2 * d[2 * s], odd_a = A1 * (d[3 * s] - B2 * d[1 * s]);                               \
        type even_b = d[4 * s] - A2 * d[2 * s], odd_b = B1 * (d[3 * s] - A2 * d[1 * s]);                               \
        t[0 * r] = A2 * B2 * d[0 * s] - (A2 + B2) * d[2 * s] + d[4 * s];                                               \
        t[1 * r] = even_a + odd_a;                                                                                     \
        t[2 * r] = even_a - odd_a;                                                                                     \
        t[3 * r] = even_b + odd_b;                                                                                     \
        t[4 * r] = even_b - odd_b;                                                                                     \
        t[5 * r] = A2 * B2 * d[1 * s] - (A2 + B2) * d[3 * s] + d[5 * s];                                               \
    }                                                                                                                  \
    static inline void kernel_4_##type(const type *g, int s, type *t, int r)                                           \
    {                                                                                                                  \
        type even_a = (g[0 * s] + A2 * g[2 * s]) / PRODUCT_A, odd_a = A1 * g[1 * s] / PRODUCT_A;                       \
        type even_b = (g[0 * s] + B2 * g[2 * s]) / PRODUCT_B, odd_b = B1 * g[1 * s] / PRODUCT_B;                       \
        t[0 * r] = g[0 * s] / (A2 * B2);                                                                               \
        t[1 * r] = even_a + odd_a;                                                                                     \
        t[2 * r] = even_a - odd_a;                                                                                     \
        t[3 * r] = even_b + odd_b;                                                                                     \
        t[4 * r] = even_b - odd_b;                                                                                     \
        t[5 * r] = g[2 * s];                                                                                           \
    }                                                                                                                  \
    static inline void output_4_##type(const type *t, int s, type *y, int r)                                           \
    {                                                                                                                  \
        type even_a = t[1 * s] + t[2 * s], odd_a = A1 * (t[1 * s] - t[2 * s]);                                         \
        type even_b = t[3 * s] + t[4 * s], odd_b = B1 * (t[3 * s] - t[4 * s]);                                         \
        y[0 * r] = t[0 * s] + even_a + even_b;                                                                         \
        y[1 * r] = odd_a + odd_b;                                                                                      \
        y[2 * r] = A2 * even_a + B2 * even_b;                                                                          \
        y[3 * r] = A2 * odd_a + B2 * odd_b + t[5 * s];                                                                 \
    }

/* The transforms down and across: a block of FROM × FROM numbers for each channel becomes TO × TO numbers. The steps between
 * rows and columns are arguments, so a transform can also move pixels to planes, and planes to pixels. */
#define DEFINE_BLOCK(name, axis, real, type, FROM, TO)                                                                 \
    static inline void name##_block_##type(const real *in, ptrdiff_t in_row, ptrdiff_t in_column, real *out,           \
                                           ptrdiff_t out_row, ptrdiff_t out_column)                                    \
    {                                                                                                                  \
        type d[FROM][FROM], half[TO][FROM], t[TO][TO];                                                                 \
        UNROLLED_FOR (int i = 0; i < FROM; i++)                                                                        \
            UNROLLED_FOR (int j = 0; j < FROM; j++)                                                                    \
                d[i][j] = *(const type *)(in + i * in_row + j * in_column);                                            \
        UNROLLED_FOR (int j = 0; j < FROM; j++)                                                                        \
            axis##_##type(&d[0][j], FROM, &half[0][j], FROM);                                                          \
        UNROLLED_FOR (int i = 0; i < TO; i++)                                                                          \
            axis##_##type(&half[i][0], 1, &t[i][0], 1);                                                                \
        UNROLLED_FOR (int i = 0; i < TO; i++)                                                                          \
            UNROLLED_FOR (int j = 0; j < TO; j++)                                                                      \
                *(type *)(out + i * out_row + j * out_column) = t[i][j];                                               \
    }

/* Transform all channels: whole vectors first, then the remaining channels one by one. */
#define DEFINE_TRANSFORM(name, axis, real, vector, FROM, TO)                                                           \
    DEFINE_BLOCK(name, axis, real, vector, FROM, TO)                                                                   \
    DEFINE_BLOCK(name, axis, real, real, FROM, TO)                                                                     \
    static void name##_##real(ptrdiff_t channels, const real *in, ptrdiff_t in_row, ptrdiff_t in_column, real *out,    \
                              ptrdiff_t out_row, ptrdiff_t out_column)                                                 \
    {                                                                                                                  \
        enum { LANES = sizeof(vector) / sizeof(real) };                                                                \
        ptrdiff_t c = 0;                                                                                               \
        for (; c + LANES <= channels; c += LANES)                                                                      \
            name##_block_##vector(in + c, in_row, in_column, out + c, out_row, out_column);                            \
        for (; c < channels; c++)                                                                                      \
            name##_block_##real(in + c, in_row, in_column, out + c, out_row, out_column);                              \
    }

#define DEFINE_TRANSFORMS(real)                                                                                        \
    DEFINE_AXES(real)                                                                                                  \
    DEFINE_AXES(vector_##real)                                                                                         \
    DEFINE_TRANSFORM(input_of_2, input_2, real, vector_##real, 4, 4)                                                   \
    DEFINE_TRANSFORM(kernel_of_2, kernel_2, real, vector_##real, 3, 4)                                                 \
    DEFINE_TRANSFORM(output_of_2, output_2, real, vector_##real, 4, 2)                                                 \
    DEFINE_TRANSFORM(output_back_of_2, output_back_2, real, vector_##real, 2, 4)                                       \
    DEFINE_TRANSFORM(kernel_back_of_2, kernel_back_2, real, vector_##real, 4, 3)                                       \
    DEFINE_TRANSFORM(input_of_4, input_4, real, vector_##real, 6, 6)                                                   \
    DEFINE_TRANSFORM(kernel_of_4, kernel_4, real, vector_##real, 3, 6)                                                 \
    DEFINE_TRANSFORM(output_of_4, output_4, real, vector_##real, 6, 4)

DEFINE_TRANSFORMS(float)
DEFINE_TRANSFORMS(double)

/* store_pixel: store the sums of one pixel plus the bias, and add 0 · y to poison: it becomes NaN if any y is non-finite. */
#define DEFINE_STORE(real)                                                                                             \
    static INLINE void store_lanes_##real(const ptrdiff_t lanes, const real *sums, const real *bias, real *poison,     \
                                          real *y)                                                                     \
    {                                                                                                                  \
        INDEPENDENT_FOR (ptrdiff_t v = 0; v < lanes; v++) {                                                            \
            y[v] = sums[v] + bias[v];                                                                                  \
            poison[v] += 0 * y[v];                                                                                     \
        }                                                                                                              \
    }                                                                                                                  \
    static inline void store_pixel_##real(ptrdiff_t channels, const real *sums, const real *bias, real *poison,        \
                                          real *y)                                                                     \
    {                                                                                                                  \
        if (channels == 2 * LANES_##real) /* a constant, so the loop is unrolled */                                    \
            store_lanes_##real(2 * LANES_##real, sums, bias, poison, y);                                               \
        else                                                                                                           \
            store_lanes_##real(channels, sums, bias, poison, y);                                                       \
    }

DEFINE_STORE(float)
DEFINE_STORE(double)

#define store_pixel(channels, sums, bias, poison, y) FOR_TYPE_OF(y, store_pixel)(channels, sums, bias, poison, y)

/* Select a transform by the side m of a tile's outputs, 2 or 4, and by the type of t. */
#define input_transform(m, channels, d, d_row, d_column, t, t_row, t_column) /* Bᵀ d B of the inputs of a tile */      \
    ((m) == 2 ? FOR_TYPE_OF(t, input_of_2)(channels, d, d_row, d_column, t, t_row, t_column)                           \
              : FOR_TYPE_OF(t, input_of_4)(channels, d, d_row, d_column, t, t_row, t_column))
#define kernel_transform(m, channels, d, d_row, d_column, t, t_row, t_column) /* G g Gᵀ of the taps of a kernel */     \
    ((m) == 2 ? FOR_TYPE_OF(t, kernel_of_2)(channels, d, d_row, d_column, t, t_row, t_column)                          \
              : FOR_TYPE_OF(t, kernel_of_4)(channels, d, d_row, d_column, t, t_row, t_column))
#define output_transform(m, channels, d, d_row, d_column, t, t_row, t_column) /* Aᵀ t A: from products to outputs */   \
    ((m) == 2 ? FOR_TYPE_OF(t, output_of_2)(channels, d, d_row, d_column, t, t_row, t_column)                          \
              : FOR_TYPE_OF(t, output_of_4)(channels, d, d_row, d_column, t, t_row, t_column))
#define output_back_transform(channels, d, d_row, d_column, t, t_row, t_column) /* A ∂e/∂y Aᵀ of a tile, for ∂e/∂w */  \
    FOR_TYPE_OF(t, output_back_of_2)(channels, d, d_row, d_column, t, t_row, t_column)
#define kernel_back_transform(channels, d, d_row, d_column, t, t_row, t_column) /* Gᵀ t G: from sums to ∂e/∂w */       \
    FOR_TYPE_OF(t, kernel_back_of_2)(channels, d, d_row, d_column, t, t_row, t_column)

#endif
