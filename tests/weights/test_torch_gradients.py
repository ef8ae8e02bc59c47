"""Tests of the comparison of single gradients with PyTorch's."""

import numpy as np
import pytest

from outside import benchmark

torch_gradients = benchmark("torch_gradients")

EXACT = {"a": np.array([3.0, -5.0]), "b": np.array([1e-16, 0.0])}


def ratios(actual, own_errors, sums, dtype):
    return {d.key: d.ratio for d in torch_gradients.differences(actual, EXACT, own_errors, sums, dtype)}


def test_a_gradient_in_float64_is_compared_with_its_largest_element():
    actual = {"a": EXACT["a"] + [0, 1e-8], "b": EXACT["b"]}
    assert ratios(actual, {}, {}, "float64") == pytest.approx({"a": 1e-8 / 5e-9, "b": 0})


def test_a_cancelled_gradient_is_compared_with_the_sum_of_the_magnitudes_of_its_terms():
    actual = {"a": EXACT["a"], "b": np.array([0.0, 3e-14])}
    assert ratios(actual, {}, {}, "float64")["b"] > 1e5
    assert ratios(actual, {}, {"b": 2.0}, "float64")["b"] == pytest.approx(3e-14 / (1000 * 2.0**-53 * 2))


def test_an_error_in_float32_may_be_three_times_the_error_of_pytorch():
    actual = {"a": EXACT["a"] + [4.5e-6, 0], "b": EXACT["b"]}
    assert ratios(actual, {"a": 1e-6}, {}, "float32")["a"] == pytest.approx(1.5)
    assert ratios(actual, {"a": 2e-6}, {}, "float32")["a"] == pytest.approx(0.75)
    assert ratios(actual, {"a": 0.0}, {"a": 6.0}, "float32")["a"] == pytest.approx(4.5e-6 / (200 * 2.0**-24 * 6))


def test_the_worst_difference_is_the_first_and_an_error_without_a_limit_is_infinite():
    actual = {"a": EXACT["a"] + 1e-9, "b": EXACT["b"] + 1e-9}
    first, second = torch_gradients.differences(actual, EXACT, {"a": 1e-6, "b": 0.0}, {}, "float32")
    assert (first.key, first.ratio, second.key) == ("b", np.inf, "a")


@pytest.mark.slow
def test_the_sums_of_magnitudes_are_those_of_the_terms():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(2, 3, (3, 2), stride=2), torch.nn.BatchNorm2d(3), torch.nn.Flatten(), torch.nn.Linear(18, 4)]
    network = torch.nn.Sequential(*layers).double()
    x, dy = torch.randn(5, 2, 7, 4, dtype=torch.float64), torch.randn(5, 4, dtype=torch.float64)
    with torch_gradients.sums_of_magnitudes(network) as sums:
        network(x).backward(dy)
    assert sums.keys() == {key for key, _ in network.named_parameters()}
    flat = network[:3](x).detach()
    assert sums["3.weight"] == pytest.approx(
        max(float((dy[:, o] * flat[:, i]).abs().sum()) for o in range(4) for i in range(18))
    )
    assert sums["3.bias"] == pytest.approx(float(dy.abs().sum(0).max()))
    assert sums["1.bias"] == pytest.approx(float((dy @ network[3].weight.detach()).reshape(5, 3, 6).abs().sum((0, 2)).max()))
    assert float(network[0].bias.grad.abs().max()) < 1e-14 < 1e-3 < sums["0.bias"]  # 0 in exact arithmetic
    assert not network[0]._forward_hooks
