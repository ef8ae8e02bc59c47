"""Tests of the order of layers and of settings that no count of parameters shows."""

import pytest

from refconv import models

WORDS = {
    "BatchNorm": "BN",
    "LocalResponseNorm": "LRN",
    "MaxPool2D": "max",
    "AvgPool2D": "mean",
    "GlobalAvgPool2D": "global",
    "DepthwiseConv2D": "depthwise",
    "SeparableConv2D": "separable",
    "ConvTranspose2D": "up-conv",
    "Upsample2D": "up",
    "Pad2D": "pad",
    "LeakyReLU": "leaky",
}


def layer_sequence(name, inside="", first=None):
    """Return short names of the innermost layers of a network in the order of the forward pass.

    ``inside`` restricts them to one layer of the network, and ``first`` is their number.
    """
    model, shape = models.create(name), models.input_shape(name)
    leaves = [
        type(layer).__name__
        for dotted, layer, at in model.distinct_layers(shape)
        if f"{dotted}.".startswith(f"{inside}." if inside else "") and not [*layer.children(at)]
    ]
    return " ".join(WORDS.get(leaf, leaf.removesuffix("2D")) for leaf in leaves[:first])


DENSE = "Flatten Dropout Dense ReLU Dropout Dense ReLU Dense"
CONV = "Conv BN ReLU"


@pytest.mark.parametrize(
    ("name", "inside", "expected"),
    [
        # Krizhevsky et al., 2012, section 3.5: normalisation follows the ReLU, and pooling follows the normalisation.
        ("alexnet", "", f"Conv ReLU LRN max Conv ReLU LRN max Conv ReLU Conv ReLU Conv ReLU max {DENSE}"),
        ("alexnet-single", "", f"Conv ReLU max Conv ReLU max Conv ReLU Conv ReLU Conv ReLU max {DENSE}"),
        # Zeiler and Fergus, 2014, Figure 3: rectified, pooled, then normalised.
        ("zfnet", "", f"Conv ReLU max LRN Conv ReLU max LRN Conv ReLU Conv ReLU Conv ReLU max {DENSE}"),
        ("vgg-a-lrn", "", f"Conv ReLU LRN max Conv ReLU max {'Conv ReLU Conv ReLU max ' * 3}{DENSE}"),
        ("nin-cifar", "mlpconv1", "Conv ReLU Conv ReLU Conv ReLU"),
        # Szegedy et al., 2014, Figure 3 and section 5.
        ("googlenet", "head_inception4a", "mean Conv ReLU Flatten Dense ReLU Dropout Dense"),
        ("inception-v3", "head_figure6_4", f"mean {CONV} {CONV} global Dense"),
        # He et al., 2015, section 3.4: BN right after each convolution; the last ReLU after the sum.
        ("resnet18", "conv2_x.block1", f"{CONV} Conv BN Identity ReLU"),
        ("resnet50", "conv3_x.block1", f"{CONV} {CONV} Conv BN Conv BN ReLU"),
        ("plain20", "stage2.block1", f"{CONV} Conv BN ReLU"),
        # Zagoruyko and Komodakis, 2016: BN and ReLU first, shared where the shape changes; nothing after the sum.
        ("wrn-28-10", "conv2.block1", "BN ReLU Conv BN ReLU Conv Conv"),
        ("wrn-28-10", "conv2.block2", "BN ReLU Conv BN ReLU Conv Identity"),
        ("fractalnet20", "network.block1.column1_row4", CONV),
        ("densenet121", "dense1.layer1", "Identity BN ReLU Conv BN ReLU Conv"),
        ("densenet121", "transition1", "BN ReLU Conv mean"),
        ("mobilenet", "conv2", f"depthwise BN ReLU {CONV}"),
        ("deep-image-prior", "hourglass.join.across", "Conv BN leaky"),
    ],
)
def test_layers_are_in_the_order_of_the_paper(name, inside, expected):
    assert layer_sequence(name, inside) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("googlenet", "Conv ReLU max LRN Conv ReLU Conv ReLU LRN max"),
        ("bn-inception", f"separable BN ReLU max {CONV} {CONV} max"),
        ("inception-v3", f"{CONV} {CONV} {CONV} max {CONV} {CONV} max"),
        ("inception-v3-paper", f"{CONV} {CONV} {CONV} max {CONV} {CONV} {CONV}"),
        ("densenet121", "Conv BN ReLU max"),
        ("unet", "Conv ReLU Conv ReLU Crop max Conv ReLU Conv ReLU Crop max"),
    ],
)
def test_stems_have_the_layers_of_the_paper(name, expected):
    assert layer_sequence(name, first=len(expected.split())) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("googlenet", [0.4, 0.7, 0.7]),  # first the trunk, then the two auxiliary heads
        ("alexnet", [0.5, 0.5]),
        ("fractalnet20", [0.1, 0.2, 0.3, 0.4]),
        ("unet", [0.5]),  # at the bottom
        ("inception-v3", [0.2]),
        ("inception-v3-paper", [0.2]),
    ],
)
def test_dropout_rates_match_the_papers(name, expected):
    layers = models.create(name).distinct_layers(models.input_shape(name))
    assert [layer.rate for _, layer, _ in layers if type(layer).__name__ == "Dropout"] == expected


def test_the_heads_of_googlenet_pool_to_4_by_4_pixels():
    """Check Szegedy et al., 2014, section 5: heads begin with average pooling 5 × 5, stride 3.

    The outputs have the shapes 4 × 4 × 512 after 4a and 4 × 4 × 528 after 4d.
    """
    shapes = {n: layer.output_shape(at) for n, layer, at in models.googlenet().distinct_layers((224, 224, 3))}
    assert shapes["head_inception4a.pool"] == (4, 4, 512)
    assert shapes["head_inception4d.pool"] == (4, 4, 528)
    assert shapes["head_inception4d.dense"] == (1024,)


def kernels(name, inside):
    """Return (kernel, filters) of the convolutions in a layer, in order."""
    convolutions = _convolutions(name, f"{inside}.")
    return [("×".join(map(str, conv.window.kernel)), conv.filters) for conv in convolutions]


@pytest.mark.parametrize(
    ("name", "inside", "expected"),
    [
        # Ioffe and Szegedy, 2015, Figure 5, row 4d: 96; 128, 192; 160, 192 twice.
        (
            "bn-inception",
            "inception4d",
            [("1×1", 96), ("1×1", 128), ("3×3", 192), ("1×1", 160), *[("3×3", 192)] * 2, ("1×1", 96)],
        ),
        ("bn-inception", "inception4e", [("1×1", 128), ("3×3", 192), ("1×1", 192), *[("3×3", 256)] * 2]),
        # Szegedy et al., 2015, Figure 6 with n = 7, and the following block, which halves the size.
        ("inception-v3", "trunk.figure6_2.seven", [("1×1", 160), ("1×7", 160), ("7×1", 192)]),
        ("inception-v3", "trunk.figure6_2.double", [("1×1", 160), ("7×1", 160), ("1×7", 160), ("7×1", 160), ("1×7", 192)]),
        # Figure 5: both branches have 3 × 3 convolutions only.
        (
            "inception-v3-paper",
            "trunk.figure5_1",
            [("1×1", 64), ("1×1", 48), ("3×3", 64), ("1×1", 64), *[("3×3", 96)] * 2, ("1×1", 64)],
        ),
        ("inception-v3-paper", "trunk.figure6_5.seven", [("1×1", 192), ("1×7", 192), ("7×1", 192)]),
        ("inception-v3", "trunk.reduction2.seven", [("1×1", 192), ("1×7", 192), ("7×1", 192), ("3×3", 192)]),
    ],
)
def test_factorised_kernels_match_the_papers(name, inside, expected):
    assert kernels(name, inside) == expected


def test_vgg_c_has_a_1_by_1_convolution_at_the_end_of_its_last_three_blocks():
    layers = models.vgg("C").children((224, 224, 3))
    small = {name: layer.filters for name, layer, _ in layers if name.startswith("conv") and layer.window.kernel == (1, 1)}
    assert small == {"conv3_3": 256, "conv4_3": 512, "conv5_3": 512}


@pytest.mark.parametrize(
    ("name", "kind"), [("inception3b", "mean"), ("inception4e", "max"), ("inception5a", "mean"), ("inception5b", "max")]
)
def test_bn_inception_pools_as_in_the_last_column_of_its_table(name, kind):
    (pool,) = (word for word in layer_sequence("bn-inception", name).split() if word in ("mean", "max"))
    assert pool == kind


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("nin", [54, 27, 13, 6]),
        ("nin-cifar", [32, 16, 8]),
        ("alexnet-small", [32, 16, 8, 8, 8]),
        ("mobilenet-small", [32, 32, 32, 32, 16, 16, 8]),
    ],
)
def test_sizes_of_convolutions_that_no_table_prints(name, sizes):
    actual = [
        layer.output_shape(at)[0] for n, layer, at in models.create(name).children(models.input_shape(name)) if "conv" in n
    ]
    assert actual[: len(sizes)] == sizes


def test_settings_that_do_not_affect_shapes_match_the_papers():
    hourglass = models.deep_image_prior().distinct_layers((64, 64, 32))
    assert {layer.slope for _, layer, _ in hourglass if type(layer).__name__ == "LeakyReLU"} == {0.2}
    fractal = models.fractalnet()
    assert (fractal.share, {block.drop for block in fractal.fractals}) == (0.5, {0.15})
    assert models.densenet(161).layers["conv1"].filters == 96
    assert models.cifar_densenet(40, 12, bottleneck=False, compression=1).layers["conv1"].filters == 16
    assert models.cifar_densenet(100, 12, compression=1).layers["conv1"].filters == 16  # B without C
    assert models.cifar_densenet(100, 12).layers["conv1"].filters == 24
    assert all(not conv.bias for conv in _convolutions("wrn-28-10") + _convolutions("resnet18") + _convolutions("densenet121"))


def _convolutions(name, inside=""):
    layers = models.create(name).distinct_layers(models.input_shape(name))
    return [layer for dotted, layer, _ in layers if dotted.startswith(inside) and type(layer).__name__ == "Conv2D"]
