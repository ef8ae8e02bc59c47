"""Tests of the order of elements inside a network, and of weights for PyTorch."""

import numpy as np
import pytest

from refconv import nn, weights
from refconv.nn.joins import Add, Concatenate
from refconv.nn.reshape import ReduceMean, Reshape, Transpose
from refconv.weights.element_order import input_layout

SHAPE = (4, 5, 3)


def rows_of(model, shape=SHAPE):
    """Return, for each row of the layer fc, its position in PyTorch."""
    model.build(shape, rng=0)
    w = next(p for name, p in model.named_parameters().items() if name.endswith("fc.w"))
    w.value[...] = np.arange(len(w.value))[:, None]
    (array,) = (array for key, array in weights.to_torch(model).items() if key.endswith("fc.weight"))
    return array[0].astype(int).tolist()


def channels_first(shape):
    """Return the rows of a flattened image in the order with channels first."""
    return np.moveaxis(np.arange(np.prod(shape)).reshape(shape), -1, 0).ravel().tolist()


def chain(*layers):
    return nn.Sequential({**{str(k): layer for k, layer in enumerate(layers)}, "fc": nn.Dense(2, bias=False)})


@pytest.mark.parametrize(
    ("layers", "image"),
    [
        ([nn.Flatten()], SHAPE),
        ([Transpose((1, 2, 0)), nn.Conv2D(6, (2, 1)), nn.Flatten()], (4, 3, 6)),  # images with channels first
        ([Transpose((1, 2, 0)), nn.Flatten()], (5, 3, 4)),
        ([nn.Conv2D(6, 2), Transpose((2, 0, 1)), Transpose((1, 2, 0)), nn.Conv2D(2, 1), nn.Flatten()], (3, 4, 2)),
        ([nn.GlobalAvgPool2D(), Reshape((1, 1, 3)), nn.Sigmoid(), nn.Flatten()], (1, 1, 3)),
        ([ReduceMean((0,)), nn.Flatten()], (5, 3)),
    ],
)
def test_flattened_images_are_found(layers, image):
    assert rows_of(chain(*layers)) == channels_first(image)


@pytest.mark.parametrize(
    "layers",
    [
        [nn.ReLU(), Transpose((2, 0, 1)), nn.Flatten()],
        [nn.Conv2D(6, 2), Transpose((1, 2, 0)), nn.Flatten()],
        [nn.Conv2D(6, 2), Transpose((2, 0, 1)), nn.Flatten(), nn.ReLU()],
        [nn.Conv2D(6, 2), Reshape((12, 6)), nn.Flatten()],
        [Reshape((60,))],
        [nn.Flatten(), Reshape((20, 3)), nn.Flatten()],
        [nn.MaxPool2D(2), ReduceMean((2,)), nn.Flatten()],
    ],
)
def test_an_unknown_order_is_refused(layers):
    with pytest.raises(ValueError, match="layers between images and fc must be a Flatten and layers that keep the order"):
        rows_of(chain(*layers))


def test_each_layer_of_a_graph_has_the_order_of_its_inputs():
    layers = {"flat": nn.Flatten(), "relu": nn.ReLU(), "sum": Add(), "fc": nn.Dense(2, bias=False)}
    sources = {"flat": ["input"], "relu": ["flat"], "sum": ["flat", "relu"], "fc": ["sum"]}
    assert rows_of(nn.Graph(layers, sources)) == channels_first(SHAPE)
    with pytest.raises(ValueError, match="layers between images and fc"):
        rows_of(nn.Graph({**layers, "sum": Concatenate()}, sources))


@pytest.mark.parametrize(
    ("model", "layout"),
    [
        (nn.Sequential(nn.ReLU(), nn.Conv2D(2, 1)), "channels_last"),
        (nn.Sequential(nn.ReLU(), Transpose((1, 2, 0)), nn.Conv2D(2, 1)), "channels_first"),
        (nn.Conv2D(2, 1, data_format="channels_first"), "channels_first"),
        (nn.Sum(nn.Sequential(Transpose((1, 2, 0)), nn.Flatten()), Reshape((60,))), None),
        (nn.Sequential(nn.Tanh()), "channels_last"),
        (nn.Sequential(Transpose((1, 0, 2)), nn.Conv2D(2, 1)), None),
    ],
)
def test_layers_determine_the_layout_of_the_input(model, layout):
    assert input_layout(model, SHAPE) == layout
