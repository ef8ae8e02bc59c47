"""Exercises of 09 · Residual learning: their checks, worked answers, and mistakes that are easily made."""

import math

import numpy as np
from lesson import checked, checked_function

import refconv
from refconv import analysis, models, nn


@checked_function
def check_1(way_back):
    """The way back of y = ReLU(x + f(x))."""
    shape = (7, 5, 4)
    block = nn.Sequential(nn.Sum(nn.Conv2D(4, 3, padding=1), nn.Identity()), nn.ReLU())
    block.build(shape, rng=0, dtype=np.float64)
    rng = np.random.default_rng(1)
    x, dy = rng.normal(size=(2, *shape)), rng.normal(size=(2, *shape))
    y, backward = block.forward(x)
    _, back = block.layers["0"].layers["0"].forward(x)
    found, expected = np.asarray(way_back(dy, y, back)), backward(dy)
    assert found.shape == expected.shape, f"∂e/∂x should have the shape of x, {expected.shape}, but has {found.shape}"
    wrong = ~np.isclose(found, expected)
    assert not wrong.any(), f"{wrong.mean():.0%} of the numbers are wrong; where y is 0, {wrong[y == 0].mean():.0%} of them"


def answer_1(dy, y, back):
    dsum = refconv.relu_dx(dy, x=y)  # the ReLU stands behind the sum, so it cuts both ways
    return dsum + back(dsum)


def mistake_1(dy, y, back):
    return dy + back(refconv.relu_dx(dy, x=y))  # as if the shortcut went past the ReLU too


@checked_function
def check_2(paths_left):
    """Deleting m of n blocks: the share of paths that are left, and how many blocks they go through on average."""
    for n, m in ((9, 1), (9, 4), (15, 2), (27, 0)):
        lengths = analysis.path_lengths(nn.Sequential(*(nn.Sum(nn.ReLU(), nn.Identity()) for _ in range(n - m))))
        count = sum(lengths.values())
        average = sum(length * times for length, times in lengths.items()) / count
        found_share, found_average = paths_left(n, m)
        assert math.isclose(found_share, count / 2**n), (
            f"of {n} blocks {m} go: {count} paths of {2**n} are left, not {found_share:g}"
        )
        assert math.isclose(found_average, average), (
            f"{n - m} blocks are left, and paths go through {average:g}, not {found_average:g}"
        )


def answer_2(n, m):
    return 0.5**m, (n - m) / 2  # each block halves the paths; through or past is a coin tossed n − m times


def mistake_2(n, m):
    return (n - m) / n, (n - m) / 2  # as if a block took its own share with it


@checked_function
def check_3(probability):
    """The linear rule of stochastic depth."""
    for depth, last in ((3, 0.5), (18, 0.5), (5, 0.8)):
        model = models.cifar_resnet(6 * depth + 2, survival=last)
        layers = [layer for _, layer, _ in model.distinct_layers((32, 32, 3)) if isinstance(layer, nn.StochasticDepth)]
        for number in (1, 2, depth, 3 * depth):
            found, expected = probability(number, 3 * depth, last), layers[number - 1].survival
            assert math.isclose(found, expected), (
                f"block {number} of {3 * depth}, p_L = {last}: {expected:.4f}, not {found:.4f}"
            )


def answer_3(l, L, p_L):
    return 1 - l / L * (1 - p_L)


def mistake_3(l, L, p_L):
    return 1 - (l - 1) / (L - 1) * (1 - p_L)  # falls from 1 at the first block, which then is never left out


@checked
def check_4(step):
    """A training pass of stochastic depth that does not run the main branch in vain."""
    calls = []

    def main(x):
        calls.append(x)
        return 10 * x

    x, survival, there = np.array([[1.0, -2.0, 5.0]]), 0.7, 0
    for seed in range(200):
        calls.clear()
        found = step(x, main, survival, np.random.default_rng(seed))
        survives = np.random.default_rng(seed).random() < survival
        expected = x + 10 * x if survives else x
        assert np.allclose(found, expected), (
            f"rng.random() is {'below' if survives else 'not below'} {survival}: of {x} comes {expected}, not {found}"
        )
        assert len(calls) == survives, f"f is {'there' if survives else 'left out'}, and was run {len(calls)} times"
        there += survives
    assert 0 < there < 200


def answer_4(x, main, survival, rng):
    return x + main(x) if rng.random() < survival else x  # in training f counts whole, or not at all


def mistake_4(x, main, survival, rng):
    return x + survival * main(x)  # that is inference
