"""Worked answers to the exercises of notebook 03, and mistakes that are easily made."""

import numpy as np

from refconv import conv2d_dx

# dw_0 = 3·1 + 1·0 − 4 + 1·2 and dw_1 = 1·1 + 4·0 − 1 + 5·2; dx: each dz_t stamps (2, 7) · dz_t at t and t + 1.
answer_1 = ([1, 10], [2, 7, -2, -3, 14])
mistake_1 = ([1, 10], [7, 2, -7, 12, 4])  # with a flipped kernel


def windows(dy, stride):
    """Yield each output (i, j) with the first row and column of its window."""
    S_h, S_w = stride if isinstance(stride, tuple) else (stride, stride)
    for i in range(dy.shape[1]):
        for j in range(dy.shape[2]):
            yield i, j, i * S_h, j * S_w


def answer_2(x, dy, kernel_size, stride=1):
    """Add for each output its window of x times ∂e/∂y; the matrix product sums over the batch."""
    kh, kw = kernel_size
    dw = np.zeros((kh, kw, x.shape[3], dy.shape[3]))
    for i, j, top, left in windows(dy, stride):
        for m in range(kh):
            for n in range(kw):
                dw[m, n] += x[:, top + m, left + n].T @ dy[:, i, j]
    return dw


def mistake_2(x, dy, kernel_size, stride=1):
    """Average over the batch, although ∂e/∂y already contains the average of a mean error."""
    return answer_2(x, dy, kernel_size, stride) / len(x)


def answer_3(dy, w, input_size, stride=1):
    """Add for each output its ∂e/∂y times the weights to the window that it was computed from."""
    kh, kw, C, _O = w.shape
    dx = np.zeros((len(dy), *input_size, C))
    for i, j, top, left in windows(dy, stride):
        for m in range(kh):
            for n in range(kw):
                dx[:, top + m, left + n] += dy[:, i, j] @ w[m, n].T
    return dx


def mistake_3(dy, w, input_size, stride=1):
    """Assign instead of adding, so the last window wins where windows overlap."""
    kh, kw, C, _O = w.shape
    dx = np.zeros((len(dy), *input_size, C))
    for i, j, top, left in windows(dy, stride):
        for m in range(kh):
            for n in range(kw):
                dx[:, top + m, left + n] = dy[:, i, j] @ w[m, n].T
    return dx


def answer_4(dy, w, input_size):
    """Mirror ∂e/∂y: if all its elements are 1, exchanging them changes nothing."""
    return conv2d_dx(dy[:, :, ::-1], w, input_size)


def mistake_4(dy, w, input_size):
    """Flip the kernel, which the check notices: at the edges not every weight contributes."""
    return conv2d_dx(dy, w[::-1, ::-1], input_size)


def answer_5(dy):
    """Sum over batch, rows and columns, since ∂y_{b,i,j,o} / ∂bias_o is 1 at every pixel."""
    return dy.sum((0, 1, 2))


def mistake_5(dy):
    """Omit the sum over the batch, which gives one bias for each image."""
    return dy.sum((1, 2))
