"""Tests of pictures of architectures: captions and sizes for each family."""

import numpy as np
import pytest

from refconv import models, nn
from refconv.drawing import architecture_picture, ushape, volumes
from refconv.drawing.picture import blocks

pytest.importorskip("matplotlib")

PER_FAMILY = {
    "neocognitron": ["5×5 S-cells", "16×16×24"],
    "lenet": ["5×5 conv, 16", "dense, 84", "10×10×16"],
    "alexnet": ["3×3 conv, 384, 2 groups", "55×55×96", "4096"],
    "nin": ["mlpconv1", "mean of all pixels"],
    "googlenet": ["inception5b", "inception4d, with a head", "concat", "7×7×1024"],
    "resnet34": ["conv4_x: 6 blocks", "14×14×256"],
    "densenet169": ["dense3: 32 layers", "BN\nReLU"],
    "fractalnet20": ["block1", "mean"],
    "mobilenet": ["3×3 depthwise", "conv14"],
    "unet": ["crop and copy", "572×572", "1024", "half the size"],
    "unet-same": ["copy", "512×512"],
    "deep-image-prior": ["1×1 conv, 4", "132"],
}


def svg(name, **options):
    return architecture_picture(models.create(name), models.input_shape(name), name, form="svg", **options).decode()


@pytest.mark.slow
@pytest.mark.parametrize("name", PER_FAMILY)
def test_a_picture_contains_the_captions_and_sizes(name):
    picture = svg(name)
    for line in "\n".join(PER_FAMILY[name]).splitlines():
        assert f">{line}<" in picture, line
    network = models.create(name).inference_layer
    assert f"{network.count_parameters(models.input_shape(name), trainable_only=True):,} parameters" in picture


def test_two_runs_write_the_same_file():
    assert svg("lenet") == svg("lenet")


def test_a_png_has_the_width_of_a_slide_and_dark_pixels():
    pillow = pytest.importorskip("PIL.Image")
    import io

    content = architecture_picture(models.lenet(), (32, 32, 1), "LeNet-5")
    with pillow.open(io.BytesIO(content)) as picture:
        assert picture.width == 1430
        pixels = np.asarray(picture.convert("L"))
    assert 0.02 < (pixels < 250).mean() < 0.6
    assert (pixels[:, [0, -1]] == 255).all()


def test_settings_of_matplotlib_do_not_change_the_picture_or_cause_a_warning(recwarn):
    import matplotlib

    with matplotlib.rc_context({"figure.constrained_layout.use": True}):
        theirs = svg("lenet")
    assert theirs == svg("lenet")
    assert not recwarn.list


def test_a_single_block_can_be_drawn():
    picture = svg("resnet50", block="conv3_x.block1")
    assert ">1×1 conv, 128, /2<" in picture
    assert ">28×28×512<" in picture
    deep = architecture_picture(models.unet(), (572, 572, 1), "U-Net", block="(u.join.below)×4.up", form="svg").decode()
    assert ">2×2 up-conv, 512<" in deep  # the short name that summary prints
    assert ">5×5 conv, 32<" in svg("googlenet", block="inception3a")  # the name of the trunk may be omitted
    with pytest.raises(
        ValueError, match=r"block must be the dotted name of a layer .*such as conv3_x, conv3_x.block1.*got 'conv3_x.block9'"
    ):
        svg("resnet50", block="conv3_x.block9")


def test_blocks_returns_one_block_of_each_kind():
    names = [name for name, _, _ in blocks(models.create("resnet50"), (224, 224, 3))]
    assert names == ["conv2_x.block1", "conv2_x.block2"]  # the first has a projection, the second has none
    assert blocks(models.create("vgg-a"), (224, 224, 3)) == []


def test_volumes_skips_layers_that_keep_the_shape():
    boxes = volumes.volumes(models.lenet(), (32, 32, 1))
    assert [v.shape for v in boxes[:3]] == [(32, 32, 1), (28, 28, 6), (14, 14, 6)]
    assert [v.category for v in boxes] == ["input", "conv", "pool", "conv", "pool", "dense", "dense", "dense"]


def test_levels_returns_the_sizes_of_a_u_net():
    top, *_, bottom = levels = ushape.levels(models.unet(), (572, 572, 1))
    assert [shape[0] for shape in top.down + top.up] == [572, 570, 568, 392, 390, 388, 388]
    assert [shape[-1] for shape in bottom.down] == [512, 1024, 1024]
    assert len(levels) == 5
    assert ushape.levels(nn.Sequential(nn.Conv2D(2, 3)), (5, 5, 1)) == []


def test_an_unknown_form_is_refused():
    with pytest.raises(ValueError, match="form must be 'png' or 'svg', got 'pdf'"):
        architecture_picture(models.lenet(), (32, 32, 1), "LeNet-5", form="pdf")
