"""13 · Your own layer: a derivative, a parameter, an output shape and an input span."""

import contextlib
import io

import numpy as np
from checking import checked, checked_function

from refconv import nn, verify


@checked_function("of dy and x that returns an array")
def check_1(softplus_dx):
    """Check the derivative of softplus."""
    rng = np.random.default_rng(1)
    x, dy = rng.normal(size=(2, 3, 5)), rng.normal(size=(2, 3, 5))
    result, expected = np.asarray(softplus_dx(dy, x)), dy / (1 + np.exp(-x))
    assert result.shape == x.shape, f"∂e/∂x must have the shape of x, {x.shape}, got {result.shape}"
    wrong = ~np.isclose(result, expected)
    at = tuple(int(k) for k in np.argwhere(wrong)[0]) if wrong.any() else ()
    assert not wrong.any(), f"for x = {x[at]:.3f} and dy = {dy[at]:.3f} it must be {expected[at]:.3f}, got {result[at]:.3f}"


@checked("a class derived from nn.Layer")
def check_2(cls):
    """Check a layer with one factor per channel."""
    is_layer = isinstance(cls, type) and issubclass(cls, nn.Layer)
    assert is_layer, "the answer must be a class derived from nn.Layer"
    layer, x = cls(), np.random.default_rng(2).normal(size=(2, 5, 4, 3))
    layer.build((5, 4, 3), rng=0, dtype=np.float64)
    names = [*layer.parameters]
    assert names == ["s"], f"the only parameter must be s, got {', '.join(names) or 'none'}: see specs"
    shape = layer.parameters["s"].value.shape
    assert shape == (3,), f"s must have shape (3,), one factor for each of the 3 channels, got {shape}"
    assert (layer.parameters["s"].value == 1).all(), "s must initially be 1: use nn.ones"
    layer.parameters["s"].value = [2, -1, 0.5]
    assert np.allclose(layer(x), x * [2, -1, 0.5]), "the output must be each channel times its s"
    with contextlib.redirect_stdout(io.StringIO()):
        verdict = verify.check_layer(cls(), (5, 4, 3))
    assert verdict, f"{verdict.words}{'; ' if verdict.hint else ''}{verdict.hint}"


@checked("a function of shape that returns a tuple")
def check_3(output_shape):
    """Check the output shape of space to depth."""
    for shape, expected in {(8, 6, 3): (4, 3, 12), (5, 7, 2): (2, 3, 8), (28, 28, 1): (14, 14, 4)}.items():
        result = tuple(output_shape(shape))
        assert result == expected, f"for an input {shape} the output shape must be {expected}, got {result}"


@checked("a function of shape and span that returns two pairs")
def check_4(input_span):
    """Check the input span of a layer that turns images upside down."""
    for shape, span, expected in (
        ((10, 8, 3), ((2, 2), (4, 4)), ((7, 7), (4, 4))),
        ((10, 8, 3), ((0, 3), (1, 5)), ((6, 9), (1, 5))),
        ((7, 9, 2), ((-1, 2), (0, 8)), ((4, 7), (0, 8))),
    ):
        result = tuple(tuple(axis) for axis in input_span(shape, span))
        assert result == expected, f"H = {shape[0]}, span {span}: the input span must be {expected}, got {result}"
