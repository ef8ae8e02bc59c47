"""02 · The layer: sizes, weights, and the loops with channels, strides and groups."""

import inspect

import numpy as np
from checking import SHOWN_ABOVE, checked, checked_function

from refconv import Window, conv2d, nn, verify


@checked("four numbers: a, b, c and d")
def check_1(answer):
    """Check the numbers of outputs along an axis of four windows."""
    windows = {
        "a": (Window((5,)), 32),
        "b": (Window((7,), stride=2, padding=3), 224),
        "c": (Window((11,), stride=4), 227),
        "d": (Window((3,), stride=2, dilation=4), 15),
    }
    assert len(answer) == 4, f"the answer must be four numbers, a, b, c and d, got {len(answer)}"
    for (name, (window, n)), outputs in zip(windows.items(), answer, strict=True):
        hint = f"the kernel spans {window.span[0]}, and the division is rounded down"
        assert (outputs,) == window.output_size((n,)), f"({name}) is not {outputs}: {hint}"


@checked("four numbers: a, b, c and d")
def check_2(answer):
    """Check the numbers of parameters of four layers."""
    layers = {
        "a": (nn.Conv2D(64, 3), (32, 32, 3)),
        "b": (nn.Conv2D(64, 3), (64, 64, 3)),
        "c": (nn.Conv2D(256, 1), (32, 32, 64)),
        "d": (nn.Conv2D(256, 5, groups=2), (27, 27, 96)),
    }
    assert len(answer) == 4, f"the answer must be four numbers, a, b, c and d, got {len(answer)}"
    for (name, (layer, shape)), count in zip(layers.items(), answer, strict=True):
        result = layer.count_parameters(shape)
        assert count == result, f"({name}) is not {count}: kh · kw · C / groups · O weights and O biases, at any image size"


@checked("a function of x, w and stride that returns an array")
def check_3(function):
    """Check a function that computes the layer with loops."""
    verdict = verify.check(function, "conv2d", seconds=2)
    assert verdict, SHOWN_ABOVE
    assert "stride" in inspect.signature(function).parameters, "right with stride 1; now add the argument stride"


@checked("an array of shape (1, 1, 3, 2)")
def check_4(w):
    """Check the 1×1 kernel that computes brightness and redness from a colour."""
    w = np.asarray(w, float)
    assert w.shape == (1, 1, 3, 2), f"w must have shape (1, 1, 3, 2) (one pixel, 3 channels in, 2 out), got {w.shape}"
    x = np.random.default_rng(4).random((1, 3, 4, 3))
    r, g, b = np.moveaxis(x, 3, 0)
    for o, (name, expected) in enumerate((("brightness", 0.3 * r + 0.6 * g + 0.1 * b), ("redness", r - b))):
        result = conv2d(x, w)[..., o]
        assert np.allclose(result, expected), f"output {o} is not the {name}: w[0, 0, c, {o}] is the weight of channel c in it"


@checked_function("of w and groups that returns an array")
def check_5(ungrouped):
    """Check the kernel that gives with groups=1 the same output as a grouped kernel."""
    rng = np.random.default_rng(5)
    for C, O, groups in ((4, 6, 2), (6, 3, 3), (5, 5, 1)):
        x, w = rng.normal(size=(2, 4, 5, C)), rng.normal(size=(2, 3, C // groups, O))
        full = np.asarray(ungrouped(w, groups), float)
        assert full.shape == (2, 3, C, O), f"C = {C}, O = {O}: the shape must be (2, 3, {C}, {O}), got {full.shape}"
        same = np.allclose(conv2d(x, full), conv2d(x, w, groups=groups))
        assert same, f"C = {C}, O = {O}, groups = {groups}: output o belongs to group o // (O / groups)"
