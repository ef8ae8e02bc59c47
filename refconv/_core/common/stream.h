/* Streaming stores: write an output that is larger than the caches directly to memory.
 *
 * An ordinary store first fetches the cache line that it overwrites, and evicts another line. An output that is only written
 * would cross the memory bus twice and evict inputs that are still needed. So a large output is computed piece by piece in a
 * small array in the first-level cache, and `stream` copies each piece to memory with stores that do not fetch the line first.
 */
#ifndef REFCONV_STREAM_H
#define REFCONV_STREAM_H

#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#define STREAM_LINE(to, from) _mm512_stream_si512((__m512i *)(to), _mm512_loadu_si512(from))
#elif defined(__AVX__)
#include <immintrin.h>
#define STREAM_HALF(to, from) _mm256_stream_si256((__m256i *)(to), _mm256_loadu_si256((const __m256i *)(from)))
#define STREAM_LINE(to, from) (STREAM_HALF(to, from), STREAM_HALF((to) + 32, (from) + 32))
#elif defined(__SSE2__)
#include <emmintrin.h>
#define STREAM_PART(to, from) _mm_stream_si128((__m128i *)(to), _mm_loadu_si128((const __m128i *)(from)))
#define STREAM_LINE(to, from)                                                                                          \
    (STREAM_PART(to, from), STREAM_PART((to) + 16, (from) + 16), STREAM_PART((to) + 32, (from) + 32),                  \
     STREAM_PART((to) + 48, (from) + 48))
#endif

/* Smallest output that is streamed. Together with its inputs it exceeds a last-level cache of 32 MB. */
#define LEAST_STREAMED_BYTES ((size_t)1 << 24)

static inline int exceeds_caches(size_t bytes)
{
#ifdef STREAM_LINE
    return bytes >= LEAST_STREAMED_BYTES;
#else
    (void)bytes;
    return 0;
#endif
}

/* memcpy with streaming stores for whole cache lines; the bytes before and after them are stored as usual. */
static inline void stream(void *out, const void *in, size_t bytes)
{
#ifdef STREAM_LINE
    char *to = (char *)out;
    const char *from = (const char *)in;
    size_t before = -(uintptr_t)to % 64;
    if (before > bytes)
        before = bytes;
    memcpy(to, from, before);
    for (to += before, from += before, bytes -= before; bytes >= 64; to += 64, from += 64, bytes -= 64)
        STREAM_LINE(to, from);
    memcpy(to, from, bytes);
#else
    memcpy(out, in, bytes);
#endif
}

/* After this call, all threads can read the data that the calling thread has streamed. */
static inline void stream_end(void)
{
#ifdef STREAM_LINE
    _mm_sfence();
#endif
}

#endif
