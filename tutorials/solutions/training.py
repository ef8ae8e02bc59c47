"""Worked answers to the exercises of notebook 08, and mistakes that are easily made."""

import numpy as np


def answer_1(theta, v, g, lr):
    v = 0.9 * v - lr * (g + 0.0005 * theta)
    return theta + v, v


def mistake_1(theta, v, g, lr):
    """Follow PyTorch's convention, in which the velocity does not contain the learning rate.

    A smaller learning rate then also reduces the effect of earlier gradients.
    """
    v = 0.9 * v - (g + 0.0005 * theta)
    return theta + lr * v, v


# 0.94ᵏ < 0.1 means k > log 0.1 / log 0.94 = 37.2: the 38th reduction, and there are two epochs to each.
answer_2 = 2 * 38
mistake_2 = 2 * 15  # 15 · 6 % = 90 %: but each reduction is 6 % of the current rate


def answer_3(x, gamma, beta, eps=1e-3):
    axes = tuple(range(x.ndim - 1))  # all axes but the channels: the batch, and for images the pixels (A16)
    mean, var = x.mean(axes), x.var(axes)
    return gamma * (x - mean) / np.sqrt(var + eps) + beta, mean, var


def mistake_3(x, gamma, beta, eps=1e-3):
    """Normalise each pixel over the batch alone, which treats positions differently."""
    mean, var = x.mean(0), x.var(0)
    return gamma * (x - mean) / np.sqrt(var + eps) + beta, mean, var


def answer_4(w, gamma, beta, mean, var, eps):
    factor = gamma / np.sqrt(var + eps)  # one for each output channel, the kernel's last axis
    return w * factor, beta - mean * factor


def mistake_4(w, gamma, beta, mean, var, eps):
    """Leave the mean unscaled; it belongs to the convolution's output and must also be scaled."""
    return w * gamma / np.sqrt(var + eps), beta - mean


def answer_5(alpha, classes):
    # −Σ t log p is smallest for p = t; then it is the entropy of t.
    right, other = 1 - alpha + alpha / classes, alpha / classes
    return -right * np.log(right) - (classes - 1) * other * np.log(other)


def mistake_5(alpha, classes):
    """Count only the right class; the targets of the other classes also contribute."""
    right = 1 - alpha + alpha / classes
    return -np.log(right)
