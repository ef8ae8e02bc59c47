"""What max and average pooling share: the check of their window."""

from refconv.geometry import Window, per_axis

__all__ = ["pooling_window"]


def pooling_window(ndim, window, stride, padding, dilation, ceil_mode, input_size):
    """The window, if each of its places holds at least one pixel of an input of this size."""
    kernel = per_axis("window", window, ndim)
    window = Window(kernel, kernel if stride is None else stride, padding, dilation, ceil_mode)
    pads = window.pads(input_size)
    for axis, outputs in enumerate(window.output_size(input_size)):
        k, S, D, n, before = kernel[axis], window.stride[axis], window.dilation[axis], input_size[axis], pads[axis][0]
        for start in range(-before, outputs * S - before, S) if any(pads[axis]) else ():
            first = max(-(start // D), 0)  # the first entry that is not in front of the input
            if first >= k or start + first * D >= n:
                raise ValueError(
                    f"padding {pads} makes a window {kernel} with dilation {window.dilation} hold nothing but padding "
                    f"at {start} on axis {axis} of an input of size {tuple(input_size)}"
                )
    return window
