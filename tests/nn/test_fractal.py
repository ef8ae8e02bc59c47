"""Tests of fractal blocks: the expansion rule, joins by the mean, and drop-path."""

import numpy as np
import pytest

from evidence import assert_same_sums
from layer_evidence import assert_layer, built, random_input
from refconv import nn


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("columns", [1, 2, 3])
def test_a_fractal_satisfies_the_requirements_of_layers(columns, train):
    assert_layer(nn.Fractal(nn.Dense(3), columns), (4,), train)


def test_the_expansion_rule_with_three_columns():
    """Check the rule f(C+1) = f(C) f(C) ⊕ layer.

    Joins at the end of an inner block are part of ⊕: the last join is a mean of three, not of two.
    """
    block = built(nn.Fractal(nn.Sequential(nn.Dense(3), nn.Tanh()), 3), (3,))
    layer = block.layers
    assert list(layer) == [
        "column3_row1",
        "column2_row2",
        "column3_row2",
        "column3_row3",
        "column1_row4",
        "column2_row4",
        "column3_row4",
    ]
    x = random_input((3,))
    half = (layer["column2_row2"](x) + layer["column3_row2"](layer["column3_row1"](x))) / 2
    ends = layer["column1_row4"](x), layer["column2_row4"](half), layer["column3_row4"](layer["column3_row3"](half))
    assert_same_sums(block(x), lambda a, b, c: (a + b + c) / 3, *ends, terms=3)
    np.testing.assert_array_equal(block.activations(x, "column3_row3"), layer["column3_row3"](half))
    np.testing.assert_array_equal(block.activations(x, "column1_row4"), layer["column1_row4"](x))


def test_a_join_is_the_mean_of_at_least_one_input():
    block = built(nn.Fractal(nn.Identity(), 2, drop=0.9), (2,))
    x = random_input((2,))
    for _ in range(50):
        y, backward = block.forward(x)
        np.testing.assert_allclose(y, x)  # the mean of equal arrays does not depend on their number
        np.testing.assert_allclose(backward(np.ones_like(x)), 1)


def drawn(block, x, passes=400):
    return [block.forward(x)[0] for _ in range(passes)]


def test_local_drop_path_drops_with_its_probability():
    block = built(nn.Fractal(nn.Dense(3), 2, drop=0.3), (3,))
    x = random_input((3,))
    short = block.layers["column1_row2"](x)
    alone = np.mean([np.allclose(y, short) for y in drawn(block, x)])
    # Only the short column remains if the other one is dropped (0.7 · 0.3), or if both are dropped and it is drawn (0.09 / 2).
    assert abs(alone - 0.255) < 0.09
    np.testing.assert_array_equal(block(x), block(x))


def test_a_global_mini_batch_uses_one_column_in_all_blocks():
    blocks = {"a": nn.Fractal(nn.Dense(3), 3, drop=0.2), "b": nn.Fractal(nn.Dense(2), 3, drop=0.2)}
    model = built(nn.DropPath(nn.Sequential(**blocks), share=1.0), (4,))
    x = random_input((4,))

    def column(c):
        value = x
        for block in blocks.values():
            for name in block.layers:
                if name.startswith(f"column{c}_"):
                    value = block.layers[name](value)
        return value

    columns = [column(c) for c in (1, 2, 3)]
    selected = [[np.allclose(y, value) for value in columns].index(True) for y in drawn(model, x, 60)]
    assert set(selected) == {0, 1, 2}
    # Only the weights of this column receive gradients.
    model.zero_grad()
    y, backward = model.forward(x)
    (alone,) = (c for c in (1, 2, 3) if np.allclose(y, columns[c - 1]))
    dx = backward(np.ones_like(y))
    assert dx.shape == x.shape
    for name, parameter in model.named_parameters().items():
        assert bool(parameter.grad.any()) == (f"column{alone}_" in name), name
    assert blocks["a"].column is None


def test_without_global_mini_batches_drop_path_is_local():
    model = built(nn.DropPath(nn.Fractal(nn.Dense(3), 2), share=0.0), (3,))
    x = random_input((3,))
    np.testing.assert_allclose(model.forward(x)[0], model(x))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.Fractal(nn.ReLU, 2), TypeError, "layer must be a layer, got <class"),
        (lambda: nn.Fractal(nn.Dense(3), 0), ValueError, "columns must be at least 1, got 0"),
        (lambda: nn.Fractal(nn.Dense(3), 2, drop=1), ValueError, "drop must be at least 0 and below 1, got 1"),
        (lambda: nn.Fractal(nn.Dense(3), 2, drop=-0.1), ValueError, "drop must be at least 0 and below 1, got -0.1"),
        (lambda: nn.Fractal(nn.Conv2D(2, 2), 2).output_shape((5, 4, 3)), ValueError, "outputs of one shape"),
        (lambda: nn.DropPath(nn.ReLU()), ValueError, r"the same number of columns, got \[\]"),
        (
            lambda: nn.DropPath(nn.Sequential(nn.Fractal(nn.Dense(3), 2), nn.Fractal(nn.Dense(3), 3))),
            ValueError,
            r"the same number of columns, got \[2, 3\]",
        ),
        (lambda: nn.DropPath(nn.Fractal(nn.Dense(3), 2), share=2), ValueError, "share must be from 0 to 1"),
        (lambda: nn.Fractal(nn.ReLU(), 2, drop=0.5).forward(np.ones((1, 2))), RuntimeError, "no random generator yet"),
        (lambda: nn.DropPath(nn.Fractal(nn.ReLU(), 2)).forward(np.ones((1, 2))), RuntimeError, "no random generator yet"),
    ],
)
def test_invalid_arguments_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
