/* Vector types of the instruction set, and the shapes of tiles that fit into its registers. */
#ifndef REFCONV_VECTORS_H
#define REFCONV_VECTORS_H

#include "common/lanes.h"

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#define WIDE_ROWS 12 /* 24 sums + 2 of b + 1 of a, of 32 registers */
#define NARROW_ROWS 14
#define SHORT_ROWS 4
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#define WIDE_ROWS 6 /* 12 + 2 + 1, of 16 */
#define NARROW_ROWS 12
#define SHORT_ROWS 3
#elif defined(__aarch64__)
#define VECTOR_BYTES 16
#define WIDE_ROWS 12 /* 24 + 2 + 1, of 32 */
#define NARROW_ROWS 14
#define SHORT_ROWS 4
#else
#define VECTOR_BYTES 16
#define WIDE_ROWS 4 /* 8 + 2 + 1, of 16 */
#define NARROW_ROWS 8
#define SHORT_ROWS 2
#endif
#define MOST_ROWS 14
#define MOST_SUMS (MOST_ROWS * 2 * 16) /* MOST_ROWS rows of two vectors of sixteen float lanes */

/* There are tiles with a width of two vectors, of one vector, and of half a vector for layers with few channels: six output
 * channels would leave ten of sixteen lanes idle. The smallest vectors are not halved. Each tile also has a version with few
 * rows, for the end of a sweep. */
#define HALF_BYTES (VECTOR_BYTES > 16 ? VECTOR_BYTES / 2 : VECTOR_BYTES)

#define LANES_float (VECTOR_BYTES / (int)sizeof(float))
#define LANES_double (VECTOR_BYTES / (int)sizeof(double))
#define HALF_LANES_float (HALF_BYTES / (int)sizeof(float))
#define HALF_LANES_double (HALF_BYTES / (int)sizeof(double))

#ifdef REFCONV_VECTORS

/* REFCONV_SHUFFLES: the compiler can shuffle vectors. GCC has this function from version 12 on. */
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define REFCONV_SHUFFLES
#endif
#endif

/* aligned(sizeof(real)): a vector may start at any element; may_alias: vectors are read through pointers to real. */
#define VECTOR_OF(real, bytes) __attribute__((vector_size(bytes), aligned(sizeof(real)), may_alias)) real
typedef VECTOR_OF(float, VECTOR_BYTES) vector_float;
typedef VECTOR_OF(double, VECTOR_BYTES) vector_double;
typedef VECTOR_OF(float, HALF_BYTES) half_float;
typedef VECTOR_OF(double, HALF_BYTES) half_double;

/* The function is neither inlined nor cloned, so that constants of one caller do not make the compiler rearrange the loop. */
#if defined(__clang__)
#define AS_WRITTEN __attribute__((noinline))
#else
#define AS_WRITTEN __attribute__((noinline, noclone))
#endif

#else /* for a compiler without vector extensions: one element at a time */

typedef float vector_float, half_float;
typedef double vector_double, half_double;

#define AS_WRITTEN

#endif

#endif
