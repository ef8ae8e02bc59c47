"""Tests of calling a layer: the output of the forward pass in inference, with little memory."""

import tracemalloc

import numpy as np
import pytest

from evidence import ENGINES, assert_same_bits, needs_kernels
from refconv import config, nn

SHAPE = (40, 30, 8)
SCRATCH = 1_000_000  # bytes for the buffers of the kernels, about the size of one batch of these images


def conv(filters=8):
    return nn.Conv2D(filters, (3, 1), padding="same")


def peak_of(layer, x):
    layer(x)
    tracemalloc.start()
    try:
        layer(x)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class Halved(nn.Layer):
    """User's layer whose backward function refers to its input."""

    def output_shape(self, shape):
        return shape

    def forward(self, x, train=True):
        return x / 2, lambda dy: np.broadcast_to(dy / 2, x.shape)


LAYERS = {
    "user's layers": nn.Sequential(*[Halved() for _ in range(9)]),
    "sequence": nn.Sequential(*[conv() for _ in range(9)]),
    "fused": nn.Sequential(*[layer for _ in range(6) for layer in (conv(), nn.BatchNorm(), nn.ReLU())]),
    "pooled": nn.Sequential(conv(16), nn.ReLU(), nn.MaxPool2D(2), *[conv(16) for _ in range(9)]),
    "sums": nn.Sequential(
        *[layer for _ in range(5) for layer in (nn.Sum(nn.Sequential(conv(), conv()), nn.Identity()), nn.ReLU())]
    ),
    "long branches": nn.Sequential(nn.Sum(nn.Sequential(*[conv() for _ in range(9)]), nn.Identity()), nn.ReLU()),
    "means": nn.Sequential(*[nn.Mean(conv(), nn.Sequential(conv(), conv())) for _ in range(5)]),
    "dense block": nn.Sequential(*[nn.Concat(nn.Identity(), conv(1)) for _ in range(9)]),
    "stochastic depth": nn.StochasticDepth(nn.Sequential(*[conv() for _ in range(9)]), 0.5),
    "heads": nn.Heads(nn.Sequential(a=conv(), **{f"b{k}": conv() for k in range(8)}), a=conv(3)),
    "drop-path": nn.DropPath(nn.Sequential(*[nn.Fractal(conv(), 3, drop=0.1) for _ in range(3)])),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_call_returns_the_output_of_the_forward_pass_in_inference(name, engine):
    layer, shape = LAYERS[name], (5, 4, 8)
    layer.build(shape, rng=1)
    x = np.random.default_rng(2).standard_normal((2, *shape)).astype(np.float32)
    with config(engine=engine):
        assert_same_bits(layer(x), layer.forward(x, train=False)[0])


@needs_kernels
@pytest.mark.parametrize("name", [name for name in LAYERS if name != "drop-path"])  # it keeps the outputs of several columns
def test_the_peak_memory_of_a_call_is_the_peak_of_the_activations(name):
    layer = LAYERS[name]
    layer.build(SHAPE, rng=1)
    x = np.zeros((24, *SHAPE), np.float32)
    least = (layer.peak_activations(SHAPE) * len(x) - x.size) * x.itemsize
    assert peak_of(layer, x) < least + x.nbytes + SCRATCH  # the caller keeps the input of a layer until the layer returns


@needs_kernels
def test_frozen_networks_and_fractals_release_activations_early():
    x = np.zeros((24, *SHAPE), np.float32)
    long = nn.Sequential(*[conv() for _ in range(9)])
    long.build(SHAPE, rng=1)
    assert peak_of(long.freeze(), x) < 3 * x.nbytes + SCRATCH
    fractal = nn.Fractal(conv(), 4)
    fractal.build(SHAPE, rng=1)
    assert peak_of(fractal, x) < 10 * x.nbytes + SCRATCH  # inputs and outputs of four columns, of the 15 layers and 8 joins


class Doubled(nn.Sequential):
    def forward(self, x, train=True):
        y, back = super().forward(x, train)
        return 2 * y, lambda dy, want_dx=True: back(2 * dy, want_dx)


def test_calling_a_subclass_that_overrides_forward_uses_its_forward():
    x = np.array([[3.0, 5.0]])
    layer = Doubled(nn.Identity())
    layer.build((2,), rng=1)
    assert layer(x).tolist() == [[6.0, 10.0]]
    assert nn.Sequential(layer, Doubled(nn.Identity()))(x).tolist() == [[12.0, 20.0]]


def test_the_mean_of_integers_is_a_float():
    x = np.array([[1, 2]])
    assert nn.Mean(nn.Identity(), nn.Sum(nn.Identity(), nn.Identity()))(x).tolist() == [[1.5, 3.0]]
