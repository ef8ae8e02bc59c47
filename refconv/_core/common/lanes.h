/* Pragmas and attributes for loops over vectors and their lanes. */
#ifndef REFCONV_LANES_H
#define REFCONV_LANES_H

/* REFCONV_VECTORS: the compiler has vector types. With CFLAGS=-DREFCONV_SCALAR, any compiler takes the branches for compilers
 * without them, such as MSVC. */
#if (defined(__GNUC__) || defined(__clang__)) && !defined(REFCONV_SCALAR)
#define REFCONV_VECTORS
#endif

/* UNROLLED_FOR: a loop over an array of vectors that belongs in registers. GCC unrolls such loops anyway, but only after it
 * has placed the array in memory; then it loads and stores the array around the enclosing loop. clang needs no pragma.
 *
 * EACH_LANE_FOR: a loop over the lanes of one vector. The vectoriser must see it as a loop; if unrolled first, it stays
 * scalar. */
#if defined(__clang__)
#define UNROLLED_FOR(...) for (__VA_ARGS__)
#define EACH_LANE_FOR(...) _Pragma("clang loop unroll(disable)") for (__VA_ARGS__)
#elif defined(__GNUC__)
#define UNROLLED_FOR(...) _Pragma("GCC unroll 16") for (__VA_ARGS__)
#define EACH_LANE_FOR(...) _Pragma("GCC unroll 1") for (__VA_ARGS__)
#else
#define UNROLLED_FOR(...) for (__VA_ARGS__)
#define EACH_LANE_FOR(...) for (__VA_ARGS__)
#endif

#if defined(__GNUC__) || defined(__clang__)
#define INLINE __attribute__((always_inline)) inline
#else
#define INLINE inline
#endif

#endif
