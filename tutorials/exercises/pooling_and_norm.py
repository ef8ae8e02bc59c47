"""04 · Pooling and normalisation: gradients, shifts and running averages."""

import inspect

import numpy as np
from checking import SHOWN_ABOVE, checked, checked_function

from refconv import elu, elu_dx, max_pool2d, nn, verify


@checked_function("of dy, y and alpha that returns an array")
def check_1(elu_gradient):
    """Check a function that computes ∂e/∂x of the ELU from its output."""
    rng = np.random.default_rng(1)
    for alpha in (1.0, 0.3, 2.5):
        x, dy = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 3, 4))
        y = elu(x, alpha)
        result, expected = np.asarray(elu_gradient(dy, y, alpha)), elu_dx(dy, x=x, alpha=alpha)
        assert result.shape == x.shape, f"the shape must be {x.shape}, like x's, got {result.shape}"
        for sign, where in (("above", y > 0), ("below", y < 0)):
            right = np.allclose(result[where], expected[where])
            assert right, f"wrong where y is {sign} 0, with alpha = {alpha}: write down f'(x) and express it by y"


@checked("a function of dy, x, window and stride that returns an array")
def check_2(gradient):
    """Check a function that computes ∂e/∂x of max pooling from x and the window."""
    assert verify.check(gradient, "max_pool2d_dx", seconds=2), SHOWN_ABOVE
    no_overlap = "right where windows do not overlap; now add the argument stride, so that they may overlap"
    assert "stride" in inspect.signature(gradient).parameters, no_overlap


MOVES = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}


@checked('a set of words such as {"up", "down"}')
def check_3(directions):
    """Check the directions in which a pixel may move without changing the pooled image."""
    assert not isinstance(directions, str), f'the answer must be a set such as {{"up", "down"}}, got {directions!r}'
    unknown = set(directions) - set(MOVES)
    assert not unknown, f"directions must be among {', '.join(MOVES)}, got {', '.join(sorted(map(str, unknown)))}"
    for name, (down, right) in MOVES.items():
        same = np.array_equal(_pooled(5, 2), _pooled(5 + down, 2 + right))
        assert (name in directions) == same, (
            f"{name} to row {5 + down}, column {2 + right}: {'the same' if same else 'another'} window"
        )


def _pooled(row, column):
    x = np.zeros((1, 8, 8, 1))
    x[0, row, column] = 1
    return max_pool2d(x, 2)


@checked("a function of dy, x, gamma, mean, var and eps that returns three arrays")
def check_4(gradients):
    """Check a function that computes ∂e/∂x, ∂e/∂γ and ∂e/∂β of batch normalisation."""
    assert verify.check(gradients, "batch_norm_grads", seconds=2), SHOWN_ABOVE
    assert len(_results(gradients)) == 3, "the function must return three arrays: ∂e/∂x, ∂e/∂γ and ∂e/∂β, in this order"


def _results(gradients):
    """Return the results for a small batch as a tuple."""
    x = np.array([[-1.0], [3], [1], [9]])
    results = gradients(x, x, np.ones(1), x.mean(0), x.var(0), 1e-3)
    return results if isinstance(results, (tuple, list)) else (results,)


@checked("a number of batches")
def check_5(batches):
    """Check the number of batches until the running mean is within 5 %, with τ = 0.99."""
    layer = nn.BatchNorm(momentum=0.99, averages="lecture")
    layer.build((1,), dtype=np.float64)
    needed = 0
    while abs(layer.parameters["mean"].value.item() - 1) > 0.05:
        y, backward = layer.forward(np.ones((2, 1)), train=True)
        backward(np.zeros_like(y))  # updates the averages
        needed += 1
    assert batches == needed, (
        f"after {batches} batches {0.99**batches:.2%} of the initial value is left; which is the first batch below 5 %?"
    )
