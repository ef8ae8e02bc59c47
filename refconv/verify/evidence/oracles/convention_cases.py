"""Rows of the tables of conventions as cases of each operator that uses the convention."""

from itertools import chain

import numpy as np

from refconv.verify.case import Case
from refconv.verify.catalogue.axis import Axis
from refconv.verify.evidence.oracles.options import FIRST
from refconv.verify.evidence.oracles.tables import (
    FRAMES,
    INFERRED,
    MODES,
    POOLS,
    RESPONSES,
    SMOOTHED,
    STUFFED,
    TRANSPOSED,
    UPSAMPLED,
    WINDOWS,
)

__all__ = ["cases"]


def cases(name):
    """Yield the cases of an operator with their conventions, as for ``conventions.evaluate``.

    >>> case, (axis,) = next(cases("cross_correlate1d"))
    >>> print(case, (axis.before, axis.after, axis.outputs))
    x (6,), w (4,), mode='valid' (0, 0, 3)
    """
    make, *ndim = CASES.get(name, (iter, ()))
    return make(*ndim)


def by_axes(rows, ndim):
    """Return one window per row; for images, the second axis uses the next row."""
    return zip(rows, *([[*rows[1:], rows[0]]] if ndim == 2 else []), strict=True)


def padding_option(padding, axes):
    """Return the option ``padding``: the name, or one (before, after) pair for each axis."""
    return tuple((axis.before, axis.after) for axis in axes) if padding == "numbers" else padding


def column(axes, name):
    """Return one attribute of each axis."""
    return tuple(getattr(axis, name) for axis in axes)


def layout(number, *shape):
    """Return a shape (batch, *size, channels); for odd numbers, channels first and its option."""
    N, *size, C = shape
    return ((N, C, *size), {"data_format": FIRST}) if number % 2 else ((N, *size, C), {})


def windows(ndim):
    """Yield the options and axes of each window."""
    for padding, rows in WINDOWS.items():
        for entries in by_axes(rows, ndim):
            axes = tuple(Axis(*row) for row in entries)
            yield (
                dict(stride=column(axes, "stride"), padding=padding_option(padding, axes), dilation=column(axes, "dilation")),
                axes,
            )


def conv(ndim):
    for number, (options, axes) in enumerate(windows(ndim)):
        x, format_option = layout(number, 1, *column(axes, "size"), 2)
        shapes = {"x": x, "w": (*column(axes, "kernel"), 1, 4), "b": (4,)}
        yield Case(shapes, {**options, **format_option, "groups": 2}), axes


def depthwise_conv(ndim):
    for number, (options, axes) in enumerate(windows(ndim)):
        x, format_option = layout(number, 1, *column(axes, "size"), 2)
        yield Case({"x": x, "w": (*column(axes, "kernel"), 2, 3), "b": (6,)}, {**options, **format_option}), axes


def separable_conv(ndim):
    for number, (options, axes) in enumerate(windows(ndim)):
        x, format_option = layout(number, 1, *column(axes, "size"), 2)
        shapes = {"x": x, "depthwise": (*column(axes, "kernel"), 2, 1), "pointwise": (1, 1, 2, 3), "b": (3,)}
        yield Case(shapes, {**options, **format_option}), axes


def im2col(ndim):
    for number, (options, axes) in enumerate(windows(ndim)):
        x, format_option = layout(number, 2, *column(axes, "size"), 3)
        yield Case({"x": x}, {**options, **format_option}, {"kernel_size": column(axes, "kernel")}), axes


def col2im(ndim):
    for number, (options, axes) in enumerate(windows(ndim)):
        _, format_option = layout(number, 2, *column(axes, "size"), 3)
        kernel, outputs = column(axes, "kernel"), column(axes, "outputs")
        given = {"input_size": column(axes, "size"), "kernel_size": kernel}
        yield Case({"x": (3 * np.prod(kernel).item(), 2 * np.prod(outputs).item())}, {**options, **format_option}, given), axes


def toeplitz(ndim):
    for options, axes in windows(ndim):
        w = (*column(axes, "kernel"), 1, 4)
        yield Case({"w": w}, {**options, "groups": 2}, {"input_size": column(axes, "size")}), axes


def conv_transpose(ndim):
    number = 0
    for padding, rows in chain(TRANSPOSED.items(), INFERRED.items()):
        for entries in by_axes(rows, ndim):
            # The columns "inputs" and "outputs" are the outputs and inputs of the window.
            axes = tuple(Axis(size, k, S, D, cut, end, n) for n, k, S, D, _, cut, end, size in entries)
            x, format_option = layout(number, 1, *column(axes, "outputs"), 4)
            options = dict(
                stride=column(axes, "stride"), padding=padding_option(padding, axes), dilation=column(axes, "dilation")
            )
            options["output_padding"] = None if rows[0][4] is None else tuple(row[4] for row in entries)
            yield (
                Case({"x": x, "w": (*column(axes, "kernel"), 1, 4), "b": (2,)}, {**options, **format_option, "groups": 2}),
                axes,
            )
            number += 1


def zero_stuff():
    for number, entries in enumerate(chain(by_axes(STUFFED, 1), by_axes(STUFFED, 2))):
        axes = tuple(Axis(size, 1, S, 1, 0, 0, n) for n, S, size in entries)
        x, format_option = layout(number, 2, *column(axes, "outputs"), 3)
        yield Case({"x": x}, format_option, {"stride": column(axes, "stride")}), axes


def pools(ndim):
    """Yield the options and axes of each pooling window."""
    for (padding, ceil_mode), rows in POOLS.items():
        for entries in by_axes(rows, ndim):
            axes = tuple(Axis(*row[:-2], divisors=row[-2:]) for row in entries)
            options = {"stride": column(axes, "stride"), "dilation": column(axes, "dilation")}
            yield {**options, "padding": padding_option(padding, axes), "ceil_mode": ceil_mode}, axes


def max_pool(ndim):
    for number, (options, axes) in enumerate(pools(ndim)):
        x, format_option = layout(number, 2, *column(axes, "size"), 3)
        yield Case({"x": x}, {**options, **format_option}, {"kernel_size": column(axes, "kernel")}), axes


def avg_pool(ndim):
    for number, (options, axes) in enumerate(pools(ndim)):
        for counted in (False, True):
            x, format_option = layout(number, 2, *column(axes, "size"), 3)
            options = {**options, "count_include_pad": counted}
            yield Case({"x": x}, {**options, **format_option}, {"kernel_size": column(axes, "kernel")}), axes


def sliding(ndim):
    for mode, rows in MODES.items():
        for entries in by_axes(rows, ndim):
            axes = tuple(Axis(n, k, 1, 1, before, after, outputs) for n, k, before, after, outputs in entries)
            yield Case({"x": column(axes, "size"), "w": column(axes, "kernel")}, {"mode": mode}), axes


def pad():
    """Yield signals and images in each mode, with the matrix along each axis."""
    for mode, rows in FRAMES.items():
        for number, entries in enumerate(chain(by_axes(rows, 1), by_axes(rows, 2))):
            sizes, before, after, reads = zip(*entries, strict=True)
            x, format_option = layout(number, 2, *sizes, 3)
            matrices = [np.equal.outer(read, np.arange(n)).astype(float) for n, read in zip(sizes, reads, strict=True)]
            yield (
                Case({"x": x}, {"mode": mode, **format_option}, {"padding": tuple(zip(before, after, strict=True))}),
                matrices,
            )


def upsample():
    for mode, rows in UPSAMPLED.items():
        for number, entries in enumerate(by_axes(rows, 2)):
            sizes, scale, weights = zip(*entries, strict=True)
            x, format_option = layout(number, 1, *sizes, 3)
            yield Case({"x": x}, {"mode": mode, **format_option}, {"scale": scale}), list(map(np.array, weights))


def softmax_cross_entropy():
    for labels, K, alpha, targets in SMOOTHED:
        yield Case({"logits": (len(labels), K)}, {"label_smoothing": alpha}, {"labels": np.array(labels)}), np.array(targets)


def local_response_norm():
    for number, (C, size, neighbours) in enumerate(RESPONSES):
        x, format_option = layout(number, 2, 3, C)
        yield Case({"x": x}, {"size": size, "alpha": 0.5, **format_option}), neighbours


# The function that yields the cases and its number of axes, by name of operator.
CASES = {
    "convolve1d": (sliding, 1),
    "convolve2d": (sliding, 2),
    "fft_convolve1d": (sliding, 1),
    "fft_convolve2d": (sliding, 2),
    "cross_correlate1d": (sliding, 1),
    "cross_correlate2d": (sliding, 2),
    "conv1d": (conv, 1),
    "conv2d": (conv, 2),
    "depthwise_conv2d": (depthwise_conv, 2),
    "separable_conv2d": (separable_conv, 2),
    "im2col": (im2col, 2),
    "col2im": (col2im, 2),
    "toeplitz1d": (toeplitz, 1),
    "toeplitz2d": (toeplitz, 2),
    "zero_stuff": (zero_stuff,),
    "conv_transpose1d": (conv_transpose, 1),
    "conv_transpose2d": (conv_transpose, 2),
    "max_pool1d": (max_pool, 1),
    "max_pool2d": (max_pool, 2),
    "avg_pool1d": (avg_pool, 1),
    "avg_pool2d": (avg_pool, 2),
    "pad": (pad,),
    "upsample2d": (upsample,),
    "softmax_cross_entropy": (softmax_cross_entropy,),
    "local_response_norm": (local_response_norm,),
}
