"""Cython declarations of finish.h, with a function that reads the epilogue's arguments."""
from libc.math cimport INFINITY

from refconv._core.common.real cimport real
from refconv._core.tile.image cimport Image, image_of

cdef extern from "tile/finish.h" nogil:
    ctypedef struct Finish:
        const void *add
        Py_ssize_t add_pixel
        double low, high
    void finish_rows(const Finish *finish, Py_ssize_t pixel, Py_ssize_t channel, Py_ssize_t rows, Py_ssize_t width,
                     const void *sums, void *to)
    void finish_pixels(const Finish *finish, const Image *image, Py_ssize_t first, Py_ssize_t pixels, void *y)
    Finish finish_at(const void *pointer, const Finish *finish, Py_ssize_t pixel, Py_ssize_t channel)


cdef inline Finish finish_of(const real[:, :, :, :] add, low, high, tuple shape) except *:
    """Return the epilogue that adds an array of this shape and limits outputs to low … high.

    Each may be None.
    """
    cdef Finish finish = Finish(add=NULL, add_pixel=0, low=-INFINITY if low is None else low,
                                high=INFINITY if high is None else high)
    if add is not None:
        finish.add, finish.add_pixel = &add[0, 0, 0, 0], image_of(add, shape).pixel
    return finish


cdef inline bint changes_sums(const Finish *finish) noexcept nogil:
    """Return True if outputs are not the sums themselves."""
    return finish.add != NULL or finish.low != -INFINITY or finish.high != INFINITY
