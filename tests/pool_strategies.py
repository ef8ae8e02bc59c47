"""What the tests of max and average pooling share: windows that never hold only padding, and an independent definition."""

import numpy as np
import pytest
from hypothesis import assume
from hypothesis import strategies as st

from refconv.geometry import Window
from strategies import dtypes, holds_pixels, image_batches, small_integers, windows

__all__ = ["CHANNELS", "FENCED", "NDIMS", "PROBLEMS", "SLIDE", "flat_patches", "options", "pool_problems"]

NDIMS = pytest.mark.parametrize("ndim", [1, 2])

# Just below, at and just above the lanes of pool.h, and several rounds of them.
CHANNELS = pytest.mark.parametrize("C", [1, 3, 15, 16, 17, 33, 70])

# On an image of 4×5: windows that reach over each edge, that hang over the end, and that are larger than the image.
FENCED = pytest.mark.parametrize(
    ("window", "more"),
    [((3, 2), {"padding": 1}), ((3, 4), {"ceil_mode": True}), ((6, 9), {"padding": (1, 0), "ceil_mode": True})],
)

SLIDE = np.array([[1.0, 0, 3, 5], [3, 4, 2, 2], [1, 3, 3, 9], [5, 7, 8, 4]]).reshape(1, 4, 4, 1)

# Kernels not square, stride unlike the window, asymmetric padding, overlap: a window and an input size.
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
    """A batch x and a window for it, with every stride, padding, dilation and ceil_mode.

    Integers by default: with them, ties are everywhere and sums are exact.
    """
    window = draw(windows(ndim, most_dilation=most_dilation))
    window = Window(window.kernel, window.stride, window.padding, window.dilation, ceil_mode=draw(st.booleans()))
    x = draw(image_batches(window, values=values, dtypes=dtypes, most_channels=most_channels))
    assume(holds_pixels(window, x.shape[1:-1]))
    return x, window


def options(window):
    """The keyword arguments of the public max pooling operators; those of average pooling have no dilation."""
    return {
        "stride": window.stride,
        "padding": window.padding,
        "dilation": window.dilation,
        "ceil_mode": window.ceil_mode,
    }


def _patches(x, window, fill):
    """x under the window, by NumPy's own slices: (N, *outputs, C, *kernel). ``fill`` lies outside of the image."""
    size = x.shape[1:-1]
    pads = window.pads(size)
    # More than enough at the end: ceil_mode may reach beyond the declared padding.
    around = [(0, 0), *[(p0, p1 + S) for (p0, p1), S in zip(pads, window.stride, strict=True)], (0, 0)]
    x = np.pad(x, around, constant_values=fill)
    axes = tuple(range(1, 1 + window.ndim))
    every = np.lib.stride_tricks.sliding_window_view(x, window.span, axis=axes)
    outputs = tuple(slice(0, n * S, S) for n, S in zip(window.output_size(size), window.stride, strict=True))
    taps = tuple(slice(None, None, D) for D in window.dilation)
    return every[(slice(None), *outputs, slice(None), *taps)]


def flat_patches(x, window, fill):
    """x under the window: (N, *outputs, C, entries). ``fill`` lies outside of the image."""
    under = _patches(x, window, fill)
    return under.reshape(*under.shape[: -window.ndim], -1)
