"""Derivatives that equal other operators, such as cropping, the derivative of padding.

An operator that is linear in an array multiplies it by a matrix J, and the derivative multiplies ∂e/∂y by Jᵀ. Often Jᵀ is
the matrix of another operator. The rows below compute such derivatives by the other operator; the tests prove in exact
fractions that each equals the derivative. Operators in two dimensions have the same adjoints as in one dimension.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import refconv
from refconv._arguments import per_axis
from refconv.geometry import Window
from refconv.reference.avg_pool import counts
from refconv.verify.case import Arguments

__all__ = ["ADJOINTS", "Adjoint"]


@dataclass(frozen=True)
class Adjoint:
    """A derivative that equals another operator.

    Parameters
    ----------
    operators : tuple of str
        Names in the catalogue; the first one is printed.
    array : str
        The array of the derivative.
    other : str
        Description of the other operator.
    call : callable
        ``call(a)`` computes the derivative by the other operator; ``a.dy`` is ∂e/∂y.
    formula : str
        The derivative in one line, if the docstring of its function does not contain it.
    applies : callable
        ``applies(a)`` is False in cases for which the row is not true.
    """

    operators: tuple[str, ...]
    array: str
    other: str
    call: Callable[[Arguments], np.ndarray]
    formula: str = ""
    applies: Callable[[Arguments], bool] = lambda a: True


def channels_last(a, array):
    """Move channels to the last axis."""
    return np.moveaxis(array, 1, -1) if a.options.get("data_format") == "channels_first" else array


def in_data_format(a, array):
    """Move channels from the last axis to their position in the data format of the case."""
    return np.moveaxis(array, -1, 1) if a.options.get("data_format") == "channels_first" else array


def spatial(a, array):
    """Return the height and width, or the length, of images or signals."""
    return channels_last(a, array).shape[1:-1]


def operator_for(name, ndim):
    """Return the public operator for signals or for images."""
    return getattr(refconv, f"{name}{ndim}d")


def numeric_window(a, kernel, size):
    """Return the window of a case, with numeric padding, as options that every operator accepts."""
    window = Window(kernel, **a.only("stride", "padding", "dilation"))
    return {"stride": window.stride, "padding": window.pads(size), "dilation": window.dilation}


def transposed(a, dy, w, size, groups):
    """Compute ∂e/∂x of a convolution of inputs of this size by the transposed convolution."""
    kernel = w.shape[:-2]
    options = numeric_window(a, kernel, size)
    smallest = Window(kernel, **options).transposed_output_size(dy.shape[1:-1], 0)
    extra = tuple(n - smallest_size for n, smallest_size in zip(size, smallest, strict=True))
    return operator_for("conv_transpose", len(kernel))(dy, w, output_padding=extra, groups=groups, **options)


def conv_x(a):
    return in_data_format(a, transposed(a, channels_last(a, a.dy), a.w, spatial(a, a.x), a.options.get("groups", 1)))


def conv_w(a):
    """Convolve x with ∂e/∂y, with images and channels swapped, and stride and dilation swapped."""
    x, dy, kernel = channels_last(a, a.x), channels_last(a, a.dy), a.w.shape[:-2]
    options = numeric_window(a, kernel, x.shape[1:-1])
    options["stride"], options["dilation"] = options["dilation"], options["stride"]
    groups = a.options.get("groups", 1)
    parts = [
        operator_for("conv", len(kernel))(np.swapaxes(x_part, 0, -1), np.moveaxis(dy_part, 0, -2), **options)
        for x_part, dy_part in zip(np.split(x, groups, -1), np.split(dy, groups, -1), strict=True)
    ]
    taps = (slice(None), *map(slice, kernel))  # there are more taps if the stride does not divide the size
    return np.concatenate([np.moveaxis(part[taps], 0, -2) for part in parts], -1)


def conv_transpose_x(a):
    # With an output padding of the stride or more, the convolution of ∂e/∂y has more outputs than x has pixels.
    options = numeric_window(a, a.w.shape[:-2], spatial(a, a.dy))
    dx = operator_for("conv", a.w.ndim - 2)(channels_last(a, a.dy), a.w, groups=a.options.get("groups", 1), **options)
    return in_data_format(a, dx[(slice(None), *map(slice, spatial(a, a.x)))])


def conv_transpose_w(a):
    """Compute ∂e/∂w by the convolution whose input is ∂e/∂y and whose output gradient is x."""
    kernel, groups = a.w.shape[:-2], a.options.get("groups", 1)
    options = numeric_window(a, kernel, spatial(a, a.dy))
    # As above, the convolution of ∂e/∂y may have more outputs than x has pixels.
    x, outputs = channels_last(a, a.x), Window(kernel, **options).output_size(spatial(a, a.dy))
    x = np.pad(x, [(0, 0), *((0, n - m) for n, m in zip(outputs, x.shape[1:-1], strict=True)), (0, 0)])
    return getattr(refconv, f"conv{len(kernel)}d_dw")(channels_last(a, a.dy), x, kernel, groups=groups, **options)


def depthwise_as_conv(w):
    """Return a depthwise kernel as the kernel of a convolution with a group for each channel."""
    return w.reshape(*w.shape[:2], 1, -1)


def depthwise_x(a):
    w = depthwise_as_conv(a.w)
    return in_data_format(a, transposed(a, channels_last(a, a.dy), w, spatial(a, a.x), a.w.shape[2]))


def depthwise_w(a):
    dw = refconv.conv2d_dw(a.x, a.dy, a.w.shape[:2], groups=a.w.shape[2], **a.options)
    return dw.reshape(a.w.shape)


def separable_x(a):
    format_option = a.only("data_format")
    window = Window(a.depthwise.shape[:2], **a.only("stride", "padding", "dilation"))
    dz = refconv.conv2d_dx(a.dy, a.pointwise, window.output_size(spatial(a, a.x)), **format_option)
    return refconv.depthwise_conv2d_dx(dz, a.depthwise, spatial(a, a.x), **a.options)


def scatter(a):
    """Add each element of ∂e/∂y to the position of the maximum of its window."""
    x, dy = channels_last(a, a.x), channels_last(a, a.dy)
    pool = getattr(refconv, f"max_pool{x.ndim - 2}d_with_argmax")
    winners = channels_last(a, pool(a.x, a.kernel_size, **a.options)[1])
    dx = np.zeros((len(x), int(np.prod(x.shape[1:-1])), x.shape[-1]), dy.dtype)
    for index in np.ndindex(dy.shape):
        dx[index[0], winners[index], index[-1]] += dy[index]
    return in_data_format(a, dx.reshape(x.shape))


def distribute_average(a):
    """Apply the transposed convolution with ones to ∂e/∂y / count, separately for each channel."""
    size, channels = spatial(a, a.x), channels_last(a, a.x).shape[-1]
    kernel = per_axis("kernel_size", a.kernel_size, len(size))
    window = Window(kernel, **{"stride": kernel, **a.only("stride", "padding", "dilation", "ceil_mode")})
    outputs, pads = window.output_size(size), window.pads(size)
    shares = channels_last(a, a.dy)
    for axis, count in enumerate(counts(window, size, a.options.get("count_include_pad", False)), start=1):
        shares = shares / np.reshape(np.array(count, object), [-1 if k == axis else 1 for k in range(shares.ndim)])
    # With ceil_mode the last window may extend beyond the declared padding.
    ends = [(n - 1) * S + span for n, S, span in zip(outputs, window.stride, window.span, strict=True)]
    padding = [(p, max(q, end - n - p)) for n, (p, q), end in zip(size, pads, ends, strict=True)]
    ones = np.ones((*kernel, 1, channels), int).astype(object)
    inner = Arguments({}, {"stride": window.stride, "padding": tuple(padding), "dilation": window.dilation}, {})
    return in_data_format(a, transposed(inner, shares, ones, size, channels))


def broadcast_average(a):
    size = spatial(a, a.x)
    share = np.reshape(a.dy, (len(a.dy), *(1 for _ in size), -1)) / int(np.prod(size))
    return in_data_format(a, np.broadcast_to(share, channels_last(a, a.x).shape))


def total(a):
    """Sum ∂e/∂y over examples and positions."""
    dy = channels_last(a, a.dy)
    return dy.sum(tuple(range(dy.ndim - 1)))


def every_stride(a):
    dy = channels_last(a, a.dy)
    return in_data_format(a, dy[(slice(None), *(slice(None, None, S) for S in per_axis("stride", a.stride, dy.ndim - 2)))])


def inner_part(a):
    inside = (slice(before, before + n) for n, (before, _) in zip(spatial(a, a.x), a.padding, strict=True))
    return in_data_format(a, channels_last(a, a.dy)[(slice(None), *inside)])


def pad_again(a):
    layer = a.make.layer()
    return refconv.pad(a.dy, layer.window.padding, data_format=layer.data_format)


def with_swapped_modes(name):
    """Return a function that slides the kernel over ∂e/∂y with the modes valid and full swapped."""

    def call(a):
        return getattr(refconv, name)(a.dy, a.w, {"valid": "full", "full": "valid"}[a.options["mode"]])

    return call


def not_same(a):
    return a.options["mode"] != "same"


def zeros(a):
    return a.options.get("mode", "zeros") == "zeros"


def nearest(a):
    return a.options.get("mode", "nearest") == "nearest"


def sum_pool(a):
    scale = per_axis("scale", a.scale, 2)
    return refconv.avg_pool2d(a.dy, scale, **a.only("data_format")) * int(np.prod(scale))


def in_both_dimensions(name, *others):
    """Return the names of an operator in one and in two dimensions."""
    return (f"{name}1d", f"{name}2d", *others)


CONV_B = "sum over examples and positions: the bias is broadcast"
SWAPPED_MODES = "; valid and full are swapped"

ADJOINTS = (
    Adjoint(
        ("convolve1d",),
        "x",
        f"cross_correlate1d{SWAPPED_MODES}",
        with_swapped_modes("cross_correlate1d"),
        "∂e/∂x = w ⋆ ∂e/∂y",
        not_same,
    ),
    Adjoint(
        ("cross_correlate1d",),
        "x",
        f"convolve1d{SWAPPED_MODES}",
        with_swapped_modes("convolve1d"),
        "∂e/∂x = w * ∂e/∂y",
        not_same,
    ),
    Adjoint(in_both_dimensions("conv"), "x", "conv_transpose1d with the same kernel", conv_x),
    Adjoint(in_both_dimensions("conv"), "w", "conv1d with the kernel ∂e/∂y; stride and dilation are swapped", conv_w),
    Adjoint(in_both_dimensions("conv"), "b", CONV_B, total),
    Adjoint(
        ("im2col",),
        "x",
        "col2im",
        lambda a: refconv.col2im(a.dy, a.size, a.kernel_size, **a.options),
        "∂e/∂x[b,u,v,c] = Σ_{i,m: i·S+m·D=u; j,n: j·S+n·D=v} ∂e/∂M[(m,n,c), (b,i,j)]",
    ),
    Adjoint(
        ("col2im",),
        "x",
        "im2col",
        lambda a: refconv.im2col(a.dy, a.kernel_size, **a.options),
        "∂e/∂M[(m,n,c), (b,i,j)] = ∂e/∂x[b, i·S+m·D, j·S+n·D, c]",
    ),
    Adjoint(("zero_stuff",), "x", "a slice with the step S", every_stride, "∂e/∂x[i,j,c] = ∂e/∂y[i·S, j·S, c]"),
    Adjoint(in_both_dimensions("conv_transpose"), "x", "conv1d with the same kernel", conv_transpose_x),
    Adjoint(in_both_dimensions("conv_transpose"), "w", "conv1d_dw with x and ∂e/∂y swapped", conv_transpose_w),
    Adjoint(in_both_dimensions("conv_transpose"), "b", CONV_B, total),
    Adjoint(("depthwise_conv2d",), "x", "conv_transpose2d with a group for each channel", depthwise_x),
    Adjoint(("depthwise_conv2d",), "w", "conv2d_dw with a group for each channel", depthwise_w),
    Adjoint(
        ("separable_conv2d",),
        "x",
        "depthwise_conv2d_dx of conv2d_dx: both steps in reverse order",
        separable_x,
        "∂e/∂z[b,i,j,p] = Σ_o ∂e/∂y[b,i,j,o] · pointwise[0,0,p,o], then as depthwise_conv2d",
    ),
    Adjoint(in_both_dimensions("max_pool"), "x", "scatter: max pooling gathers the maxima", scatter),
    Adjoint(
        in_both_dimensions("avg_pool"), "x", "conv_transpose1d of ∂e/∂y / count with a kernel of ones", distribute_average
    ),
    Adjoint(in_both_dimensions("global_avg_pool"), "x", "broadcast of ∂e/∂y / n: the average is a sum", broadcast_average),
    Adjoint(("pad",), "x", "crop, if the padding is zeros", inner_part, applies=zeros),
    Adjoint(("nn.Crop2D",), "x", "pad with zeros", pad_again, "∂e/∂x[i + top, j + left, c] = ∂e/∂y[i,j,c], zero elsewhere"),
    Adjoint(("upsample2d",), "x", "avg_pool2d times S², if the mode is nearest", sum_pool, applies=nearest),
    Adjoint(("dropout",), "x", "dropout with the same mask", lambda a: refconv.dropout(a.dy, a.rate, a.seed)[0]),
    Adjoint(("relu",), "x", "itself: a diagonal of ones and zeros", lambda a: np.where(a.x > 0, a.dy, 0)),
    Adjoint(("dense",), "x", "dense with the transposed weights", lambda a: refconv.dense(a.dy, a.w.T)),
    Adjoint(("dense",), "w", "dense of the transposed x with the weights ∂e/∂y", lambda a: refconv.dense(a.x.T, a.dy)),
    Adjoint(("dense",), "b", "sum over examples: the bias is broadcast", total),
)
