"""What max and average pooling share: their window."""

from refconv.geometry import Window, per_axis

__all__ = ["pooling_window"]


def pooling_window(ndim, window, stride, padding, dilation, ceil_mode, input_size):
    """The window, if each of its places holds at least one pixel of an input of this size."""
    kernel = per_axis("window", window, ndim)
    window = Window(kernel, kernel if stride is None else stride, padding, dilation, ceil_mode)
    window.pooled_size(input_size)
    return window
