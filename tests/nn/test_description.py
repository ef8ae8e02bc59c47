"""Tests of the captions and categories of layers in tables and diagrams."""

import pytest

from refconv import models, nn

CAPTIONS = [
    (nn.Conv2D(64, (3, 5)), "3×5 conv, 64"),
    (nn.Conv2D(64, 3, stride=2, groups=4), "3×3 conv, 64, /2, 4 groups"),
    (nn.Conv2D(6, 3, stride=(2, 1), dilation=(1, 3)), "3×3 conv, 6, /2×1, dilation 1×3"),
    (nn.Conv2D(6, 3, dilation=2), "3×3 conv, 6, dilation 2"),
    (nn.Conv1D(4, 7, stride=3), "7 conv, 4, /3"),
    (nn.ConvTranspose2D(9, 2, stride=2), "2×2 up-conv, 9"),
    (nn.ConvTranspose2D(8, (3, 4), stride=(2, 3), dilation=2, groups=2), "3×4 up-conv, 8, ×2×3, dilation 2, 2 groups"),
    (nn.ConvTranspose2D(8, 3, stride=2), "3×3 up-conv, 8, ×2"),
    (nn.ConvTranspose1D(5, 4), "4 up-conv, 5, ×1"),
    (nn.DepthwiseConv2D((2, 3), 4, stride=2), "2×3 depthwise, multiplier 4, /2"),
    (nn.SeparableConv2D(7, 3, 2, dilation=2), "3×3 separable, 7, multiplier 2, dilation 2"),
    (nn.MaxPool2D(3, stride=2), "3×3 max pool, /2"),
    (nn.MaxPool1D(3, dilation=2), "3 max pool, /3, dilation 2"),
    (nn.AvgPool2D((2, 3)), "2×3 mean pool, /2×3"),
    (nn.AvgPool1D(4, stride=1), "4 mean pool"),
    (nn.MaxPool2D(1, stride=2), "every 2nd pixel"),
    (nn.AvgPool2D(1, stride=3), "every 3rd pixel"),
    (nn.MaxPool2D(1, stride=(11, 21)), "every 11th × 21st pixel"),
    (nn.MaxPool2D(1), "1×1 max pool"),
    (nn.MaxPool1D(1, stride=4), "every 4th sample"),
    (nn.GlobalAvgPool2D(), "mean of all pixels"),
    (nn.GlobalMaxPool1D(), "max of all samples"),
    (nn.Pad2D(1), "border of zeros"),
    (nn.Pad2D(1, mode="reflect"), "mirror the border"),
    (nn.Pad2D(((0, 2), (0, 0)), mode="edge"), "repeat the edge"),
    (nn.Crop2D(3), "crop"),
    (nn.Upsample2D(2, mode="bilinear"), "×2 bilinear"),
    (nn.Upsample2D((2, 3)), "×2×3 nearest"),
    (nn.Dense(84), "dense, 84"),
    (nn.BatchNorm(eps=0.1), "BN"),
    (nn.GroupNorm(2), "group norm, 2"),
    (nn.LayerNorm(), "layer norm"),
    (nn.InstanceNorm(), "instance norm"),
    (nn.LocalResponseNorm(3), "response norm"),
    (nn.ReLU(), "ReLU"),
    (nn.LeakyReLU(0.3), "leaky ReLU"),
    (nn.Dropout(0.25), "dropout 0.25"),
    (nn.PadChannels(5), "zeros up to 5 channels"),
    (nn.Select([2, 0]), "channels 2, 0"),
    (nn.StochasticDepth(nn.ReLU(), 0.25), "p = 0.25"),
    (nn.Sum(nn.ReLU()), "+"),
    (nn.Mean(nn.ReLU()), "mean"),
    (nn.Concat(nn.ReLU()), "concat"),
    (models.SCells(5, (2, 3)), "2×3 S-cells"),
    (models.CCells(3, stride=2), "3×3 C-cells, /2"),
]


@pytest.mark.parametrize(("layer", "caption"), CAPTIONS, ids=[caption for _, caption in CAPTIONS])
def test_captions_show_every_setting_that_a_diagram_needs(layer, caption):
    assert layer.caption() == caption


def test_layers_have_the_categories_of_the_diagrams():
    names = {category: [] for category in ("conv", "up", "pool", "dense", "norm", "activation", "dropout", "other")}
    for layer, _ in CAPTIONS:
        names[layer.category].append(type(layer).__name__)
    assert set(names["up"]) == {"ConvTranspose2D", "ConvTranspose1D", "Upsample2D"}
    assert set(names["pool"]) >= {"MaxPool1D", "AvgPool2D", "GlobalAvgPool2D", "GlobalMaxPool1D", "CCells"}
    assert set(names["norm"]) == {"BatchNorm", "GroupNorm", "LayerNorm", "InstanceNorm", "LocalResponseNorm"}
    assert names["activation"] == ["ReLU", "LeakyReLU"]
    assert all(names.values())
