"""Sweeps of the tile over an image, for all passes of a convolution."""
from refconv._core.common.real cimport real
from refconv._core.common.sums cimport SUM_BLOCK
from refconv._core.tile.finish cimport Finish, finish_at, finish_rows
from refconv._core.tile.tile cimport MOST_ROWS, MOST_SUMS, Runs, Shape, finished_tile, panels, tile


# How work is divided: by shapes only, so that the terms of a sum are always added in the same order.
cdef enum:
    TASKS = 16                  # least number of tasks if the work can be divided: enough for the threads of a laptop
    BAND_PIXELS = 512           # output pixels of a task: its input stays in L2 from one panel of weights to the next
    LEAST_CHUNK_PIXELS = 512    # output pixels of a chunk with separate sums; for fewer pixels, adding the sums costs too much
    MOST_PARTIAL_SUMS = 1 << 22  # elements of the sums of all chunks together


cdef struct Taps:
    # The taps t = 0 … count − 1 that a pass uses along one kernel axis.
    Py_ssize_t count
    Py_ssize_t index, index_step      # tap t has the number  index + t·index_step
    Py_ssize_t offset, offset_step    # tap t reads the pixel  offset + t·offset_step


cdef struct Sweep:
    # A rectangle of outputs, and the sum that computes each of them.
    Py_ssize_t rows, columns          # number of output rows and columns
    Py_ssize_t x_row, x_column        # elements between the inputs of neighbouring outputs
    Py_ssize_t y_row, y_column        # elements between neighbouring outputs
    Py_ssize_t channels               # outputs at each pixel
    Runs runs                         # the inputs that the sum of one output reads


cdef inline Py_ssize_t period(Py_ssize_t D, Py_ssize_t S) noexcept nogil:
    """Return P = S / gcd(S, D), the number of taps after which the remainders m·D mod S repeat."""
    cdef Py_ssize_t a = S, b = D
    while b:
        a, b = b, a % b
    return S // a


cdef inline Taps taps_of_phase(Py_ssize_t kernel, Py_ssize_t D, Py_ssize_t S, Py_ssize_t t) noexcept nogil:
    """Return the taps m = t, t + P, t + 2P …, the last one first.

    Tap m reads the pixel (m·D) ÷ S positions before.
    """
    cdef Py_ssize_t P = period(D, S), count = (kernel - 1 - t) // P + 1, last = t + (count - 1) * P
    return Taps(count=count, index=last, index_step=-P, offset=-(last * D // S), offset_step=P * D // S)


cdef inline Py_ssize_t first_inside(Py_ssize_t edge, Py_ssize_t rest, Py_ssize_t S) noexcept nogil:
    """Return the smallest i with i·S + rest >= edge."""
    return (edge - rest + S - 1) // S if edge > rest else 0


cdef inline Runs list_runs(Taps down, Taps across, Py_ssize_t pitch, Py_ssize_t pixel, Py_ssize_t depth,
                           Py_ssize_t *start) noexcept nogil:
    """Return the runs of one sum with `depth` channels per tap.

    Contiguous taps of a kernel row form one run.
    """
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
    """Compute a rectangle of outputs with the tile.

    IN x at the first output, packed weights, start values of the sums (packed in the same way) or NULL; OUT y at the first
    output.
    """
    cdef Py_ssize_t panel, width = shape.width, depth = sweep.runs.count * sweep.runs.length
    for panel in range(panels(shape, sweep.channels)):
        run_panel(sweep, shape, panel, x, packed + panel * width * depth, start + panel * width if start != NULL else NULL,
                  NULL, y)


cdef inline void copy_rows(Py_ssize_t rows, Py_ssize_t width, real **out, real **to) noexcept nogil:
    """Copy rows of a tile that are not in place."""
    cdef Py_ssize_t p, v
    for p in range(rows):
        if out[p] != to[p]:
            for v in range(width):
                to[p][v] = out[p][v]


cdef inline bint is_in_line(const Sweep *sweep) noexcept nogil:
    """Return True if outputs are contiguous.

    Then a row of the tile may write beyond its output, because the next output is stored later.
    """
    return sweep.y_column == sweep.channels and sweep.y_row == sweep.columns * sweep.y_column


cdef inline bint stores_in_place(const Sweep *sweep, Shape shape, const Finish *finish, Py_ssize_t filled,
                                 Py_ssize_t width) noexcept nogil:
    """Return True if a tile stores its sums in y.

    The array that `finish` adds may be y itself. Then only finished sums may be stored there.
    """
    if finish == NULL or finish.add == NULL:
        return True
    return filled == shape.rows and width == shape.width and sweep.runs.count * sweep.runs.length <= SUM_BLOCK


cdef inline void list_outputs(const Sweep *sweep, Py_ssize_t count, Py_ssize_t *left, const real **x, real **y,
                              const real **a, real **to) noexcept nogil:
    """Write pointers to the inputs and outputs of the next `count` outputs to a and to.

    IN OUT the number of outputs that are left in the row, and pointers to the input and the place of the next output.
    """
    cdef Py_ssize_t p
    for p in range(count):
        a[p], to[p] = x[0], y[0]
        left[0] -= 1
        if left[0]:
            x[0], y[0] = x[0] + sweep.x_column, y[0] + sweep.y_column
        else:
            left[0] = sweep.columns
            x[0] += sweep.x_row - (sweep.columns - 1) * sweep.x_column
            y[0] += sweep.y_row - (sweep.columns - 1) * sweep.y_column


cdef inline void run_panel(const Sweep *sweep, Shape shape, Py_ssize_t panel, const real *x, const real *packed,
                           const real *start, const Finish *finish, real *y) noexcept nogil:
    """Compute one panel of channels of a rectangle of outputs.

    IN x at the first output, weights and start values of the panel; OUT y at the first output. `finish` is NULL if sums are
    stored as they are. The outputs are tiled as one long line, so that tiles continue over the ends of rows. If the last tile
    has more rows than outputs are left, the other rows read the inputs of the first row and are not stored.
    """
    cdef const real *a[MOST_ROWS]
    cdef real *to[MOST_ROWS]
    cdef real *out[MOST_ROWS]
    cdef real sums[MOST_SUMS]
    cdef Py_ssize_t outputs = sweep.rows * sweep.columns, first = panel * shape.width
    cdef Py_ssize_t width = min(shape.width, sweep.channels - first), done = 0, filled, left = sweep.columns, p
    cdef bint in_line = is_in_line(sweep), in_place, whole, next_is_later
    cdef Finish part
    y += first
    while done < outputs:
        filled = min(shape.rows, outputs - done)
        list_outputs(sweep, filled, &left, &x, &y, a, to)
        in_place = stores_in_place(sweep, shape, finish, filled, width)
        whole = in_place and width == shape.width
        for p in range(filled, shape.rows):
            a[p], to[p], out[p] = a[0], sums + p * shape.width, sums + p * shape.width
        if not whole:
            for p in range(filled):
                next_is_later = in_line and first == 0 and (outputs - done - p) * sweep.channels >= shape.width
                out[p] = to[p] if in_place and next_is_later else sums + p * shape.width
        if whole and finish != NULL:
            part = finish_at(y, finish, done, first)
            finished_tile(shape, filled, &sweep.runs, a, packed, start, &part, to)
        elif whole:
            tile(shape, filled, &sweep.runs, a, packed, start, to)
        else:
            tile(shape, filled, &sweep.runs, a, packed, start, out)
            if finish != NULL:
                finish_rows(finish, done, first, filled, width, out, to)
            else:
                copy_rows(filled, width, out, to)
        done += filled
