"""Worked answers to the exercises of notebook 02, and mistakes that are easily made."""

import numpy as np

# (32 − 5) + 1; ⌊(224 + 6 − 7) / 2⌋ + 1; (227 − 11) / 4 + 1; the span is 2·4 + 1 = 9, so ⌊(15 − 9) / 2⌋ + 1.
answer_1 = (28, 112, 55, 4)
mistake_1 = (28, 112, 55, 7)  # ignores the dilation


# 3·3·3·64 + 64, twice, since the image's size does not matter; 64·256 + 256; 5·5·48·256 + 256.
answer_2 = (1792, 1792, 16640, 307456)
mistake_2 = (1792, 7168, 16640, 307456)  # (b) is four times (a), as if weights depended on the image's size


def answer_3(x, w, stride=1):
    """Sum over the input channels c, which index both factors, for each output channel o."""
    S_h, S_w = stride if isinstance(stride, tuple) else (stride, stride)
    N, H, W, C = x.shape
    kh, kw, C, O = w.shape
    y = np.zeros((N, (H - kh) // S_h + 1, (W - kw) // S_w + 1, O))
    for b, i, j, o in np.ndindex(y.shape):
        for m, n, c in np.ndindex(kh, kw, C):
            y[b, i, j, o] += x[b, i * S_h + m, j * S_w + n, c] * w[m, n, c, o]
    return y


def mistake_3(x, w, stride=1):
    """Use the stride for the number of outputs, but still move the window by one."""
    S_h, S_w = stride if isinstance(stride, tuple) else (stride, stride)
    N, H, W, C = x.shape
    kh, kw, C, O = w.shape
    y = np.zeros((N, (H - kh) // S_h + 1, (W - kw) // S_w + 1, O))
    for b, i, j, o in np.ndindex(y.shape):
        for m, n, c in np.ndindex(kh, kw, C):
            y[b, i, j, o] += x[b, i + m, j + n, c] * w[m, n, c, o]
    return y


# A row for each input channel and a column for each output channel.
answer_4 = np.array([[0.3, 1], [0.6, 0], [0.1, -1]]).reshape(1, 1, 3, 2)
mistake_4 = np.array([[0.3, 0.6, 0.1], [1, 0, -1]]).reshape(1, 1, 3, 2)  # the rows are outputs, so reshaping mixes them


def answer_5(w, groups):
    """Write the weights of each group into a block on the diagonal.

    Group g has the inputs from g · C / groups on and the outputs from g · O / groups on.
    """
    kh, kw, C_g, O = w.shape
    O_g = O // groups
    full = np.zeros((kh, kw, C_g * groups, O))
    for g in range(groups):
        full[:, :, g * C_g : (g + 1) * C_g, g * O_g : (g + 1) * O_g] = w[:, :, :, g * O_g : (g + 1) * O_g]
    return full


def mistake_5(w, groups):
    """Assign output o to group o % groups, like dealing cards."""
    kh, kw, C_g, O = w.shape
    full = np.zeros((kh, kw, C_g * groups, O))
    for o in range(O):
        g = o % groups
        full[:, :, g * C_g : (g + 1) * C_g, o] = w[:, :, :, o]
    return full
