"""Correct and wrong functions as students write them, with the expected findings.

``python tests/verify/student/student_versions.py`` prints the table.
"""

import time
from dataclasses import dataclass

import numpy as np

import refconv

__all__ = ["RIGHT", "WRONG", "Version"]


@dataclass(frozen=True)
class Version:
    """Function of a student, with the name of the operator that it implements.

    ``hint`` must occur in the hint of the verdict. If there is no hint, ``kind`` is the kind of the finding.
    """

    function: object
    name: str
    kind: str | None = None
    hint: str | None = None


RIGHT, WRONG = [], []


def right(name):
    return lambda function: RIGHT.append(Version(function, name)) or function


def wrong(name, kind=None, hint=None):
    return lambda function: WRONG.append(Version(function, name, kind, hint)) or function


def windows(x, kh, kw, stride=1):
    """Return the elements of x under each window: (N, rows, columns, kh, kw, C)."""
    view = np.lib.stride_tricks.sliding_window_view(x, (kh, kw), (1, 2))[:, ::stride, ::stride]
    return np.moveaxis(view, 3, -1)


# ---------------------------------------------------------------------------------------------------- correct functions


@right("conv2d")
def conv2d_loops(x, w):
    N, H, W, _ = x.shape
    kh, kw, _, O = w.shape
    y = np.zeros((N, H - kh + 1, W - kw + 1, O))
    for n in range(N):
        for i in range(H - kh + 1):
            for j in range(W - kw + 1):
                for o in range(O):
                    y[n, i, j, o] = (x[n, i : i + kh, j : j + kw] * w[..., o]).sum()
    return y


@right("conv2d")
def conv2d_einsum(image, kernel, bias=None, stride=1):
    y = np.einsum("nijuvc,uvco->nijo", windows(image, *kernel.shape[:2], stride), kernel)
    return y if bias is None else y + bias


@right("conv2d")
def conv2d_numbers_only(x, w, b=None, *, stride=1, padding=0, dilation=1):
    """Accept one number for all axes, and raise an error for names and pairs."""
    if not all(isinstance(n, int) for n in (stride, padding, dilation)):
        raise NotImplementedError("one number, please")
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    spans = [(k - 1) * dilation + 1 for k in w.shape[:2]]
    y = np.einsum("nijuvc,uvco->nijo", windows(x, *spans, stride)[:, :, :, ::dilation, ::dilation], w)
    return y if b is None else y + b


@right("conv2d")
def conv2d_all(x, w, b=None, *, stride=1, padding="valid", dilation=1, groups=1, data_format="channels_last"):
    if data_format == "channels_first":
        y = conv2d_all(np.moveaxis(x, 1, -1), w, b, stride=stride, padding=padding, dilation=dilation, groups=groups)
        return np.moveaxis(y, -1, 1)
    window = refconv.Window(w.shape[:2], stride, padding, dilation)
    (Sh, Sw), (Dh, Dw), (rows, columns) = window.stride, window.dilation, window.output_size(x.shape[1:3])
    x = np.pad(x, ((0, 0), *window.pads(x.shape[1:3]), (0, 0)))
    parts = []
    for xg, wg in zip(np.split(x, groups, -1), np.split(w, groups, -1), strict=True):
        y = 0
        for m in range(w.shape[0]):
            for n in range(w.shape[1]):
                pixels = xg[:, m * Dh : m * Dh + (rows - 1) * Sh + 1 : Sh, n * Dw : n * Dw + (columns - 1) * Sw + 1 : Sw]
                y = y + pixels @ wg[m, n]
        parts.append(y)
    y = np.concatenate(parts, -1)
    return y if b is None else y + b


@right("conv2d")
def conv2d_any(*args, **options):
    return refconv.conv2d(*args, **options)


@right("conv2d_dx")
def conv2d_dx_full(dy, w):
    """Correlate ∂e/∂y, padded with zeros, with the flipped kernel."""
    kh, kw = w.shape[:2]
    padded = np.pad(dy, ((0, 0), (kh - 1, kh - 1), (kw - 1, kw - 1), (0, 0)))
    return np.einsum("nijuvo,uvco->nijc", windows(padded, kh, kw), w[::-1, ::-1])


@right("conv2d_dx")
def conv2d_dx_scatter(dy, w, input_size, stride=1):
    S = (stride, stride) if isinstance(stride, int) else stride
    dx = np.zeros((len(dy), *input_size, w.shape[2]))
    for i in range(dy.shape[1]):
        for j in range(dy.shape[2]):
            u, v = i * S[0], j * S[1]
            dx[:, u : u + w.shape[0], v : v + w.shape[1]] += np.einsum("no,uvco->nuvc", dy[:, i, j], w)
    return dx


@right("conv2d_dx")
def conv2d_dx_of_the_smallest_input(dy, w, stride=1):
    S = (stride, stride) if isinstance(stride, int) else stride
    size = [(n - 1) * s + k for n, s, k in zip(dy.shape[1:3], S, w.shape, strict=False)]
    return conv2d_dx_scatter(dy, w, size, S)


@right("conv2d_dw")
def conv2d_dw_einsum(x, dy):
    return np.einsum("nuvijc,nijo->uvco", windows(x, *dy.shape[1:3]), dy)


@right("conv2d_dw")
def conv2d_dw_of_the_largest_kernel(x, dy, stride=1):
    S = (stride, stride) if isinstance(stride, int) else stride
    kernel = [n - (rows - 1) * s for n, rows, s in zip(x.shape[1:3], dy.shape[1:3], S, strict=True)]
    return conv2d_dw_of_w(x, dy, np.zeros((*kernel, x.shape[-1], dy.shape[-1])), S)


@right("conv2d_dw")
def conv2d_dw_of_w(x, dy, w, stride=(1, 1)):
    dw = np.zeros_like(w)
    Sh, Sw = (stride, stride) if isinstance(stride, int) else stride
    for i in range(dy.shape[1]):
        for j in range(dy.shape[2]):
            under = x[:, i * Sh : i * Sh + w.shape[0], j * Sw : j * Sw + w.shape[1]]
            dw += np.einsum("nuvc,no->uvco", under, dy[:, i, j])
    return dw


@right("conv2d_db")
def conv2d_db_sum(dy):
    return dy.sum((0, 1, 2))


@right("conv1d")
def conv1d_correlate(x, w, b=None):
    y = np.stack(
        [
            [sum(np.correlate(signal[:, c], w[:, c, o], "valid") for c in range(w.shape[1])) for o in range(w.shape[2])]
            for signal in x
        ]
    )
    return np.moveaxis(y, 1, 2) + (0 if b is None else b)


@right("convolve1d")
def convolve1d_numpy(x, w, mode):
    full = np.convolve(x, w)
    if mode == "full":
        return full
    start, n = (len(w) - 1, len(x) - len(w) + 1) if mode == "valid" else ((len(w) - 1) // 2, len(x))
    return full[start : start + n]


@right("max_pool2d")
def max_pool2d_loops(x, window, stride=None):
    kh, kw = (window, window) if isinstance(window, int) else window
    Sh, Sw = (kh, kw) if stride is None else (stride, stride) if isinstance(stride, int) else stride
    N, H, W, C = x.shape
    y = np.empty((N, (H - kh) // Sh + 1, (W - kw) // Sw + 1, C))
    for i in range(y.shape[1]):
        for j in range(y.shape[2]):
            y[:, i, j] = x[:, i * Sh : i * Sh + kh, j * Sw : j * Sw + kw].max((1, 2))
    return y


@right("max_pool2d_dx")
def max_pool2d_dx_of_x(dy, x, window):
    kh, kw = (window, window) if isinstance(window, int) else window
    dx = np.zeros_like(x)
    for n, i, j, c in np.ndindex(dy.shape):
        under = x[n, i * kh : i * kh + kh, j * kw : j * kw + kw, c]
        m, k = np.unravel_index(under.argmax(), under.shape)
        dx[n, i * kh + m, j * kw + k, c] += dy[n, i, j, c]
    return dx


@right("batch_norm")
def batch_norm_numpy(x, gamma, beta, eps=1e-3):
    axes = tuple(range(x.ndim - 1))
    mean, var = x.mean(axes), x.var(axes)
    return gamma * (x - mean) / np.sqrt(var + eps) + beta, mean, var


@right("batch_norm_grads")
def batch_norm_grads_of_rows(dy, x, gamma, eps=1e-3):
    """Compute the gradients from x for rows only, and raise an error for images."""
    N, _ = x.shape
    root = np.sqrt(x.var(0) + eps)
    xhat = (x - x.mean(0)) / root
    dgamma, dbeta = (dy * xhat).sum(0), dy.sum(0)
    return gamma / (N * root) * (N * dy - dbeta - xhat * dgamma), dgamma, dbeta


@right("softmax")
def softmax_numpy(scores):
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


@right("softmax_cross_entropy")
def cross_entropy(logits, labels):
    p = softmax_numpy(logits)
    rows = np.arange(len(labels))
    d = p.copy()
    d[rows, labels] -= 1
    return -np.log(p[rows, labels]).mean(), d / len(labels)


@right("sigmoid_dx")
def sigmoid_dx_of_x(dy, x):
    y = 1 / (1 + np.exp(-x))
    return dy * y * (1 - y)


@right("relu")
def relu(x):
    return np.maximum(x, 0)


RIGHT.append(Version(np.tanh, "tanh"))


@right("dense")
def dense(x, weights, bias):
    """Require a bias, under another name than the operator."""
    return x @ weights + bias


# ---------------------------------------------------------------------------------------- wrong functions: conv2d


@wrong("conv2d", hint="the kernel is flipped, as in a convolution")
def conv2d_flipped(x, w, b=None):
    return conv2d_all(x, w[::-1, ::-1], b)


@wrong("conv2d", hint="the kernel is flipped along the width, not along the height")
def conv2d_flipped_width(x, w):
    kh, kw = w.shape[:2]
    y = 0
    for m in range(kh):
        for n in range(kw):
            y = y + x[:, m : x.shape[1] - kh + 1 + m, n : x.shape[2] - kw + 1 + n] @ w[m, kw - 1 - n]
    return y


@wrong("conv2d", hint="the stride is ignored")
def conv2d_stride_only_in_the_size(x, w, stride=1):
    Sh, Sw = (stride, stride) if isinstance(stride, int) else stride
    kh, kw, _, O = w.shape
    y = np.zeros((len(x), (x.shape[1] - kh) // Sh + 1, (x.shape[2] - kw) // Sw + 1, O))
    for i in range(y.shape[1]):
        for j in range(y.shape[2]):
            y[:, i, j] = np.einsum("nuvc,uvco->no", x[:, i : i + kh, j : j + kw], w)
    return y


@wrong("conv2d", hint="the stride is ignored along the width")
def conv2d_stride_forgotten_once(x, w, stride=1):
    Sh, Sw = (stride, stride) if isinstance(stride, int) else stride
    kh, kw, _, O = w.shape
    y = np.zeros((len(x), (x.shape[1] - kh) // Sh + 1, (x.shape[2] - kw) // Sw + 1, O))
    for i in range(y.shape[1]):
        for j in range(y.shape[2]):
            y[:, i, j] = np.einsum("nuvc,uvco->no", x[:, i * Sh : i * Sh + kh, j : j + kw], w)
    return y


@wrong("conv2d", hint="the strides of height and width are swapped")
def conv2d_strides_exchanged(x, w, stride=1):
    return conv2d_all(x, w, stride=stride if isinstance(stride, int) else stride[::-1])


@wrong("conv2d", hint="'same' pads as if the stride were 1")
def conv2d_same_of_stride_1(x, w, stride=1, padding="valid"):
    if padding not in ("valid", "same"):
        raise NotImplementedError(padding)
    kh, kw = w.shape[:2]
    if padding == "same":
        x = np.pad(x, ((0, 0), ((kh - 1) // 2, kh // 2), ((kw - 1) // 2, kw // 2), (0, 0)))
    return conv2d_all(x, w, stride=stride)


@wrong("conv2d", hint="the extra zero of 'same' is added before the image")
def conv2d_odd_zero_in_front(x, w, padding="valid"):
    if padding == "same":
        kh, kw = w.shape[:2]
        x = np.pad(x, ((0, 0), (kh // 2, (kh - 1) // 2), (kw // 2, (kw - 1) // 2), (0, 0)))
        padding = "valid"
    return conv2d_all(x, w, padding=padding)


@wrong("conv2d", hint="each output reads the input channels of the first group")
def conv2d_first_group(x, w, groups=1):
    kh, kw, C_g, O = w.shape
    y = np.zeros((len(x), x.shape[1] - kh + 1, x.shape[2] - kw + 1, O))
    for o in range(O):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                for c in range(C_g):
                    y[:, i, j, o] += (x[:, i : i + kh, j : j + kw, c] * w[:, :, c, o]).sum((1, 2))
    return y


@wrong("conv2d", hint="o % groups")
def conv2d_interleaved(x, w, groups=1):
    kh, kw, C_g, O = w.shape
    y = np.zeros((len(x), x.shape[1] - kh + 1, x.shape[2] - kw + 1, O))
    for o in range(O):
        first = o % groups * C_g
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                y[:, i, j, o] = (x[:, i : i + kh, j : j + kw, first : first + C_g] * w[..., o]).sum((1, 2, 3))
    return y


@wrong("conv2d", hint="the bias is added once for each tap")
def conv2d_bias_in_the_loop(x, w, b=None):
    kh, kw = w.shape[:2]
    rows, columns = x.shape[1] - kh + 1, x.shape[2] - kw + 1
    y = 0
    for m in range(kh):
        for n in range(kw):
            y = y + x[:, m : m + rows, n : n + columns] @ w[m, n] + (0 if b is None else b)
    return y


@wrong("conv2d", hint="the bias is forgotten")
def conv2d_no_bias(x, w, b=None, stride=1):
    return conv2d_all(x, w, stride=stride)


@wrong("conv2d", hint="each product overwrites the sum")
def conv2d_assigns(x, w):
    kh, kw, C, O = w.shape
    y = np.zeros((len(x), x.shape[1] - kh + 1, x.shape[2] - kw + 1, O))
    for b, i, j, o in np.ndindex(y.shape):
        for m in range(kh):
            for n in range(kw):
                for c in range(C):
                    y[b, i, j, o] = x[b, i + m, j + n, c] * w[m, n, c, o]
    return y


@wrong("conv2d", hint="only the first image")
def conv2d_first_image(x, w):
    y = np.zeros_like(conv2d_all(x, w))
    y[0] = conv2d_all(x, w)[0]
    return y


@wrong("conv2d", hint="the end of the result is missing")
def conv2d_one_off(x, w):
    kh, kw, _, O = w.shape
    y = np.zeros((len(x), x.shape[1] - kh, x.shape[2] - kw, O))
    for i in range(y.shape[1]):
        for j in range(y.shape[2]):
            y[:, i, j] = np.einsum("nuvc,uvco->no", x[:, i : i + kh, j : j + kw], w)
    return y


@wrong("conv2d", hint="the dilation is ignored")
def conv2d_no_dilation(x, w, stride=1, dilation=1):
    y = conv2d_all(x, w, stride=stride, dilation=dilation)
    return conv2d_all(x, w, stride=stride)[:, : y.shape[1], : y.shape[2]]


# ------------------------------------------------------------------------ wrong functions: derivatives of conv2d


@wrong("conv2d_dx", hint="correlated with the kernel itself")
def conv2d_dx_not_flipped(dy, w):
    return conv2d_dx_full(dy, w[::-1, ::-1])


@wrong("conv2d_dx", hint="the stride is ignored")
def conv2d_dx_not_spread(dy, w, input_size, stride=1):
    dx = np.zeros((len(dy), *input_size, w.shape[2]))
    for i in range(dy.shape[1]):
        for j in range(dy.shape[2]):
            dx[:, i : i + w.shape[0], j : j + w.shape[1]] += np.einsum("no,uvco->nuvc", dy[:, i, j], w)
    return dx


@wrong("conv2d_dx", hint="the padding is not cut off")
def conv2d_dx_not_cropped(dy, w, input_size, padding=0):
    window = refconv.Window(w.shape[:2], 1, padding)
    return conv2d_dx_scatter(dy, w, window.padded_size(input_size))


@wrong("conv2d_dx", hint="overlapping windows overwrite each other")
def conv2d_dx_assigns(dy, w):
    kh, kw, C, _ = w.shape
    dx = np.zeros((len(dy), dy.shape[1] + kh - 1, dy.shape[2] + kw - 1, C))
    for i in range(dy.shape[1]):
        for j in range(dy.shape[2]):
            dx[:, i : i + kh, j : j + kw] = np.einsum("no,uvco->nuvc", dy[:, i, j], w)
    return dx


@wrong("conv2d_dx", hint="input and output channels of the kernel are swapped")
def conv2d_dx_channels_exchanged(dy, w):
    return conv2d_dx_full(dy, np.swapaxes(w, 2, 3))


@wrong("conv2d_dw", hint="averaged over the batch")
def conv2d_dw_averaged(x, dy):
    return conv2d_dw_einsum(x, dy) / len(x)


@wrong("conv2d_dw", hint="only the last image")
def conv2d_dw_last_image(x, dy):
    for n in range(len(x)):
        dw = np.einsum("uvijc,ijo->uvco", windows(x, *dy.shape[1:3])[n], dy[n])
    return dw


@wrong("conv2d_dw", hint="the result is flipped")
def conv2d_dw_flipped(x, dy):
    return conv2d_dw_einsum(x, dy)[::-1, ::-1]


@wrong("conv2d_dw", hint="the stride is ignored")
def conv2d_dw_stride_ignored(x, dy, w, stride=1):
    return conv2d_dw_of_w(x, dy, w)


@wrong("conv2d_db", hint="averaged over the batch")
def conv2d_db_averaged(dy):
    return dy.sum((1, 2)).mean(0)


# ----------------------------------------------------------------------------------- wrong functions: other families


@wrong("convolve1d", hint="the kernel is not flipped")
def convolve1d_not_flipped(x, w, mode):
    return convolve1d_numpy(x, w[::-1], mode)


@wrong("convolve1d", hint="'same' is the beginning of 'full'")
def convolve1d_same_from_the_start(x, w, mode):
    return np.convolve(x, w)[: len(x)] if mode == "same" else convolve1d_numpy(x, w, mode)


@wrong("max_pool2d", hint="the zeros of the padding are compared")
def max_pool2d_zeros_win(x, window, stride=None, padding=0):
    if not isinstance(padding, int):
        raise NotImplementedError("a number, please")
    return max_pool2d_loops(np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0))), window, stride)


@wrong("max_pool2d", hint="the maximum starts from 0")
def max_pool2d_from_0(x, window):
    y = max_pool2d_loops(x, window)
    for index in np.ndindex(y.shape):
        best = 0
        if y[index] > best:
            best = y[index]
        y[index] = best
    return y


@wrong("max_pool2d", hint="the window's height and width are swapped")
def max_pool2d_exchanged(x, window):
    return max_pool2d_loops(x, window if isinstance(window, int) else window[::-1])


@wrong("max_pool2d_dx", hint="each of several equal maxima")
def max_pool2d_dx_ties(dy, x, window):
    kh, kw = (window, window) if isinstance(window, int) else window
    dx = np.zeros_like(x)
    for n, i, j, c in np.ndindex(dy.shape):
        place = n, slice(i * kh, i * kh + kh), slice(j * kw, j * kw + kw), c
        dx[place] += (x[place] == x[place].max()) * dy[n, i, j, c]
    return dx


@wrong("max_pool2d_dx", hint="the last of several equal maxima")
def max_pool2d_dx_last(dy, x, window):
    kh, kw = (window, window) if isinstance(window, int) else window
    dx = np.zeros_like(x)
    for n, i, j, c in np.ndindex(dy.shape):
        best, place = -np.inf, None
        for u in range(i * kh, i * kh + kh):
            for v in range(j * kw, j * kw + kw):
                if x[n, u, v, c] >= best:
                    best, place = x[n, u, v, c], (n, u, v, c)
        dx[place] += dy[n, i, j, c]
    return dx


@wrong("avg_pool2d", hint="the zeros of the padding are counted")
def avg_pool2d_counts_zeros(x, window, stride=None, padding="valid"):
    return refconv.avg_pool2d(x, window, stride=stride, padding=padding, count_include_pad=True)


@wrong("avg_pool2d_dx", hint="the window's height and width are swapped")
def avg_pool2d_dx_exchanged(dy, window, input_size):
    kh, kw = (window, window) if isinstance(window, int) else window
    dx = np.zeros((len(dy), *input_size, dy.shape[-1]))
    for i in range(dy.shape[1]):
        for j in range(dy.shape[2]):
            dx[:, i * kh : i * kh + kw, j * kw : j * kw + kh] += dy[:, i, j][:, None, None] / (kh * kw)
    return dx


@wrong("batch_norm", hint="the variance is unbiased")
def batch_norm_unbiased(x, gamma, beta, eps=1e-3):
    axes = tuple(range(x.ndim - 1))
    mean, var = x.mean(axes), x.var(axes, ddof=1)
    return gamma * (x - mean) / np.sqrt(var + eps) + beta, mean, var


@wrong("batch_norm", hint="it belongs under the root")
def batch_norm_eps_outside(x, gamma, beta, eps=1e-3):
    axes = tuple(range(x.ndim - 1))
    return gamma * (x - x.mean(axes)) / (x.std(axes) + eps) + beta


@wrong("batch_norm", hint="for each pixel")
def batch_norm_over_axis_0(x, gamma, beta, eps=1e-3):
    return gamma * (x - x.mean(0)) / np.sqrt(x.var(0) + eps) + beta


@wrong("batch_norm_grads", hint="treats mean and variance as constants")
def batch_norm_grads_of_constants(dy, x, gamma, mean, var, eps=1e-3):
    axes = tuple(range(x.ndim - 1))
    xhat = (x - mean) / np.sqrt(var + eps)
    return dy * gamma / np.sqrt(var + eps), (dy * xhat).sum(axes), dy.sum(axes)


@wrong("softmax", hint="not divided by their sum")
def softmax_without_the_sum(x):
    return np.exp(x)


@wrong("softmax", hint="the sum runs over the first axis")
def softmax_over_the_batch(x):
    return np.exp(x) / np.exp(x).sum(0)


@wrong("softmax_cross_entropy", hint="the loss is the sum over the examples")
def cross_entropy_sum(logits, labels):
    loss, d = cross_entropy(logits, labels)
    return loss * len(labels), d * len(labels)


@wrong("softmax_cross_entropy", hint="the label smoothing is ignored")
def cross_entropy_not_smoothed(logits, labels, label_smoothing=0.0):
    return cross_entropy(logits, labels)


@wrong("relu_dx", hint="the derivative at 0 is 1")
def relu_dx_at_0(dy, x):
    return dy * (x >= 0)


@wrong("leaky_relu", hint="the slope is on the wrong side")
def leaky_relu_turned(x, slope=0.1):
    return np.where(x < 0, x, slope * x)


@wrong("sigmoid_dx", hint="the sigmoid is applied twice")
def sigmoid_dx_twice(dy, y):
    s = 1 / (1 + np.exp(-y))
    return dy * s * (1 - s)


@wrong("dense_dw", hint="averaged over the batch")
def dense_dw_averaged(x, dy):
    return x.T @ dy / len(x)


# ------------------------------------------------------------- wrong functions: transposed, depthwise, resized and random


@wrong("conv2d", hint="'same' adds k // 2 zeros on both sides")
def conv2d_same_of_half(x, w, padding="valid"):
    return conv2d_all(x, w, padding=tuple(k // 2 for k in w.shape[:2]) if padding == "same" else padding)


def conv_transpose2d_stamps(x, w, stride=1, *, flip=False, assign=False):
    S, T = (stride, stride) if isinstance(stride, int) else stride
    kh, kw, O, _ = w.shape
    y = np.zeros((len(x), (x.shape[1] - 1) * S + kh, (x.shape[2] - 1) * T + kw, O))
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            stamp = np.einsum("nc,uvoc->nuvo", x[:, i, j], w[::-1, ::-1] if flip else w)
            place = slice(None), slice(i * S, i * S + kh), slice(j * T, j * T + kw)
            y[place] = stamp if assign else y[place] + stamp
    return y


@right("conv_transpose2d")
def conv_transpose2d(x, w, stride=1):
    return conv_transpose2d_stamps(x, w, stride)


@wrong("conv_transpose2d", hint="the kernel is flipped")
def conv_transpose2d_flipped(x, w, stride=1):
    return conv_transpose2d_stamps(x, w, stride, flip=True)


@wrong("conv_transpose2d", hint="overlapping stamps overwrite each other")
def conv_transpose2d_assigns(x, w, stride=1):
    return conv_transpose2d_stamps(x, w, stride, assign=True)


@wrong("conv_transpose2d", hint="the stride is ignored")
def conv_transpose2d_of_stride_1(x, w, stride=1):
    return conv_transpose2d_stamps(x, w)


@wrong("depthwise_conv2d", hint="in the order q · C + c")
def depthwise_outputs_mixed(x, w):
    kh, kw, C, Q = w.shape
    y = np.einsum("nijuvc,uvcq->nijqc", windows(x, kh, kw), w)
    return y.reshape(*y.shape[:3], C * Q)


@wrong("upsample2d", hint="as by np.tile")
def upsample2d_tiled(x, scale):
    S, T = (scale, scale) if isinstance(scale, int) else scale
    return np.tile(x, (1, S, T, 1))


@wrong("pad", hint="'reflect' repeats the pixel at the edge")
def pad_symmetric(x, padding, mode="zeros"):
    y = refconv.pad(x, padding, mode=mode)
    if mode == "reflect":
        before = np.array([(p, p) if isinstance(p, int) else p for p in np.atleast_1d(padding).tolist()])
        frame = np.broadcast_to(before, (x.ndim - 2, 2))
        y = np.pad(x, [(0, 0), *map(tuple, frame), (0, 0)], mode="symmetric")
    return y


@wrong("im2col", hint="the matrix is transposed")
def im2col_rows(x, kernel_size, stride=1):
    return refconv.im2col(x, kernel_size, stride=stride).T


@right("dropout")
def dropout(x, rate, rng):
    mask = (rng.random(x.shape) >= rate) / (1 - rate)
    return x * mask, mask


@wrong("dropout", hint="the units that are kept are not scaled")
def dropout_not_enlarged(x, rate, rng):
    return x * (rng.random(x.shape) >= rate)


@wrong("dropout", hint="the mask is inverted")
def dropout_inverted(x, rate, rng):
    return x * (rng.random(x.shape) < rate) / (1 - rate)


# ------------------------------------------------------------------------ wrong functions: no common mistake explains them


@wrong("conv2d", "raises")
def conv2d_raises(x, w):
    return x @ w[0, 0, 0, 0, 0]


@wrong("conv2d", "none")
def conv2d_returns_nothing(x, w):
    conv2d_all(x, w)


@wrong("conv2d", "type")
def conv2d_list(x, w):
    return conv2d_all(x, w).tolist()


@wrong("conv2d", "dtype")
def conv2d_whole_numbers(x, w):
    return conv2d_all(x, w).astype(int)


@wrong("conv2d", "dtype")
def conv2d_halves_precision(x, w):
    return conv2d_all(x, w).astype(np.float32)


@wrong("relu", "modifies")
def relu_in_place(x):
    x[x < 0] = 0
    return x.copy()


@wrong("relu", "nan")
def relu_of_a_root(x):
    with np.errstate(all="ignore"):
        return np.sqrt(x) ** 2


@wrong("dense", "numbers")
def dense_random(x, w):
    return np.random.default_rng(0).standard_normal((len(x), w.shape[1]))


@wrong("conv2d", hint="with all options at their defaults it looks as if the kernel is flipped")
def conv2d_two_mistakes(x, w, b=None, stride=1):
    """Flip the kernel and ignore the bias: no single mistake explains both."""
    return conv2d_all(x, w[::-1, ::-1], stride=stride)


@wrong("batch_norm", "count")
def batch_norm_two_results(x, gamma, beta):
    return batch_norm_numpy(x, gamma, beta)[:2]


@wrong("relu", "time")
def relu_for_ever(x):
    while True:
        time.sleep(0.01)


if __name__ == "__main__":
    import contextlib
    import io

    from refconv.verify import check

    for version in (*WRONG, *RIGHT):
        with contextlib.redirect_stdout(io.StringIO()):
            verdict = check(version.function, version.name)
        result = "right" if verdict else f"{verdict.finding.kind}: {verdict.hint or '(no hint) ' + verdict.finding.words}"
        print(f"{version.name:22} {version.function.__name__:32} {result}", flush=True)
