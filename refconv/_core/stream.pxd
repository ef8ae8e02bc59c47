"""Cython's view of stream.h, and which outputs are too large for the caches."""

cdef extern from "stream.h" nogil:
    void stream(void *to, const void *start, size_t bytes)
    void stream_end()

cdef enum:
    BEYOND_CACHES = 1 << 24  # bytes: with its inputs, such an output would not stay in a cache of 32 MB either
    PIECE = 1024             # elements that are computed in the first-level cache before they are streamed
