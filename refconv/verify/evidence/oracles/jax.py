"""JAX: the operators of jax.lax, jax.nn and jax.image, and derivatives by jax.vjp.

JAX supports both data formats, kernels (kh, kw, inputs / groups, outputs), the paddings "same", "same_lower" and "valid" by
name, and any other padding in numbers. It has neither local response normalisation nor the cross-entropy.
"""

import math
from functools import partial

import numpy as np

from refconv._arguments import per_axis
from refconv.geometry import Window
from refconv.verify.evidence.oracles.options import FIRST, options, reach, window

__all__ = ["evaluate"]

# This pass of XLA swaps image and kernel of some convolutions, mostly derivatives, if the kernel is larger than the image; in
# JAX 0.10.2 it terminates the process on some of these.
COMPILER_OPTIONS = {"xla_disable_hlo_passes": "algsimp"}

NAMES = {"same": "SAME", "same_lower": "SAME_LOWER", "valid": "VALID"}


def evaluate(name, a):
    """Return the output and the derivatives of ⟨dy, y⟩.

    Max pooling with dilation has no derivatives here.
    """
    if name not in FUNCTIONS:
        return None
    import jax

    o = options(name, a)
    output_only = name.startswith("max_pool") and max(per_axis("dilation", o.dilation, len(a.size))) > 1

    @partial(jax.jit, compiler_options=COMPILER_OPTIONS)
    def forward_and_backward(arrays, dy):
        call = partial(FUNCTIONS[name], jax, o)
        y, backward = (call(**arrays), None) if output_only else jax.vjp(lambda arrays: call(**arrays), arrays)
        return {"y": y} if output_only or y is None or np.shape(dy) != y.shape else {"y": y, **backward(dy)[0]}

    with _float64(jax):
        arrays = {key: jax.numpy.asarray(array) for key, array in a.arrays.items()}
        dy = arrays.pop("dy", None)
        results = forward_and_backward(arrays, dy)
    return None if results["y"] is None else results


def _float64(jax):
    """Return the context manager that enables float64, from wherever this version of JAX has it."""
    return jax.enable_x64(True) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64()


def space(o, x):
    """Return height and width of images in either data format, or the length of signals."""
    return x.shape[2:] if o.data_format == FIRST else x.shape[1:-1]


def along_space(o, values, fill):
    """Return one value for each axis: the given ones for space, ``fill`` for batch and channels."""
    return (fill, fill, *values) if o.data_format == FIRST else (fill, *values, fill)


def dimension_letters(o, ndim):
    """Return the axes of image, kernel and result in the notation of JAX."""
    axes = "HW"[-ndim:]
    image = f"NC{axes}" if o.data_format == FIRST else f"N{axes}C"
    return image, f"{axes}IO", image


def biased(o, y, b):
    """Add the bias of each channel to y."""
    return y if b is None else y + (b.reshape(-1, *[1] * (y.ndim - 2)) if o.data_format == FIRST else b)


def padding_name(win):
    """Return the name of a padding that JAX computes itself; None for all others."""
    return NAMES.get(win.padding) if isinstance(win.padding, str) and not win.ceil_mode else None


def conv(jax, o, x, w, b=None, groups=None):
    ndim = x.ndim - 2
    win = window(o, w.shape[:ndim], ndim)
    y = jax.lax.conv_general_dilated(
        x,
        w,
        win.stride,
        padding_name(win) or win.pads(space(o, x)),
        rhs_dilation=win.dilation,
        dimension_numbers=dimension_letters(o, ndim),
        feature_group_count=groups or o.groups,
    )
    return biased(o, y, b)


def conv_transpose(jax, o, x, w, b=None):
    """Compute the stride-1 convolution of the zero-stuffed input with flipped kernels."""
    ndim, groups = x.ndim - 2, o.groups
    win = window(o, w.shape[:ndim], ndim)
    size = win.transposed_output_size(space(o, x), o.output_padding)
    before = [span - 1 - p for span, (p, _) in zip(win.span, win.pads(size), strict=True)]
    stuffed = [(n - 1) * S + 1 for n, S in zip(space(o, x), win.stride, strict=True)]
    pads = [(p, n + k - 1 - p - m) for p, n, k, m in zip(before, size, win.span, stuffed, strict=True)]
    # From (…, outputs / groups, inputs) to (…, inputs / groups, outputs).
    w = w.reshape(*w.shape[:-1], groups, -1)
    w = jax.numpy.moveaxis(w, -1, -3).swapaxes(-1, -2)
    w = jax.numpy.flip(w.reshape(*w.shape[:-2], -1), range(ndim))
    if groups == 1 and win.output_padding(o.output_padding) == own_output_padding(win):
        padding, letter = NAMES[win.padding], dimension_letters(o, ndim)
        y = jax.lax.conv_transpose(x, w, win.stride, padding, rhs_dilation=win.dilation, dimension_numbers=letter)
        return biased(o, y, b)
    y = jax.lax.conv_general_dilated(
        x,
        w,
        (1,) * ndim,
        pads,
        lhs_dilation=win.stride,
        rhs_dilation=win.dilation,
        dimension_numbers=dimension_letters(o, ndim),
        feature_group_count=groups,
    )
    return biased(o, y, b)


def own_output_padding(win):
    """Return the output padding of the sizes that JAX chooses, such as n·S for "same", or None."""
    least = {"same": win.stride, "valid": [max(S - span + 1, 1) for S, span in zip(win.stride, win.span, strict=True)]}
    return tuple(size - 1 for size in least[win.padding]) if win.padding in ("same", "valid") else None


def depthwise_conv(jax, o, x, w, b=None):
    kh, kw, C, _ = w.shape
    return conv(jax, o, x, w.reshape(kh, kw, 1, -1), b, groups=C)


def separable_conv(jax, o, x, depthwise, pointwise, b=None):
    y = depthwise_conv(jax, o, x, depthwise)
    return biased(o, jax.lax.conv_general_dilated(y, pointwise, (1, 1), "VALID", dimension_numbers=dimension_letters(o, 2)), b)


def pool(jax, o, x, unit, reduce, pads):
    """Reduce each window to one number; the padding is given in numbers or by name."""
    win = window(o, o.kernel_size, x.ndim - 2)
    return jax.lax.reduce_window(
        x,
        unit,
        reduce,
        along_space(o, win.kernel, 1),
        along_space(o, win.stride, 1),
        pads if isinstance(pads, str) else along_space(o, pads, (0, 0)),
        window_dilation=along_space(o, win.dilation, 1),
    )


def max_pool(jax, o, x):
    win = window(o, o.kernel_size, x.ndim - 2)
    return pool(jax, o, x, -math.inf, jax.lax.max, padding_name(win) or reach(win, space(o, x)))


def avg_pool(jax, o, x):
    """Divide the sums over the windows by the numbers of counted elements."""
    win = window(o, o.kernel_size, x.ndim - 2)
    if padding_name(win):
        sums = pool(jax, o, x, 0.0, jax.lax.add, padding_name(win))
        counts = pool(jax, o, jax.numpy.ones_like(x), 0.0, jax.lax.add, padding_name(win))
        return sums / (math.prod(win.kernel) if o.count_include_pad else counts)
    pads, extended_pads = win.pads(space(o, x)), reach(win, space(o, x))
    ones = jax.numpy.ones_like(x)
    ones = jax.numpy.pad(ones, along_space(o, pads, (0, 0)), constant_values=float(o.count_include_pad))
    beyond = [(0, q - p) for (_, p), (_, q) in zip(pads, extended_pads, strict=True)]
    return pool(jax, o, x, 0.0, jax.lax.add, extended_pads) / pool(jax, o, ones, 0.0, jax.lax.add, beyond)


def global_avg_pool(jax, o, x):
    return x.mean(range(2, x.ndim) if o.data_format == FIRST else range(1, x.ndim - 1))


def batch_norm(jax, o, x, gamma, beta, mean=None, var=None):
    """Normalise by the given mean and variance, or else by the statistics of the batch."""
    channel = 1 if o.data_format == FIRST else x.ndim - 1

    def vector(v):
        return v if v is None else v.reshape([-1 if axis == channel else 1 for axis in range(x.ndim)])

    axes = tuple(axis for axis in range(x.ndim) if axis != channel)
    z = jax.nn.standardize(x, axes, vector(mean), vector(var), o.eps)
    return vector(gamma) * z + vector(beta)


def pad(jax, o, x):
    mode = {"zeros": "constant", "reflect": "reflect", "edge": "edge"}[o.mode]
    pads = Window((1,) * (x.ndim - 2), padding=o.padding).pads(space(o, x))
    return jax.numpy.pad(x, along_space(o, pads, (0, 0)), mode)


def upsample(jax, o, x):
    scales = along_space(o, per_axis("scale", o.scale, 2), 1)
    return jax.image.resize(x, [n * s for n, s in zip(x.shape, scales, strict=True)], o.mode)


def zero_stuff(jax, o, x):
    inserted_zeros = along_space(o, [S - 1 for S in per_axis("stride", o.stride, x.ndim - 2)], 0)
    return jax.lax.pad(x, 0.0, [(0, 0, zeros) for zeros in inserted_zeros])


def im2col(jax, o, x):
    win = window(o, o.kernel_size, 2)
    columns = jax.lax.conv_general_dilated_patches(
        x,
        win.kernel,
        win.stride,
        padding_name(win) or win.pads(space(o, x)),
        rhs_dilation=win.dilation,
        dimension_numbers=dimension_letters(o, win.ndim),
    )
    # The channels of JAX are in the order (c, m, n).
    columns = columns if o.data_format == FIRST else jax.numpy.moveaxis(columns, -1, 1)
    taps = math.prod(win.kernel)
    columns = columns.reshape(len(x), -1, taps, math.prod(win.output_size(space(o, x))))
    return columns.transpose(2, 1, 0, 3).reshape(taps * columns.shape[1], -1)


def col2im(jax, o, **only):
    """Compute the transpose of im2col, which is linear."""
    (columns,) = only.values()
    size = per_axis("input_size", o.input_size, 2)
    win = window(o, o.kernel_size, 2)
    N = columns.shape[1] // math.prod(win.output_size(size))
    C = len(columns) // math.prod(win.kernel)
    shape = (N, C, *size) if o.data_format == FIRST else (N, *size, C)
    example = jax.ShapeDtypeStruct(shape, columns.dtype)
    return jax.linear_transpose(partial(im2col, jax, o), example)(columns)[0]


def slide(function):
    """Return a function for plain convolution or correlation, which rejects larger kernels."""

    def call(jax, o, x, w):
        # JAX swaps image and kernel if the kernel is larger.
        kernel_fits = all(n >= k for n, k in zip(x.shape, w.shape, strict=True))
        return getattr(jax.scipy.signal, function)(x, w, o.mode) if kernel_fits else None

    return call


FUNCTIONS = {
    "convolve1d": slide("convolve"),
    "convolve2d": slide("convolve"),
    "cross_correlate1d": slide("correlate"),
    "cross_correlate2d": slide("correlate"),
    "fft_convolve1d": slide("fftconvolve"),
    "fft_convolve2d": slide("fftconvolve"),
    "conv1d": conv,
    "conv2d": conv,
    "conv_transpose1d": conv_transpose,
    "conv_transpose2d": conv_transpose,
    "depthwise_conv2d": depthwise_conv,
    "separable_conv2d": separable_conv,
    "zero_stuff": zero_stuff,
    "im2col": im2col,
    "col2im": col2im,
    "max_pool1d": max_pool,
    "max_pool2d": max_pool,
    "avg_pool1d": avg_pool,
    "avg_pool2d": avg_pool,
    "global_avg_pool1d": global_avg_pool,
    "global_avg_pool2d": global_avg_pool,
    "batch_norm": batch_norm,
    "batch_norm_inference": batch_norm,
    "pad": pad,
    "upsample2d": upsample,
    "dense": lambda jax, o, x, w, b=None: x @ w if b is None else x @ w + b,
    "relu": lambda jax, o, x: jax.nn.relu(x),
    "relu6": lambda jax, o, x: jax.nn.relu6(x),
    "leaky_relu": lambda jax, o, x: jax.nn.leaky_relu(x, o.slope),
    "elu": lambda jax, o, x: jax.nn.elu(x, o.alpha),
    "sigmoid": lambda jax, o, x: jax.nn.sigmoid(x),
    "tanh": lambda jax, o, x: jax.numpy.tanh(x),
    "softmax": lambda jax, o, x: jax.nn.softmax(x),
    "log_softmax": lambda jax, o, x: jax.nn.log_softmax(x),
}
