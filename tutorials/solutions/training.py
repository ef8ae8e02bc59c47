"""Worked answers to the exercises of notebook 08, and mistakes that are easily made."""

import numpy as np


def answer_1(theta, v, g, lr):
    v = 0.9 * v - lr * (g + 0.0005 * theta)
    return theta + v, v


def mistake_1(theta, v, g, lr):
    """PyTorch's convention: the rate stands outside of the velocity, so a fall of it also slows what was gathered before."""
    v = 0.9 * v - (g + 0.0005 * theta)
    return theta + lr * v, v


# 0.94ᵏ < 0.1 wants k > log 0.1 / log 0.94 = 37.2: the 38th fall, and each fall takes two epochs.
answer_2 = 2 * 38
mistake_2 = 2 * 15  # 15 · 6 % = 90 %: but each fall takes its 6 % of what is left


def answer_3(x, gamma, beta, eps=1e-3):
    axes = tuple(range(x.ndim - 1))  # all but the channels: the examples of a dense layer, and the pixels too (A16)
    mean, var = x.mean(axes), x.var(axes)
    return gamma * (x - mean) / np.sqrt(var + eps) + beta, mean, var


def mistake_3(x, gamma, beta, eps=1e-3):
    """Each pixel for itself, over the batch alone: then the layer no longer does the same at each position."""
    mean, var = x.mean(0), x.var(0)
    return gamma * (x - mean) / np.sqrt(var + eps) + beta, mean, var


def answer_4(w, gamma, beta, mean, var, eps):
    factor = gamma / np.sqrt(var + eps)  # one for each output channel, the kernel's last axis
    return w * factor, beta - mean * factor


def mistake_4(w, gamma, beta, mean, var, eps):
    """The mean was taken behind the convolution, so it is scaled as well."""
    return w * gamma / np.sqrt(var + eps), beta - mean


def answer_5(alpha, classes):
    # −Σ t log p is least where p = t; then it is the entropy of t.
    right, other = 1 - alpha + alpha / classes, alpha / classes
    return -right * np.log(right) - (classes - 1) * other * np.log(other)


def mistake_5(alpha, classes):
    """The right class alone; but the others are asked for as well."""
    right = 1 - alpha + alpha / classes
    return -np.log(right)
