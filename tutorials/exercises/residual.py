"""09 · Residual learning: backward function, paths, survival and stochastic depth."""

import math

import numpy as np
from checking import checked, checked_function

from refconv import analysis, models, nn


@checked_function("of dy, y and back that returns an array")
def check_1(block_backward):
    """Check the backward function of y = ReLU(x + f(x))."""
    shape = (7, 5, 4)
    block = nn.Sequential(nn.Sum(nn.Conv2D(4, 3, padding=1), nn.Identity()), nn.ReLU())
    block.build(shape, rng=0, dtype=np.float64)
    rng = np.random.default_rng(1)
    x, dy = rng.normal(size=(2, *shape)), rng.normal(size=(2, *shape))
    y, backward = block.forward(x)
    _, back = block.layers["0"].layers["0"].forward(x)
    result, expected = np.asarray(block_backward(dy, y, back)), backward(dy)
    assert result.shape == expected.shape, f"∂e/∂x must have the shape of x, {expected.shape}, got {result.shape}"
    wrong = ~np.isclose(result, expected)
    assert not wrong.any(), f"{wrong.mean():.0%} of the numbers are wrong; where y is 0, {wrong[y == 0].mean():.0%} are"


@checked_function("of n and m that returns two numbers")
def check_2(paths_left):
    """Check the share and the average length of the paths left after deleting m of n blocks."""
    for n, m in ((9, 1), (9, 4), (15, 2), (27, 0)):
        lengths = analysis.path_lengths(nn.Sequential(*(nn.Sum(nn.ReLU(), nn.Identity()) for _ in range(n - m))))
        count = sum(lengths.values())
        average = sum(length * times for length, times in lengths.items()) / count
        share, average_length = paths_left(n, m)
        assert math.isclose(share, count / 2**n), (
            f"after deleting {m} of {n} blocks, {count} of {2**n} paths are left, got a share of {share:g}"
        )
        assert math.isclose(average_length, average), (
            f"with {n - m} blocks left, the average path must go through {average:g} blocks, got {average_length:g}"
        )


@checked_function("of l, L and p_L that returns a number")
def check_3(probability):
    """Check the linear rule of stochastic depth."""
    for depth, last in ((3, 0.5), (18, 0.5), (5, 0.8)):
        model = models.cifar_resnet(6 * depth + 2, survival=last)
        layers = [layer for _, layer, _ in model.distinct_layers((32, 32, 3)) if isinstance(layer, nn.StochasticDepth)]
        for number in (1, 2, depth, 3 * depth):
            result, expected = probability(number, 3 * depth, last), layers[number - 1].survival
            assert math.isclose(result, expected), (
                f"block {number} of {3 * depth}, p_L = {last}: must be {expected:.4f}, got {result:.4f}"
            )


@checked("a function of x, main, survival and rng that returns an array")
def check_4(step):
    """Check a training pass of stochastic depth that computes the main branch only if needed."""
    calls = []

    def main(x):
        calls.append(x)
        return 10 * x

    x, survival, survivals = np.array([[1.0, -2.0, 5.0]]), 0.7, 0
    for seed in range(200):
        calls.clear()
        result = step(x, main, survival, np.random.default_rng(seed))
        survives = np.random.default_rng(seed).random() < survival
        expected = x + 10 * x if survives else x
        assert np.allclose(result, expected), (
            f"rng.random() is {'below' if survives else 'not below'} {survival}: {x} must give {expected}, got {result}"
        )
        assert len(calls) == survives, f"f must be called {'once' if survives else 'not at all'}, got {len(calls)} calls"
        survivals += survives
    assert 0 < survivals < 200
