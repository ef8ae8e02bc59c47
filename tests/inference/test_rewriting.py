"""Tests of the rules that join the nodes of a graph."""

import numpy as np
import pytest

from evidence import needs_kernels
from refconv import models, nn
from refconv.inference.graph import Convolution
from refconv.inference.lowering import lower
from refconv.inference.memory import plan_memory
from refconv.inference.rewriting import rewrite
from refconv.nn.joins import Add, Concatenate, Multiply

pytestmark = needs_kernels


def graph_of(*layers, shape=(9, 7, 6)):
    model = nn.Sequential(*layers)
    model.build(shape, rng=0)
    return rewrite(lower(model, shape))


def kinds(graph):
    return [type(node).__name__ for node in graph.nodes.values()]


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([nn.Conv2D(5, 3), nn.BatchNorm(), nn.ReLU()], ["Convolution"]),
        ([nn.Conv2D(5, 3), nn.ReLU(), nn.BatchNorm()], ["Convolution", "Affine"]),
        ([nn.Conv2D(5, 3, data_format="channels_first"), nn.ReLU()], ["Run", "Affine"]),
        ([nn.Flatten(), nn.Dense(4), nn.BatchNorm(), nn.ReLU()], ["Reshape", "Product"]),
        ([nn.Dropout(0.5), nn.Identity(), nn.Conv2D(5, 3)], ["Convolution"]),
        ([nn.SeparableConv2D(5, 3), nn.BatchNorm()], ["Convolution", "Convolution"]),
        ([nn.BatchNorm(), nn.BatchNorm(), nn.ReLU6()], ["Affine"]),
        ([nn.BatchNorm(), nn.ReLU(), nn.Conv2D(5, 3)], ["Convolution"]),
        ([nn.BatchNorm(), nn.ReLU6(), nn.Conv2D(5, 3)], ["Affine", "Convolution"]),
        ([nn.Sum(nn.Identity(), nn.Conv2D(6, 1)), nn.ReLU()], ["Convolution"]),
        ([nn.Sum(nn.Conv2D(5, 1), nn.Conv2D(5, 1)), nn.ReLU()], ["Convolution", "Convolution"]),
        ([nn.Sum(nn.Identity(), nn.Sequential(nn.Conv2D(6, 1), nn.ReLU()))], ["Convolution", "Total"]),
        ([nn.Sum(nn.Identity(), nn.MaxPool2D(1))], ["Pooling", "Total"]),
        ([nn.Tanh(), nn.Upsample2D(2)], ["Run", "Run"]),
        ([nn.Conv2D(5, 3), nn.ReLU(), nn.MaxPool2D(2)], ["PooledConvolution"]),
        ([nn.Conv2D(5, 3), nn.ReLU(), nn.MaxPool2D(3)], ["Convolution", "Pooling"]),
        ([nn.Conv2D(5, 3), nn.MaxPool2D(2)], ["Convolution", "Pooling"]),
        ([nn.AvgPool2D(3, padding=1), nn.GlobalAvgPool2D()], ["Pooling", "Pooling"]),
        ([nn.MaxPool2D(2, data_format="channels_first")], ["Run"]),
        ([nn.Crop2D(1), nn.ReLU()], ["Crop", "Affine"]),
        ([nn.Mean(nn.Identity(), nn.MaxPool2D(1)), nn.ReLU()], ["Pooling", "Total"]),
        ([nn.ConvTranspose2D(5, 2, stride=2), nn.BatchNorm(), nn.ReLU()], ["TransposedConvolution"]),
        ([nn.ConvTranspose2D(5, 3), nn.BatchNorm()], ["Convolution"]),
        ([nn.ConvTranspose2D(6, 3, groups=2)], ["TransposedConvolution"]),
        ([nn.ConvTranspose2D(5, (3, 2), padding=(2, 1), stride=(1, 2))], ["TransposedConvolution"]),
        ([nn.ConvTranspose2D(5, 2, dilation=3, output_padding=2)], ["Convolution"]),
        ([nn.ConvTranspose2D(5, 2, stride=2, dilation=3, output_padding=2)], ["Run"]),
    ],
)
def test_nodes_are_joined(layers, expected):
    assert kinds(graph_of(*layers)) == expected


def test_graphs_and_fractals_are_lowered():
    layers = {"a": nn.Conv2D(6, 1), "b": nn.ReLU(), "sum": Add(), "both": Concatenate(), "product": Multiply()}
    sources = {"a": ["input"], "b": ["a"], "sum": ["input", "b"], "both": ["sum", "a"], "product": ["both", "both"]}
    assert kinds(graph_of(nn.Graph(layers, sources))) == ["Convolution", "Affine", "Total", "Concatenation", "Run"]
    fractal = nn.Fractal(nn.Sequential(conv=nn.Conv2D(6, 3, padding=1), relu=nn.ReLU()), columns=2)
    assert kinds(graph_of(fractal)) == ["Convolution", "Convolution", "Convolution", "Total"]


def test_a_layer_between_two_readers_is_not_joined():
    conv = nn.Conv2D(6, 1)
    graph = graph_of(conv, nn.Sum(nn.ReLU(), nn.Tanh()))
    assert kinds(graph) == ["Convolution", "Affine", "Run", "Total"]


def test_a_subclass_with_its_own_forward_is_called():
    class Doubled(nn.ReLU):
        def forward(self, x, train=True):
            return 2 * x, lambda dy: 2 * dy

    assert kinds(graph_of(nn.Conv2D(5, 3), Doubled())) == ["Convolution", "Run"]


def test_a_subclass_with_its_own_join_is_called():
    class Largest(nn.Sum):
        def _join(self, outputs):
            return np.maximum.reduce(outputs)

    class Captioned(nn.Sum):
        def caption(self):
            return "sum"

    assert kinds(graph_of(Largest(nn.Conv2D(5, 3), nn.Conv2D(5, 3)))) == ["Run"]
    assert kinds(graph_of(Captioned(nn.Conv2D(5, 3), nn.Conv2D(5, 3)))) == ["Convolution", "Convolution"]


def test_a_folded_convolution_lists_the_layers_that_it_replaces():
    graph = graph_of(nn.Sequential(conv=nn.Conv2D(5, 3), norm=nn.BatchNorm()), nn.ReLU())
    (node,) = graph.nodes.values()
    assert (node.name, node.layers) == ("1", ["0.conv", "0.norm", "1"])


def test_a_convolution_is_folded_only_once_if_it_is_shared():
    conv = nn.Conv2D(6, 1, bias=False)
    graph = graph_of(conv, nn.BatchNorm(), conv)
    first, second = graph.nodes.values()
    assert isinstance(first, Convolution)
    assert first.b is not None
    assert np.array_equal(second.w, conv.parameters["w"].value)
    assert second.b is None


def test_outputs_that_are_needed_at_the_same_time_do_not_overlap():
    for name in ("densenet121-small", "googlenet-small", "resnet50-small", "unet-same-small", "inception-v3-small"):
        model = models.create(name)
        model.build(models.input_shape(name), rng=0)
        arena = plan_memory(rewrite(lower(model, model.input_shape)))
        for k, buffer in enumerate(arena.buffers):
            for other in arena.buffers[:k]:
                separate = buffer.offset >= other.offset + other.size or other.offset >= buffer.offset + buffer.size
                assert separate or not buffer.overlaps(other)
        assert arena.size <= 0.7 * sum(buffer.size for buffer in arena.buffers)


def test_the_layers_of_a_dense_block_share_a_buffer():
    model = models.create("densenet121-small")
    model.build((32, 32, 3), rng=0)
    arena = plan_memory(rewrite(lower(model, (32, 32, 3))))
    names = [f"dense1.layer{k}.new.conv" for k in range(1, 7)]
    assert {arena.places[name].buffer for name in names} == {arena.places["dense1.layer6"].buffer}
    assert [arena.places[name].channel for name in names] == [16 + 8 * k for k in range(6)]
    assert np.prod(arena.buffers[arena.places["dense1.layer6"].buffer].shape) == 32 * 32 * (16 + 6 * 8)
