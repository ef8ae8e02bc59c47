"""Worked answers to the exercises of notebook 04, and mistakes that are easily made."""

import numpy as np


def answer_1(dy, y, alpha):
    # y has the sign of x; below 0, f'(x) = α eˣ = α (eˣ − 1) + α, and the first of these is y.
    return dy * np.where(y > 0, 1, y + alpha)


def mistake_1(dy, y, alpha):
    return dy * np.where(y > 0, 1, y + 1)  # right for α = 1 only


def answer_2(dy, x, window, stride=None):
    (kh, kw), (S_h, S_w) = window, stride or window
    dx = np.zeros_like(x)
    for b, i, j, c in np.ndindex(dy.shape):
        top, left = i * S_h, j * S_w
        # argmax counts row by row and returns the first of equal values, which is the convention.
        m, n = divmod(x[b, top : top + kh, left : left + kw, c].argmax(), kw)
        dx[b, top + m, left + n, c] += dy[b, i, j, c]  # += since windows may overlap
    return dx


def mistake_2(dy, x, window, stride=None):
    (kh, kw), (S_h, S_w) = window, stride or window
    dx = np.zeros_like(x)
    for b, i, j, c in np.ndindex(dy.shape):
        under = np.s_[b, i * S_h : i * S_h + kh, j * S_w : j * S_w + kw, c]
        dx[under] += (x[under] == x[under].max()) * dy[b, i, j, c]  # gives the whole gradient to each of several winners
    return dx


answer_3 = {"up", "right"}  # its window has rows 4 and 5, columns 2 and 3
mistake_3 = {"up", "down", "left", "right"}  # invariant to small shifts, but not to all of them


def answer_4(dy, x, gamma, mean, var, eps):
    axes = tuple(range(x.ndim - 1))
    std = np.sqrt(var + eps)
    xhat = (x - mean) / std
    # The last two terms are the paths through the mean and the variance.
    dx = gamma / std * (dy - dy.mean(axes) - xhat * (dy * xhat).mean(axes))
    return dx, (dy * xhat).sum(axes), dy.sum(axes)


def mistake_4(dy, x, gamma, mean, var, eps):
    axes = tuple(range(x.ndim - 1))
    std = np.sqrt(var + eps)
    xhat = (x - mean) / std
    dx = gamma / std * (dy - dy.mean(axes))  # treats the variance as a constant
    return dx, (dy * xhat).sum(axes), dy.sum(axes)


answer_5 = 299  # 0.99ⁿ ≤ 0.05 means n ≥ ln 0.05 / ln 0.99 = 298.07
mistake_5 = 95
