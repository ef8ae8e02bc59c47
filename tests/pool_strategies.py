"""What hypothesis draws for the tests of pooling: images or signals with a window that never holds only padding."""

from hypothesis import assume
from hypothesis import strategies as st

from refconv.geometry import Window
from strategies import dtypes, holds_pixels, image_batches, small_integers, windows

__all__ = ["options", "pool_problems"]


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
