"""Checks of the arguments of transposed convolutions, made before a loop or a kernel runs."""

from __future__ import annotations

from refconv._arguments import divisor, per_axis
from refconv._errors import ArgumentValueError
from refconv.geometry import Window
from refconv.ops.check import axes, channels_last, floats, input_channels, same_shape
from refconv.typing import Array, ArrayLike, DataFormat, Padding, Shape, Size

__all__ = ["checked", "checked_dw", "checked_dx"]


def checked(
    ndim: int,
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None,
    steps: tuple[Size, Padding, Size],
    output_padding: Size | None,
    groups: int,
    data_format: DataFormat,
) -> tuple[Array, Array, Array | None, Shape, Window, int]:
    """Return the checked arguments of the forward pass; steps are (stride, padding, dilation)."""
    x, w, b = floats(x=x, w=w, b=b)
    x, w = channels_last("x", x, ndim, data_format), _kernel(w, ndim)
    groups = divisor("groups", groups, inputs=x.shape[-1])
    input_channels(x, w.shape[-1], "w", w, data_format)
    same_shape("b", b, (w.shape[-2] * groups,), "one for each output channel, outputs / groups of w times groups")
    window = Window(w.shape[:ndim], *steps)
    return x, w, b, _output_size(window, x.shape[1:-1], output_padding), window, groups


def checked_dx(
    ndim: int,
    dy: ArrayLike,
    w: ArrayLike,
    steps: tuple[Size, Padding, Size],
    output_padding: Size | None,
    groups: int,
    data_format: DataFormat,
) -> tuple[Array, Array, Shape, Window, int]:
    """Return the checked arguments of ∂e/∂x; steps are (stride, padding, dilation)."""
    dy, w = floats(dy=dy, w=w)
    dy, w = channels_last("dy", dy, ndim, data_format), _kernel(w, ndim)
    groups = divisor("groups", groups, inputs=w.shape[-1], outputs=dy.shape[-1])
    if w.shape[-2] * groups != dy.shape[-1]:
        count = f"outputs / groups = {dy.shape[-1]} / {groups} = {dy.shape[-1] // groups}"
        raise ArgumentValueError(f"w must have {count} channels on axis {ndim}, got shape {w.shape}")
    window = Window(w.shape[:ndim], *steps)
    return dy, w, _input_size(window, dy, output_padding), window, groups


def checked_dw(
    ndim: int,
    x: ArrayLike,
    dy: ArrayLike,
    kernel_size: Size,
    steps: tuple[Size, Padding, Size],
    output_padding: Size | None,
    groups: int,
    data_format: DataFormat,
) -> tuple[Array, Array, Window, int]:
    """Return the checked arguments of ∂e/∂w; steps are (stride, padding, dilation)."""
    x, dy = floats(x=x, dy=dy)
    x, dy = channels_last("x", x, ndim, data_format), channels_last("dy", dy, ndim, data_format)
    groups = divisor("groups", groups, inputs=x.shape[-1], outputs=dy.shape[-1])
    window = Window(per_axis("kernel_size", kernel_size, ndim), *steps)
    same_shape("dy", dy, (len(x), *dy.shape[1:]), "with the batch size of x")
    why = f"the input of an output of size {dy.shape[1:-1]}"
    same_shape("x (channels_last)", x, (len(x), *_input_size(window, dy, output_padding), x.shape[-1]), why)
    return x, dy, window, groups


def _kernel(w: Array, ndim: int) -> Array:
    return axes("w", w, *("kernel height", "kernel width")[-ndim:], "outputs / groups", "inputs")


def _output_size(window: Window, size: Shape, output_padding: Size | None) -> Shape:
    """Return the size of y, or raise an error that names x.

    The errors of ``window`` are about the convolution that is transposed, whose output is x.
    """
    extra = window.output_padding(output_padding)  # its errors name output_padding
    try:
        output_size = window.transposed_output_size(size, extra)
        window.output_size(output_size)  # raises an error if the output has too many pixels
    except ValueError as error:
        raise ArgumentValueError(f"x must give a valid output size, got size {size}: {error}") from None
    return output_size


def _input_size(window: Window, dy: Array, output_padding: Size | None) -> Shape:
    """Return the size of x that belongs to the size of dy, or raise an error that names dy."""
    extra = window.output_padding(output_padding)  # its errors name output_padding
    try:
        return window.transposed_input_size(dy.shape[1:-1], extra)
    except ValueError as error:
        raise ArgumentValueError(f"dy must have the size of an output, got {dy.shape[1:-1]}: {error}") from None
