"""Tests of the common behaviour of layers: parameters, gradients, sharing and errors."""

import numpy as np
import pytest

from refconv import nn
from strategies import small_integers


def test_using_an_unbuilt_layer_raises_an_error_that_recommends_build():
    for use in (lambda layer: layer(np.ones((1, 5, 5, 1))), lambda layer: layer.named_parameters()):
        with pytest.raises(RuntimeError, match=r"Conv2D\(2, 3×3\) has no parameters yet: call build"):
            use(nn.Conv2D(2, 3))


def test_build_makes_the_same_weights_only_from_the_same_seed():
    first, again, other = (nn.Dense(4) for _ in range(3))
    for layer, seed in ((first, 3), (again, 3), (other, 4)):
        assert layer.build((7,), rng=seed) == (4,)
    assert (first.parameters["w"].value == again.parameters["w"].value).all()
    assert not (first.parameters["w"].value == other.parameters["w"].value).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_parameters_and_gradients_have_the_requested_dtype(dtype):
    model = nn.Sequential(nn.Conv2D(2, 3), nn.BatchNorm(), nn.ReLU(), nn.Flatten(), nn.Dense(3))
    model.build((5, 6, 1), rng=0, dtype=dtype)
    y, backward = model.forward(np.ones((2, 5, 6, 1), dtype))
    dx = backward(np.ones_like(y))
    assert {y.dtype, dx.dtype} == {np.dtype(dtype)}
    for name, parameter in model.named_parameters().items():
        assert parameter.value.dtype == dtype, name
        assert not parameter.trainable or parameter.grad.dtype == dtype, name


def test_zero_grad_clears_every_gradient():
    model = nn.Sequential(nn.Dense(3), nn.Sequential(nn.BatchNorm(), nn.Dense(2)))
    model.build((4,), rng=0)
    y, backward = model.forward(np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32))
    backward(np.ones_like(y) * np.array([[1, 2]], y.dtype) / 3)
    trained = [p for p in model.named_parameters().values() if p.trainable]
    assert any(p.grad.any() for p in trained)
    model.zero_grad()
    assert not any(p.grad.any() for p in trained)


def test_a_layer_that_is_used_twice_has_one_set_of_parameters_and_adds_both_gradients():
    shared = nn.Dense(3)
    model = nn.Sequential(shared, nn.ReLU(), shared)
    model.build((3,), rng=0, dtype=np.float64)
    assert list(model.named_parameters()) == ["0.w", "0.b"]
    assert model.count_parameters((3,)) == 12
    # Sums of small integers are exact, so the order of the additions does not matter.
    x, w, dy = small_integers((2, 3), 1), small_integers((3, 3), 2), small_integers((2, 3), 3)
    shared.parameters["w"].value[...] = w
    _, backward = model.forward(x)
    backward(dy)
    hidden = np.maximum(x @ w, 0)
    assert 0 < np.count_nonzero(hidden) < hidden.size
    np.testing.assert_array_equal(shared.parameters["w"].grad, hidden.T @ dy + x.T @ (dy @ w.T * (hidden > 0)))


def test_a_layer_shared_by_different_containers_is_counted_and_built_once():
    shared = nn.Dense(3)
    model = nn.Sequential(first=nn.Sequential(shared, nn.Tanh()), second=nn.Sum(nn.Sequential(shared), nn.Identity()))
    assert model.count_parameters((3,)) == 12
    model.build((3,), rng=0)
    alone = nn.Dense(3)
    alone.build((3,), rng=0)
    np.testing.assert_array_equal(shared.parameters["w"].value, alone.parameters["w"].value)
    assert sum(p.value.size for p in model.named_parameters().values()) == 12


def test_a_shared_layer_with_two_input_shapes_is_refused_and_nothing_is_built():
    shared = nn.Dense(3)
    model = nn.Sequential(first=nn.Sequential(shared), second=nn.Dense(4), third=nn.Sequential(again=shared))
    with pytest.raises(
        ValueError, match=r"Dense\(3\) is used as first.0 and third.again: its parameters must have the same shapes in both"
    ):
        model.build((7,), rng=0)
    assert not shared.is_built
    same = nn.Sequential(shared := nn.Conv2D(2, 3), nn.MaxPool2D(2), shared)  # another input size with the same weights
    assert same.count_parameters((12, 13, 2)) == 38


def test_inference_changes_nothing_in_the_model():
    model = nn.Sequential(nn.Conv2D(2, 3), nn.BatchNorm(), nn.MaxPool2D(2))
    model.build((6, 7, 1), rng=0)
    before = {name: p.value.copy() for name, p in model.named_parameters().items()}
    model(np.random.default_rng(0).standard_normal((4, 6, 7, 1)).astype(np.float32))
    for name, p in model.named_parameters().items():
        assert (p.value == before[name]).all(), name


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.LocalResponseNorm(beta="x"), TypeError, "beta must be a number, got 'x'"),
        (lambda: nn.LocalResponseNorm(k=0), ValueError, "k must be above 0, got 0"),
        (lambda: nn.LocalResponseNorm(alpha=None), TypeError, "alpha must be a number, got None"),
        (lambda: nn.LocalResponseNorm(divide_by_size="no"), TypeError, "divide_by_size must be True or False"),
        (lambda: nn.Dropout(0.5, np.random.default_rng(0)), TypeError, "seed must be an integer"),
        (lambda: nn.Dropout(0.5)(None), TypeError, "x must be an array, got None"),
        (lambda: nn.AvgPool2D(2, count_include_pad="no"), TypeError, "count_include_pad must be True or False"),
        (lambda: nn.DepthwiseConv2D(3, filters=2), TypeError, "DepthwiseConv2D has no argument filters=2: use multiplier=2"),
        (lambda: nn.BatchNorm().build(()), ValueError, r"must have channels, got shape \(\)"),
    ],
)
def test_layers_refuse_invalid_arguments_by_name(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_the_repr_of_average_pooling_shows_whether_padding_is_counted():
    assert repr(nn.AvgPool2D(2, padding=1, count_include_pad=True)).endswith(", padding counted)")


class Noise(nn.Identity):
    """Layer whose only state is a generator."""

    def make(self, shape, rng, dtype):
        self.rng = rng


class Tied(nn.Identity):
    """Layer with two parameters that share one array, which is also an attribute."""

    def make(self, shape, rng, dtype):
        self.w = np.ones(shape, dtype)
        self.parameters = {"a": nn.Parameter(self.w), "b": nn.Parameter(self.w)}


def test_build_does_not_change_arrays_that_a_layer_makes_itself():
    tied = Tied()
    nn.Sequential(nn.Dense(3), Noise(), tied).build((2,), rng=1)
    assert tied.parameters["a"].value is tied.parameters["b"].value is tied.w
