cdef extern from "threads.h" nogil:
    int openmp_threads()   # what OpenMP would use by default; 0 where the build has no OpenMP
    int num_threads()
    int threads_for(Py_ssize_t steps)
    void use_threads(int n)
