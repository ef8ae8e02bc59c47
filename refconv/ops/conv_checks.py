"""Checks of the arguments of convolutions, made before a loop or a kernel runs."""

from __future__ import annotations

from refconv._arguments import divisor, per_axis
from refconv._errors import ArgumentValueError
from refconv.geometry import Window
from refconv.ops.check import axes, channels_last, floats, input_channels, same_shape
from refconv.typing import Array, ArrayLike, DataFormat, Padding, Shape, Size

__all__ = ["check_dy", "checked", "checked_dw", "checked_dx"]


def checked(
    ndim: int,
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None,
    steps: tuple[Size, Padding, Size],
    groups: int,
    data_format: DataFormat,
) -> tuple[Array, Array, Array | None, Window, int]:
    """Return the checked arguments of the forward pass; steps are (stride, padding, dilation)."""
    x, w, b = floats(x=x, w=w, b=b)
    x, w = channels_last("x", x, ndim, data_format), _kernel(w, ndim)
    groups = divisor("groups", groups, inputs=x.shape[-1], outputs=w.shape[-1])
    _check_channels(x, w, groups, data_format)
    same_shape("b", b, w.shape[-1:], "one for each output channel of w")
    window = Window(w.shape[:ndim], *steps)
    window.output_size(x.shape[1:-1])
    return x, w, b, window, groups


def checked_dx(
    ndim: int,
    dy: ArrayLike,
    w: ArrayLike,
    input_size: Size,
    steps: tuple[Size, Padding, Size],
    groups: int,
    data_format: DataFormat,
) -> tuple[Array, Array, Shape, Window, int]:
    """Return the checked arguments of ∂e/∂x; steps are (stride, padding, dilation)."""
    dy, w = floats(dy=dy, w=w)
    dy, w = channels_last("dy", dy, ndim, data_format), _kernel(w, ndim)
    groups = divisor("groups", groups, outputs=w.shape[-1])
    input_size = per_axis("input_size", input_size, ndim)
    window = Window(w.shape[:ndim], *steps)
    check_dy(dy, window, input_size, w.shape[-1])
    return dy, w, input_size, window, groups


def checked_dw(
    ndim: int,
    x: ArrayLike,
    dy: ArrayLike,
    kernel_size: Size,
    steps: tuple[Size, Padding, Size],
    groups: int,
    data_format: DataFormat,
) -> tuple[Array, Array, Window, int]:
    """Return the checked arguments of ∂e/∂w; steps are (stride, padding, dilation)."""
    x, dy = floats(x=x, dy=dy)
    x, dy = channels_last("x", x, ndim, data_format), channels_last("dy", dy, ndim, data_format)
    groups = divisor("groups", groups, inputs=x.shape[-1], outputs=dy.shape[-1])
    window = Window(per_axis("kernel_size", kernel_size, ndim), *steps)
    same_shape("dy", dy, (len(x), *dy.shape[1:]), "with the batch size of x")
    check_dy(dy, window, x.shape[1:-1], dy.shape[-1])
    return x, dy, window, groups


def _kernel(w: Array, ndim: int) -> Array:
    return axes("w", w, *("kernel height", "kernel width")[-ndim:], "inputs / groups", "outputs")


def _check_channels(x: Array, w: Array, groups: int, data_format: DataFormat) -> None:
    if w.shape[-2] * groups != x.shape[-1] == w.shape[1] * groups and w.ndim == 4:
        raise ArgumentValueError(
            f"w must have shape (kernel height, kernel width, {w.shape[1]}, outputs), got {w.shape}; if that is (outputs, "
            "inputs, height, width), as in PyTorch, use w.transpose(2, 3, 1, 0)"
        )
    input_channels(x, w.shape[-2] * groups, "w", w, data_format, groups)


def check_dy(dy: Array, window: Window, input_size: Shape, outputs: int) -> None:
    """Check that dy, with its channels last, has the output shape of an input of this size."""
    size = window.output_size(input_size)
    why = f"the output of an input of size {tuple(input_size)}"
    same_shape("dy (channels_last)", dy, (len(dy), *size, outputs), why)
