"""Cython declarations of image.h, with functions that read rows of an image."""
from libc.string cimport memset

from refconv._core.common.real cimport real

cdef extern from "tile/image.h" nogil:
    ctypedef struct Image:
        Py_ssize_t height, width, channels, pixel
        const void *scale
        const void *shift
    void copy_pixels(const Image *image, Py_ssize_t pixels, const void *source, void *to)


cdef struct View:
    # The columns left … right − 1 of an image as rows of `pitch` elements. Columns outside the image are zeros.
    Py_ssize_t left, right
    Py_ssize_t pixel, pitch     # elements from one pixel to the next, and from one row to the next
    bint copied                 # no row can be read in place


cdef inline Image image_of(const real[:, :, :, :] a, tuple shape) except *:
    """Return the sizes of the images `a`, which may be a slice of the channels of wider images.

    Raise ValueError if they do not have this shape (N, H, W, C), or if pixels are not one after the other in memory.
    """
    cdef Py_ssize_t N = a.shape[0], H = a.shape[1], W = a.shape[2], C = a.shape[3], size = sizeof(real)
    cdef Image image = Image(height=H, width=W, channels=C, pixel=C, scale=NULL, shift=NULL)
    if (N, H, W, C) != shape:
        raise ValueError(f"the images must have shape {shape}, got {(N, H, W, C)}")
    if not (N and H and W and C):
        return image
    # The step along an axis with one element may be any number.
    if W > 1:
        image.pixel = a.strides[2] // size
    elif H > 1:
        image.pixel = a.strides[1] // size
    elif N > 1:
        image.pixel = a.strides[0] // size
    cdef Py_ssize_t row = W * image.pixel
    if (image.pixel < C or (C > 1 and a.strides[3] != size) or (H > 1 and a.strides[1] != row * size)
            or (N > 1 and a.strides[0] != H * row * size)):
        raise ValueError("the images must be contiguous, or a slice of the channels of a contiguous array")
    return image


cdef inline Image input_of(const real[:, :, :, :] x, tuple shape, const real[::1] scale, const real[::1] shift) except *:
    """Return the sizes of the images x, with a prologue unless scale is None."""
    cdef Image image = image_of(x, shape)
    if scale is not None:
        if scale.shape[0] != image.channels or shift is None or shift.shape[0] != image.channels:
            raise ValueError(f"scale and shift must have {image.channels} elements each")
        image.scale, image.shift = &scale[0], &shift[0]
    return image


cdef inline Image whole_image(Py_ssize_t height, Py_ssize_t width, Py_ssize_t channels) noexcept nogil:
    """Return the sizes of an image with contiguous pixels."""
    return Image(height=height, width=width, channels=channels, pixel=channels, scale=NULL, shift=NULL)


cdef inline View view_of(const Image *image, Py_ssize_t first, Py_ssize_t end, bint rows_inside) noexcept nogil:
    """Return a view of columns first … end − 1, or of all columns if these are inside the image.

    `rows_inside` says that all rows that will be read are inside the image.
    """
    cdef View view = View(left=first, right=end, pixel=image.channels, pitch=0, copied=True)
    if first >= 0 and end <= image.width:
        view.left, view.right = 0, image.width
        view.copied = image.scale != NULL or (image.pixel != image.channels and not rows_inside)
    if not view.copied:
        view.pixel = image.pixel
    view.pitch = (view.right - view.left) * view.pixel
    return view


cdef inline const real *rows_of(const real *x, const Image *image, View view, Py_ssize_t first, Py_ssize_t end,
                                real *scratch) noexcept nogil:
    """Return a pointer to rows first … end − 1 of a view.

    It points into the image x or, if the rows cannot be read in place, to a copy in `scratch`: with zeros around the image,
    and after the image's prologue.
    """
    cdef Py_ssize_t row, left, right, channels = image.channels
    cdef real *to = scratch
    if not view.copied and first >= 0 and end <= image.height:
        return x + first * view.pitch
    left, right = max(view.left, 0), min(view.right, image.width)
    for row in range(first, end):
        if row < 0 or row >= image.height or left >= right:
            memset(to, 0, view.pitch * sizeof(real))
        else:
            memset(to, 0, (left - view.left) * channels * sizeof(real))
            copy_pixels(image, right - left, x + (row * image.width + left) * image.pixel, to + (left - view.left) * channels)
            memset(to + (right - view.left) * channels, 0, (view.right - right) * channels * sizeof(real))
        to += view.pitch
    return scratch
