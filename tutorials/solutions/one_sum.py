"""Worked answers to the exercises of notebook 01, and mistakes that are easily made."""

import numpy as np

from refconv import convolve1d, cross_correlate1d

# ⋆: 2·3 + 7·1 + 1·4 and 7·3 + 1·1 + 8·4; *: the kernel reads 4, 1, 3, so 2·4 + 7·1 + 1·3 and 7·4 + 1·1 + 8·3.
answer_1 = ([17, 54], [18, 53])
mistake_1 = ([18, 53], [17, 54])  # the two exchanged


def answer_2(x, w):
    """Add each product at the sum of its factors' places; no index can leave the array."""
    y = np.zeros(len(x) + len(w) - 1)
    for s in range(len(x)):
        for i in range(len(w)):
            y[s + i] += x[s] * w[i]
    return y


def mistake_2(x, w):
    """Compute the cross-correlation: both factors walk in the same direction."""
    y = np.zeros(len(x) + len(w) - 1)
    for s in range(len(x)):
        for i in range(len(w)):
            y[s + len(w) - 1 - i] += x[s] * w[i]
    return y


def answer_3(a, b):
    """Return a * b, although both layers compute ⋆.

    (b ⋆ (a ⋆ x))_t = Σ_j Σ_i x_{t+i+j} a_i b_j: the places i and j add up.
    """
    return convolve1d(a, b, "full")


def mistake_3(a, b):
    """Return a ⋆ b, which is right only if b equals its reverse."""
    return cross_correlate1d(a, b, "full")


def answer_4(w, n):
    """Write the flipped kernel into each row.

    Output t, counted from 0, reads the inputs t to t + k − 1, and the last weight is multiplied by the first of them.
    """
    k = len(w)
    T = np.zeros((n - k + 1, n))
    for t in range(n - k + 1):
        T[t, t : t + k] = w[::-1]
    return T


def mistake_4(w, n):
    """Return the matrix of ⋆, without the flip."""
    return answer_4(w[::-1], n)


# The 1 lies on the pixel itself, in the middle; the −1 below and to the right of it, since ⋆ takes K as it is.
answer_5 = [[0, 0, 0], [0, 1, 0], [0, 0, -1]]
mistake_5 = [[-1, 0, 0], [0, 1, 0], [0, 0, 0]]  # K of the convolution
