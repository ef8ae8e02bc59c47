"""Cython declarations of stream.h."""

cdef extern from "common/stream.h" nogil:
    bint exceeds_caches(size_t size)
    void stream(void *to, const void *start, size_t bytes)
    void stream_end()

cdef enum:
    PIECE_ELEMENTS = 1024  # elements that are computed in the first-level cache before they are streamed
