/* The epilogue of a convolution: what is computed from a sum before it is stored.
 *
 *     y = min(max(sum + add, low), high)
 *
 * It is applied to the sums of a tile while they are in registers or in the first-level cache, so it does not read y from
 * memory again. A NaN stays a NaN.
 */
#ifndef REFCONV_FINISH_H
#define REFCONV_FINISH_H

#include "tile/image.h"
#include "tile/vectors.h"

typedef struct {
    const void *add;     /* array that is added, at the first output, or NULL */
    ptrdiff_t add_pixel; /* elements from one of its pixels to the next */
    double low, high;    /* limits; -INFINITY and INFINITY if there are none */
} Finish;

/* finished_…: return a vector of outputs. `offset` is the number of elements of `add` before it. The loop is compiled to two
 * instructions, which keep the vector in its register. */
#define DEFINE_FINISHED(real, vector)                                                                                  \
    static INLINE vector finished_##vector(vector sum, const Finish *finish, ptrdiff_t offset)                         \
    {                                                                                                                  \
        enum { LANES = sizeof(vector) / sizeof(real) };                                                                \
        const real low = (real)finish->low, high = (real)finish->high;                                                 \
        real lane[LANES];                                                                                              \
        if (finish->add)                                                                                               \
            sum += *(const vector *)((const real *)finish->add + offset);                                              \
        *(vector *)lane = sum;                                                                                         \
        EACH_LANE_FOR (int v = 0; v < LANES; v++) {                                                                    \
            const real y = lane[v] < low ? low : lane[v];                                                              \
            lane[v] = y > high ? high : y;                                                                             \
        }                                                                                                              \
        return *(const vector *)lane;                                                                                  \
    }

DEFINE_FINISHED(float, float)
DEFINE_FINISHED(double, double)
#ifdef REFCONV_VECTORS
DEFINE_FINISHED(float, vector_float)
DEFINE_FINISHED(double, vector_double)
DEFINE_FINISHED(float, half_float)
DEFINE_FINISHED(double, half_double)
#endif

/* finish_row: finish `width` neighbouring sums. The loops over whole vectors have constant lengths, so they are unrolled.
 * `sums` and `to` may be the same array.
 *
 * finish_rows: finish the rows of a tile. Its first sum belongs to channel number `channel` of pixel number `pixel`.
 *
 * finish_pixels: finish all channels of neighbouring pixels of y in place. y begins at pixel number `first`.
 *
 * finish_at: the epilogue of the part of the output that begins at this channel of this pixel. */
#define DEFINE_FINISH(real)                                                                                            \
    static INLINE void finish_lanes_##real(const real *sums, const real *add, real low, real high,                     \
                                           const ptrdiff_t lanes, real *to)                                            \
    {                                                                                                                  \
        INDEPENDENT_FOR (ptrdiff_t v = 0; v < lanes; v++) {                                                            \
            real y = add ? sums[v] + add[v] : sums[v];                                                                 \
            y = y < low ? low : y;                                                                                     \
            to[v] = y > high ? high : y;                                                                               \
        }                                                                                                              \
    }                                                                                                                  \
    static INLINE void finish_row_##real(const real *sums, const real *add, real low, real high, ptrdiff_t width,      \
                                         real *to)                                                                     \
    {                                                                                                                  \
        if (width == 2 * LANES_##real)                                                                                 \
            finish_lanes_##real(sums, add, low, high, 2 * LANES_##real, to);                                           \
        else if (width == LANES_##real)                                                                                \
            finish_lanes_##real(sums, add, low, high, LANES_##real, to);                                               \
        else                                                                                                           \
            finish_lanes_##real(sums, add, low, high, width, to);                                                      \
    }                                                                                                                  \
    static inline void finish_rows_##real(const Finish *finish, ptrdiff_t pixel, ptrdiff_t channel, ptrdiff_t rows,    \
                                          ptrdiff_t width, real **sums, real **to)                                     \
    {                                                                                                                  \
        const real *add = (const real *)finish->add, low = (real)finish->low, high = (real)finish->high;               \
        for (ptrdiff_t p = 0; p < rows; p++)                                                                           \
            if (add)                                                                                                   \
                finish_row_##real(sums[p], add + (pixel + p) * finish->add_pixel + channel, low, high, width, to[p]);  \
            else                                                                                                       \
                finish_row_##real(sums[p], NULL, low, high, width, to[p]);                                             \
    }                                                                                                                  \
    static inline void finish_pixels_##real(const Finish *finish, const Image *image, ptrdiff_t first,                 \
                                            ptrdiff_t pixels, real *y)                                                 \
    {                                                                                                                  \
        const ptrdiff_t channels = image->channels, step = image->pixel;                                               \
        if (step == channels && (!finish->add || finish->add_pixel == channels)) { /* one long line */                 \
            finish_rows_##real(finish, first, 0, 1, pixels * channels, &y, &y);                                        \
            return;                                                                                                    \
        }                                                                                                              \
        for (ptrdiff_t pixel = first; pixel < first + pixels; pixel++, y += step)                                      \
            finish_rows_##real(finish, pixel, 0, 1, channels, &y, &y);                                                 \
    }                                                                                                                  \
    static inline Finish finish_at_##real(const Finish *finish, ptrdiff_t pixel, ptrdiff_t channel)                    \
    {                                                                                                                  \
        Finish part = *finish;                                                                                         \
        if (part.add)                                                                                                  \
            part.add = (const real *)part.add + pixel * part.add_pixel + channel;                                      \
        return part;                                                                                                   \
    }

DEFINE_FINISH(float)
DEFINE_FINISH(double)

#define finish_rows(finish, pixel, channel, rows, width, sums, to)                                                     \
    FOR_TYPE_OF(*(to), finish_rows)(finish, pixel, channel, rows, width, sums, to)
#define finish_pixels(finish, image, first, pixels, y) FOR_TYPE_OF(y, finish_pixels)(finish, image, first, pixels, y)
/* The pointer selects the element type. */
#define finish_at(pointer, finish, pixel, channel) FOR_TYPE_OF(pointer, finish_at)(finish, pixel, channel)

#endif
