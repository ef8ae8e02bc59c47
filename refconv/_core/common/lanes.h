/* What loops over the lanes of vectors ask of the compiler. */
#ifndef REFCONV_LANES_H
#define REFCONV_LANES_H

/* UNROLLED: a loop over vectors that are kept in registers. GCC unrolls such loops unasked, but too late: by then the array has
 * got its place in memory, and is carried there before and back after the loop around it. clang needs no word.
 *
 * EACH_LANE: a loop over the lanes of one vector must reach the vectoriser as a loop; unrolled before, it would stay scalar. */
#if defined(__clang__)
#define UNROLLED
#define EACH_LANE _Pragma("clang loop unroll(disable)")
#elif defined(__GNUC__)
#define UNROLLED _Pragma("GCC unroll 16")
#define EACH_LANE _Pragma("GCC unroll 1")
#else
#define UNROLLED
#define EACH_LANE
#endif

#if defined(__GNUC__) || defined(__clang__)
#define INLINE __attribute__((always_inline)) inline
#else
#define INLINE inline
#endif

#endif
