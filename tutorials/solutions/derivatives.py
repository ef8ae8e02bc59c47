"""Worked answers to the exercises of notebook 03, and mistakes that are easily made."""

import numpy as np

from refconv import conv2d_dx

# dw_0 = 3·1 + 1·0 − 4 + 1·2 and dw_1 = 1·1 + 4·0 − 1 + 5·2; dx: each dz_t stamps (2, 7) · dz_t at t and t + 1.
answer_1 = ([1, 10], [2, 7, -2, -3, 14])
mistake_1 = ([1, 10], [7, 2, -7, 12, 4])  # the kernel flipped


def windows(dy, stride):
    """Each output (i, j) with the first row and column of its window."""
    S_h, S_w = stride if isinstance(stride, tuple) else (stride, stride)
    for i in range(dy.shape[1]):
        for j in range(dy.shape[2]):
            yield i, j, i * S_h, j * S_w


def answer_2(x, dy, kernel_size, stride=1):
    """Each output adds its window of x, times its ∂e/∂y: the sum over the batch is in the product of matrices."""
    kh, kw = kernel_size
    dw = np.zeros((kh, kw, x.shape[3], dy.shape[3]))
    for i, j, top, left in windows(dy, stride):
        for m in range(kh):
            for n in range(kw):
                dw[m, n] += x[:, top + m, left + n].T @ dy[:, i, j]
    return dw


def mistake_2(x, dy, kernel_size, stride=1):
    """The mean over the batch, which would be right if the error were one; the layer does not know that."""
    return answer_2(x, dy, kernel_size, stride) / len(x)


def answer_3(dy, w, input_size, stride=1):
    """Each output sends its ∂e/∂y back along the weights, into the window that it came from."""
    kh, kw, C, _O = w.shape
    dx = np.zeros((len(dy), *input_size, C))
    for i, j, top, left in windows(dy, stride):
        for m in range(kh):
            for n in range(kw):
                dx[:, top + m, left + n] += dy[:, i, j] @ w[m, n].T
    return dx


def mistake_3(dy, w, input_size, stride=1):
    """Where windows overlap, the last one wins."""
    kh, kw, C, _O = w.shape
    dx = np.zeros((len(dy), *input_size, C))
    for i, j, top, left in windows(dy, stride):
        for m in range(kh):
            for n in range(kw):
                dx[:, top + m, left + n] = dy[:, i, j] @ w[m, n].T
    return dx


def answer_4(dy, w, input_size):
    """Whatever exchanges the elements of ∂e/∂y leaves a field of ones as it is: here it is mirrored."""
    return conv2d_dx(dy[:, :, ::-1], w, input_size)


def mistake_4(dy, w, input_size):
    """The flipped kernel is noticed even so: at the edges not every weight arrives."""
    return conv2d_dx(dy, w[::-1, ::-1], input_size)


def answer_5(dy):
    """∂y_{b,i,j,o} / ∂bias_o is 1 at every pixel of every image, so the sum over all of them remains."""
    return dy.sum((0, 1, 2))


def mistake_5(dy):
    """The sum over the batch is forgotten: one bias for each image."""
    return dy.sum((1, 2))
