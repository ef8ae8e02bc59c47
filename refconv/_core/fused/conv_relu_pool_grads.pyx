"""The derivatives of a convolution with few channels, ReLU and a 2×2 max pool behind it (conv_relu_pool.pyx).

∂e/∂y of a window belongs to the one output that won, and the other three have none. So both derivatives are sums over winners,
with a quarter of the products or fewer:

1. ∂e/∂w of output channel o is the sum of ∂e/∂y · (the patch of x under the winner), kh × kw pixels. `winners_of_output` lists
   offset and weight of all patches of an image; `add_patches` adds them with the sums in registers.
2. ∂e/∂x gets from each winner ∂e/∂y · w[·, ·, ·, o], added to that patch. The winners of one window, one for each channel,
   read patches that start at most one row and one pixel apart. So each kernel is stored in the middle of zeros, and read from
   an earlier element it appears shifted. Then a window adds a sum of patches, its shifted kernels, to (kh + 1) × (kw + 1)
   pixels of ∂e/∂x.

registers   three to fifteen vectors of sums of patches (conv_relu_pool.h)
sums        ∂e/∂w in blocks of winners, groups and chunks (sums.h)
L1          one image of x with its zeros, or its ∂e/∂x, and the kernels
threads     tasks are chunks of images, cut by shapes alone, each with sums of its own for ∂e/∂w, which are added in order at
            the end: the same bits at any thread count

The zeros of outputs that did not win are left out, and ∂e/∂y is multiplied by the zeros around each kernel. If a number is not
finite, the result may differ from the formula; then the function returns None.
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
    # What the tasks of the backward pass share. Sizes are in elements.
    Layer conv
    Py_ssize_t row, entries         # ∂e/∂w of one output: rows of whole vectors, and all of them
    Py_ssize_t output               # ∂e/∂w of one output, and behind it ∂e/∂b
    Py_ssize_t image                # an image with its zeros
    PatchSize inputs, kernels       # the patches that are added for ∂e/∂w, and for ∂e/∂x
    Py_ssize_t kernel               # a kernel with the zeros around it
    Py_ssize_t winners              # that are listed at once
    bint grouped                    # there are groups of blocks, for chunks of more than SUM_BLOCK blocks


cdef struct Chunk:
    # The part of one task: images first … end − 1; the winners of all images, and space for a list of offsets.
    Py_ssize_t first, end
    const unsigned char *winners
    Py_ssize_t *at


cdef Back back_of(Layer c, Py_ssize_t lanes):
    cdef Back k
    k.conv = c
    k.row = whole(c.kw * c.C, lanes)
    k.entries = (c.kh + MOST_PATCH_ROWS) * k.row
    k.output = k.entries + lanes
    k.image = (c.height + MOST_PATCH_ROWS) * c.pitch + SLACK
    k.inputs = PatchSize(rows=c.kh, width=c.kw * c.C, pitch=c.pitch, out_pitch=k.row)
    k.kernels = PatchSize(rows=c.kh + 1, width=(c.kw + 1) * c.C, pitch=c.C + whole((c.kw + 1) * c.C, lanes), out_pitch=c.pitch)
    k.kernel = (c.kh + 2 + MOST_PATCH_ROWS) * k.kernels.pitch
    k.winners = max(c.P * c.Q, c.O)
    k.grouped = False
    return k


cdef inline Py_ssize_t whole(Py_ssize_t count, Py_ssize_t lanes) noexcept nogil:
    """Round `count` elements up to whole vectors."""
    return (count + lanes - 1) // lanes * lanes


cdef Py_ssize_t patch_lanes(const real *_) noexcept nogil:
    return PATCH_LANES_float if real is float else PATCH_LANES_double


def backward(const real[:, :, :, ::1] x, const real[:, :, :, ::1] w, const real[:, :, :, ::1] dy,
             const unsigned char[:, :, :, ::1] winners, window, bint want_dx):
    """IN what forward took and returned, and dy (N, P, Q, O); OUT dx or None, dw, db; None if a number is not finite."""
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
    cdef bint finite = True  # &= makes it the threads' common answer; what is assigned in a prange, the last chunk decides
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
    """The kernels, output by output, each in the middle of zeros: read from an earlier element, a kernel appears shifted."""
    cdef Layer c = k.conv
    table = np.zeros((c.O, k.kernel // k.kernels.pitch, k.kernels.pitch), dtype_of[real](NULL))
    table[:, 1 : 1 + c.kh, c.C : (1 + c.kw) * c.C] = np.asarray(w).reshape(c.kh, c.kw * c.C, c.O).transpose(2, 0, 1)
    return table.reshape(-1)


cdef bint back_through_images(const Back *k, Chunk part, const real *x, const real *kernels, const real *dy, real *scratch,
                              real *dx, real *sums) noexcept nogil:
    """Add the images' share of ∂e/∂w and ∂e/∂b to sums, and make their ∂e/∂x; False if a number is not finite.

    scratch holds an image with its zeros, an image of ∂e/∂x, weights of winners and, if grouped, a group of sums, which is
    zero before and after.
    """
    cdef const Layer *c = &k.conv
    cdef Py_ssize_t b, o, i, number = 0, outputs = c.P * c.Q * c.O, inside = c.top * c.pitch + c.left * c.C, width = c.W * c.C
    cdef real *image = scratch + k.image
    cdef real *group = image + k.image + k.winners
    for b in range(part.first, part.end):
        if not (all_finite(x + b * c.H * width, c.H * width) and all_finite(dy + b * outputs, outputs)):
            return False
        for i in range(c.H):  # with its zeros around it, which nothing overwrites
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
    """Add the winners of one image, whose first block is number `number` of its chunk, output by output."""
    cdef real *weight = scratch + 2 * k.image
    cdef real *group = weight + k.winners
    cdef Py_ssize_t o, found
    for o in range(k.conv.O):
        found = winners_of_output(&k.conv, dy + o, winners + o, weight, at)
        add_winners(k, found, at, number, weight, scratch, group + o * k.output, sums + o * k.output)


cdef void add_winners(const Back *k, Py_ssize_t found, const Py_ssize_t *at, Py_ssize_t number, const real *weight,
                      const real *x, real *group, real *sums) noexcept nogil:
    """Add the winners of one output, blocks `number` and following, to the group or, if there is none, to the sums."""
    cdef Py_ssize_t first = 0, count
    cdef real *to = group if k.grouped else sums
    while first < k.conv.P * k.conv.Q:
        count = min(found - first, SUM_BLOCK)
        if count > 0:
            add_total(weight + first, count, to + k.entries)
            add_patches(count, at + first, weight + first, x, &k.inputs, to)
        first += SUM_BLOCK
        number += 1
        if k.grouped and number % SUM_BLOCK == 0:
            carry(k.entries + 1, group, sums)


cdef Py_ssize_t winners_of_output(const Layer *c, const real *dy, const unsigned char *winners, real *weight,
                                  Py_ssize_t *at) noexcept nogil:
    """List the offset of what each winner of the channel at dy reads of the image, and its ∂e/∂y; returns their number."""
    cdef Py_ssize_t O = c.O, Q = c.Q, two = 2 * c.C, window, p, _q, found = 0  # not read from c again after each store
    cdef Py_ssize_t sees[NO_WINNER + 1]
    for p in range(NO_WINNER + 1):
        sees[p] = p // 2 * c.pitch + p % 2 * c.C
    for p in range(c.P):
        window = 2 * p * c.pitch
        for _q in range(Q):
            weight[found] = dy[0]
            at[found] = window + sees[winners[0]]
            found += winners[0] != NO_WINNER  # branch-free: the outcome is unpredictable
            window += two
            dy += O
            winners += O
    return found


cdef void back_to_inputs(const Back *k, const unsigned char *winners, Py_ssize_t *at, const real *kernels, const real *dy,
                         real *weight, real *dx) noexcept nogil:
    """Add to dx, window by window, the kernels of its winners, each shifted to what its winner reads."""
    cdef const Layer *c = &k.conv
    cdef Py_ssize_t O = c.O, size = k.kernel, kernel, p, q, o, block, found
    cdef Py_ssize_t shift[NO_WINNER + 1]
    for p in range(NO_WINNER + 1):
        shift[p] = (1 - p // 2) * k.kernels.pitch + (1 - p % 2) * c.C
    for p in range(c.P):
        for q in range(c.Q):
            found = kernel = 0
            for o in range(O):
                weight[found] = dy[o]
                at[found] = kernel + shift[winners[o]]
                found += winners[o] != NO_WINNER
                kernel += size
            dy += O
            winners += O
            for block in range(block_count(found)):
                o = block * SUM_BLOCK
                add_patches(min(found - o, SUM_BLOCK), at + o, weight + o, kernels, &k.kernels,
                            dx + 2 * p * c.pitch + 2 * q * c.C)
