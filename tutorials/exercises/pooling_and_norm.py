"""Exercises of 04: the ways back through an ELU and a maximum, room for a shift, and batch normalisation short and late."""

import inspect

import numpy as np
from lesson import checked, checked_function

from refconv import elu, elu_dx, max_pool2d, nn, verify

NOT_YET = "not yet: the smallest case in which it is wrong stands above"


@checked_function
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


def answer_1(dy, y, alpha):
    # y has the sign of x; below 0, f'(x) = α eˣ = α (eˣ − 1) + α, and the first of these is y.
    return dy * np.where(y > 0, 1, y + alpha)


def mistake_1(dy, y, alpha):
    return dy * np.where(y > 0, 1, y + 1)  # right for α = 1 only


@checked
def check_2(gradient):
    """What is ∂e/∂x of max pooling, written from x and the window?"""
    assert verify.check(gradient, "max_pool2d_dx", seconds=2), NOT_YET
    no_overlap = "right where windows lie side by side; now let it take a stride, so that they may overlap"
    assert "stride" in inspect.signature(gradient).parameters, no_overlap


def answer_2(dy, x, window, stride=None):
    (kh, kw), (S_h, S_w) = window, stride or window
    dx = np.zeros_like(x)
    for b, i, j, c in np.ndindex(dy.shape):
        top, left = i * S_h, j * S_w
        # argmax counts row by row and names the first of equal values, which is the convention.
        m, n = divmod(x[b, top : top + kh, left : left + kw, c].argmax(), kw)
        dx[b, top + m, left + n, c] += dy[b, i, j, c]  # += since windows may overlap
    return dx


def mistake_2(dy, x, window, stride=None):
    (kh, kw), (S_h, S_w) = window, stride or window
    dx = np.zeros_like(x)
    for b, i, j, c in np.ndindex(dy.shape):
        under = np.s_[b, i * S_h : i * S_h + kh, j * S_w : j * S_w + kw, c]
        dx[under] += (x[under] == x[under].max()) * dy[b, i, j, c]  # all of several winners, each the whole
    return dx


MOVES = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}


@checked
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


answer_3 = {"up", "right"}  # its window has rows 4 and 5, columns 2 and 3
mistake_3 = {"up", "down", "left", "right"}  # invariant to small shifts, but not to all of them


@checked
def check_4(gradients):
    """What are ∂e/∂x, ∂e/∂γ and ∂e/∂β of batch normalisation, without a loop?"""
    assert verify.check(gradients, "batch_norm_grads", seconds=2), NOT_YET
    assert len(_results(gradients)) == 3, "∂e/∂x, ∂e/∂γ and ∂e/∂β are expected, in this order"


def _results(gradients):
    """What it returns for a small batch, as a tuple."""
    x = np.array([[-1.0], [3], [1], [9]])
    results = gradients(x, x, np.ones(1), x.mean(0), x.var(0), 1e-3)
    return results if isinstance(results, (tuple, list)) else (results,)


def answer_4(dy, x, gamma, mean, var, eps):
    axes = tuple(range(x.ndim - 1))
    std = np.sqrt(var + eps)
    xhat = (x - mean) / std
    # The last two terms are the ways through the mean and the variance.
    dx = gamma / std * (dy - dy.mean(axes) - xhat * (dy * xhat).mean(axes))
    return dx, (dy * xhat).sum(axes), dy.sum(axes)


def mistake_4(dy, x, gamma, mean, var, eps):
    axes = tuple(range(x.ndim - 1))
    std = np.sqrt(var + eps)
    xhat = (x - mean) / std
    dx = gamma / std * (dy - dy.mean(axes))  # the variance is taken for a constant
    return dx, (dy * xhat).sum(axes), dy.sum(axes)


@checked
def check_5(batches):
    """After how many batches is the running mean within 5 % of what it follows, with τ = 0.99?"""
    layer = nn.BatchNorm(momentum=0.99)
    layer.build((1,), dtype=np.float64)
    needed = 0
    while abs(layer["mean"].value.item() - 1) > 0.05:
        layer.forward(np.ones((2, 1)), train=True)
        needed += 1
    assert batches == needed, (
        f"after {batches} batches {0.99**batches:.2%} of the start is left; one asks for the first below 5 %"
    )


answer_5 = 299  # 0.99ⁿ ≤ 0.05 means n ≥ ln 0.05 / ln 0.99 = 298.07
mistake_5 = 95
