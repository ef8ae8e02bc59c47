"""Worked answers to the exercises of notebook 06, and mistakes that are easily made."""

import numpy as np


def answer_1(x, w, stride=(1, 1)):
    (N, rows, columns, _), (kh, kw, O, _), (S_h, S_w) = x.shape, w.shape, stride
    y = np.zeros((N, (rows - 1) * S_h + kh, (columns - 1) * S_w + kw, O))
    for i in range(rows):
        for j in range(columns):
            stamp = np.einsum("bc,mnoc->bmno", x[:, i, j], w)
            y[:, i * S_h : i * S_h + kh, j * S_w : j * S_w + kw] += stamp  # += since stamps overlap
    return y


def mistake_1(x, w, stride=(1, 1)):
    (N, rows, columns, _), (kh, kw, O, _), (S_h, S_w) = x.shape, w.shape, stride
    y = np.zeros((N, (rows - 1) * S_h + kh, (columns - 1) * S_w + kw, O))
    for i in range(rows):
        for j in range(columns):
            stamp = np.einsum("bc,mnoc->bmno", x[:, i, j], w)
            y[:, i * S_h : i * S_h + kh, j * S_w : j * S_w + kw] = stamp  # where stamps overlap, the last one wins
    return y


answer_2 = (14, 15, 16)  # ⌊(n + 2 − 4) / 3⌋ + 1 = 5 means 12 ≤ n − 2 ≤ 14
mistake_2 = (14,)  # only the size for output_padding=0


answer_3 = (1, 2, 4, 8, 16)  # 1 + 2 · (1 + 2 + 4 + 8 + 16) = 63, and each layer fills the holes of the next one
mistake_3 = (1, 1, 1, 1, 27)  # the size is right, but there are holes


def answer_4(depthwise, pointwise):
    *_, C, Q = depthwise.shape
    # The channels between the two convolutions are c·Q + q: row-major order is (c, q).
    return np.einsum("mncq,cqo->mnco", depthwise, pointwise.reshape(C, Q, -1))


def mistake_4(depthwise, pointwise):
    *_, C, Q = depthwise.shape
    return np.einsum("mncq,qco->mnco", depthwise, pointwise.reshape(Q, C, -1))  # as if the order were q·C + c


answer_5 = 16  # 9 · 256 · 256 / g < 9 · 256 + 256 · 256 means g > 8.7, and g divides 256
mistake_5 = 9
