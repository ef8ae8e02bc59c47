"""Derivatives of the fused convolution, ReLU and max pooling of conv_relu_pool.pyx.

In each window, only the winner has a non-zero derivative; the derivatives of the other three outputs are zero. So both
derivatives are sums over winners, with at most a quarter of the products:

1. ∂e/∂w of output channel o is the sum of ∂e/∂y · (the patch of x under the winner), kh × kw pixels. `winners_of_output` lists
   offset and weight of all patches of an image; `add_patches` adds them with the sums in registers.
2. Each winner adds ∂e/∂y · w[·, ·, ·, o] to its patch of ∂e/∂x. The winners of one window, one for each channel, read patches
   that start at most one row and one pixel apart. So each kernel is stored with zeros around it: reading from an earlier
   element gives a shifted kernel. Each window then adds a sum of patches, its shifted kernels, to (kh + 1) × (kw + 1) pixels
   of ∂e/∂x.

registers   three to fifteen vectors of sums of patches (conv_relu_pool.h)
sums        ∂e/∂w in blocks of winners, groups and chunks (sums.h)
L1          one image of x with its zeros, or its ∂e/∂x, and the kernels
threads     tasks are chunks of images, divided by shapes only; each chunk has separate sums for ∂e/∂w, which are added in
            order at the end, so the result has the same bits at any thread count

Products of the zero derivatives of other outputs are skipped, and ∂e/∂y is multiplied by the zeros around each kernel. So if a
number is non-finite, the result may differ from the formula; then the function returns None.
"""
import numpy as np

from cython.parallel cimport prange, threadid
from libc.string cimport memcpy, memset

from refconv._core.common.arrays cimport dtype_of
from refconv._core.common.real cimport real
from refconv._core.common.sums cimport SUM_BLOCK, block_count, carry
from refconv._core.fused.conv_relu_pool cimport (MOST_PATCH_ROWS, NO_WINNER, SLACK, Layer, PATCH_LANES_double,
                                                 PATCH_LANES_float, PatchSize, add_patches, add_total, all_finite, layer_of)
from refconv._core.tile.sweep cimport MOST_PARTIAL_SUMS, TASKS

include "common/threads.pxi"


cdef struct Back:
    # Data that the tasks of the backward pass share. Sizes are in elements.
    Layer conv
    Py_ssize_t row, entries         # size of ∂e/∂w of one output: one row of whole vectors, and all rows
    Py_ssize_t output               # size of ∂e/∂w of one output, followed by ∂e/∂b
    Py_ssize_t image                # size of an image with its zeros
    PatchSize inputs, kernels       # the patches that are added for ∂e/∂w, and for ∂e/∂x
    Py_ssize_t kernel               # size of a kernel with the zeros around it
    Py_ssize_t winners              # length of the list of winners
    bint grouped                    # a chunk has more than SUM_BLOCK blocks, so blocks are added to groups


cdef struct Chunk:
    # The part of one task: images first … end − 1; the winners of all images, and a buffer for a list of offsets.
    Py_ssize_t first, end
    const unsigned char *winners
    Py_ssize_t *at


cdef Back back_of(Layer c, Py_ssize_t lanes):
    cdef Back k
    k.conv = c
    k.row = whole_vectors(c.kw * c.C, lanes)
    k.entries = (c.kh + MOST_PATCH_ROWS) * k.row
    k.output = k.entries + lanes
    k.image = (c.height + MOST_PATCH_ROWS) * c.pitch + SLACK
    k.inputs = PatchSize(rows=c.kh, width=c.kw * c.C, pitch=c.pitch, out_pitch=k.row)
    k.kernels = PatchSize(rows=c.kh + 1, width=(c.kw + 1) * c.C, pitch=c.C + whole_vectors((c.kw + 1) * c.C, lanes),
                          out_pitch=c.pitch)
    k.kernel = (c.kh + 2 + MOST_PATCH_ROWS) * k.kernels.pitch
    k.winners = max(c.P * c.Q, c.O)
    k.grouped = False
    return k


cdef inline Py_ssize_t whole_vectors(Py_ssize_t count, Py_ssize_t lanes) noexcept nogil:
    """Round `count` elements up to whole vectors."""
    return (count + lanes - 1) // lanes * lanes


cdef Py_ssize_t patch_lanes(const real *_) noexcept nogil:
    return PATCH_LANES_float if real is float else PATCH_LANES_double


def backward(const real[:, :, :, ::1] x, const real[:, :, :, ::1] w, const real[:, :, :, ::1] dy,
             const unsigned char[:, :, :, ::1] winners, window, bint want_dx):
    """Return dx (None without `want_dx`), dw and db, or None if a number is non-finite.

    IN the arguments and results of forward, and dy (N, P, Q, O).
    """
    cdef Layer c = layer_of((x.shape[0], x.shape[1], x.shape[2], x.shape[3]), window, w.shape[3])
    dtype = dtype_of[real](NULL)
    inputs = np.zeros((c.N, c.H, c.W, c.C), dtype) if want_dx else None
    if not c.N:
        return inputs, np.zeros_like(w), np.zeros(c.O, dtype)
    if not all_finite(&w[0, 0, 0, 0], c.kh * c.kw * c.C * c.O):
        return None
    cdef Back k = back_of(c, patch_lanes[real](NULL))
    cdef Py_ssize_t chunks = max(min(c.N, TASKS, MOST_PARTIAL_SUMS // (c.O * k.entries)), 1), chunk
    k.grouped = (c.N + chunks - 1) // chunks * block_count(c.P * c.Q) > SUM_BLOCK
    cdef int threads = threads_for(c.N * c.P * c.Q * c.O * k.row)
    partial_sums = np.zeros((chunks, c.O, k.output), dtype)
    cdef real[:, :, ::1] sums = partial_sums
    cdef real[:, ::1] scratch = np.zeros((threads, 2 * k.image + k.winners + (c.O * k.output if k.grouped else 0)), dtype)
    cdef Py_ssize_t[:, ::1] at = np.empty((threads, k.winners), np.intp)
    cdef real[:, :, :, ::1] dx = inputs
    cdef real[::1] kernels = shifted_kernels(w, k) if want_dx else None
    cdef const real *shifted = &kernels[0] if want_dx else NULL
    cdef bint finite = True  # &= makes it a reduction over all threads; a plain assignment would keep the last chunk's value
    for chunk in prange(chunks, nogil=True, schedule="dynamic", num_threads=threads):
        finite &= back_through_images(
            &k, Chunk(first=chunk * c.N // chunks, end=(chunk + 1) * c.N // chunks, winners=&winners[0, 0, 0, 0],
                      at=&at[threadid(), 0]),
            &x[0, 0, 0, 0], shifted, &dy[0, 0, 0, 0], &scratch[threadid(), 0], &dx[0, 0, 0, 0] if want_dx else NULL,
            &sums[chunk, 0, 0])
    if not finite:
        return None
    rows = np.ascontiguousarray(partial_sums[..., :k.entries]).sum(0).reshape(c.O, -1, k.row)[:, :c.kh, :c.kw * c.C]
    db = np.ascontiguousarray(partial_sums[..., k.entries]).sum(0)
    return inputs, rows.transpose(1, 2, 0).reshape(c.kh, c.kw, c.C, c.O), db


cdef object shifted_kernels(const real[:, :, :, ::1] w, Back k):
    """Return the kernels of all outputs, each with zeros around it.

    Reading from an earlier element gives a shifted kernel.
    """
    cdef Layer c = k.conv
    table = np.zeros((c.O, k.kernel // k.kernels.pitch, k.kernels.pitch), dtype_of[real](NULL))
    table[:, 1 : 1 + c.kh, c.C : (1 + c.kw) * c.C] = np.asarray(w).reshape(c.kh, c.kw * c.C, c.O).transpose(2, 0, 1)
    return table.reshape(-1)


cdef bint back_through_images(const Back *k, Chunk part, const real *x, const real *kernels, const real *dy, real *scratch,
                              real *dx, real *sums) noexcept nogil:
    """Add the images' part of ∂e/∂w and ∂e/∂b to sums, and compute their ∂e/∂x.

    Return False if a number is non-finite. `scratch` is a buffer for an image with its zeros, an image of ∂e/∂x, weights of
    winners and, if grouped, a group of sums, which is zero before and after the call.
    """
    cdef const Layer *c = &k.conv
    cdef Py_ssize_t b, o, i, number = 0, outputs = c.P * c.Q * c.O, inside = c.top * c.pitch + c.left * c.C, width = c.W * c.C
    cdef real *image = scratch + k.image
    cdef real *group = image + k.image + k.winners
    for b in range(part.first, part.end):
        if not (all_finite(x + b * c.H * width, c.H * width) and all_finite(dy + b * outputs, outputs)):
            return False
        for i in range(c.H):  # the zeros around the image are never overwritten
            memcpy(scratch + inside + i * c.pitch, x + (b * c.H + i) * width, width * sizeof(real))
        add_outputs(k, part.winners + b * outputs, part.at, number, dy + b * outputs, scratch, sums)
        number += block_count(c.P * c.Q)
        if dx != NULL:
            memset(image, 0, k.image * sizeof(real))
            back_to_inputs(k, part.winners + b * outputs, part.at, kernels, dy + b * outputs, image + k.image, image)
            for i in range(c.H):
                memcpy(dx + (b * c.H + i) * width, image + inside + i * c.pitch, width * sizeof(real))
    if k.grouped:
        for o in range(c.O):
            carry(k.entries + 1, group + o * k.output, sums + o * k.output)
    return True


cdef void add_outputs(const Back *k, const unsigned char *winners, Py_ssize_t *at, Py_ssize_t number, const real *dy,
                      real *scratch, real *sums) noexcept nogil:
    """Add the winners of one image, output by output.

    The first block of the image has the number `number` in its chunk.
    """
    cdef real *weight = scratch + 2 * k.image
    cdef real *group = weight + k.winners
    cdef Py_ssize_t o, listed
    for o in range(k.conv.O):
        listed = winners_of_output(&k.conv, dy + o, winners + o, weight, at)
        add_winners(k, listed, at, number, weight, scratch, group + o * k.output, sums + o * k.output)


cdef void add_winners(const Back *k, Py_ssize_t listed, const Py_ssize_t *at, Py_ssize_t number, const real *weight,
                      const real *x, real *group, real *sums) noexcept nogil:
    """Add the winners of one output to the group or, if there is none, to the sums.

    They are block number `number` and the following ones.
    """
    cdef Py_ssize_t first = 0, count
    cdef real *to = group if k.grouped else sums
    while first < k.conv.P * k.conv.Q:
        count = min(listed - first, SUM_BLOCK)
        if count > 0:
            add_total(weight + first, count, to + k.entries)
            add_patches(count, at + first, weight + first, x, &k.inputs, to)
        first += SUM_BLOCK
        number += 1
        if k.grouped and number % SUM_BLOCK == 0:
            carry(k.entries + 1, group, sums)


cdef Py_ssize_t winners_of_output(const Layer *c, const real *dy, const unsigned char *winners, real *weight,
                                  Py_ssize_t *at) noexcept nogil:
    """List the winners of the channel at dy; return their number.

    The lists contain the offset of the patch that a winner reads in the image, and its ∂e/∂y.
    """
    cdef Py_ssize_t O = c.O, Q = c.Q, two = 2 * c.C, window, p, _q, listed = 0  # locals: not reloaded after each store
    cdef Py_ssize_t patch_offset[NO_WINNER + 1]
    for p in range(NO_WINNER + 1):
        patch_offset[p] = p // 2 * c.pitch + p % 2 * c.C
    for p in range(c.P):
        window = 2 * p * c.pitch
        for _q in range(Q):
            weight[listed] = dy[0]
            at[listed] = window + patch_offset[winners[0]]
            listed += winners[0] != NO_WINNER  # branch-free: the outcome is unpredictable
            window += two
            dy += O
            winners += O
    return listed


cdef void back_to_inputs(const Back *k, const unsigned char *winners, Py_ssize_t *at, const real *kernels, const real *dy,
                         real *weight, real *dx) noexcept nogil:
    """Add the shifted kernels of all winners to dx, window by window.

    Each kernel is shifted to the patch that its winner reads.
    """
    cdef const Layer *c = &k.conv
    cdef Py_ssize_t O = c.O, size = k.kernel, kernel, p, q, o, block, listed
    cdef Py_ssize_t shift[NO_WINNER + 1]
    for p in range(NO_WINNER + 1):
        shift[p] = (1 - p // 2) * k.kernels.pitch + (1 - p % 2) * c.C
    for p in range(c.P):
        for q in range(c.Q):
            listed = kernel = 0
            for o in range(O):
                weight[listed] = dy[o]
                at[listed] = kernel + shift[winners[o]]
                listed += winners[o] != NO_WINNER
                kernel += size
            dy += O
            winners += O
            for block in range(block_count(listed)):
                o = block * SUM_BLOCK
                add_patches(min(listed - o, SUM_BLOCK), at + o, weight + o, kernels, &k.kernels,
                            dx + 2 * p * c.pitch + 2 * q * c.C)
