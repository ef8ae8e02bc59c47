"""Tests that layers and their copies have a record of the arguments of the constructor."""

import copy
import inspect
import pickle

import numpy as np
import pytest

from refconv import nn
from refconv.nn.recording import Arguments

COPIES = {
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    **{f"pickle {p}": lambda a, p=p: pickle.loads(pickle.dumps(a, p)) for p in range(6)},
}


class Scaled(nn.Sequential):
    """Network whose constructor has other arguments than its base class."""

    def __init__(self, factor, *, units=(3, 2)):
        super().__init__(*(nn.Dense(n * factor) for n in units))


class Silent(nn.Layer):
    """Layer that does not call the constructor of its base class or store its arguments."""

    def __init__(self, function, numbers):
        self.total = function(sum(numbers))

    def output_shape(self, shape):
        return shape

    def forward(self, x, train=True):
        return self.total * x, lambda dy: self.total * dy


def test_the_arguments_of_the_outermost_constructor_are_recorded():
    initializer, layer = nn.zeros, nn.ReLU()
    assert nn.Conv2D(7, kernel_size=(3, 5), initializer=initializer).constructor_arguments() == Arguments(
        (7,), {"kernel_size": (3, 5), "initializer": initializer}
    )
    assert Scaled(2, units=(5,)).constructor_arguments() == Arguments((2,), {"units": (5,)})
    assert nn.Sequential(layer, named=layer).constructor_arguments() == Arguments(({"0": layer, "named": layer},), {})
    assert nn.ReLU().constructor_arguments() == Arguments((), {})
    assert Silent(abs, [1, -3]).constructor_arguments() == Arguments((abs, [1, -3]), {})


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_copies_have_the_same_record(copied):
    model = copied(nn.Sequential(nn.Conv2D(7, (3, 5)), scaled=Scaled(2, units=(5,)), last=nn.ReLU()))
    (layers,), named = model.constructor_arguments()
    assert layers is model.layers
    assert not named
    assert layers["0"].constructor_arguments() == Arguments((7, (3, 5)), {})
    assert layers["scaled"].constructor_arguments() == Arguments((2,), {"units": (5,)})


def test_the_record_of_a_container_has_its_current_layers():
    model = nn.Sequential(nn.Dense(3), last=nn.ReLU())
    model.layers["0"] = other = nn.Dense(5)
    (layers,), _ = model.constructor_arguments()
    assert layers["0"] is other


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_layers_with_lambdas_and_exhausted_iterators_can_be_copied(copied):
    layer = copied(Silent(lambda total: 2 * total, (n for n in (1, 4))))
    assert layer.total == 10
    function, numbers = layer.constructor_arguments().positional
    assert "generator object" in repr(numbers)
    assert "<lambda>" in repr(function)


def test_iterators_are_not_recorded():
    layer = Silent(abs, iter([np.ones(3)]))
    (_, numbers), _ = layer.constructor_arguments()
    assert not hasattr(numbers, "__next__")


def test_layers_have_the_signature_of_their_constructor():
    assert str(inspect.signature(Scaled)) == "(factor, *, units=(3, 2))"
    assert list(inspect.signature(nn.Conv2D).parameters)[:2] == ["filters", "kernel_size"]
    assert not inspect.signature(nn.ReLU).parameters


def test_a_layer_without_arguments_refuses_all_arguments():
    for arguments, named in (((3,), {}), ((), {"slope": 2})):
        with pytest.raises(TypeError):
            nn.ReLU(*arguments, **named)
