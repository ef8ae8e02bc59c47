"""02 · The layer: sizes, weights, and the loops with channels, strides and groups."""

import inspect

import numpy as np
from lesson import checked, checked_function

from refconv import Window, conv2d, nn, verify


@checked
def check_1(answer):
    """How many outputs does a window have along an axis?"""
    windows = {
        "a": (Window((5,)), 32),
        "b": (Window((7,), stride=2, padding=3), 224),
        "c": (Window((11,), stride=4), 227),
        "d": (Window((3,), stride=2, dilation=4), 15),
    }
    assert len(answer) == 4, f"a, b, c and d are four numbers, but yours are {len(answer)}"
    for (name, (window, n)), outputs in zip(windows.items(), answer, strict=True):
        hint = f"the kernel spans {window.span[0]}, and the division is rounded down"
        assert (outputs,) == window.output_size((n,)), f"({name}) is not {outputs}: {hint}"


# (32 − 5) + 1; ⌊(224 + 6 − 7) / 2⌋ + 1; (227 − 11) / 4 + 1; the span is 2·4 + 1 = 9, so ⌊(15 − 9) / 2⌋ + 1.
answer_1 = (28, 112, 55, 4)
mistake_1 = (28, 112, 55, 7)  # the dilation forgotten


@checked
def check_2(answer):
    """How many parameters does a layer have?"""
    layers = {
        "a": (nn.Conv2D(64, 3), (32, 32, 3)),
        "b": (nn.Conv2D(64, 3), (64, 64, 3)),
        "c": (nn.Conv2D(256, 1), (32, 32, 64)),
        "d": (nn.Conv2D(256, 5, groups=2), (27, 27, 96)),
    }
    assert len(answer) == 4, f"a, b, c and d are four numbers, but yours are {len(answer)}"
    for (name, (layer, shape)), count in zip(layers.items(), answer, strict=True):
        found = layer.count_parameters(shape)
        assert count == found, f"({name}) is not {count}: kh · kw · C / groups · O, and O biases; no pixels"


# 3·3·3·64 + 64, twice, since the image's size does not matter; 64·256 + 256; 5·5·48·256 + 256.
answer_2 = (1792, 1792, 16640, 307456)
mistake_2 = (1792, 7168, 16640, 307456)  # (b) four times (a), as a dense layer would have


@checked
def check_3(mine):
    """How do you write the layer as loops?"""
    verdict = verify.check(mine, "conv2d", seconds=2)
    assert verdict, "not yet: the smallest case in which it is wrong stands above"
    assert "stride" in inspect.signature(mine).parameters, "right with stride 1; now let it take a stride"


def answer_3(x, w, stride=1):
    """The channels c stand in both factors and o in the kernel only: a sum over c, and an output for each o."""
    S_h, S_w = stride if isinstance(stride, tuple) else (stride, stride)
    N, H, W, C = x.shape
    kh, kw, C, O = w.shape
    y = np.zeros((N, (H - kh) // S_h + 1, (W - kw) // S_w + 1, O))
    for b, i, j, o in np.ndindex(y.shape):
        for m, n, c in np.ndindex(kh, kw, C):
            y[b, i, j, o] += x[b, i * S_h + m, j * S_w + n, c] * w[m, n, c, o]
    return y


def mistake_3(x, w, stride=1):
    """The stride counts the outputs, but the window still moves by one."""
    S_h, S_w = stride if isinstance(stride, tuple) else (stride, stride)
    N, H, W, C = x.shape
    kh, kw, C, O = w.shape
    y = np.zeros((N, (H - kh) // S_h + 1, (W - kw) // S_w + 1, O))
    for b, i, j, o in np.ndindex(y.shape):
        for m, n, c in np.ndindex(kh, kw, C):
            y[b, i, j, o] += x[b, i + m, j + n, c] * w[m, n, c, o]
    return y


@checked
def check_4(w):
    """Which 1×1 kernel makes brightness and redness of a colour?"""
    w = np.asarray(w, float)
    assert w.shape == (1, 1, 3, 2), f"one pixel, 3 channels in, 2 out: (1, 1, 3, 2), but yours is {w.shape}"
    x = np.random.default_rng(4).random((1, 3, 4, 3))
    r, g, b = np.moveaxis(x, 3, 0)
    for o, (name, expected) in enumerate((("brightness", 0.3 * r + 0.6 * g + 0.1 * b), ("redness", r - b))):
        found = conv2d(x, w)[..., o]
        assert np.allclose(found, expected), f"output {o} is not the {name}: w[0, 0, c, {o}] is what channel c counts there"


# A row for each channel that goes in, a column for each that comes out.
answer_4 = np.array([[0.3, 1], [0.6, 0], [0.1, -1]]).reshape(1, 1, 3, 2)
mistake_4 = np.array([[0.3, 0.6, 0.1], [1, 0, -1]]).reshape(1, 1, 3, 2)  # a row for each output, and then reshaped


@checked_function
def check_5(ungrouped):
    """Which ordinary kernel does the same as a grouped one?"""
    rng = np.random.default_rng(5)
    for C, O, groups in ((4, 6, 2), (6, 3, 3), (5, 5, 1)):
        x, w = rng.normal(size=(2, 4, 5, C)), rng.normal(size=(2, 3, C // groups, O))
        full = np.asarray(ungrouped(w, groups), float)
        assert full.shape == (2, 3, C, O), f"C = {C}, O = {O}: the shape is (2, 3, {C}, {O}), but yours is {full.shape}"
        same = np.allclose(conv2d(x, full), conv2d(x, w, groups=groups))
        assert same, f"C = {C}, O = {O}, groups = {groups}: output o belongs to group o // (O / groups)"


def answer_5(w, groups):
    """Group g has the inputs from g · C / groups on and the outputs from g · O / groups on: a block on the diagonal."""
    kh, kw, C_g, O = w.shape
    O_g = O // groups
    full = np.zeros((kh, kw, C_g * groups, O))
    for g in range(groups):
        full[:, :, g * C_g : (g + 1) * C_g, g * O_g : (g + 1) * O_g] = w[:, :, :, g * O_g : (g + 1) * O_g]
    return full


def mistake_5(w, groups):
    """The outputs dealt out like cards: output o to group o % groups."""
    kh, kw, C_g, O = w.shape
    full = np.zeros((kh, kw, C_g * groups, O))
    for o in range(O):
        g = o % groups
        full[:, :, g * C_g : (g + 1) * C_g, o] = w[:, :, :, o]
    return full
