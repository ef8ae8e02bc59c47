# Moments and sums over rows (M, C), for batch and group normalisation; included by both modules.
#
# The M rows are divided into chunks of n_t rows. A chunk is centred at the mean a of its first rows, and one pass over the
# chunk sums the deviations d = x − a. From these sums follow the mean μ_t of the chunk and the sum q_t of its squared
# deviations from that mean. The moments of the batch are computed from μ_t and q_t of all chunks:
#
#     μ_t = a + Σd / n_t           q_t = Σd² − (Σd)² / n_t
#     μ   = Σ_t n_t·μ_t / M        σ²  = Σ_t (q_t + n_t·(μ_t − μ)²) / M
#
# Without centring (a = 0), q_t would lose all digits if the mean is much larger than the deviations. With centring, deviations
# are small unless the first rows differ from the others, as in images with a black border. Deviations and sums of
# SHORT_SUM_ROWS rows are rounded to the type of x. All other sums are computed in double precision, in chunks of at most
# MOST_CHUNK_ROWS rows (sums.h). If Σd² > CANCELLATION_LIMIT·q_t, or if a sum is non-finite, the chunk is read again in double
# precision: once for its mean, and once for the deviations from the mean.
#
# The number of chunks depends only on shapes, and chunks are added in order, in blocks of SUM_BLOCK chunks (sums.h). So the
# result has the same bits at any thread count. Channels are innermost, so the compiler vectorises the loops over c.
from libc.math cimport isfinite

from refconv._core.common.real cimport real
from refconv._core.common.stream cimport PIECE_ELEMENTS, stream, stream_end
from refconv._core.common.sums cimport SUM_BLOCK, block_count, carry, carry_block

cdef enum:
    CHUNK_ELEMENTS = 32768              # elements of one chunk: 128 KB of float32
    LEAST_CHUNK_ROWS = 16               # keeps the partial sums small compared with x; also the rows that centre a chunk
    BLOCK_CHANNELS = 64                 # most channels whose sums are computed together
    HALF_BLOCK = BLOCK_CHANNELS // 2    # of the channels that are left, blocks of these sizes are computed first
    QUARTER_BLOCK = BLOCK_CHANNELS // 4
    SHORT_SUM_ROWS = 8                  # rows whose sums are computed in the type of x
    MOST_CHUNK_ROWS = SHORT_SUM_ROWS * SUM_BLOCK
    CANCELLATION_LIMIT = 16             # largest Σd² / q_t (see above); above it, cancellation loses too many digits
    STEPS_PER_ELEMENT = 2               # steps (threads.h) of one pass, on average


cdef Py_ssize_t chunk_rows(Py_ssize_t C) noexcept nogil:
    return min(max(CHUNK_ELEMENTS // C, LEAST_CHUNK_ROWS), MOST_CHUNK_ROWS)


cdef Py_ssize_t chunk_count(Py_ssize_t M, Py_ssize_t C) noexcept nogil:
    return (M + chunk_rows(C) - 1) // chunk_rows(C)


cdef void chunk_moments(const real *x, Py_ssize_t rows, Py_ssize_t C, double *means, double *squares) noexcept nogil:
    """Compute each channel's mean and its sum of squared deviations from that mean.

    IN rows of x; OUT means, squares (C,).
    """
    cdef Py_ssize_t c = 0
    while C - c >= BLOCK_CHANNELS:
        block_moments(x, rows, C, c, BLOCK_CHANNELS, means, squares)
        c += BLOCK_CHANNELS
    if C - c >= HALF_BLOCK:
        block_moments(x, rows, C, c, HALF_BLOCK, means, squares)
        c += HALF_BLOCK
    if c < C:
        block_moments(x, rows, C, c, C - c, means, squares)


cdef inline void block_moments(const real *x, Py_ssize_t rows, Py_ssize_t C, Py_ssize_t first, Py_ssize_t width,
                               double *means, double *squares) noexcept nogil:
    """Compute chunk_moments for `width` channels from channel `first` on.

    If `width` is a constant, the compiler keeps the sums in registers.
    """
    cdef double total[BLOCK_CHANNELS]
    cdef double square[BLOCK_CHANNELS]
    cdef real centre[BLOCK_CHANNELS]
    cdef real d[BLOCK_CHANNELS]
    cdef real d2[BLOCK_CHANNELS]
    cdef real deviation
    cdef bint inaccurate = False
    cdef Py_ssize_t begin = 0, m, c
    centre_of(x, min(rows, LEAST_CHUNK_ROWS), C, first, width, centre)
    for c in range(width):
        total[c] = square[c] = 0
    while begin < rows:
        for c in range(width):
            d[c] = d2[c] = 0
        for m in range(begin, min(begin + SHORT_SUM_ROWS, rows)):
            for c in range(width):
                deviation = x[m * C + first + c] - centre[c]
                d[c] += deviation
                d2[c] += deviation * deviation
        for c in range(width):
            total[c] += d[c]
            square[c] += d2[c]
        begin += SHORT_SUM_ROWS
    for c in range(width):
        means[first + c] = centre[c] + total[c] / rows
        squares[first + c] = square[c] - total[c] / rows * total[c]
        if not (isfinite(square[c]) and squares[first + c] * CANCELLATION_LIMIT >= square[c]):  # NaN is not >=
            inaccurate = True
    if inaccurate:
        exact_moments(x, rows, C, first, width, means, squares)


cdef inline void centre_of(const real *x, Py_ssize_t rows, Py_ssize_t C, Py_ssize_t first, Py_ssize_t width,
                           real *centre) noexcept nogil:
    """Write the means of `rows` rows to centre."""
    cdef double total[BLOCK_CHANNELS]
    cdef Py_ssize_t m, c
    for c in range(width):
        total[c] = 0
    for m in range(rows):
        for c in range(width):
            total[c] += x[m * C + first + c]
    for c in range(width):
        centre[c] = <real>(total[c] / rows)


cdef void exact_moments(const real *x, Py_ssize_t rows, Py_ssize_t C, Py_ssize_t first, Py_ssize_t width, double *means,
                        double *squares) noexcept nogil:
    """Compute the results of block_moments in two passes, in double precision."""
    cdef double deviation
    cdef double total[BLOCK_CHANNELS]
    cdef Py_ssize_t k, m, c
    for c in range(first, first + width):
        means[c] = squares[c] = 0
    for c in range(width):
        total[c] = 0
    for k in range(block_count(rows)):
        for m in range(k * SUM_BLOCK, min((k + 1) * SUM_BLOCK, rows)):
            for c in range(width):
                total[c] += x[m * C + first + c]
        carry(width, total, means + first)
    for c in range(first, first + width):
        means[c] /= rows
    for k in range(block_count(rows)):
        for m in range(k * SUM_BLOCK, min((k + 1) * SUM_BLOCK, rows)):
            for c in range(width):
                deviation = x[m * C + first + c] - means[first + c]
                total[c] += deviation * deviation
        carry(width, total, squares + first)


cdef void merge_moments(Py_ssize_t M, Py_ssize_t C, const double *means, const double *squares, double *mean,
                        double *var) noexcept nogil:
    """Compute the moments of M rows from the moments of their chunks.

    IN means and squares of the chunks (chunks, C), zeros in mean and var (3, C); OUT the moments in mean[2] and var[2].
    """
    cdef Py_ssize_t step = chunk_rows(C), chunks = chunk_count(M, C), t, c
    cdef double deviation
    for t in range(chunks):
        for c in range(C):
            mean[c] += min(step, M - t * step) * means[t * C + c] / M
        end_chunk(t, chunks, C, mean)
    for t in range(chunks):
        for c in range(C):
            deviation = means[t * C + c] - mean[2 * C + c]
            var[c] += (squares[t * C + c] + min(step, M - t * step) * deviation * deviation) / M
        end_chunk(t, chunks, C, var)


cdef void end_chunk(Py_ssize_t t, Py_ssize_t chunks, Py_ssize_t size, double *sums) noexcept nogil:
    """Carry the block sums[0] to the group sums[1] and the group to the total sums[2].

    IN and OUT sums (3, size). Call this function after chunk t has been added to sums[0]. A block is carried after SUM_BLOCK
    chunks, a group after SUM_BLOCK blocks (sums.h). After the last chunk, sums[2] is the sum of all chunks.
    """
    if (t + 1) % SUM_BLOCK == 0 or t + 1 == chunks:
        carry_block(t // SUM_BLOCK, size, sums, sums + size, sums + 2 * size)
    if t + 1 == chunks:
        carry(size, sums + size, sums + 2 * size)


cdef void stream_normalised(const real *x, Py_ssize_t rows, Py_ssize_t C, const real *centre, const real *scale,
                            const real *shift, real *y) noexcept nogil:
    cdef real piece[PIECE_ELEMENTS]
    cdef Py_ssize_t m = 0, count
    while m < rows:
        count = min(PIECE_ELEMENTS // C, rows - m)
        normalise_rows(x + m * C, count, C, centre, scale, shift, piece)
        stream(y + m * C, piece, count * C * sizeof(real))
        m += count
    stream_end()


cdef void normalise_rows(const real *x, Py_ssize_t rows, Py_ssize_t C, const real *centre, const real *scale,
                         const real *shift, real *y) noexcept nogil:
    cdef Py_ssize_t m, c
    for m in range(rows):
        for c in range(C):
            y[m * C + c] = (x[m * C + c] - centre[c]) * scale[c] + shift[c]


cdef void chunk_sums(const real *dy, const real *x, Py_ssize_t rows, Py_ssize_t C, const real *affine,
                     double *sums, bint relu=False) noexcept nogil:
    """Compute Σ dy·(x − mean) of each channel, then Σ dy of each channel.

    IN rows of dy and x, affine (C) or (3, C): the mean, with `relu` also the scale and the shift (rows.h); OUT sums (2·C).
    With `relu`, dy counts as 0 unless the normalised number is above 0.
    """
    cdef Py_ssize_t c = 0
    while C - c >= BLOCK_CHANNELS:
        sums_of(dy + c, x + c, rows, C, BLOCK_CHANNELS, affine + c, sums + c, relu)
        c += BLOCK_CHANNELS
    if C - c >= HALF_BLOCK:
        sums_of(dy + c, x + c, rows, C, HALF_BLOCK, affine + c, sums + c, relu)
        c += HALF_BLOCK
    if C - c >= QUARTER_BLOCK:
        sums_of(dy + c, x + c, rows, C, QUARTER_BLOCK, affine + c, sums + c, relu)
        c += QUARTER_BLOCK
    if c < C:
        sums_of(dy + c, x + c, rows, C, C - c, affine + c, sums + c, relu)


cdef inline void sums_of(const real *dy, const real *x, Py_ssize_t rows, Py_ssize_t C, Py_ssize_t width, const real *affine,
                         double *sums, bint relu) noexcept nogil:
    """Call block_sums with a constant instead of `relu`, which is inside of its loops."""
    if relu:
        block_sums(dy, x, rows, C, width, affine, sums, True)
    else:
        block_sums(dy, x, rows, C, width, affine, sums, False)


cdef inline void block_sums(const real *dy, const real *x, Py_ssize_t rows, Py_ssize_t C, Py_ssize_t width,
                            const real *affine, double *sums, bint relu) noexcept nogil:
    """Compute chunk_sums for the first `width` channels after these pointers."""
    cdef const real *scale = affine + C if relu else affine
    cdef const real *shift = scale + C if relu else affine
    cdef real d, deviation
    cdef double product[BLOCK_CHANNELS]
    cdef double total[BLOCK_CHANNELS]
    cdef real short_products[BLOCK_CHANNELS]
    cdef real short_total[BLOCK_CHANNELS]
    cdef Py_ssize_t begin = 0, m, c
    for c in range(width):
        product[c] = total[c] = 0
    while begin < rows:
        for c in range(width):
            short_products[c] = short_total[c] = 0
        for m in range(begin, min(begin + SHORT_SUM_ROWS, rows)):
            for c in range(width):
                d, deviation = dy[m * C + c], x[m * C + c] - affine[c]
                if relu:  # the same expression as in rows.h
                    d = d if deviation * scale[c] + shift[c] > 0 else 0
                short_products[c] += d * deviation
                short_total[c] += d
        for c in range(width):
            product[c] += short_products[c]
            total[c] += short_total[c]
        begin += SHORT_SUM_ROWS
    for c in range(width):
        sums[c], sums[C + c] = product[c], total[c]


cdef void stream_dx(const real *dy, const real *x, Py_ssize_t rows, Py_ssize_t C, const real *coefficients,
                    real *dx) noexcept nogil:
    """Compute the results of rows_dx with streaming stores."""
    cdef real piece[PIECE_ELEMENTS]
    cdef Py_ssize_t m = 0, count
    while m < rows:
        count = min(PIECE_ELEMENTS // C, rows - m)
        rows_dx(dy + m * C, x + m * C, count, C, coefficients, piece)
        stream(dx + m * C, piece, count * C * sizeof(real))
        m += count
    stream_end()


cdef void rows_dx(const real *dy, const real *x, Py_ssize_t rows, Py_ssize_t C, const real *coefficients,
                  real *dx) noexcept nogil:
    """Compute rows of dx.

    IN rows of dy and x, coefficients (4, C): mean, scale γ/σ, slope and offset; OUT rows of dx.
    """
    cdef const real *mean = coefficients
    cdef const real *scale = coefficients + C
    cdef const real *slope = coefficients + 2 * C
    cdef const real *offset = coefficients + 3 * C
    cdef Py_ssize_t m, c
    for m in range(rows):
        for c in range(C):
            dx[m * C + c] = dy[m * C + c] * scale[c] - (x[m * C + c] - mean[c]) * slope[c] - offset[c]
