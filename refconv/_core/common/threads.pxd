cdef extern from "machine/regions.h" nogil:
    ctypedef struct Team:
        pass
    void use_team(const Team *shared)

cdef extern from "common/threads.h" nogil:
    int num_threads()
    int threads_for(Py_ssize_t steps)
    void use_threads(int n)
