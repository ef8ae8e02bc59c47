/* How the kernels add many terms, and how large the rounding error of a sum is.
 *
 * The rounding error of a running sum of n terms can be n·u·Σ|terms|, where u is the unit roundoff: 2⁻²⁴ in float32, 2⁻⁵³ in
 * float64. In float32 a running sum of ones stops growing at 2²⁴. So no kernel keeps one running sum of many terms:
 *
 *     block    a running sum of at most SUM_BLOCK terms, in registers
 *     group    a running sum of at most SUM_BLOCK blocks
 *     total    a running sum of groups
 *
 * Only the shapes decide how a sum is divided into blocks, so a result has the same bits at any thread count. A sum of at most
 * SUM_BLOCK terms is one block. With m blocks, m <= 2·n / SUM_BLOCK (plus one for each image in ∂e/∂w), and at most 16 chunks
 * (sweep.pxd), the error is at most
 *
 *     (min(n, SUM_BLOCK) + min(m, SUM_BLOCK) + m / SUM_BLOCK + 40)·u·Σ|terms|
 *
 * to first order in u. The 40 covers the sums of chunks, the product in each term, the bias and the division of an average.
 * Winograd's algorithm multiplies the bound by a constant of its transforms (winograd.h). Sums that a kernel computes in
 * double precision have smaller errors.
 *
 * An exception is the derivative of max pooling: a pixel that wins k overlapping windows gets a running sum of k terms.
 */
#ifndef REFCONV_SUMS_H
#define REFCONV_SUMS_H

#include <stddef.h>

#include "common/real.h"

#define SUM_BLOCK 512 /* terms; divisible by the rows and lanes that any kernel adds at once */

/* add_sums(size, from, to)                             to += from
 * carry(size, from, to)                                the same, then sets from to zero for the next block
 * carry_block(number, size, block, group, total)       carry block number `number` to its group, and a full group to the
 *                                                      total; the caller carries the last group */
#define DEFINE_CARRY(real)                                                                                             \
    static inline void add_sums_##real(ptrdiff_t size, const real *from, real *to)                                     \
    {                                                                                                                  \
        for (ptrdiff_t v = 0; v < size; v++)                                                                           \
            to[v] += from[v];                                                                                          \
    }                                                                                                                  \
    static inline void carry_##real(ptrdiff_t size, real *from, real *to)                                              \
    {                                                                                                                  \
        for (ptrdiff_t v = 0; v < size; v++) {                                                                         \
            to[v] += from[v];                                                                                          \
            from[v] = 0;                                                                                               \
        }                                                                                                              \
    }                                                                                                                  \
    static inline void carry_block_##real(ptrdiff_t number, ptrdiff_t size, real *block, real *group, real *total)     \
    {                                                                                                                  \
        carry_##real(size, block, group);                                                                              \
        if ((number + 1) % SUM_BLOCK == 0)                                                                             \
            carry_##real(size, group, total);                                                                          \
    }

DEFINE_CARRY(float)
DEFINE_CARRY(double)

#define carry(size, from, to) FOR_TYPE_OF(from, carry)(size, from, to)
#define carry_block(number, size, block, group, total)                                                                 \
    FOR_TYPE_OF(block, carry_block)(number, size, block, group, total)

#endif
