/* Pragmas and attributes for loops over vectors and their lanes. */
#ifndef REFCONV_LANES_H
#define REFCONV_LANES_H

/* REFCONV_VECTORS: the compiler has vector types. CFLAGS=-DREFCONV_SCALAR selects the branches for compilers without them,
 * such as MSVC, on any compiler. */
#if (defined(__GNUC__) || defined(__clang__)) && !defined(REFCONV_SCALAR)
#define REFCONV_VECTORS
#endif

/* UNROLLED_FOR: a loop over an array of vectors that must stay in registers. Without the pragma, GCC unrolls such loops only
 * after it has placed the array in memory; then it loads and stores the array around the enclosing loop. clang needs no
 * pragma.
 *
 * EACH_LANE_FOR: a loop over the lanes of one vector. It must still be a loop when the vectoriser runs; if it is unrolled
 * before that, the code stays scalar.
 *
 * INDEPENDENT_FOR: a loop whose steps may run in any order. The compiler need not check whether its arrays overlap, so the
 * loop is also vectorised if it updates an array in place. */
#if defined(__clang__)
#define UNROLLED_FOR(...) for (__VA_ARGS__)
#define EACH_LANE_FOR(...) _Pragma("clang loop unroll(disable)") for (__VA_ARGS__)
#define INDEPENDENT_FOR(...) _Pragma("clang loop vectorize(assume_safety) unroll(disable)") for (__VA_ARGS__)
#elif defined(__GNUC__)
#define UNROLLED_FOR(...) _Pragma("GCC unroll 16") for (__VA_ARGS__)
#define EACH_LANE_FOR(...) _Pragma("GCC unroll 1") for (__VA_ARGS__)
#define INDEPENDENT_FOR(...) _Pragma("GCC ivdep") _Pragma("GCC unroll 1") for (__VA_ARGS__)
#else
#define UNROLLED_FOR(...) for (__VA_ARGS__)
#define EACH_LANE_FOR(...) for (__VA_ARGS__)
#define INDEPENDENT_FOR(...) for (__VA_ARGS__)
#endif

#if defined(__GNUC__) || defined(__clang__)
#define INLINE __attribute__((always_inline)) inline
#else
#define INLINE inline
#endif

#endif
