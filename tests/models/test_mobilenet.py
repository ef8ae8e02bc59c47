"""Tests of MobileNet in the style of Keras."""

import pytest

from refconv import models, nn
from refconv.nn.layer import all_layers

SHAPE = (224, 224, 3)


@pytest.mark.parametrize("style", ["paper", "keras"])
def test_both_styles_have_the_same_parameters_and_sizes(style):
    model = models.mobilenet(style=style)
    assert model.count_parameters(SHAPE) == 4_253_864
    assert model.cut("conv14").output_shape(SHAPE) == (7, 7, 1024)


def test_keras_pads_after_the_image_before_each_stride_of_two():
    model = models.mobilenet(style="keras")
    padded = {
        name: block for name, block in model.layers.items() if isinstance(block, nn.Sequential) and "pad" in block.layers
    }
    assert [*padded] == ["conv3", "conv5", "conv7", "conv13"]
    for block in padded.values():
        assert block["pad"].margin == ((0, 1), (0, 1))
        assert block["depthwise"].window.padding == "valid"
        assert block.output_shape((9, 12, 6))[:2] == (4, 6)  # "same" has 5 rows
    assert models.mobilenet()["conv3"].output_shape((9, 12, 6))[:2] == (5, 6)


def test_activations_and_dropout_of_the_styles():
    kinds = {style: {type(layer) for layer in all_layers(models.mobilenet(style=style))} for style in ("paper", "keras")}
    assert {nn.ReLU6, nn.Dropout} <= kinds["keras"]
    assert nn.ReLU not in kinds["keras"]
    assert nn.ReLU in kinds["paper"]
    assert not {nn.ReLU6, nn.Dropout} & kinds["paper"]


def test_keras_rounds_channels_down():
    assert models.mobilenet(width=0.3, style="keras")["conv1"]["conv"].filters == 9
    assert models.mobilenet(width=0.3)["conv1"]["conv"].filters == 10


def test_an_unknown_style_is_refused():
    with pytest.raises(ValueError, match="style must be 'paper' or 'keras', got 'torch'"):
        models.mobilenet(style="torch")
