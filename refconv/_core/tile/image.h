/* Copies of pixels, with the prologue of a convolution: what is computed from an input before it is multiplied.
 *
 *     x' = max(scale[c] * x + shift[c], 0)
 *
 * This is batch normalisation with its fixed averages, and ReLU. A NaN stays a NaN.
 */
#ifndef REFCONV_IMAGE_H
#define REFCONV_IMAGE_H

#include <stddef.h>
#include <string.h>

#include "common/lanes.h"
#include "common/real.h"

/* The sizes of an image, which may be a slice of the channels of a wider image. `pixel` is the number of elements from one
 * pixel to the next. There is no prologue if `scale` is NULL. */
typedef struct {
    ptrdiff_t height, width, channels;
    ptrdiff_t pixel;
    const void *scale, *shift;
} Image;

/* Copy neighbouring pixels of an image, without the gaps between its pixels, and apply its prologue. */
#define DEFINE_COPY_PIXELS(real)                                                                                       \
    static inline void copy_pixels_##real(const Image *image, ptrdiff_t pixels, const real *from, real *to)            \
    {                                                                                                                  \
        const ptrdiff_t channels = image->channels;                                                                    \
        const real *scale = (const real *)image->scale, *shift = (const real *)image->shift;                           \
        if (!scale && image->pixel == channels)                                                                        \
            memcpy(to, from, (pixels > 0 ? pixels : 0) * channels * sizeof(real));                                     \
        else                                                                                                           \
            for (ptrdiff_t k = 0; k < pixels; k++, from += image->pixel, to += channels)                               \
                if (scale)                                                                                             \
                    INDEPENDENT_FOR (ptrdiff_t c = 0; c < channels; c++) {                                             \
                        const real x = scale[c] * from[c] + shift[c];                                                  \
                        to[c] = x < 0 ? 0 : x;                                                                         \
                    }                                                                                                  \
                else                                                                                                   \
                    memcpy(to, from, channels * sizeof(real));                                                         \
    }

DEFINE_COPY_PIXELS(float)
DEFINE_COPY_PIXELS(double)

#define copy_pixels(image, pixels, from, to) FOR_TYPE_OF(to, copy_pixels)(image, pixels, from, to)

#endif
