"""Tests of transposed convolution layers: shapes, counts, initial weights and gradients."""

import numpy as np
import pytest

from layer_evidence import assert_layer, built, random_input
from refconv import nn, ops


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: nn.ConvTranspose2D(4, (3, 2)), (3, 4, 2)),
        (lambda: nn.ConvTranspose2D(6, (2, 3), stride=(2, 1), padding="same", output_padding=(1, 0), groups=2), (3, 4, 4)),
        (lambda: nn.ConvTranspose2D(3, 2, dilation=(1, 2), padding=((0, 1), (2, 1)), bias=False), (4, 5, 2)),
        (lambda: nn.ConvTranspose2D(4, (3, 2), stride=2, groups=2, data_format="channels_first"), (6, 3, 2)),
        (lambda: nn.ConvTranspose1D(4, 3, stride=2, padding=1, output_padding=1, groups=2), (4, 6)),
        (lambda: nn.ConvTranspose1D(3, 2, dilation=2, data_format="channels_first"), (2, 5)),
        (lambda: nn.ConvTranspose2D(3, (2, 3), stride=(2, 1), padding=1, output_padding=(3, 1), dilation=(4, 2)), (3, 4, 2)),
        (lambda: nn.ConvTranspose2D(3, (3, 1), stride=2, padding="same", output_padding=None), (4, 3, 2)),
    ],
)
def test_transposed_layers_satisfy_the_requirements_of_layers(layer, shape):
    assert_layer(layer(), shape)


def test_the_layer_computes_the_operator():
    options = {"stride": 2, "padding": "same", "output_padding": (0, 1), "groups": 2}
    layer = built(nn.ConvTranspose2D(6, (3, 2), **options), (5, 3, 4))
    x = random_input((5, 3, 4))
    expected = ops.conv_transpose.conv_transpose2d(x, layer.parameters["w"].value, layer.parameters["b"].value, **options)
    assert (layer(x) == expected).all()
    assert layer.parameters["w"].value.shape == (3, 2, 3, 4)


def test_a_transposed_convolution_restores_the_size_before_a_convolution():
    for size, output_padding in ((5, 0), (6, 1)):
        conv = nn.Conv2D(7, 3, stride=2, padding=1)
        transposed = nn.ConvTranspose2D(2, 3, stride=2, padding=1, output_padding=output_padding)
        assert transposed.output_shape(conv.output_shape((size, size, 2))) == (size, size, 2)


def test_no_output_padding_selects_the_size_of_keras():
    """Keras: n·S elements with padding "same", and at least n·S with "valid"."""
    for padding, kernel_size, expected in (("same", 3, (14, 12)), ("valid", (3, 1), (15, 12)), ("valid", (1, 5), (14, 15))):
        layer = nn.ConvTranspose2D(4, kernel_size, stride=2, padding=padding, output_padding=None)
        assert layer.output_shape((7, 6, 3)) == (*expected, 4)


def test_multiply_adds_count_each_product_of_the_formula():
    # 14·16 pixels × 6 inputs × 3·5·(16 / 2) products.
    layer = nn.ConvTranspose2D(16, (3, 5), stride=2, padding="same", groups=2)
    assert layer.multiply_adds((14, 16, 6)) == 14 * 16 * 6 * 120
    assert layer.count_parameters((14, 16, 6)) == 3 * 5 * 8 * 6 + 16
    # The convolution that the layer transposes has the same number.
    assert nn.Conv2D(6, (3, 5), stride=2, padding="same", groups=2).multiply_adds((27, 31, 16)) == 14 * 16 * 6 * 120
    assert nn.ConvTranspose1D(5, 4).multiply_adds((9, 2)) == 9 * 2 * 20


def test_counting_allocates_nothing():
    layer = nn.ConvTranspose2D(10**6, 1)
    assert layer.count_parameters((1, 1, 10**6)) == 10**12 + 10**6
    assert layer.output_shape((1, 1, 10**6)) == (1, 1, 10**6)


@pytest.mark.parametrize(
    ("kernel_size", "options"),
    [
        pytest.param(3, {}, id="plain"),
        pytest.param(2, {"stride": 2}, id="adjacent"),
        pytest.param((4, 3), {"stride": 2, "groups": 2}, id="groups"),
        pytest.param((1, 2), {"stride": (3, 2)}, id="gaps"),
        pytest.param((3, 2), {"stride": (4, 2), "dilation": (2, 2)}, id="dilation"),
    ],
)
def test_the_initial_weights_double_the_variance_which_a_relu_halves(kernel_size, options):
    layer = nn.ConvTranspose2D(40, kernel_size, bias=False, **options)
    layer.build((40, 50, 64), rng=1)
    y = layer(np.random.default_rng(2).standard_normal((1, 40, 50, 64), np.float32))
    inside = y[:, 8:-8, 8:-8]  # pixels near the edge have fewer terms
    assert np.var(inside[inside != 0]) == pytest.approx(2, rel=0.1)


def test_an_initializer_of_the_user_receives_the_shape_of_w():
    shapes = []

    def initializer(rng, shape):
        shapes.append(shape)
        return np.ones(shape)

    layer = nn.ConvTranspose1D(6, 3, groups=2, initializer=initializer)
    layer.build((5, 4), rng=1)
    assert shapes == [(3, 3, 4)]
    assert (layer.parameters["w"].value == 1).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.ConvTranspose2D(0, 3), "filters must be at least 1"),
        (lambda: nn.ConvTranspose2D(4, 3, padding="some"), "padding must be 'valid', 'same'"),
        (lambda: nn.ConvTranspose2D(4, (3, 3, 3)), "kernel_size must be an integer or 2 integers"),
        (lambda: nn.ConvTranspose2D(4, 3, groups=3), "groups must divide the 4 filters, got 3"),
        (lambda: nn.ConvTranspose2D(4, 3, output_padding=-1), "output_padding must be at least 0, got -1"),
        (lambda: nn.ConvTranspose1D(4, 3, output_padding=(0, 1)), "output_padding must be one integer, got"),
        (lambda: nn.ConvTranspose2D(4, 3, groups=2).output_shape((5, 5, 3)), "groups must divide the 3 inputs, got 2"),
        (lambda: nn.ConvTranspose2D(4, 3).output_shape((5, 5)), r"must be an image .*, got shape \(5, 5\)"),
        (lambda: nn.ConvTranspose2D(4, 3, output_padding=1).output_shape((5, 5, 1)), "must be smaller than the stride"),
        (
            lambda: nn.ConvTranspose2D(4, 3, padding=3).output_shape((2, 5, 1)),
            "output_size must be the output size of some input, got 2 on axis 0",
        ),
        (lambda: nn.ConvTranspose2D(4, 3, data_format="NHWC"), "data_format must be 'channels_last' or 'channels_first'"),
    ],
)
def test_invalid_arguments_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_repr_shows_the_arguments_that_differ_from_their_defaults():
    assert repr(nn.ConvTranspose2D(6, (5, 3))) == "ConvTranspose2D(6, 5×3)"
    assert repr(nn.ConvTranspose1D(6, 5, stride=2, padding="same", dilation=3, groups=2, output_padding=1)) == (
        "ConvTranspose1D(6, 5, stride 2, padding same, dilation 3, groups 2, output_padding 1)"
    )
