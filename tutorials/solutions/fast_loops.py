"""Worked answers to the exercises of notebook 12, and mistakes that are easily made."""

from fractions import Fraction

import numpy as np

# 3.7 billion operations on 26 million bytes: 144 for each. The columns alone have 116 million.
answer_1 = (2 * (224 * 224 * 64) * (3 * 3 * 64), 4 * (2 * 224 * 224 * 64 + 3 * 3 * 64 * 64), 4 * (224 * 224) * (3 * 3 * 64))
mistake_1 = ((224 * 224 * 64) * (3 * 3 * 64), 4 * (2 * 224 * 224 * 64 + 3 * 3 * 64 * 64), 4 * (224 * 224) * (3 * 3 * 64))


def answer_2(x, w, stride=1):
    """Tap (m, n) sees every S-th pixel from (m, n) on, as many as there are outputs: a slice, and no copy."""
    S_h, S_w = stride if isinstance(stride, tuple) else (stride, stride)
    kh, kw, _C, O = w.shape
    rows, columns = (x.shape[1] - kh) // S_h + 1, (x.shape[2] - kw) // S_w + 1
    y = np.zeros((len(x), rows, columns, O), x.dtype)
    for m, n in np.ndindex(kh, kw):
        y += x[:, m : m + S_h * rows : S_h, n : n + S_w * columns : S_w] @ w[m, n]
    return y


def mistake_2(x, w, stride=1):
    """All outputs of stride 1, of which every S-th is kept, but the strides of height and width are exchanged."""
    S_h, S_w = stride if isinstance(stride, tuple) else (stride, stride)
    return answer_2(x, w)[:, ::S_w, ::S_h]


# o innermost: w[c, :] and y[p, :] lie along it, and x[p, c] stands still. p outermost: y[p, :] and x[p, :] stay in the
# cache, and w comes once for each pixel. (A tile of twelve pixels reads it a twelfth as often.)
answer_3 = "pco"
mistake_3 = "poc"  # as the formula is written: w is read down its columns


# 4 · 3 + 3 + 1 = 16 registers, and 4 · 3 multiply-adds on 4 + 3 loads. Better than 12 / 8 of 6 × 2; but each weight is used
# four times only, and 3 · 8 lanes are no power of two, as numbers of channels often are.
answer_4 = (4, Fraction(12, 7))
mistake_4 = (5, Fraction(15, 8))  # fifteen sums fit, but nothing beside them


# y_0 = first + half_sum + half_difference, y_1 = half_sum − half_difference − last.
answer_5 = [[1, 1, 1, 0], [0, 1, -1, -1]]
mistake_5 = [[1, 1, 1, 0], [0, 1, -1, 1]]  # the last product is taken away, not added
