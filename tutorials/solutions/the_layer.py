"""Worked answers to the exercises of notebook 02, and mistakes that are easily made."""

import numpy as np

# (32 − 5) + 1; ⌊(224 + 6 − 7) / 2⌋ + 1; (227 − 11) / 4 + 1; the span is 2·4 + 1 = 9, so ⌊(15 − 9) / 2⌋ + 1.
answer_1 = (28, 112, 55, 4)
mistake_1 = (28, 112, 55, 7)  # the dilation forgotten


# 3·3·3·64 + 64, twice, since the image's size does not matter; 64·256 + 256; 5·5·48·256 + 256.
answer_2 = (1792, 1792, 16640, 307456)
mistake_2 = (1792, 7168, 16640, 307456)  # (b) four times (a), as a dense layer would have


def answer_3(x, w, stride=1):
    """The channels c stand in both factors and o in the kernel only: a sum over c, and an output for each o."""
    S_h, S_w = stride if isinstance(stride, tuple) else (stride, stride)
    N, H, W, C = x.shape
    kh, kw, C, O = w.shape
    y = np.zeros((N, (H - kh) // S_h + 1, (W - kw) // S_w + 1, O))
    for b, i, j, o in np.ndindex(y.shape):
        for m, n, c in np.ndindex(kh, kw, C):
            y[b, i, j, o] += x[b, i * S_h + m, j * S_w + n, c] * w[m, n, c, o]
    return y


def mistake_3(x, w, stride=1):
    """The stride counts the outputs, but the window still moves by one."""
    S_h, S_w = stride if isinstance(stride, tuple) else (stride, stride)
    N, H, W, C = x.shape
    kh, kw, C, O = w.shape
    y = np.zeros((N, (H - kh) // S_h + 1, (W - kw) // S_w + 1, O))
    for b, i, j, o in np.ndindex(y.shape):
        for m, n, c in np.ndindex(kh, kw, C):
            y[b, i, j, o] += x[b, i + m, j + n, c] * w[m, n, c, o]
    return y


# A row for each channel that goes in, a column for each that comes out.
answer_4 = np.array([[0.3, 1], [0.6, 0], [0.1, -1]]).reshape(1, 1, 3, 2)
mistake_4 = np.array([[0.3, 0.6, 0.1], [1, 0, -1]]).reshape(1, 1, 3, 2)  # a row for each output, and then reshaped


def answer_5(w, groups):
    """Group g has the inputs from g · C / groups on and the outputs from g · O / groups on: a block on the diagonal."""
    kh, kw, C_g, O = w.shape
    O_g = O // groups
    full = np.zeros((kh, kw, C_g * groups, O))
    for g in range(groups):
        full[:, :, g * C_g : (g + 1) * C_g, g * O_g : (g + 1) * O_g] = w[:, :, :, g * O_g : (g + 1) * O_g]
    return full


def mistake_5(w, groups):
    """The outputs dealt out like cards: output o to group o % groups."""
    kh, kw, C_g, O = w.shape
    full = np.zeros((kh, kw, C_g * groups, O))
    for o in range(O):
        g = o % groups
        full[:, :, g * C_g : (g + 1) * C_g, o] = w[:, :, :, o]
    return full
