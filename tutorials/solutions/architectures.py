"""Worked answers to the exercises of notebook 07, and mistakes that are easily made."""

import refconv
from refconv import nn

answer_1 = (5, 5 * 9 / 121)  # 1 + 2·5 = 11 pixels; K² is the same in both
mistake_1 = (4, 4 * 9 / 121)  # counts two pixels too few: even without a layer, an output sees one pixel


def answer_2(before, after):
    def conv(size, stride=1):
        return (nn.Conv2D(after, size, stride=stride, padding=size // 2, bias=False), nn.BatchNorm())

    main = nn.Sequential(*conv(3, stride=2), nn.ReLU(), *conv(3))
    shortcut = nn.Sequential(*conv(1, stride=2))  # both branches must halve the size, or they cannot be added
    return nn.Sequential(nn.Sum(main, shortcut), nn.ReLU())


def mistake_2(before, after):
    main = nn.Sequential(nn.Conv2D(after, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2D(after, 3, padding=1))
    return nn.Sequential(nn.Sum(main, nn.Conv2D(after, 1)), nn.ReLU())  # the shortcut has no stride


def answer_3(depth, growth, channels):
    # Layer l sees the block's input and what the l layers before it have added.
    return sum(9 * (channels + layer * growth) * growth for layer in range(depth))


def mistake_3(depth, growth, channels):
    return depth * 9 * channels * growth  # as if each layer read only the block's input


def answer_4(a, b, w):
    of_a = a.shape[-1]  # w[0, 0] has a row for each channel, first the channels of a
    return refconv.conv2d(a, w[:, :, :of_a]) + refconv.conv2d(b, w[:, :, of_a:])


def mistake_4(a, b, w):
    half = w.shape[2] // 2  # right only if a and b have the same number of channels
    return a @ w[0, 0, : a.shape[-1]] + b @ w[0, 0, half : half + b.shape[-1]]


def _times(n):
    return nn.Sum(*(nn.Identity() for _ in range(n)))


answer_5 = nn.Sequential(_times(2), _times(3), _times(5))  # 30 = 2 · 3 · 5, with 2 + 3 + 5 identities
mistake_5 = _times(30)
