"""Outputs and derivatives in NumPy; paddings, sizes and divisors do not come from refconv.

Along each axis, a window is a 0-1 array G (outputs, kernel, inputs), which is 1 where entry m of output i reads input u. With
it, every operator with a window is a sum of products, and so is each of its derivatives: the same sum, with ∂e/∂y in place of
the array. The axes come from the tables of :mod:`refconv.verify.evidence.oracles.tables`, or are counted by
:mod:`refconv.verify.catalogue.axis`.

Letters in the formulas: i, j outputs; m, n entries of the window; u, v inputs; b batch; g group; c, o channels.
"""

import numpy as np

from refconv.verify.case import Arguments
from refconv.verify.catalogue.axis import Axis, axes_of, pairs, transposed_axes
from refconv.verify.evidence.oracles.options import FIRST, options

__all__ = ["FUNCTIONS", "evaluate"]

OUTPUTS, TAPS, INPUTS = "ij", "mn", "uv"
SINGLE_PIXEL_AXIS = Axis(size=1, kernel=1, stride=1, dilation=1, before=0, after=0, outputs=1)


def evaluate(name, a, convention=None):
    """Compute the output and the derivatives of ⟨dy, y⟩.

    ``convention`` is a convention from a table: the axes of a window, the matrix along each axis, the targets of a loss or the
    neighbourhoods of a normalisation. If it is None, it is computed from the definition. Without ``a.dy``, or if it does not
    have the shape of y, only the output is computed. Returns None for an operator without conventions.
    """
    if name not in FUNCTIONS:
        return None
    o = options(name, a)
    arrays = dict(a.arrays)
    dy = arrays.pop("dy", None)
    results = FUNCTIONS[name](o, Arguments(arrays, a.options, a.given), None, convention)
    if dy is None or np.shape(dy) != np.shape(results["y"]):
        return {"y": results["y"]}
    return FUNCTIONS[name](o, a, dy, convention)


def multilinear(formula, constants, arrays, dy):
    """Return y and, given dy, the derivative for each of the arrays in which y is linear.

    >>> multilinear("ic,bc->bi", [], {"w": np.array([[1, 10]]), "x": np.array([[2, 3]])}, np.array([[5]]))["w"]
    array([[10, 15]])
    """
    inputs, output = formula.split("->")
    letters, operands = inputs.split(","), [*constants, *arrays.values()]
    results = {"y": np.einsum(formula, *operands, optimize=True)}
    for position, name in enumerate(arrays if dy is not None else (), start=len(constants)):
        terms, replaced = [*letters], [*operands]
        terms[position], replaced[position] = output, dy
        results[name] = np.einsum(f"{','.join(terms)}->{letters[position]}", *replaced, optimize=True)
    return results


def letters_of(axes):
    """Return the letters of outputs, window entries and inputs, and the letters of each G."""
    i, m, u = OUTPUTS[: len(axes)], TAPS[: len(axes)], INPUTS[: len(axes)]
    return i, m, u, ",".join(map("".join, zip(i, m, u, strict=True)))


def selections(axes):
    return [axis.selection for axis in axes]


def channels_last(o, array):
    """Return images with channels last; return arrays with fewer than three axes unchanged."""
    return np.moveaxis(array, 1, -1) if o.data_format == FIRST and array.ndim > 2 else array


def in_data_format(o, results, *names):
    """Return the results, with the given names converted to the data format of the images."""
    converted = {name: np.moveaxis(results[name], -1, 1) for name in names if name in results and o.data_format == FIRST}
    return {**results, **{name: array for name, array in converted.items() if array.ndim > 2}}


def gradient(o, dy, *shape):
    """Return dy with channels last, in the shape of a formula; None if dy is None."""
    return None if dy is None else channels_last(o, dy).reshape(shape or channels_last(o, dy).shape)


def reshaped(results, **shapes):
    """Convert results from the axes of a formula to the axes of the arrays."""
    return {**results, **{name: results[name].reshape(shape) for name, shape in shapes.items() if name in results}}


def with_bias(o, a, results, dy):
    """Add the bias of each channel; its derivative is the sum over all other axes."""
    if a.arrays.get("b") is not None:
        results = {**results, "y": results["y"] + a.b}
        if dy is not None:
            results["b"] = channels_last(o, dy).reshape(-1, len(a.b)).sum(axis=0)
    return in_data_format(o, results, "y", "x")


def window_of(o, size, kernel):
    """Return the axes of the window; by default windows of pooling do not overlap."""
    stride = kernel if o.stride is None else o.stride
    return axes_of(size, kernel, stride, o.padding, getattr(o, "dilation", 1), getattr(o, "ceil_mode", False))


def outputs_of(axes):
    return [axis.outputs for axis in axes]


def conv(o, a, dy, axes):
    kernel, (C_g, O) = a.w.shape[:-2], a.w.shape[-2:]
    axes = axes or window_of(o, a.size, kernel)
    x = channels_last(o, a.x)
    i, m, u, G = letters_of(axes)
    arrays = {"x": x.reshape(*x.shape[:-1], o.groups, C_g), "w": a.w.reshape(*kernel, C_g, o.groups, -1)}
    y_shape = (len(x), *outputs_of(axes), O)
    dy_by_group = gradient(o, dy, *y_shape[:-1], o.groups, O // o.groups)
    results = multilinear(f"{G},b{u}gc,{m}cgo->b{i}go", selections(axes), arrays, dy_by_group)
    return with_bias(o, a, reshaped(results, y=y_shape, x=x.shape, w=a.w.shape), dy)


def conv_transpose(o, a, dy, axes):
    kernel, O_g = a.w.shape[:-2], a.w.shape[-2]
    axes = axes or transposed_axes(a.size, kernel, o.stride, o.padding, o.dilation, o.output_padding)
    x = channels_last(o, a.x)
    i, m, u, G = letters_of(axes)
    arrays = {"x": x.reshape(*x.shape[:-1], o.groups, -1), "w": a.w.reshape(*kernel, O_g, o.groups, -1)}
    y_shape = (len(x), *(axis.size for axis in axes), O_g * o.groups)
    dy_by_group = gradient(o, dy, *y_shape[:-1], o.groups, O_g)
    results = multilinear(f"{G},b{i}gc,{m}ogc->b{u}go", selections(axes), arrays, dy_by_group)
    return with_bias(o, a, reshaped(results, y=y_shape, x=x.shape, w=a.w.shape), dy)


def depthwise_conv(o, a, dy, axes):
    axes = axes or window_of(o, a.size, a.w.shape[:2])
    x = channels_last(o, a.x)
    y_shape = (len(x), *outputs_of(axes))
    channels = a.w.shape[2:]
    arrays = {"x": x, "w": a.w}
    dy_by_channel = gradient(o, dy, *y_shape, *channels)
    results = multilinear("imu,jnv,buvc,mncq->bijcq", selections(axes), arrays, dy_by_channel)
    return with_bias(o, a, reshaped(results, y=(*y_shape, -1)), dy)


def separable_conv(o, a, dy, axes):
    axes = axes or window_of(o, a.size, a.depthwise.shape[:2])
    by_channel = a.pointwise.reshape(*a.depthwise.shape[2:], -1)
    arrays = {"x": channels_last(o, a.x), "depthwise": a.depthwise, "pointwise": by_channel}
    results = multilinear("imu,jnv,buvc,mncq,cqo->bijo", selections(axes), arrays, gradient(o, dy))
    return with_bias(o, a, reshaped(results, pointwise=a.pointwise.shape), dy)


def im2col(o, a, dy, axes):
    axes = axes or window_of(o, a.size, o.kernel_size)
    x = channels_last(o, a.x)
    shape = (*(axis.kernel for axis in axes), x.shape[-1], len(x), *outputs_of(axes))
    results = multilinear("imu,jnv,buvc->mncbij", selections(axes), {"x": x}, None if dy is None else dy.reshape(shape))
    return in_data_format(o, reshaped(results, y=(np.prod(shape[:3]), -1)), "x")


def col2im(o, a, dy, axes):
    axes = axes or window_of(o, o.input_size, o.kernel_size)
    kernel, outputs = [axis.kernel for axis in axes], outputs_of(axes)
    columns = a.x.reshape(*kernel, len(a.x) // np.prod(kernel), -1, *outputs)
    results = multilinear("imu,jnv,mncbij->buvc", selections(axes), {"x": columns}, gradient(o, dy))
    return in_data_format(o, reshaped(results, x=a.x.shape), "y")


def toeplitz(o, a, dy, axes):
    kernel, C_g, ndim = a.w.shape[:-2], a.w.shape[-2], a.w.ndim - 2
    size = (o.input_size,) * ndim if isinstance(o.input_size, int) else o.input_size
    axes = axes or window_of(o, size, kernel)
    i, m, u, G = letters_of(axes)
    w = a.w.reshape(*kernel, C_g, o.groups, -1)
    same_group = np.eye(o.groups)
    y_shape = (*outputs_of(axes), o.groups, w.shape[-1], *(axis.size for axis in axes), o.groups, C_g)
    dy = None if dy is None else dy.reshape(y_shape)
    results = multilinear(f"{G},gh,{m}cgo->{i}go{u}hc", [*selections(axes), same_group], {"w": w}, dy)
    return reshaped(results, y=(np.prod(y_shape[: ndim + 2]), -1), w=a.w.shape)


def zero_stuff(o, a, dy, axes):
    axes = axes or transposed_axes(a.size, 1, o.stride, "valid")
    i, _, u, G = letters_of(axes)
    results = multilinear(f"{G},b{i}c->b{u}c", selections(axes), {"x": channels_last(o, a.x)}, gradient(o, dy))
    return in_data_format(o, results, "y", "x")


def avg_pool(o, a, dy, axes):
    axes = axes or window_of(o, a.size, o.kernel_size)
    return mean(o, a, gradient(o, dy), axes, [axis.divisor(o.count_include_pad) for axis in axes])


def global_avg_pool(o, a, dy, _):
    axes = [Axis(n, n, 1, 1, 0, 0, outputs=1) for n in a.size]
    dy = None if dy is None else dy.reshape(len(dy), *[1] * len(axes), -1)
    results = mean(o, a, dy, axes, [np.array([n]) for n in a.size])
    return {**results, "y": results["y"].reshape(len(a.x), -1)}


def mean(o, a, dy, axes, divisors):
    """Divide the sums over windows by the divisors along each axis."""
    i, _, u, G = letters_of(axes)
    weights = [axis.selection / divisor[:, None, None] for axis, divisor in zip(axes, divisors, strict=True)]
    return in_data_format(o, multilinear(f"{G},b{u}c->b{i}c", weights, {"x": channels_last(o, a.x)}, dy), "y", "x")


def max_pool(o, a, dy, axes):
    """Pass all of ∂e/∂y to the first maximum in row-major order, whose position is u·W + v."""
    axes = axes or window_of(o, a.size, o.kernel_size)
    x = channels_last(o, a.x)
    y_shape = (len(x), *outputs_of(axes), x.shape[-1])
    x_shape = x.shape
    rows, columns = axes if len(axes) == 2 else (SINGLE_PIXEL_AXIS, *axes)
    (N, *_, C), H, W = x_shape, rows.size, columns.size
    u, v = rows.taps[:, None, :, None], columns.taps[None, :, None, :]
    inside = rows.inside[:, None, :, None] & columns.inside[None, :, None, :]
    windows = x.reshape(N, H, W, C)[:, u.clip(0, H - 1), v.clip(0, W - 1)]
    windows = np.where(inside[None, ..., None], windows, -np.inf).reshape(N, rows.outputs, columns.outputs, -1, C)
    first_maximum = windows.argmax(axis=3)[:, :, :, None]  # NumPy returns the first of equal values
    positions = np.broadcast_to(u * W + v, inside.shape).reshape(1, rows.outputs, columns.outputs, -1, 1)
    argmax = np.take_along_axis(positions, first_maximum, axis=3)[:, :, :, 0]
    results = {"y": windows.max(axis=3), "argmax": argmax}
    if dy is not None:
        results["x"] = np.zeros((N, H * W, C))
        index = np.arange(N)[:, None, None, None], argmax, np.arange(C)
        np.add.at(results["x"], index, gradient(o, dy, *argmax.shape))
    return in_data_format(o, reshaped(results, y=y_shape, argmax=y_shape, x=x_shape), "y", "argmax", "x")


def sliding(flipped):
    """Return plain convolution (flipped) or correlation; "same" has its extra zero in front."""

    def call(o, a, dy, axes):
        padding = "same_lower" if o.mode == "same" else o.mode
        axes = axes or axes_of(a.x.shape, a.w.shape, 1, padding)
        i, m, u, G = letters_of(axes)
        selected = [axis.selection[:, ::-1] if flipped else axis.selection for axis in axes]
        return multilinear(f"{G},{u},{m}->{i}", selected, {"x": a.x, "w": a.w}, dy)

    return call


def pad(o, a, dy, matrices):
    """Multiply along each axis by a unit matrix that NumPy has padded."""
    mode = {"zeros": "constant", "reflect": "reflect", "edge": "edge"}[o.mode]
    widths_by_axis = zip(a.size, pairs(o.padding, a.x.ndim - 2), strict=True)
    return by_axes(o, a, dy, matrices or [np.pad(np.eye(n), (widths, (0, 0)), mode) for n, widths in widths_by_axis])


def upsample(o, a, dy, matrices):
    """Split each pixel into S parts along each axis and sample at the centres of the parts."""
    scales = (o.scale,) * 2 if isinstance(o.scale, int) else o.scale
    return by_axes(o, a, dy, matrices or [upsampling_matrix(n, S, o.mode) for n, S in zip(a.size, scales, strict=True)])


def upsampling_matrix(n, S, mode):
    """Return the matrix (n·S, n) that upsamples one axis.

    >>> upsampling_matrix(2, 2, "bilinear")
    array([[1.  , 0.  ],
           [0.75, 0.25],
           [0.25, 0.75],
           [0.  , 1.  ]])
    """
    if mode == "nearest":
        return np.repeat(np.eye(n), S, axis=0)
    positions = (np.arange(n * S) + 0.5) / S - 0.5
    return np.stack([np.interp(positions, np.arange(n), unit) for unit in np.eye(n)], axis=1)


def adaptive_avg_pool(o, a, dy, matrices):
    """Multiply along each axis by the matrix of the means."""
    return by_axes(o, a, dy, matrices or [covering_matrix(n, K) for n, K in zip(a.size, o.output_size, strict=True)])


def covering_matrix(n, K):
    """Return the matrix (K, n) of the means over K equal parts of an axis.

    A part contains the inputs that overlap with it.

    >>> covering_matrix(3, 2)
    array([[0.5, 0.5, 0. ],
           [0. , 0.5, 0.5]])
    """
    edges, u = np.arange(K + 1)[:, None] * n, np.arange(n) * K  # in units of 1 / K inputs
    overlaps = np.minimum(edges[1:], u + K) > np.maximum(edges[:-1], u)
    return overlaps / overlaps.sum(1, keepdims=True)


def by_axes(o, a, dy, matrices):
    """Multiply images or signals by one matrix along each axis."""
    i, u = OUTPUTS[: len(matrices)], INPUTS[: len(matrices)]
    terms = ",".join(map("".join, zip(i, u, strict=True)))
    results = multilinear(f"{terms},b{u}c->b{i}c", matrices, {"x": channels_last(o, a.x)}, gradient(o, dy))
    return in_data_format(o, results, "y", "x")


def softmax_cross_entropy(o, a, dy, targets):
    """Return the weighted mean of −Σ t·log p over the examples; ∂e/∂logits = u·(p − t).

    The weight u of an example depends on its label.
    """
    K = a.logits.shape[-1]
    labels = np.asarray(o.labels).ravel()
    if targets is None:
        targets = o.label_smoothing / K + (1 - o.label_smoothing) * np.eye(K)[labels]
    weights = np.ones(K) if o.class_weights is None else np.array(o.class_weights, np.float64)
    shares = (weights[labels] / weights[labels].sum())[:, None]
    shifted = a.logits.reshape(-1, K) - a.logits.reshape(-1, K).max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    results = {"y": -np.sum(shares * targets * log_p)}
    return results if dy is None else {**results, "logits": dy * (shares * (np.exp(log_p) - targets)).reshape(a.logits.shape)}


def local_response_norm(o, a, _, neighbours):
    """Compute the output; an even neighbourhood has one more channel before than after."""
    x, C = channels_last(o, a.x), channels_last(o, a.x).shape[-1]
    neighbours = neighbours or [(c - o.size // 2, c + (o.size - 1) // 2) for c in range(C)]
    band = np.array([[first <= j <= final for j in range(C)] for first, final in neighbours], np.float64)
    alpha = o.alpha / o.size if o.divide_by_size else o.alpha
    return in_data_format(o, {"y": x / (o.k + alpha * np.square(x) @ band.T) ** o.beta}, "y")


def batch_norm(o, a, *_):
    """Compute the output with the biased variance, divided by the number of elements."""
    x = channels_last(o, a.x)
    given = "mean" in a.arrays
    axes = tuple(range(x.ndim - 1))
    mu, var = (a.mean, a.var) if given else (x.mean(axes), x.var(axes))
    return in_data_format(o, {"y": a.gamma * (x - mu) / np.sqrt(var + o.eps) + a.beta}, "y")


def example_norm(groups):
    """Return a normalisation of each example with ``groups(o, channels)`` groups.

    Groups have consecutive channels, and the variance is biased.
    """

    def compute(o, a, *_):
        x = channels_last(o, a.x)
        count = groups(o, x.shape[-1])
        grouped = x.reshape(len(x), -1, count, x.shape[-1] // count)
        mu, var = grouped.mean((1, 3), keepdims=True), grouped.var((1, 3), keepdims=True)
        xhat = ((grouped - mu) / np.sqrt(var + o.eps)).reshape(x.shape)
        return in_data_format(o, {"y": a.gamma * xhat + a.beta}, "y")

    return compute


FUNCTIONS = {
    "convolve1d": sliding(flipped=True),
    "convolve2d": sliding(flipped=True),
    "fft_convolve1d": sliding(flipped=True),
    "fft_convolve2d": sliding(flipped=True),
    "cross_correlate1d": sliding(flipped=False),
    "cross_correlate2d": sliding(flipped=False),
    "conv1d": conv,
    "conv2d": conv,
    "depthwise_conv2d": depthwise_conv,
    "separable_conv2d": separable_conv,
    "im2col": im2col,
    "col2im": col2im,
    "toeplitz1d": toeplitz,
    "toeplitz2d": toeplitz,
    "zero_stuff": zero_stuff,
    "conv_transpose1d": conv_transpose,
    "conv_transpose2d": conv_transpose,
    "max_pool1d": max_pool,
    "max_pool2d": max_pool,
    "avg_pool1d": avg_pool,
    "avg_pool2d": avg_pool,
    "global_avg_pool1d": global_avg_pool,
    "global_avg_pool2d": global_avg_pool,
    "pad": pad,
    "upsample2d": upsample,
    "adaptive_avg_pool2d": adaptive_avg_pool,
    "softmax_cross_entropy": softmax_cross_entropy,
    "local_response_norm": local_response_norm,
    "batch_norm": batch_norm,
    "batch_norm_inference": batch_norm,
    "group_norm": example_norm(lambda o, channels: o.groups),
    "layer_norm": example_norm(lambda o, channels: 1),
    "instance_norm": example_norm(lambda o, channels: channels),
}
