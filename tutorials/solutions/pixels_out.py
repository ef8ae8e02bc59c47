"""Worked answers to the exercises of notebook 10, and mistakes that are easily made."""

import numpy as np

from refconv import conv_transpose1d, nn
from refconv.models.unet import double_conv, lost


def answer_1(found, truth):
    # With J for the intersection over union it is 2J / (1 + J): never smaller, and equal only at 0 and 1.
    return 2 * (found * truth).sum() / (found.sum() + truth.sum())


def mistake_1(found, truth):
    return (found * truth).sum() / (found.sum() + truth.sum())  # the intersection must count twice: it is in both sets


def answer_2(side, depth):
    # This follows the network: two convolutions, then either the bottom, or half the size through a U and up again.
    inner = side - 4
    if depth > 1:
        below = answer_2(inner // 2, depth - 1) if inner % 2 == 0 else None
        if below is None:
            return None
        inner = 2 * below - 4
    return inner if inner > 0 else None


def mistake_2(side, depth):
    return side - 4 if depth == 1 else side - 2 * lost(depth - 1) - 8  # right if the size fits, but this is not checked


def answer_3(filters, *deeper):
    # Only one word differs. Summands must have equal shapes; the transposed convolution gives `filters` channels.
    if not deeper:
        return double_conv("same", filters)
    below = nn.Sequential(nn.MaxPool2D(2), answer_3(*deeper), nn.ConvTranspose2D(filters, 2, stride=2))
    return nn.Sequential(double_conv("same", filters), nn.Sum(nn.Identity(), below), double_conv("same", filters))


def mistake_3(filters, *deeper):
    if not deeper:
        return double_conv("same", filters)
    below = nn.Sequential(nn.MaxPool2D(2), mistake_3(*deeper), nn.ConvTranspose2D(filters, 2, stride=2))
    return nn.Sequential(double_conv("same", filters), nn.Concat(nn.Identity(), below), double_conv("same", filters))


def answer_4(n, kernel, stride):
    # If the input and all weights are 1, the operator counts the stamps. For kernel 3 and stride 2 the counts are
    # 1 1 2 1 2 1 2 …: a constant input gives a chequerboard, unless the weights learn to compensate. If the stride divides
    # the kernel's size, the counts are equal except at the ends.
    return conv_transpose1d(np.ones((1, n, 1)), np.ones((kernel, 1, 1)), stride=stride)[0, :, 0].astype(int)


def mistake_4(n, kernel, stride):
    return np.full((n - 1) * stride + kernel, kernel // stride)  # about right on average, but not at each pixel


def answer_5(image, spoilt, known):
    # m is 0 or 1, so m² = m: in the loss it may be inside or outside the square. The derivative must contain it.
    rest = known * (image - spoilt)
    return (rest**2).sum() / known.size, 2 * rest / known.size


def mistake_5(image, spoilt, known):
    rest = known * (image - spoilt)
    return (rest**2).sum() / known.size, 2 * (image - spoilt) / known.size  # also fits the ink
