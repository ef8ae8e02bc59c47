"""Worked answers to the exercises of notebook 12, and mistakes that are easily made."""

from fractions import Fraction

import numpy as np

# 3.7 billion operations on 26 million bytes: 144 for each byte. The columns alone have 116 million bytes.
answer_1 = (2 * (224 * 224 * 64) * (3 * 3 * 64), 4 * (2 * 224 * 224 * 64 + 3 * 3 * 64 * 64), 4 * (224 * 224) * (3 * 3 * 64))
mistake_1 = ((224 * 224 * 64) * (3 * 3 * 64), 4 * (2 * 224 * 224 * 64 + 3 * 3 * 64 * 64), 4 * (224 * 224) * (3 * 3 * 64))


def answer_2(x, w, stride=1):
    """Add one matrix product for each tap.

    Tap (m, n) reads every S-th pixel from (m, n) on, one for each output: a slice, which copies nothing.
    """
    S_h, S_w = stride if isinstance(stride, tuple) else (stride, stride)
    kh, kw, _C, O = w.shape
    rows, columns = (x.shape[1] - kh) // S_h + 1, (x.shape[2] - kw) // S_w + 1
    y = np.zeros((len(x), rows, columns, O), x.dtype)
    for m, n in np.ndindex(kh, kw):
        y += x[:, m : m + S_h * rows : S_h, n : n + S_w * columns : S_w] @ w[m, n]
    return y


def mistake_2(x, w, stride=1):
    """Keep every S-th output of stride 1, but exchange the strides of height and width."""
    S_h, S_w = stride if isinstance(stride, tuple) else (stride, stride)
    return answer_2(x, w)[:, ::S_w, ::S_h]


# o innermost: w[c, :] and y[p, :] are contiguous along it, and x[p, c] stays the same. p outermost: y[p, :] and x[p, :]
# stay in the cache, and w is read once for each pixel. (A tile of twelve pixels reads w a twelfth as often.)
answer_3 = "pco"
mistake_3 = "poc"  # the order of the formula: w is read down its columns


# 4 · 3 + 3 + 1 = 16 registers, and 4 · 3 multiply-adds for 4 + 3 loads. This is better than 12 / 8 for 6 × 2. But each weight
# is used only four times, and 3 · 8 lanes are not a power of two, as numbers of channels often are.
answer_4 = (4, Fraction(12, 7))
mistake_4 = (5, Fraction(15, 8))  # fifteen sums fit, but leave no registers for weights


# y_0 = first + half_sum + half_difference, y_1 = half_sum − half_difference − last.
answer_5 = [[1, 1, 1, 0], [0, 1, -1, -1]]
mistake_5 = [[1, 1, 1, 0], [0, 1, -1, 1]]  # the last product must be subtracted, not added
