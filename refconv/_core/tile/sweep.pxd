"""Sweeps of the tile over an image: what the passes of a convolution share."""
from libc.string cimport memcpy, memset

from refconv._core.common.real cimport real
from refconv._core.tile.tile cimport MOST_ROWS, MOST_SUMS, Runs, Shape, panels, rows_of_sums, tile


# How work is cut: by shapes alone, so that each sum has one order.
cdef enum:
    TASKS = 16                  # least number of tasks if the work can be cut: enough for the threads of a laptop
    BAND_PIXELS = 512           # output pixels of a task: its input stays in L2 from one panel of weights to the next
    LEAST_CHUNK_PIXELS = 512    # output pixels of a chunk with sums of its own: below, adding these sums costs too much
    MOST_PARTIAL_SUMS = 1 << 22  # elements of the sums of all chunks


cdef struct Taps:
    # The taps of one kernel axis that a pass uses, t = 0 … count − 1: which ones, and how far from the pixel they read.
    Py_ssize_t count
    Py_ssize_t index, index_step      # tap number  index + t·index_step
    Py_ssize_t offset, offset_step    # reads pixel  offset + t·offset_step


cdef struct View:
    # The columns left … right − 1 of an image as rows of `pitch` elements. Columns outside the image are zeros.
    Py_ssize_t left, right, pitch


cdef struct Sweep:
    # A rectangle of outputs, and the sum that makes each of them.
    Py_ssize_t rows, columns          # outputs
    Py_ssize_t x_row, x_column        # elements between what neighbouring outputs read
    Py_ssize_t y_row, y_column        # and between where they are written
    Py_ssize_t channels               # outputs at each pixel
    Runs runs                         # what the sum of one output reads


cdef inline Py_ssize_t period(Py_ssize_t D, Py_ssize_t S) noexcept nogil:
    """P = S / gcd(S, D), the number of taps after which the remainders m·D mod S repeat."""
    cdef Py_ssize_t a = S, b = D
    while b:
        a, b = b, a % b
    return S // a


cdef inline Taps taps_of_phase(Py_ssize_t kernel, Py_ssize_t D, Py_ssize_t S, Py_ssize_t t) noexcept nogil:
    """The taps m = t, t + P, t + 2P …, last first; tap m reads (m·D) ÷ S pixels back."""
    cdef Py_ssize_t P = period(D, S), count = (kernel - 1 - t) // P + 1, last = t + (count - 1) * P
    return Taps(count=count, index=last, index_step=-P, offset=-(last * D // S), offset_step=P * D // S)


cdef inline Py_ssize_t first_inside(Py_ssize_t edge, Py_ssize_t rest, Py_ssize_t S) noexcept nogil:
    """The smallest i with i·S + rest >= edge."""
    return (edge - rest + S - 1) // S if edge > rest else 0


cdef inline View view_of(Py_ssize_t first, Py_ssize_t end, Py_ssize_t width, Py_ssize_t channels) noexcept nogil:
    """A view of the columns first … end − 1, or of the whole image if they are all inside of it."""
    cdef View view
    view.left, view.right = first, end
    if first >= 0 and end <= width:
        view.left, view.right = 0, width
    view.pitch = (view.right - view.left) * channels
    return view


cdef inline const real *rows_of(const real *image, Py_ssize_t height, Py_ssize_t width, Py_ssize_t channels, View view,
                                Py_ssize_t first, Py_ssize_t end, real *scratch) noexcept nogil:
    """Rows first … end − 1 of a view: in the image itself, or copied to scratch with zeros around them."""
    cdef Py_ssize_t row, left, right
    cdef real *to = scratch
    if view.left == 0 and view.right == width and first >= 0 and end <= height:
        return image + first * width * channels
    left, right = max(view.left, 0), min(view.right, width)
    for row in range(first, end):
        if row < 0 or row >= height or left >= right:
            memset(to, 0, view.pitch * sizeof(real))
        else:
            memset(to, 0, (left - view.left) * channels * sizeof(real))
            memcpy(to + (left - view.left) * channels, image + (row * width + left) * channels,
                   (right - left) * channels * sizeof(real))
            memset(to + (right - view.left) * channels, 0, (view.right - right) * channels * sizeof(real))
        to += view.pitch
    return scratch


cdef inline Runs list_runs(Taps down, Taps across, Py_ssize_t pitch, Py_ssize_t pixel, Py_ssize_t depth,
                           Py_ssize_t *start) noexcept nogil:
    """The runs of one sum, `depth` channels a tap; contiguous taps of a kernel row are one run."""
    cdef bint side_by_side = across.count == 1 or (across.offset_step == 1 and depth == pixel)
    cdef Py_ssize_t starts = 1 if side_by_side else across.count
    cdef Py_ssize_t t, u
    for t in range(down.count):
        for u in range(starts):
            start[t * starts + u] = ((down.offset + t * down.offset_step) * pitch
                                     + (across.offset + u * across.offset_step) * pixel)
    return Runs(count=down.count * starts, length=depth * (across.count if side_by_side else 1), step=1, start=start)


cdef inline void run_sweep(const Sweep *sweep, Shape shape, const real *x, const real *packed, const real *start,
                           real *y) noexcept nogil:
    """IN x at the first output, packed weights, starts of the sums, packed alike, or NULL; OUT y at the first output.

    The outputs are tiled as one long line, so that no tile ends early at the end of a row. The last tile may have more rows
    than outputs are left; these rows read the inputs of the first row and are not stored.
    """
    cdef const real *a[MOST_ROWS]
    cdef real *to[MOST_ROWS]
    cdef real *out[MOST_ROWS]
    cdef real sums[MOST_SUMS]
    cdef Py_ssize_t outputs = sweep.rows * sweep.columns, depth = sweep.runs.count * sweep.runs.length
    cdef Py_ssize_t panel, first, width, done, filled, i, j, p, v
    # Outputs are contiguous: a row of the tile may write beyond its output, because the next one is stored later.
    cdef bint in_line = sweep.y_column == sweep.channels and sweep.y_row == sweep.columns * sweep.y_column
    for panel in range(panels(shape, sweep.channels)):
        first = panel * shape.width
        width = min(shape.width, sweep.channels - first)
        done = i = j = 0
        while done < outputs:
            filled = min(shape.rows, outputs - done)
            rows_of_sums(shape, sums, out)
            for p in range(filled):
                a[p] = x + i * sweep.x_row + j * sweep.x_column
                to[p] = y + i * sweep.y_row + j * sweep.y_column + first
                if width == shape.width or (in_line and first == 0 and (outputs - done - p) * sweep.channels >= shape.width):
                    out[p] = to[p]
                j += 1
                if j == sweep.columns:
                    i, j = i + 1, 0
            for p in range(filled, shape.rows):
                a[p] = a[0]
            tile(shape, filled, &sweep.runs, a, packed + first * depth, start + first if start != NULL else NULL, out)
            done += filled
            for p in range(filled):
                if out[p] != to[p]:
                    for v in range(width):
                        to[p][v] = sums[p * shape.width + v]
