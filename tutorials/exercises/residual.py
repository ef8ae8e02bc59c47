"""Checks of notebook 09 · Residual learning: backward function, paths, survival and stochastic depth."""

import math

import numpy as np
from checking import checked, checked_function

from refconv import analysis, models, nn


@checked_function("of dy, y and back that returns an array")
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


@checked_function("of n and m that returns two numbers")
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


@checked_function("of l, L and p_L that returns a number")
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


@checked("a function of x, main, survival and rng that returns an array")
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
