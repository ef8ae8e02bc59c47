"""Strategies and helpers for the tests of max and average pooling.

Each window that is drawn contains an element of the input at every position. ``flat_patches`` is a definition of pooling
windows that does not depend on the package.
"""

import numpy as np
import pytest
from hypothesis import assume
from hypothesis import strategies as st

from refconv.geometry import Window
from strategies import dtypes, holds_pixels, image_batches, small_integers, windows

__all__ = ["CHANNELS", "FENCED", "NDIMS", "PROBLEMS", "SLIDE", "flat_patches", "options", "pool_problems"]

NDIMS = pytest.mark.parametrize("ndim", [1, 2])

# Numbers of channels just below, at and just above the vector length of pool.h, and several multiples of it.
CHANNELS = pytest.mark.parametrize("C", [1, 3, 15, 16, 17, 33, 70])

# For an image of 4×5: windows that extend over each edge, extend over the end only, or are larger than the image.
FENCED = pytest.mark.parametrize(
    ("window", "more"),
    [((3, 2), {"padding": 1}), ((3, 4), {"ceil_mode": True}), ((6, 9), {"padding": (1, 0), "ceil_mode": True})],
)

SLIDE = np.array([[1.0, 0, 3, 5], [3, 4, 2, 2], [1, 3, 3, 9], [5, 7, 8, 4]]).reshape(1, 4, 4, 1)

# Each problem is a window and an input size, with non-square kernels, strides that differ from the kernel, asymmetric
# padding and overlap.
PROBLEMS = pytest.mark.parametrize(
    ("window", "size"),
    [
        (Window((3,), 2, ((2, 1),)), (6,)),
        (Window((2,), 3, ((0, 1),), 2, ceil_mode=True), (7,)),
        (Window((3, 2), (1, 2), ((2, 0), (0, 1))), (4, 5)),
        (Window((2, 4), (3, 1), ((1, 0), (2, 3))), (5, 4)),
        (Window((2, 3), (2, 3), ((0, 1), (1, 1)), (2, 1), ceil_mode=True), (6, 5)),
        (Window((5, 3), (4, 2), ((1, 0), (0, 0)), ceil_mode=True), (2, 4)),
    ],
)


@st.composite
def pool_problems(draw, ndim=2, *, values=small_integers, dtypes=dtypes, most_dilation=2, most_channels=4):
    """Draw a batch x and a window for it, with any stride, padding, dilation and ceil_mode.

    The elements are integers by default, so that ties are frequent and sums are exact.
    """
    window = draw(windows(ndim, most_dilation=most_dilation))
    window = Window(window.kernel, window.stride, window.padding, window.dilation, ceil_mode=draw(st.booleans()))
    x = draw(image_batches(window, values=values, dtypes=dtypes, most_channels=most_channels))
    assume(holds_pixels(window, x.shape[1:-1]))
    return x, window


def options(window):
    """Return the keyword arguments of the public max pooling operators.

    The average pooling operators accept the same ones except dilation.
    """
    return {
        "stride": window.stride,
        "padding": window.padding,
        "dilation": window.dilation,
        "ceil_mode": window.ceil_mode,
    }


def _patches(x, window, fill):
    """Return the elements of x under each window, (N, *outputs, C, *kernel), using NumPy slices.

    Elements outside the image have the value ``fill``.
    """
    size = x.shape[1:-1]
    pads = window.pads(size)
    # One stride more at the end: with ceil_mode, a window may extend beyond the declared padding.
    pad_width = [(0, 0), *[(p0, p1 + S) for (p0, p1), S in zip(pads, window.stride, strict=True)], (0, 0)]
    x = np.pad(x, pad_width, constant_values=fill)
    axes = tuple(range(1, 1 + window.ndim))
    positions = np.lib.stride_tricks.sliding_window_view(x, window.span, axis=axes)
    outputs = tuple(slice(0, n * S, S) for n, S in zip(window.output_size(size), window.stride, strict=True))
    taps = tuple(slice(None, None, D) for D in window.dilation)
    return positions[(slice(None), *outputs, slice(None), *taps)]


def flat_patches(x, window, fill):
    """Return the elements of x under each window, (N, *outputs, C, kernel elements).

    Elements outside the image have the value ``fill``.
    """
    patches = _patches(x, window, fill)
    return patches.reshape(*patches.shape[: -window.ndim], -1)
