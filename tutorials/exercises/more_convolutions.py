"""Exercises of 06: stamps, sizes with one shadow, dilations without holes, a separable kernel whole again, and counting."""

import numpy as np
from lesson import checked, checked_function

from refconv import Window, conv2d, conv2d_dx, nn, receptive_field, separable_conv2d, verify


@checked
def check_1(transposed):
    """How is a transposed convolution with a stride written as stamps?"""
    verdict = verify.check(transposed, "conv_transpose2d", seconds=2)
    assert verdict, verdict.report


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
            y[:, i * S_h : i * S_h + kh, j * S_w : j * S_w + kw] = stamp  # the last one wins
    return y


@checked
def check_2(sizes):
    """Which input sizes give 5 outputs with kernel 4, stride 3 and padding 1?"""
    assert np.iterable(sizes), f"several sizes do: put all of them in a tuple, not {sizes} alone"
    window = Window((4,), stride=3, padding=1)
    for n in sizes:
        assert window.output_size((n,)) == (5,), f"{n} inputs give {window.output_size((n,))[0]} outputs"
    assert len(set(sizes)) == 3, "with stride 3 three sizes share an output size, one for each remainder"


answer_2 = (14, 15, 16)  # ⌊(n + 2 − 4) / 3⌋ + 1 = 5 means 12 ≤ n − 2 ≤ 14
mistake_2 = (14,)  # the one that output_padding=0 gives back


@checked
def check_3(dilations):
    """With which dilations do five 3 × 3 layers see 63 × 63 pixels, every one of them?"""
    assert np.iterable(dilations), f"each of the five layers has its own: put five numbers in a tuple, not {dilations} alone"
    assert len(dilations) == 5, f"there are five layers, but {len(dilations)} dilations"
    size = receptive_field([Window((3, 3), dilation=D) for D in dilations])
    assert size == (63, 63), f"together they see {size[0]} × {size[1]}"
    ways = np.zeros((1, 63, 63, 1))
    ways[0, 31, 31] = 1
    for D in dilations:
        ways = conv2d_dx(ways, np.ones((3, 3, 1, 1)), (63, 63), padding="same", dilation=D)
    assert ways.all(), f"of 63 · 63 pixels {np.count_nonzero(ways == 0)} are not seen"


answer_3 = (1, 2, 4, 8, 16)  # 1 + 2 · (1 + 2 + 4 + 8 + 16) = 63, and each layer fills the holes of the next
mistake_3 = (1, 1, 1, 1, 27)  # far enough, but with holes


@checked_function
def check_4(together):
    """Which kernel of a plain convolution does what a depthwise and a pointwise one do together?"""
    rng = np.random.default_rng(4)
    x, depthwise, pointwise = (rng.normal(size=size) for size in ((2, 6, 7, 3), (3, 2, 3, 2), (1, 1, 6, 5)))
    kernel = np.asarray(together(depthwise, pointwise))
    assert kernel.shape == (3, 2, 3, 5), f"for these factors the kernel has shape (3, 2, 3, 5), not {kernel.shape}"
    difference = np.abs(conv2d(x, kernel) - separable_conv2d(x, depthwise, pointwise)).max()
    assert difference < 1e-9, f"the convolution with this kernel differs from the two by up to {difference:.3g}"


def answer_4(depthwise, pointwise):
    *_, C, Q = depthwise.shape
    # The channels between them are c·Q + q: row-major order is (c, q).
    return np.einsum("mncq,cqo->mnco", depthwise, pointwise.reshape(C, Q, -1))


def mistake_4(depthwise, pointwise):
    *_, C, Q = depthwise.shape
    return np.einsum("mncq,qco->mnco", depthwise, pointwise.reshape(Q, C, -1))  # as if they were q·C + c


@checked
def check_5(groups):
    """From how many groups on has a 3 × 3 layer of 256 channels fewer weights than a depthwise separable one?"""

    def weights(layer):
        return layer.count_parameters((14, 14, 256))

    separable = weights(nn.SeparableConv2D(256, 3, bias=False))
    assert groups in range(1, 257), f"a layer of 256 channels has 1 to 256 groups, not {groups}"
    assert 256 % groups == 0, f"256 channels cannot be dealt into {groups} groups of equal size"
    grouped = weights(nn.Conv2D(256, 3, groups=groups, bias=False))
    assert grouped < separable, f"{groups} groups have {grouped:,} weights, the separable layer has {separable:,}"
    halved = weights(nn.Conv2D(256, 3, groups=groups // 2, bias=False))
    assert halved >= separable, f"{groups // 2} groups suffice: {halved:,} weights against {separable:,}"


answer_5 = 16  # 9 · 256 · 256 / g < 9 · 256 + 256 · 256 means g > 8.7, and g divides 256
mistake_5 = 9
