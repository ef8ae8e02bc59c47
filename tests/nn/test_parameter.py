"""Tests that parameters are and remain views of the flat arrays that build allocates."""

import tracemalloc

import numpy as np
import pytest

from layer_evidence import assert_consecutive
from refconv import models, nn, optim
from refconv.nn import Parameter


def trained(layer):
    return [p for p in layer.named_parameters().values() if p.grad is not None]


def network():
    model = nn.Sequential(
        conv=nn.Conv2D(2, 3), norm=nn.BatchNorm(), flat=nn.Flatten(), hidden=nn.Dense(300_000), last=nn.Dense(1)
    )
    model.build((3, 4, 1), rng=1)
    return model


def test_build_makes_all_values_views_of_one_array_and_all_gradients_of_another():
    model = network()
    for k, parameter in enumerate(trained(model), 1):
        parameter.grad[...] = k
    assert_consecutive(model)
    flat = model["conv"].parameters["w"].flat
    flat.values[...] = 7
    flat.gradients[...] = 0
    assert {*model["last"].parameters["w"].value.ravel(), *model["norm"].parameters["var"].value} == {7}
    assert not any(p.grad.any() for p in trained(model))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_flat_arrays_have_the_dtype_of_the_network(dtype):
    layer = nn.Dense(3)
    layer.build((4,), rng=0, dtype=dtype)
    assert {layer.parameters["w"].flat.values.dtype, layer.parameters["w"].flat.gradients.dtype} == {np.dtype(dtype)}


def test_build_never_allocates_a_second_copy_of_the_parameters():
    model = nn.Sequential(*(nn.Dense(1000, initializer=nn.zeros) for _ in range(8)))
    tracemalloc.start()
    try:
        model.build((1000,), rng=1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    values = 4 * model.count_parameters((1000,))
    one_layer = 8 * 1000 * 1000  # bytes of the initial values of one layer in float64
    assert peak < 2 * values + one_layer + 1_000_000  # values and gradients


def test_assignment_writes_into_the_array():
    layer = nn.Dense(3)
    layer.build((2,), rng=0)
    value, grad, flat = layer.parameters["w"].value, layer.parameters["w"].grad, layer.parameters["w"].flat
    layer.parameters["w"].value = [[1, 2, 3], [4, 5, 6]]
    layer.parameters["w"].grad = np.full((2, 3), 0.5)
    layer.parameters["w"].value += 1
    assert layer.parameters["w"].value is value
    assert layer.parameters["w"].grad is grad
    assert flat.values[:6].tolist() == [2, 3, 4, 5, 6, 7]
    assert flat.gradients[:6].tolist() == [0.5] * 6
    layer.parameters["w"].value = np.asfortranarray(layer.parameters["w"].value + 1)
    assert layer.parameters["w"].value is value
    assert value.tolist() == [[3, 4, 5], [6, 7, 8]]


@pytest.mark.parametrize(
    ("assign", "error", "message"),
    [
        (lambda p: setattr(p, "value", np.ones((3, 2))), ValueError, r"value must have shape \(2, 3\), got shape \(3, 2\)"),
        (lambda p: setattr(p, "value", 0.0), ValueError, r"value must have shape \(2, 3\), got shape \(\)"),
        (lambda p: setattr(p, "grad", None), ValueError, r"grad must have shape \(2, 3\), got None"),
        (lambda p: setattr(p, "value", np.ones((2, 3), complex)), TypeError, "Cannot cast"),
        (lambda p: p.replace_array(np.ones(6)), ValueError, r"value must have shape \(2, 3\), got shape \(6,\)"),
    ],
)
def test_assigning_another_shape_or_dtype_is_refused(assign, error, message):
    layer = nn.Dense(3)
    layer.build((2,), rng=0)
    before = layer.parameters["w"].value.copy()
    with pytest.raises(error, match=message):
        assign(layer.parameters["w"])
    np.testing.assert_array_equal(layer.parameters["w"].value, before)


def test_the_gradient_of_an_untrainable_parameter_must_be_none():
    average = Parameter(np.ones(2), trainable=False)
    average.grad = None
    with pytest.raises(ValueError, match=r"grad must be None, got 3: this parameter is not trainable"):
        average.grad = 3


def test_an_initializer_must_return_the_shape_of_the_parameter():
    with pytest.raises(ValueError, match=r"initializer must return an array of shape \(2, 3\), got shape \(3,\)"):
        nn.Dense(3, initializer=lambda rng, shape: np.ones(3)).build((2,))


def test_a_replaced_array_is_not_a_view_of_the_flat_arrays():
    layer = nn.Dense(3)
    layer.build((2,), rng=0)
    flat, before, new = layer.parameters["w"].flat, layer.parameters["w"].value.copy(), np.full((2, 3), 9.0)
    layer.parameters["w"].grad[...] = 1
    layer.parameters["w"].replace_array(new)
    assert layer.parameters["w"].value is new
    assert layer.parameters["w"].flat is None
    assert layer.parameters["w"].grad.dtype == np.float64
    assert not layer.parameters["w"].grad.any()
    np.testing.assert_array_equal(flat.values[:6], before.ravel())
    layer.flatten_parameters()  # does not move the array, which belongs to the caller
    assert layer.parameters["w"].value is new


def test_a_part_of_a_network_can_release_the_memory_of_the_rest():
    model = network()
    features = model.cut("norm")
    model["conv"].parameters["w"].grad[...] = 3
    before = {name: p.value.copy() for name, p in features.named_parameters().items()}
    features.flatten_parameters()
    assert_consecutive(features)
    for name, parameter in features.named_parameters().items():
        assert parameter is model.named_parameters()[name]  # still shared
        np.testing.assert_array_equal(parameter.value, before[name])
    assert (model["conv"].parameters["w"].grad == 3).all()
    assert features["conv"].parameters["w"].flat.values.size == 29
    y = model(np.ones((1, 3, 4, 1), np.float32))
    features["conv"].parameters["w"].value[...] = 0
    assert not (model(np.ones((1, 3, 4, 1), np.float32)) == y).all()


def test_a_rebuilt_network_has_new_arrays_and_releases_the_old_ones():
    model = nn.Sequential(nn.Dense(1000), nn.ReLU(), nn.Dense(1000))
    x = np.zeros((1, 1000), np.float32)
    tracemalloc.start()
    try:
        model.build((1000,), rng=1)
        model.forward(x)
        once = tracemalloc.get_traced_memory()[0]
        model.build((1000,), rng=1)
        assert tracemalloc.get_traced_memory()[0] < once + 1_000_000
    finally:
        tracemalloc.stop()
    assert_consecutive(model)


def test_a_replaced_head_has_its_own_arrays_and_the_rest_keeps_its_arrays():
    model = models.lenet()
    model.build((32, 32, 1), rng=0)
    flat = model["conv1"].parameters["w"].flat
    other = nn.replace_layer(model, "scores", nn.Dense(3), (32, 32, 1), rng=1)
    assert {p.flat for p in other.named_parameters().values()} == {flat, other["scores"].parameters["w"].flat}
    assert other["scores"].parameters["w"].flat.values.size == 84 * 3 + 3
    other.flatten_parameters()
    assert_consecutive(other)
    assert model["conv1"].parameters["w"].flat is other["conv1"].parameters["w"].flat
    assert model["scores"].parameters["w"].flat is flat


def test_an_update_skips_frozen_parameters_in_the_flat_arrays():
    model = network()
    optimizer = optim.SGD(model, 0.5)
    model["norm"].freeze()
    for parameter in trained(model):
        parameter.grad[...] = 1
    before = {name: p.value.copy() for name, p in model.named_parameters().items()}
    optimizer.step()
    for name, parameter in model.named_parameters().items():
        moved = 0.5 if parameter.trainable else 0
        np.testing.assert_array_equal(parameter.value, before[name] - np.float32(moved), err_msg=name)
    assert_consecutive(model)
