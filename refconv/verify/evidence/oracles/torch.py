"""PyTorch: nearly all operators, and all derivatives by autograd.

PyTorch supports channels_first, kernels (outputs, inputs / groups, kh, kw), and the same padding on both sides. So axes are
moved, which autograd reverses in the derivatives, and other paddings are added explicitly as zeros, or as −∞ for max pooling.
"""

import math
import warnings
from functools import partial, wraps
from types import SimpleNamespace

import numpy as np

from refconv._arguments import per_axis
from refconv.geometry import Window
from refconv.verify.evidence.oracles import torch_steps
from refconv.verify.evidence.oracles.options import FIRST, options, reach, window

__all__ = ["evaluate"]


def evaluate(name, a):
    """Return the output, and the derivatives of ⟨dy, y⟩ if dy has the shape of y."""
    if name in torch_steps.FUNCTIONS:
        return torch_steps.evaluate(name, a)
    if name not in FUNCTIONS:
        return None
    import torch

    leaves = {
        key: torch.tensor(array, dtype=torch.float64, requires_grad=True) for key, array in a.arrays.items() if key != "dy"
    }
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Using padding='same'", UserWarning)  # a warning that PyTorch may copy the input
        y = FUNCTIONS[name](torch.nn.functional, options(name, a), **leaves)
    if y is None:
        return None
    if np.shape(a.arrays.get("dy")) != y.shape:
        return {"y": y.detach().numpy()}
    derivatives = torch.autograd.grad(y, list(leaves.values()), torch.tensor(a.dy, dtype=torch.float64), allow_unused=True)
    gradients = {key: d.numpy() for key, d in zip(leaves, derivatives, strict=True) if d is not None}
    return {"y": y.detach().numpy(), **gradients}


def in_both_layouts(function):
    """Wrap a function of channels_first images to accept both data formats."""

    @wraps(function)
    def in_either_layout(F, o, x, **arrays):
        if o.data_format == FIRST:
            return function(F, o, x, **arrays)
        return function(F, o, x.movedim(-1, 1), **arrays).movedim(1, -1)

    return in_either_layout


def padded(F, x, pads, mode="constant", **value):
    """Pad x along its last axes by ``(before, after)`` elements in PyTorch's reversed order."""
    return F.pad(x, [p for pair in reversed(pads) for p in pair], mode, **value)


def padded_or_named(F, x, win):
    """Return x and the padding of a convolution, by name or with explicit zeros.

    PyTorch computes "valid" and, with stride 1, "same".
    """
    if win.padding == "valid" or (win.padding == "same" and max(win.stride) == 1):
        return x, win.padding
    return padded(F, x, win.pads(x.shape[2:])), 0


def kernel_first(w):
    """Return a kernel (…, inputs, outputs) as (outputs, inputs, …).

    The result is contiguous, which the backward pass of PyTorch's slow path requires.
    """
    return w.movedim((-1, -2), (0, 1)).contiguous()


@in_both_layouts
def conv(F, o, x, w, b=None):
    ndim = x.ndim - 2
    win = window(o, w.shape[:ndim], ndim)
    x, padding = padded_or_named(F, x, win)
    return getattr(F, f"conv{ndim}d")(x, kernel_first(w), b, win.stride, padding, win.dilation, o.groups)


@in_both_layouts
def conv_transpose(F, o, x, w, b=None):
    ndim = x.ndim - 2
    win = window(o, w.shape[:ndim], ndim)
    size = win.transposed_output_size(x.shape[2:], o.output_padding)
    before, after = zip(*win.pads(size), strict=True)
    call = partial(getattr(F, f"conv_transpose{ndim}d"), x, kernel_first(w), b, win.stride)
    if before == after and not isinstance(win.padding, str) and o.output_padding is not None:
        return call(before, o.output_padding, o.groups, win.dilation)
    # Compute all elements that the kernel reaches and the required output padding, then cut off the padding.
    reached = [(n - 1) * S + span for n, S, span in zip(x.shape[2:], win.stride, win.span, strict=True)]
    y = call(
        0,
        [max(p + n - reached_size, 0) for p, n, reached_size in zip(before, size, reached, strict=True)],
        o.groups,
        win.dilation,
    )
    return y[(..., *(slice(p, p + n) for p, n in zip(before, size, strict=True)))]


@in_both_layouts
def depthwise_conv(F, o, x, w, b=None):
    win = window(o, w.shape[:2], 2)
    w = w.flatten(2).movedim(-1, 0)[:, None]
    x, padding = padded_or_named(F, x, win)
    return F.conv2d(x, w, b, win.stride, padding, win.dilation, groups=x.shape[1])


@in_both_layouts
def separable_conv(F, o, x, depthwise, pointwise, b=None):
    win = window(o, depthwise.shape[:2], 2)
    w = depthwise.flatten(2).movedim(-1, 0)[:, None]
    x, padding = padded_or_named(F, x, win)
    x = F.conv2d(x, w, None, win.stride, padding, win.dilation, groups=x.shape[1])
    return F.conv2d(x, kernel_first(pointwise), b)


def supports_padding(win, size):
    """Return True if PyTorch supports the padding: equal on both sides, at most half a window."""
    return all(p0 == p1 <= k // 2 for k, (p0, p1) in zip(win.kernel, win.pads(size), strict=True))


@in_both_layouts
def max_pool(F, o, x):
    ndim, size = x.ndim - 2, x.shape[2:]
    win = window(o, o.kernel_size, ndim)
    pool = getattr(F, f"max_pool{ndim}d")
    if supports_padding(win, size):
        return pool(x, win.kernel, win.stride, [p for p, _ in win.pads(size)], win.dilation, win.ceil_mode)
    x = padded(F, x, reach(win, size), value=float("-inf"))
    return pool(x, win.kernel, win.stride, 0, win.dilation)


def window_mean(F, x, win):
    """Return the mean of each window without padding; PyTorch's average pooling has no dilation."""
    ndim = x.ndim - 2
    if set(win.dilation) == {1}:
        return getattr(F, f"avg_pool{ndim}d")(x, win.kernel, win.stride)
    ones = x.new_ones((x.shape[1], 1, *win.kernel))
    sums = getattr(F, f"conv{ndim}d")(x, ones, None, win.stride, 0, win.dilation, x.shape[1])
    return sums / math.prod(win.kernel)


@in_both_layouts
def avg_pool(F, o, x):
    ndim, size = x.ndim - 2, x.shape[2:]
    win = window(o, o.kernel_size, ndim)
    pool = getattr(F, f"avg_pool{ndim}d")
    if supports_padding(win, size) and set(win.dilation) == {1}:
        pads = [p for p, _ in win.pads(size)]
        return pool(x, win.kernel, win.stride, pads, win.ceil_mode, o.count_include_pad)
    # The average over the whole window, divided by the fraction that counts: the average of ones and zeros.
    extended_pads = reach(win, size)
    ones = padded(F, x.new_ones(x.shape), win.pads(size), value=float(o.count_include_pad))
    ones = padded(
        F, ones, [(0, q - p) for (_, p), (_, q) in zip(win.pads(size), extended_pads, strict=True)]
    )  # may be negative, which crops
    return window_mean(F, padded(F, x, extended_pads), win) / window_mean(F, ones, win)


def global_avg_pool(F, o, x):
    x = x if o.data_format == FIRST else x.movedim(-1, 1)
    return getattr(F, f"adaptive_avg_pool{x.ndim - 2}d")(x, 1).flatten(1)


@in_both_layouts
def batch_norm(F, o, x, gamma, beta):
    return F.batch_norm(x, None, None, gamma, beta, training=True, eps=o.eps)


@in_both_layouts
def batch_norm_inference(F, o, x, gamma, beta, mean, var):
    return F.batch_norm(x, mean.detach(), var.detach(), gamma, beta, eps=o.eps)


@in_both_layouts
def group_norm(F, o, x, gamma, beta):
    return F.group_norm(x, o.groups, gamma, beta, eps=o.eps)


@in_both_layouts
def layer_norm(F, o, x, gamma, beta):
    return F.group_norm(x, 1, gamma, beta, eps=o.eps)


@in_both_layouts
def instance_norm(F, o, x, gamma, beta):
    return F.group_norm(x, x.shape[1], gamma, beta, eps=o.eps)  # F.instance_norm refuses a single position


@in_both_layouts
def local_response_norm(F, o, x):
    alpha = o.alpha if o.divide_by_size else o.alpha * o.size  # PyTorch always divides by size
    rows = x.ndim == 2
    y = F.local_response_norm(x[..., None] if rows else x, o.size, alpha, o.beta, o.k)
    return y[..., 0] if rows else y


def softmax_cross_entropy(F, o, logits):
    """Return the loss, computed here if there are both class weights and label smoothing.

    PyTorch smooths the labels after weighting them.
    """
    labels = logits.new_tensor(o.labels).long().flatten()
    rows = logits.reshape(-1, logits.shape[-1])
    if o.class_weights is None:
        return F.cross_entropy(rows, labels, label_smoothing=o.label_smoothing)
    weights = logits.new_tensor([float(weight) for weight in o.class_weights])
    if not o.label_smoothing:
        return F.cross_entropy(rows, labels, weights)
    losses = F.cross_entropy(rows, labels, label_smoothing=o.label_smoothing, reduction="none")
    return (weights[labels] * losses).sum() / weights[labels].sum()


def binary_cross_entropy(F, o, logits):
    targets = logits.new_tensor(np.asarray(o.targets, np.float64))
    return F.binary_cross_entropy_with_logits(logits, targets, pos_weight=logits.new_tensor(o.pos_weight))


@in_both_layouts
def pad(F, o, x):
    mode = {"zeros": "constant", "reflect": "reflect", "edge": "replicate"}[o.mode]
    pads = Window((1,) * (x.ndim - 2), padding=o.padding).pads(x.shape[2:])
    return padded(F, x, pads, mode)


@in_both_layouts
def adaptive_avg_pool(F, o, x):
    return F.adaptive_avg_pool2d(x, o.output_size)


@in_both_layouts
def upsample(F, o, x):
    size = [n * s for n, s in zip(x.shape[2:], per_axis("scale", o.scale, 2), strict=True)]
    return F.interpolate(x, size, mode=o.mode, align_corners=False if o.mode == "bilinear" else None)


def im2col(F, o, x):
    x = x if o.data_format == FIRST else x.movedim(-1, 1)
    win = window(o, o.kernel_size, 2)
    columns = F.unfold(padded(F, x, win.pads(x.shape[2:])), win.kernel, win.dilation, 0, win.stride)
    # From (N, C·taps, positions) to (taps·C, N·positions).
    columns = columns.unflatten(1, (x.shape[1], -1)).permute(2, 1, 0, 3)
    return columns.flatten(2).flatten(0, 1)


def col2im(F, o, **only):
    (columns,) = only.values()
    size = per_axis("input_size", o.input_size, 2)
    win = window(o, o.kernel_size, 2)
    taps, positions = math.prod(win.kernel), math.prod(win.output_size(size))
    columns = columns.unflatten(0, (taps, -1)).unflatten(2, (-1, positions)).permute(2, 1, 0, 3).flatten(1, 2)
    x = F.fold(columns, win.padded_size(size), win.kernel, win.dilation, 0, win.stride)
    x = x[(..., *(slice(p, p + n) for n, (p, _) in zip(size, win.pads(size), strict=True)))]
    return x if o.data_format == FIRST else x.movedim(1, -1)


def toeplitz(F, o, w):
    """Compute the matrix column by column: the outputs of the layer for the unit inputs."""
    ndim = w.ndim - 2
    shape = (*per_axis("input_size", o.input_size, ndim), w.shape[-2] * o.groups)
    units = w.new_zeros(math.prod(shape), math.prod(shape))
    units.fill_diagonal_(1)
    o = SimpleNamespace(**{**vars(o), "data_format": "channels_last"})
    return conv(F, o, units.unflatten(1, shape), w=w).flatten(1).T


FUNCTIONS = {
    "conv1d": conv,
    "conv2d": conv,
    "conv_transpose1d": conv_transpose,
    "conv_transpose2d": conv_transpose,
    "depthwise_conv2d": depthwise_conv,
    "separable_conv2d": separable_conv,
    "toeplitz1d": toeplitz,
    "toeplitz2d": toeplitz,
    "im2col": im2col,
    "col2im": col2im,
    "max_pool1d": max_pool,
    "max_pool2d": max_pool,
    "avg_pool1d": avg_pool,
    "avg_pool2d": avg_pool,
    "global_avg_pool1d": global_avg_pool,
    "global_avg_pool2d": global_avg_pool,
    "batch_norm": batch_norm,
    "batch_norm_inference": batch_norm_inference,
    "group_norm": group_norm,
    "layer_norm": layer_norm,
    "instance_norm": instance_norm,
    "local_response_norm": local_response_norm,
    "pad": pad,
    "upsample2d": upsample,
    "adaptive_avg_pool2d": adaptive_avg_pool,
    "dense": lambda F, o, x, w, b=None: F.linear(x, w.T, b),
    "relu": lambda F, o, x: F.relu(x),
    "relu6": lambda F, o, x: F.relu6(x),
    "leaky_relu": lambda F, o, x: F.leaky_relu(x, o.slope),
    "elu": lambda F, o, x: F.elu(x, o.alpha),
    "sigmoid": lambda F, o, x: x.sigmoid(),
    "tanh": lambda F, o, x: x.tanh(),
    "softmax": lambda F, o, x: F.softmax(x, -1),
    "log_softmax": lambda F, o, x: F.log_softmax(x, -1),
    "softmax_cross_entropy": softmax_cross_entropy,
    "mean_squared_error": lambda F, o, predictions, targets: F.mse_loss(predictions, targets),
    "binary_cross_entropy": binary_cross_entropy,
}
