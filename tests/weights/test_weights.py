"""Tests of loading weights by dotted names into any network with the same parameters."""

import numpy as np
import pytest

import refconv
from refconv import models, nn
from safetensors_files import as_safetensors


def network(units=3, rng=1, dtype=np.float32, **more):
    model = nn.Sequential(conv=nn.Conv2D(4, (2, 3)), norm=nn.BatchNorm(), flatten=nn.Flatten(), scores=nn.Dense(units), **more)
    model.build((5, 6, 2), rng=rng, dtype=dtype)
    return model


def values(model):
    return {name: p.value.copy() for name, p in model.named_parameters().items()}


def assert_same(actual, expected):
    assert actual.keys() == expected.keys()
    for name, a in expected.items():
        np.testing.assert_array_equal(actual[name], a)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_are_loaded_into_the_existing_arrays(tmp_path, dtype):
    model, other = network(rng=1, dtype=dtype), network(rng=2, dtype=dtype)
    model.named_parameters()["norm.mean"].value[...] = [2, 3, 5, 7]
    model.save_weights(tmp_path / "w.safetensors")
    arrays = {name: p.value for name, p in other.named_parameters().items()}
    assert other.load_weights(tmp_path / "w.safetensors") == []
    assert_same(values(other), values(model))
    assert all(p.value is arrays[name] for name, p in other.named_parameters().items())


def test_weights_of_networks_that_cannot_be_saved_as_models_can_be_saved(tmp_path):
    def lambdas(rng):
        model = nn.Sequential(nn.Dense(3, initializer=lambda rng, shape: rng.normal(size=shape)))
        model.build((2,), rng=rng)
        return model

    lambdas(1).save_weights(tmp_path / "w")
    other = lambdas(2)
    other.load_weights(tmp_path / "w")
    assert_same(values(other), values(lambdas(1)))


def test_weights_of_a_saved_model_and_of_other_programs_are_loaded(tmp_path):
    model, other = network(rng=1), network(rng=2)
    model.save(tmp_path / "m")
    other.load_weights(tmp_path / "m")
    assert_same(values(other), values(model))
    header = {"w": {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]}}
    header["b"] = {"dtype": "BF16", "shape": [1], "data_offsets": [8, 10]}
    (tmp_path / "w").write_bytes(as_safetensors(header, np.array([3, 5], "<f4").tobytes() + b"\xc0\x40"))
    layer = nn.Dense(1)
    layer.build((2,))
    layer.load_weights(tmp_path / "w")
    assert (layer.parameters["w"].value.tolist(), layer.parameters["b"].value.tolist()) == ([[3], [5]], [6])


DIFFERENCES = {
    "missing": (lambda: network(more=nn.Dense(2)), r"2 missing \(more.w, more.b\)$"),
    "unexpected": (lambda: nn.Sequential(conv=nn.Conv2D(4, (2, 3))), r"7 unexpected \(norm.gamma, norm.beta, norm.mean, …\)$"),
    "another shape": (
        lambda: network(units=5),
        r"2 of another shape or type \(scores.w: \(64, 3\) float32, expected \(64, 5\) float32, scores.b: \(3,\) float32, ",
    ),
    "another type": (lambda: network(dtype=np.float64), r"9 of another .*\(conv.w: .* float32, expected .* float64, .*, …\)$"),
    "all": (
        lambda: nn.Sequential(conv=nn.Conv2D(4, (2, 3)), other=nn.Conv2D(2, 1)),
        r"2 missing \(other.w, other.b\); 7 unexpected \(norm.gamma, norm.beta, norm.mean, …\)$",
    ),
}


@pytest.mark.parametrize("case", DIFFERENCES)
def test_the_error_about_other_parameters_lists_them_and_nothing_changes(tmp_path, case):
    make, message = DIFFERENCES[case]
    network().save_weights(tmp_path / "w.safetensors")
    model = make()
    if not model.is_built:
        model.build((5, 6, 2), rng=3)
    before = values(model)
    with pytest.raises(
        refconv.ArgumentError, match=rf"w\.safetensors must contain the parameters of the network, got {message}"
    ):
        model.load_weights(tmp_path / "w.safetensors")
    assert_same(values(model), before)


def test_only_common_parameters_are_loaded_unless_strict(tmp_path):
    model = network(rng=1)
    model.save_weights(tmp_path / "w")
    other = network(rng=2, more=nn.Dense(2))
    before = values(other)
    assert other.load_weights(tmp_path / "w", strict=False) == ["more.w", "more.b"]
    assert_same(values(other), {**values(model), "more.w": before["more.w"], "more.b": before["more.b"]})
    part = nn.Sequential(conv=nn.Conv2D(4, (2, 3)))
    part.build((5, 6, 2))
    assert part.load_weights(tmp_path / "w", strict=False) == []


def test_common_parameters_must_match_even_if_not_strict(tmp_path):
    network(units=3).save_weights(tmp_path / "w")
    other = network(units=5, rng=2)
    before = values(other)
    with pytest.raises(ValueError, match=r"got 2 of another shape or type \(scores.w"):
        other.load_weights(tmp_path / "w", strict=False)
    assert_same(values(other), before)
    alone = nn.Dense(3)
    alone.build((2,))
    with pytest.raises(ValueError, match=r"w must contain a parameter of the network, got conv.w, conv.b, norm.gamma, …"):
        alone.load_weights(tmp_path / "w", strict=False)


@pytest.mark.parametrize("strict", [True, False])
def test_a_network_without_parameters_needs_no_weights(tmp_path, strict):
    model = nn.Sequential(nn.ReLU())
    model.build((2,))
    model.save_weights(tmp_path / "w")
    assert model.load_weights(tmp_path / "w") == []


def test_an_unbuilt_network_can_neither_save_nor_load_weights(tmp_path):
    network().save_weights(tmp_path / "w")
    for use in (models.lenet().save_weights, models.lenet().load_weights):
        with pytest.raises(RuntimeError, match="has no parameters yet"):
            use(tmp_path / "w")


def test_the_error_about_a_missing_or_damaged_file_names_it(tmp_path):
    model = network()
    with pytest.raises(FileNotFoundError, match=r"there is no file .*w\.safetensors"):
        model.load_weights(tmp_path / "w.safetensors")
    (tmp_path / "w.safetensors").write_bytes(b"<html>not found</html>")
    with pytest.raises(refconv.ArgumentError, match=r"w\.safetensors is not a safetensors file, or is damaged"):
        model.load_weights(tmp_path / "w.safetensors")
