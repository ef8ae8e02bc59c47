"""Tests of names, positions and slices of containers, and of indexing."""

import numpy as np
import pytest

from refconv import nn


def network():
    model = nn.Sequential(nn.Dense(4), act=nn.ReLU(), block=nn.Sum(nn.Dense(4), shortcut=nn.Identity()), last=nn.Dense(2))
    model.build((3,), rng=0)
    return model


def test_a_container_is_indexed_by_names_and_positions():
    model = network()
    assert model["0"] is model[0] is model.layers["0"]
    assert model["act"] is model[1] is model[np.int64(1)]
    assert model["last"] is model[-1] is model[3]
    assert model["block"]["shortcut"] is model[2][1]
    assert model[0].parameters["w"] is model.named_parameters()["0.w"]


def test_containers_have_a_length_and_yield_their_layers():
    model = network()
    assert len(model) == 4
    assert list(model) == list(model.layers.values())
    assert list(model[2]) == [model[2][0], model[2][1]]
    assert list(nn.Sequential(*model)) == list(model)


def test_a_slice_shares_layers_names_and_parameters():
    model = network()
    x = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    first, rest = model[:2], model[2:]
    assert [*first.layers, *rest.layers] == [*model.layers]
    assert list(rest.named_parameters()) == ["block.0.w", "block.0.b", "last.w", "last.b"]
    np.testing.assert_array_equal(rest(first(x)), model(x))
    assert rest.named_parameters()["last.w"] is model.named_parameters()["last.w"]
    first[0].parameters["w"].value[...] = 0
    assert not model["0"].parameters["w"].value.any()
    assert list(model[::-2]) == [model[3], model[1]]


def test_a_slice_of_an_unbuilt_network_is_built_with_the_network():
    model = nn.Sequential(nn.Dense(4), nn.ReLU(), nn.Dense(2))
    first = model[:2]
    model.build((3,), rng=0)
    assert list(first.named_parameters()) == ["0.w", "0.b"]
    assert first(np.ones((1, 3), np.float32)).shape == (1, 4)


def test_a_slice_of_a_subclass_is_a_sequential():
    class Doubled(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Identity(), nn.Identity())

        def forward(self, x, train=True):
            y, back = super().forward(x, train)
            return 2 * y, lambda dy: back(2 * dy)

    assert type(Doubled()[:1]) is nn.Sequential
    assert Doubled()[:1](np.ones((1, 2))).tolist() == [[1, 1]]


def test_each_layer_has_its_own_parameters_by_name():
    model = network()
    assert list(model[0].parameters) == ["w", "b"]
    assert model[0].parameters["b"] is model.named_parameters()["0.b"]
    assert model.parameters == {} == model["act"].parameters


def test_calling_parameters_as_in_pytorch_raises_an_error_with_the_alternative():
    for model in (network(), nn.Sequential(nn.Dense(4))):
        with pytest.raises(TypeError, match=r"parameters is a dict, not a method; pass the model to the optimizer, as in SGD"):
            model.parameters()


def test_is_built_is_true_if_every_layer_has_its_parameters():
    model = nn.Sequential(nn.Dense(4), block=nn.Sum(nn.Dense(4), shortcut=nn.Identity()))
    assert not model.is_built
    model[0].build((3,))
    assert (model[0].is_built, model.is_built) == (True, False)
    model.build((3,))
    assert model.is_built
    assert model["block"].is_built


@pytest.mark.parametrize("container", [nn.Sequential, nn.Sum, nn.Mean, nn.Concat])
def test_a_container_accepts_a_list_or_a_dict_of_layers(container):
    a, b = nn.Dense(4), nn.Dense(4)
    assert list(container([a, b]).layers.items()) == [("0", a), ("1", b)] == list(container((a, b)).layers.items())
    assert list(container({"first": a, "2": b}).layers.items()) == [("first", a), ("2", b)]


def test_names_in_a_dict_of_layers_may_be_numbers_or_names_of_arguments():
    model = nn.Sequential({"1": nn.Dense(2), "self": nn.ReLU(), "layers": nn.Dense(3)})
    assert list(model.layers) == ["1", "self", "layers"]
    assert nn.Concat({"axis": nn.Identity(), "b": nn.Identity()}, axis=0).output_shape((5, 2)) == (10, 2)


class Gated(nn.Sequential):
    """Container with its own parameter."""

    def specs(self, shape):
        return {"gate": nn.Spec((1,), nn.ones)}

    def forward(self, x, train=True):
        y, back = super().forward(x, train)
        gate = self.parameters["gate"]
        return y * gate.value, lambda dy: back(dy * gate.value)


def test_a_container_may_have_its_own_parameters():
    model = Gated(dense=nn.Dense(2))
    model.build((3,), rng=0)
    assert list(model.named_parameters()) == ["gate", "dense.w", "dense.b"]
    assert model.parameters["gate"] is model.named_parameters()["gate"]
    assert model["dense"] is model[0]


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda m: m["conv"], KeyError, "key must be one of 0, act, block, last, got 'conv'"),
        (lambda m: m[4], IndexError, "key must be from -4 to 3, got 4"),
        (lambda m: m[-5], IndexError, "key must be from -4 to 3, got -5"),
        (lambda m: m[1.0], TypeError, "key must be the name or the position of a layer, got 1.0"),
        (lambda m: m["block"][:1], TypeError, "key must be the name or the position of a layer, got slice"),
        (lambda m: m[4:], ValueError, "Sequential must have at least one layer, got none"),
        (lambda m: m[0].parameters["gamma"], KeyError, "name must be one of w, b, got 'gamma'"),
        (lambda m: m[0][0], TypeError, "'Dense' object is not subscriptable"),
        (lambda m: m["act"].parameters["w"], KeyError, "name must be one of none: the layer has no parameters, got 'w'"),
        (lambda m: iter(m[0]), TypeError, "'Dense' object is not iterable"),
        (lambda m: nn.Dense(3).parameters["w"], RuntimeError, r"Dense\(3\) has no parameters yet: call build"),
    ],
)
def test_missing_layers_and_parameters_are_refused(use, error, message):
    with pytest.raises(error, match=message):
        use(network())


@pytest.mark.parametrize("name", ["", "a.b"])
def test_empty_names_and_names_with_dots_are_refused(name):
    with pytest.raises(ValueError, match=f"the name of a layer must be a string without dots, got {name!r}"):
        nn.Sequential({name: nn.Dense(2)})
