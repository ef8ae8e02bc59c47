"""Checksums of arrays, with which compiled networks notice that their weights have changed.

A chunk is summed as words of 64 bits in LANES lanes, as in Fletcher's checksum: s₁ is the sum of the words, and s₂ the sum of
all values of s₁, so that it depends on their order. A change of a single word always changes s₁. Reading the words takes
longer than adding them.

threads     a task is a chunk, which has its own sums
"""
import numpy as np

from cython.parallel cimport prange
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

include "common/threads.pxi"

cdef enum:
    LANES = 16              # words that are added side by side: two to eight vectors
    CHUNK_WORDS = 1 << 14   # words of one task
    WORDS_PER_STEP = 4      # words that are added in one step (threads.h)


def checksum(const unsigned char[::1] data):
    """Return the sums of all chunks, as bytes.

    IN data: the bytes of an array.
    """
    cdef Py_ssize_t words = data.shape[0] // sizeof(uint64_t), chunks = (words + CHUNK_WORDS - 1) // CHUNK_WORDS, task
    cdef uint64_t[:, :, ::1] sums = np.zeros((chunks, 2, LANES), np.uint64)
    cdef int threads = threads_for(words // WORDS_PER_STEP)
    for task in prange(chunks, nogil=True, schedule="static", num_threads=threads):
        add_chunk(&data[task * CHUNK_WORDS * sizeof(uint64_t)], min(CHUNK_WORDS, words - task * CHUNK_WORDS),
                  &sums[task, 0, 0], &sums[task, 1, 0])
    return np.asarray(sums).tobytes() + bytes(data[words * sizeof(uint64_t):])


cdef void add_chunk(const unsigned char *data, Py_ssize_t words, uint64_t *first, uint64_t *second) noexcept nogil:
    cdef uint64_t word[LANES]
    cdef Py_ssize_t k, lane
    for k in range(words // LANES):
        memcpy(word, data + k * sizeof(word), sizeof(word))
        for lane in range(LANES):
            first[lane] += word[lane]
            second[lane] += first[lane]
    memcpy(word, data + words // LANES * sizeof(word), words % LANES * sizeof(uint64_t))
    for lane in range(words % LANES):
        first[lane] += word[lane]
        second[lane] += first[lane]
