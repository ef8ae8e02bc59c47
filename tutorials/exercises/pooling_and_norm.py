"""Exercises of 04: the ways back through an ELU and a maximum, room for a shift, and batch normalisation short and late."""

import inspect

import numpy as np
from checking import SHOWN_ABOVE, checked, checked_function

from refconv import elu, elu_dx, max_pool2d, nn, verify


@checked_function("of dy, y and alpha that returns an array")
def check_1(elu_gradient):
    """What is ∂e/∂x of the ELU, written from its output?"""
    rng = np.random.default_rng(1)
    for alpha in (1.0, 0.3, 2.5):
        x, dy = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 3, 4))
        y = elu(x, alpha)
        found, expected = np.asarray(elu_gradient(dy, y, alpha)), elu_dx(dy, x=x, alpha=alpha)
        assert found.shape == x.shape, f"one number for each of x's {x.shape}, but yours are {found.shape}"
        for sign, where in (("above", y > 0), ("below", y < 0)):
            right = np.allclose(found[where], expected[where])
            assert right, f"wrong where y is {sign} 0, with alpha = {alpha}: write f'(x) down, and look for y in it"


@checked("a function of dy, x, window and stride that returns an array")
def check_2(gradient):
    """What is ∂e/∂x of max pooling, written from x and the window?"""
    assert verify.check(gradient, "max_pool2d_dx", seconds=2), SHOWN_ABOVE
    no_overlap = "right where windows lie side by side; now let it take a stride, so that they may overlap"
    assert "stride" in inspect.signature(gradient).parameters, no_overlap


MOVES = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}


@checked('a set of words such as {"up", "down"}')
def check_3(directions):
    """In which directions may the pixel in row 5, column 2 move while the pooled image stays the same?"""
    assert not isinstance(directions, str), f'a set of words is expected, such as {{"up", "down"}}, not {directions!r}'
    unknown = set(directions) - set(MOVES)
    assert not unknown, f"directions are {', '.join(MOVES)}, and not {', '.join(sorted(map(str, unknown)))}"
    for name, (down, right) in MOVES.items():
        same = np.array_equal(_pooled(5, 2), _pooled(5 + down, 2 + right))
        assert (name in directions) == same, (
            f"{name} to row {5 + down}, column {2 + right}: {'same' if same else 'other'} window"
        )


def _pooled(row, column):
    x = np.zeros((1, 8, 8, 1))
    x[0, row, column] = 1
    return max_pool2d(x, 2)


@checked("a function of dy, x, gamma, mean, var and eps that returns three arrays")
def check_4(gradients):
    """What are ∂e/∂x, ∂e/∂γ and ∂e/∂β of batch normalisation, without a loop?"""
    assert verify.check(gradients, "batch_norm_grads", seconds=2), SHOWN_ABOVE
    assert len(_results(gradients)) == 3, "∂e/∂x, ∂e/∂γ and ∂e/∂β are expected, in this order"


def _results(gradients):
    """What it returns for a small batch, as a tuple."""
    x = np.array([[-1.0], [3], [1], [9]])
    results = gradients(x, x, np.ones(1), x.mean(0), x.var(0), 1e-3)
    return results if isinstance(results, (tuple, list)) else (results,)


@checked("a number of batches")
def check_5(batches):
    """After how many batches is the running mean within 5 % of what it follows, with τ = 0.99?"""
    layer = nn.BatchNorm(momentum=0.99, averages="lecture")
    layer.build((1,), dtype=np.float64)
    needed = 0
    while abs(layer.parameters["mean"].value.item() - 1) > 0.05:
        y, backward = layer.forward(np.ones((2, 1)), train=True)
        backward(np.zeros_like(y))  # updates the averages
        needed += 1
    assert batches == needed, (
        f"after {batches} batches {0.99**batches:.2%} of the start is left; one asks for the first below 5 %"
    )
