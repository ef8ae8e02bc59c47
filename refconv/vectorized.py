"""The operators in NumPy, the step between the loops and the kernels.

Python iterates over the entries of a kernel, and NumPy over everything else. :func:`taps` returns, for each entry, a view of
the inputs that it reads at all outputs. A convolution copies these views into a matrix (im2col), and one matrix product
computes all its sums. Pooling computes their maximum or their sum. The functions have the names and parameters of the loops.
Functions for images also accept signals.

The matrix products use the threads of NumPy's BLAS library, and their last bits may depend on the number of these threads
(docs/decisions/17-numpy-engine.md).
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from typing import Any

import numpy as np

from refconv.geometry import Window, mode_window
from refconv.reference.avg_pool import counts
from refconv.reference.padding import crop
from refconv.reference.resize import axis_weights, source_index
from refconv.typing import Array, Shape

BLOCK = 1 << 18  # elements of a matrix of im2col, one megabyte in float32, so that it may stay in the L2 cache


def taps(padded: Array, window: Window, output_size: Sequence[int]) -> Iterator[Array]:
    """Yield a view (N, rows, columns, C) for each entry of the kernel: the inputs that it reads."""
    for entry in np.ndindex(window.kernel):
        axes = zip(entry, window.dilation, window.stride, output_size, strict=True)
        yield padded[(slice(None), *(slice(m * D, m * D + (n - 1) * S + 1, S) for m, D, S, n in axes))]


def padded(x: Array, window: Window, output_size: Sequence[int], fill: int = 0) -> Array:
    """Pad images up to the last input that a window reads."""
    axes = zip(window.pads(x.shape[1:-1]), x.shape[1:-1], output_size, window.stride, window.span, strict=True)
    pads = ((before, max((m - 1) * S + span - before - n, 0)) for (before, _), n, m, S, span in axes)
    return np.pad(x, [(0, 0), *pads, (0, 0)], constant_values=fill)


def blocks(images: int, *size: int) -> Iterator[slice]:
    """Yield slices of images; im2col needs a matrix of ``size`` elements for each image."""
    step = max(BLOCK // math.prod(size), 1)
    return (slice(b, b + step) for b in range(0, images, step))


def split(a: Array, groups: int) -> Array:
    """Return an array with the channels last as (groups, other axes, channels of a group)."""
    return a.reshape(-1, groups, a.shape[-1] // groups).transpose(1, 0, 2)


def patches(x: Array, window: Window, output_size: Sequence[int], groups: int) -> Array:
    """Return the matrix of im2col of padded images, transposed: (groups, pixels, entries)."""
    copied = np.stack(list(taps(x, window, output_size)), axis=-2)
    return split(copied, groups).reshape(
        groups, len(x) * math.prod(output_size), math.prod(window.kernel) * x.shape[-1] // groups
    )


def correlate(x: Array, w: Array, output_size: Sequence[int], window: Window, groups: int) -> Array:
    """Compute the convolution layer without its bias, for an output of this size."""
    x, y = padded(x, window, output_size), np.empty((len(x), *output_size, w.shape[-1]), x.dtype)
    for b in blocks(len(x), *output_size, *window.kernel, x.shape[-1]):
        y[b] = (patches(x[b], window, output_size, groups) @ split(w, groups)).transpose(1, 0, 2).reshape(y[b].shape)
    return y


def cross_correlate2d(x: Array, w: Array, mode: str) -> Array:
    """Compute the cross-correlation of an image.

    Products with the zeros around it are left out, since 0 · ∞ is NaN.
    """
    window = mode_window(w.shape, mode)
    y = np.zeros(window.output_size(x.shape), x.dtype)
    for entry in np.ndindex(w.shape):
        shifts = [m - before for m, (before, _) in zip(entry, window.pads(x.shape), strict=True)]
        ends = [min(n, size - shift) for n, size, shift in zip(y.shape, x.shape, shifts, strict=True)]
        inside = [(max(-shift, 0), end, shift) for shift, end in zip(shifts, ends, strict=True)]
        if all(first < end for first, end, _ in inside):
            inputs = tuple(slice(first + shift, end + shift) for first, end, shift in inside)
            y[tuple(slice(first, end) for first, end, _ in inside)] += x[inputs] * w[entry]
    return y


def plus(y: Array, bias: Array | None) -> Array:
    """Add the bias, if there is one."""
    return y if bias is None else y + bias


def conv2d(x: Array, w: Array, bias: Array | None, window: Window, groups: int) -> Array:
    """Compute the convolution layer."""
    return plus(correlate(x, w, window.output_size(x.shape[1:-1]), window, groups), bias)


def conv2d_dw(x: Array, dy: Array, window: Window, groups: int) -> Array:
    """Compute ∂e/∂w: the product of the matrix of im2col and ∂e/∂y."""
    (N, *output_size, O), C = dy.shape, x.shape[-1]
    x = padded(x, window, output_size)
    dw = np.zeros((groups, math.prod(window.kernel) * C // groups, O // groups), x.dtype)
    for b in blocks(N, *output_size, *window.kernel, C):
        dw += patches(x[b], window, output_size, groups).transpose(0, 2, 1) @ split(dy[b], groups)
    return dw.transpose(1, 0, 2).reshape(*window.kernel, C // groups, O)


def conv2d_dx(dy: Array, w: Array, input_size: Shape, window: Window, groups: int) -> Array:
    """Compute ∂e/∂x: each row of ∂e/∂y times the weights is added to a window (col2im)."""
    (N, *output_size, _O), C = dy.shape, w.shape[-2] * groups
    dx = padded(np.zeros((N, *input_size, C), dy.dtype), window, output_size)
    for b in blocks(N, *output_size, *window.kernel, C):
        product = (split(dy[b], groups) @ split(w, groups).transpose(0, 2, 1)).reshape(groups, -1, C // groups)
        shares = product.transpose(1, 0, 2).reshape(*dy[b].shape[:-1], -1, C)
        for k, tap in enumerate(taps(dx[b], window, output_size)):
            tap += shares[..., k, :]
    return crop(dx, window, input_size).copy()


def separable_conv2d_grads(
    dy: Array, *, x: Array, depthwise: Array, pointwise: Array, window: Window
) -> tuple[Array, Array, Array]:
    """Compute ∂e/∂x, ∂e/∂depthwise and ∂e/∂pointwise of a depthwise separable convolution."""
    z, dz = FORMULAS["depthwise_conv2d"](x, depthwise, None, window), dy @ pointwise[0, 0].T
    dx = FORMULAS["depthwise_conv2d_dx"](dz, depthwise, x.shape[1:-1], window)
    return dx, FORMULAS["depthwise_conv2d_dw"](x, dz, window), (split(z, 1)[0].T @ split(dy, 1)[0]).reshape(pointwise.shape)


def max_pool2d_with_argmax(x: Array, window: Window) -> tuple[Array, Array]:
    """Return the maximum under each window, and the position of the first one or the last NaN."""
    (N, *size, C), output_size = x.shape, window.output_size(x.shape[1:-1])
    places = padded(np.arange(math.prod(size), dtype=np.intp).reshape(1, *size, 1), window, output_size, fill=-1)
    y, argmax = np.zeros((N, *output_size, C), x.dtype), np.full((N, *output_size, C), -1, np.intp)
    inputs = taps(padded(x, window, output_size), window, output_size)
    for value, place in zip(inputs, taps(places, window, output_size), strict=True):
        wins = (place >= 0) & ((argmax < 0) | (value > y) | np.isnan(value))
        np.copyto(y, value, where=wins)
        np.copyto(argmax, place, where=wins)
    return y, argmax


def max_pool2d_dx(dy: Array, argmax: Array, input_size: Shape) -> Array:
    """Compute ∂e/∂x: each ∂e/∂y is added at the position of its maximum."""
    (N, *_, C), pixels = dy.shape, math.prod(input_size)
    dx = np.zeros((N, *input_size, C), dy.dtype)
    index = (np.arange(N)[:, None, None] * pixels + argmax.reshape(N, math.prod(argmax.shape[1:-1]), C)) * C + np.arange(C)
    np.add.at(dx.reshape(-1), index.reshape(-1), dy.reshape(-1))
    return dx


def divisors(window: Window, input_size: Shape, count_include_pad: bool, dtype: Any) -> Array:
    """Return the number of elements that each window counts, (rows, columns, 1)."""
    numbers = [np.array(of_axis, dtype) for of_axis in counts(window, input_size, count_include_pad)]
    return reduce(np.multiply.outer, numbers)[..., None]


def avg_pool2d(x: Array, window: Window, count_include_pad: bool) -> Array:
    """Compute the mean under each window."""
    size, output_size = x.shape[1:-1], window.output_size(x.shape[1:-1])
    total = reduce(np.add, taps(padded(x, window, output_size), window, output_size))
    return total / divisors(window, size, count_include_pad, x.dtype)


def avg_pool2d_dx(dy: Array, window: Window, input_size: Shape, count_include_pad: bool) -> Array:
    """Compute ∂e/∂x: the inputs of a window get equal shares of its ∂e/∂y."""
    output_size, share = dy.shape[1:-1], dy / divisors(window, input_size, count_include_pad, dy.dtype)
    dx = padded(np.zeros((len(dy), *input_size, dy.shape[-1]), dy.dtype), window, output_size)
    for tap in taps(dx, window, output_size):
        tap += share
    return crop(dx, window, input_size).copy()


def resized(x: Array, size: Iterable[int], axes: Iterable[Iterable[tuple[int, int, float]]]) -> Array:
    """Apply a linear map to each axis of images: y[i] += weight · x[u] for all (i, u, weight)."""
    for axis, (n, terms) in enumerate(zip(size, axes, strict=True), 1):
        y = np.zeros((*x.shape[:axis], n, *x.shape[axis + 1 :]), x.dtype)
        outputs, inputs = np.moveaxis(y, axis, 0), np.moveaxis(x, axis, 0)
        for i, u, weight in terms:
            outputs[i] += weight * inputs[u]
        x = y
    return x


def pad_terms(size: Shape, window: Window, mode: str) -> list[list[tuple[int, int, float]]]:
    """Return (output, input, 1) for each copied pixel, for each axis."""
    axes = zip(size, window.pads(size), window.padded_size(size), strict=True)
    sources = [[(i, source_index(i - before, n, mode)) for i in range(m)] for n, (before, _), m in axes]
    return [[(i, u, 1) for i, u in of_axis if u is not None] for of_axis in sources]


def upsample_terms(size: Shape, scale: Shape, mode: str) -> list[list[tuple[int, int, float]]]:
    """Return (output, input, weight) for each input that an output reads, for each axis."""
    axes = zip(size, scale, strict=True)
    return [[(i, u, p / P) for i in range(n * S) for u, p, P in axis_weights(i, n, S, mode)] for n, S in axes]


def transposed(axes: Iterable[Iterable[tuple[int, int, float]]]) -> list[list[tuple[int, int, float]]]:
    """Exchange inputs and outputs of each axis, for the derivative."""
    return [[(u, i, weight) for i, u, weight in terms] for terms in axes]


def upsample2d(x: Array, scale: Shape, mode: str) -> Array:
    """Upsample images."""
    size = [n * S for n, S in zip(x.shape[1:3], scale, strict=True)]
    return resized(x, size, upsample_terms(x.shape[1:3], scale, mode))


def upsample2d_dx(dy: Array, scale: Shape, mode: str) -> Array:
    """Compute ∂e/∂x of :func:`upsample2d`."""
    size = tuple(n // S for n, S in zip(dy.shape[1:3], scale, strict=True))
    return resized(dy, size, transposed(upsample_terms(size, scale, mode)))


def group_norm(x: Array, gamma: Array, beta: Array, groups: int, eps: float) -> tuple[Array, Array, Array]:
    """Normalise each example and each group of channels by its own mean and variance."""
    grouped, axes = x.reshape(*x.shape[:2], groups, x.shape[-1] // groups), (1, 3)
    members = max(grouped.shape[1] * grouped.shape[3], 1)
    mean = grouped.sum(axes) / members
    var = ((grouped - mean[:, None, :, None]) ** 2).sum(axes) / members
    xhat = (grouped - mean[:, None, :, None]) / np.sqrt(var + eps)[:, None, :, None]
    return gamma * xhat.reshape(x.shape) + beta, mean, var


def group_norm_grads(dy: Array, *, x: Array, gamma: Array, mean: Array, var: Array, eps: float) -> tuple[Array, Array, Array]:
    """Compute ∂e/∂x, ∂e/∂γ and ∂e/∂β of :func:`group_norm`."""
    shape = (*x.shape[:2], mean.shape[1], x.shape[-1] // mean.shape[1])
    std, members = np.sqrt(var + eps)[:, None, :, None], max(shape[1] * shape[3], 1)
    xhat, dxhat = (x.reshape(shape) - mean[:, None, :, None]) / std, (dy * gamma).reshape(shape)
    dmean = dxhat.sum((1, 3), keepdims=True) / members
    dstd = (dxhat * xhat).sum((1, 3), keepdims=True) / members
    dx = ((dxhat - dmean - xhat * dstd) / std).reshape(x.shape)
    return dx, (dy * xhat.reshape(x.shape)).sum((0, 1)), dy.sum((0, 1))


def batch_norm_grads(dy: Array, *, x: Array, gamma: Array, mean: Array, var: Array, eps: float) -> tuple[Array, Array, Array]:
    """Compute ∂e/∂x, ∂e/∂γ and ∂e/∂β of batch normalisation, whose groups are the channels."""
    dx, *others = group_norm_grads(dy[None], x=x[None], gamma=gamma, mean=mean[None], var=var[None], eps=eps)
    return dx[0], *others


def neighbours(a: Array, before: int, after: int) -> Array:
    """Return the sum over each channel and the channels before and after it."""
    channels = range(a.shape[1])
    return np.stack([a[:, max(c - before, 0) : c + after + 1].sum(1) for c in channels], axis=1)


def local_response_norm(x: Array, size: int, alpha: float, beta: float, k: float) -> Array:
    """Divide each element by a power of a sum of squares over neighbouring channels."""
    return x / (k + alpha * neighbours(x**2, size // 2, (size - 1) // 2)) ** beta


def local_response_norm_dx(dy: Array, size: int, alpha: float, beta: float, k: float, *, x: Array) -> Array:
    """Compute ∂e/∂x of local response normalisation, through the element and through the sums."""
    d = k + alpha * neighbours(x**2, size // 2, (size - 1) // 2)
    through_sums = neighbours(dy * (x / d**beta) / d, (size - 1) // 2, size // 2)
    return dy / d**beta - 2 * alpha * beta * x * through_sums


def dropout(x: Array, u: Array, rate: float) -> tuple[Array, Array]:
    """Set units whose random number is below the rate to 0, and scale the others up."""
    mask = np.zeros_like(x)
    mask[~(u < rate)] = 1 / (1 - rate)
    return np.where(mask != 0, x * mask, 0), mask


def softmax(x: Array) -> Array:
    """Compute softmax; the shift by the maximum avoids overflow."""
    powers = np.exp(x - x.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def log_softmax(x: Array) -> Array:
    """Compute the logarithm of softmax."""
    shifted = x - x.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


def softmax_cross_entropy(logits: Array, labels: Array, alpha: float, class_weights: Array | None = None) -> tuple[Any, Array]:
    """Compute the mean cross-entropy of softmax and smoothed labels, and its derivative."""
    (N, K), log_p = logits.shape, log_softmax(logits)
    targets = np.full_like(logits, alpha / K)
    targets[np.arange(N), labels] += 1 - alpha
    weights = np.ones((N, 1), logits.dtype) if class_weights is None else class_weights[labels][:, None]
    weighted = weights * targets / weights.sum()
    return -np.where(weighted != 0, weighted * log_p, 0).sum(), weights * (np.exp(log_p) - targets) / weights.sum()


def binary_cross_entropy(logits: Array, targets: Array, pos_weight: float) -> tuple[Any, Array]:
    """Compute the mean cross-entropy of binary predictions σ(logits), and its derivative."""
    positive, negative, sigmoid = pos_weight * targets, 1 - targets, FORMULAS["sigmoid"]
    small = np.log1p(np.exp(-np.abs(logits)))  # softplus(v) = max(v, 0) + log1p(exp(−|v|))
    loss = np.where(positive != 0, positive * (np.maximum(-logits, 0) + small), 0)
    loss += np.where(negative != 0, negative * (np.maximum(logits, 0) + small), 0)
    return (loss / loss.size).sum(), (negative * sigmoid(logits) - positive * sigmoid(-logits)) / loss.size


def sgd(theta: Array, v: Array, g: Array, lr: float, momentum: float, decay: float, nesterov: bool) -> None:
    """Update θ by stochastic gradient descent with momentum μ."""
    fall = lr * (g + decay * theta)
    v[...] = momentum * v - fall
    theta += momentum * v - fall if nesterov else v


def rmsprop(
    theta: Array,
    s: Array,
    v: Array,
    g: Array,
    *,
    lr: float,
    rho: float,
    momentum: float,
    eps: float,
    eps_inside_sqrt: bool,
    decay: float,
) -> None:
    """Update θ by RMSProp."""
    h = g + decay * theta
    s[...] = rho * s + (1 - rho) * h * h
    v[...] = momentum * v - lr * h / (np.sqrt(s + eps) if eps_inside_sqrt else np.sqrt(s) + eps)
    theta += v


def adam(
    theta: Array, m: Array, s: Array, g: Array, *, lr: float, beta1: float, beta2: float, eps: float, t: int, decay: float
) -> None:
    """Update θ by Adam."""
    adamw(theta, m, s, g + decay * theta, lr=lr, beta1=beta1, beta2=beta2, eps=eps, t=t, decay=0)


def adamw(
    theta: Array, m: Array, s: Array, g: Array, *, lr: float, beta1: float, beta2: float, eps: float, t: int, decay: float
) -> None:
    """Update θ by Adam with decoupled weight decay."""
    m[...] = beta1 * m + (1 - beta1) * g
    s[...] = beta2 * s + (1 - beta2) * g * g
    theta -= lr * (m / (1 - beta1**t) / (np.sqrt(s / (1 - beta2**t)) + eps) + decay * theta)


# Operators that are one expression.
FORMULAS: dict[str, Callable[..., Any]] = {
    "convolve2d": lambda x, w, mode: cross_correlate2d(x, np.flip(w), mode),
    "conv2d_db": lambda dy: split(dy, 1)[0].sum(0),
    "im2col": lambda x, window: patches(
        padded(x, window, window.output_size(x.shape[1:-1])), window, window.output_size(x.shape[1:-1]), 1
    )[0].T.copy(),
    "conv_transpose2d": lambda x, w, bias, size, window, groups: plus(conv2d_dx(x, w, size, window, groups), bias),
    "conv_transpose2d_dw": lambda x, dy, window, groups: conv2d_dw(dy, x, window, groups),
    "conv_transpose2d_dx": correlate,
    "conv_transpose2d_db": lambda dy: split(dy, 1)[0].sum(0),
    "depthwise_conv2d": lambda x, w, bias, window: conv2d(x, w.reshape(*window.kernel, 1, -1), bias, window, x.shape[-1]),
    "depthwise_conv2d_dw": lambda x, dy, window: conv2d_dw(x, dy, window, x.shape[-1]).reshape(
        *window.kernel, x.shape[-1], -1
    ),
    "depthwise_conv2d_dx": lambda dy, w, size, window: conv2d_dx(
        dy, w.reshape(*window.kernel, 1, -1), size, window, w.shape[-2]
    ),
    "depthwise_conv2d_db": lambda dy: split(dy, 1)[0].sum(0),
    "separable_conv2d": lambda x, depthwise, pointwise, bias, window: plus(
        FORMULAS["depthwise_conv2d"](x, depthwise, None, window) @ pointwise[0, 0], bias
    ),
    "max_pool2d": lambda x, window: max_pool2d_with_argmax(x, window)[0],
    "global_avg_pool2d": lambda x: x.mean(tuple(range(1, x.ndim - 1))),
    "global_avg_pool2d_dx": lambda dy, size: np.broadcast_to(
        dy.reshape(len(dy), *(1 for _ in size), dy.shape[-1]) / math.prod(size), (len(dy), *size, dy.shape[-1])
    ).copy(),
    "pad": lambda x, window, mode: np.pad(
        x, [(0, 0), *window.pads(x.shape[1:3]), (0, 0)], "constant" if mode == "zeros" else mode
    ),
    "pad_dx": lambda dy, size, window, mode: resized(dy, size, transposed(pad_terms(size, window, mode))),
    "layer_norm": lambda x, gamma, beta, eps: group_norm(x, gamma, beta, 1, eps),
    "instance_norm": lambda x, gamma, beta, eps: group_norm(x, gamma, beta, x.shape[-1], eps),
    "batch_norm": lambda x, gamma, beta, eps: tuple(a[0] for a in group_norm(x[None], gamma, beta, x.shape[-1], eps)),
    "batch_norm_inference": lambda x, gamma, beta, mean, var, eps: gamma * ((x - mean) / np.sqrt(var + eps)) + beta,
    "batch_norm_inference_grads": lambda dy, *, x, gamma, mean, var, eps: (
        dy * gamma / np.sqrt(var + eps),
        (dy * (x - mean)).sum(0) / np.sqrt(var + eps),
        dy.sum(0),
    ),
    "dropout_dx": lambda dy, *, mask: np.where(mask != 0, dy * mask, 0),
    "relu": lambda x: np.where(x < 0, 0, x),
    "relu_dx": lambda dy, *, x: np.where(x > 0, dy, 0),
    "relu6": lambda x: np.where(x < 0, 0, np.where(x >= 6, 6, x)),
    "relu6_dx": lambda dy, *, x: np.where((x > 0) & (x < 6), dy, 0),
    "leaky_relu": lambda x, slope: np.where(x > 0, x, slope * x),
    "leaky_relu_dx": lambda dy, *, x, slope: np.where(x > 0, dy, dy * slope),
    "elu": lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(x)),
    "elu_dx": lambda dy, *, x, alpha: np.where(x > 0, dy, dy * (alpha * np.exp(x))),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "sigmoid_dx": lambda dy, *, y: dy * y * (1 - y),
    "tanh": lambda x: np.tanh(x),
    "tanh_dx": lambda dy, *, y: dy * (1 - y * y),
    "dense": lambda x, w, bias: plus(x @ w, bias),
    "dense_dw": lambda x, dy: x.T @ dy,
    "dense_dx": lambda dy, w: dy @ w.T,
    "dense_db": lambda dy: dy.sum(0),
    "softmax_dx": lambda dy, *, y: y * (dy - (dy * y).sum(1, keepdims=True)),
    "mean_squared_error": lambda y, t: ((np.square(y - t) / y.size).sum(), 2 * (y - t) / y.size),
    "log_softmax_dx": lambda dy, *, y: dy - np.exp(y) * dy.sum(1, keepdims=True),
    "sum_of_squares": lambda g, scale=1: np.square(scale * g.astype(np.float64)).sum(),
}
