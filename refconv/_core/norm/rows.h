/* The passes of batch normalisation that write an array, also with a residual sum and a ReLU.
 *
 *     value = (x - centre) * scale + shift + add            add may be NULL
 *     y     = value, or with ReLU  max(value, 0)
 *     dx    = dy * scale - (x - centre) * slope - offset    after a ReLU, dy counts as 0 unless the value is above 0
 *
 * `coefficients` has `width` elements of each of centre, scale, shift, slope and offset. The coefficients of a channel are
 * repeated for several rows, so that a loop is long even if there are few channels. A NaN stays a NaN. y may be x. */
#ifndef REFCONV_ROWS_H
#define REFCONV_ROWS_H

#include <stddef.h>

#include "common/lanes.h"
#include "common/real.h"

/* The derivative must compare the same number with 0 as the forward pass, so both use this expression; so does moments.pxi. */
#define NORMALISED(x, centre, scale, shift) (((x) - (centre)) * (scale) + (shift))

#define DEFINE_ROWS(real)                                                                                              \
    static INLINE void normalise_part_##real(ptrdiff_t size, ptrdiff_t width, const real *centre, const real *x,       \
                                             const real *add, const int relu, real *y)                                 \
    {                                                                                                                  \
        const real *scale = centre + width, *shift = scale + width;                                                    \
        INDEPENDENT_FOR (ptrdiff_t i = 0; i < size; i++) {                                                             \
            real value = NORMALISED(x[i], centre[i], scale[i], shift[i]);                                              \
            if (add)                                                                                                   \
                value += add[i];                                                                                       \
            y[i] = relu && value < 0 ? 0 : value;                                                                      \
        }                                                                                                              \
    }                                                                                                                  \
    static void normalise_##real(ptrdiff_t size, ptrdiff_t width, const real *coefficients, const real *x,             \
                                 const real *add, int relu, real *y)                                                   \
    {                                                                                                                  \
        for (ptrdiff_t k = 0; k < size; k += width) {                                                                  \
            const ptrdiff_t count = size - k < width ? size - k : width;                                               \
            if (add && relu)                                                                                           \
                normalise_part_##real(count, width, coefficients, x + k, add + k, 1, y + k);                           \
            else if (relu)                                                                                             \
                normalise_part_##real(count, width, coefficients, x + k, NULL, 1, y + k);                              \
            else if (add)                                                                                              \
                normalise_part_##real(count, width, coefficients, x + k, add + k, 0, y + k);                           \
            else                                                                                                       \
                normalise_part_##real(count, width, coefficients, x + k, NULL, 0, y + k);                              \
        }                                                                                                              \
    }                                                                                                                  \
    static INLINE void derive_part_##real(ptrdiff_t size, ptrdiff_t width, const real *centre, const real *dy,         \
                                          const real *x, const int relu, real *dx)                                     \
    {                                                                                                                  \
        const real *scale = centre + width, *shift = scale + width, *slope = shift + width, *offset = slope + width;   \
        INDEPENDENT_FOR (ptrdiff_t i = 0; i < size; i++) {                                                             \
            const int counts = !relu || NORMALISED(x[i], centre[i], scale[i], shift[i]) > 0;                           \
            const real d = counts ? dy[i] : 0;                                                                         \
            dx[i] = d * scale[i] - (x[i] - centre[i]) * slope[i] - offset[i];                                          \
        }                                                                                                              \
    }                                                                                                                  \
    static void derive_##real(ptrdiff_t size, ptrdiff_t width, const real *coefficients, const real *dy,               \
                              const real *x, int relu, real *dx)                                                       \
    {                                                                                                                  \
        for (ptrdiff_t k = 0; k < size; k += width) {                                                                  \
            const ptrdiff_t count = size - k < width ? size - k : width;                                               \
            if (relu)                                                                                                  \
                derive_part_##real(count, width, coefficients, dy + k, x + k, 1, dx + k);                              \
            else                                                                                                       \
                derive_part_##real(count, width, coefficients, dy + k, x + k, 0, dx + k);                              \
        }                                                                                                              \
    }

DEFINE_ROWS(float)
DEFINE_ROWS(double)

#define normalise_elements(size, width, coefficients, x, add, relu, y)                                                 \
    FOR_TYPE_OF(y, normalise)(size, width, coefficients, x, add, relu, y)
#define derive_elements(size, width, coefficients, dy, x, relu, dx)                                                    \
    FOR_TYPE_OF(dx, derive)(size, width, coefficients, dy, x, relu, dx)

#endif
