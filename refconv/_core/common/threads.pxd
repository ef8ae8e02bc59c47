"""Cython declarations of threads.h and regions.h."""

cdef extern from "machine/regions.h" nogil:
    ctypedef struct Settings:
        int threads
        int tile_side
    ctypedef struct Team:
        const Settings *(*settings)() noexcept
    Team *team
    void use_team(Team *shared)

cdef extern from "common/threads.h" nogil:
    enum:
        MULTIPLY_ADDS_PER_STEP
    int threads_for(Py_ssize_t steps)
