/* The thread count of one extension module: every kernel asks here, and only `set_num_threads` changes it. */
#ifndef REFCONV_THREADS_H
#define REFCONV_THREADS_H

#ifdef _OPENMP
#include <omp.h>
static int openmp_threads(void) { return omp_get_max_threads(); }
#else
static int openmp_threads(void) { return 0; }
#endif

static int threads_in_use = 1;
static inline int num_threads(void) { return threads_in_use; }
static inline void use_threads(int n) { threads_in_use = n; }

/* Threads for so many multiply-adds or moved elements: to wake the others takes as long as one thread takes for WORTH. */
#define WORTH 200000
static inline int threads_for(double work) { return work < WORTH ? 1 : threads_in_use; }

#endif
