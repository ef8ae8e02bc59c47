"""F16: ResNet-50 is more accurate than VGG-19 with a fifth of its operations.

    python figures/f16_operations.py --show

ResNet-50 also has only a sixth of the parameters. refconv counts operations and parameters of the full-size networks. The
accuracies are printed in the papers (100 % minus the top-1 error of one network on the validation images); nothing was trained
for this figure. Compare points on a horizontal line: equally good networks have very different costs. The networks in pale
colours were tested on more than one crop of each image, which adds one or two percent. Source: lecture rows F16, M3, M5,
M7–M10, M14 and M15 (SOURCES.md).
"""

from typing import NamedTuple

import canvas
from matplotlib.patheffects import withStroke

from refconv import models
from refconv.models.published.accuracy import printed

AREA = 7.5  # square points of a bubble, per million parameters


class Printed(NamedTuple):
    """Network with its printed top-1 error (%) and the offset of its label (points)."""

    name: str  # accepted by refconv.models.create
    label: str
    error: float
    at: tuple[float, float]


VGG, VGG_COMPARISON = "A, VGG paper, Table 3", "A, VGG paper, comparison"
INCEPTION, RESNEXT = "A, Inception-v3 paper, Table 3", "B, ResNeXt paper, Table 3"
MORE_CROPS = ("alexnet", "vgg-a", "vgg-d", "vgg-e")
COMPARED = ("ResNet-50", "VGG-19")
FAMILIES = (
    # Krizhevsky et al., 2012, Table 2: ten crops.
    (canvas.ORANGE, [Printed("alexnet", "AlexNet", printed(VGG_COMPARISON, "Krizhevsky et al. (1 net)"), (16, 0))]),
    # Simonyan and Zisserman, 2014, Table 3: the whole image.
    (
        canvas.ORANGE,
        [
            Printed("vgg-a", "VGG-11", printed(VGG, "A, 256 → 256"), (22, 0)),
            Printed("vgg-d", "VGG-16", printed(VGG, "D, [256; 512] → 384"), (0, -31)),
            Printed("vgg-e", "VGG-19", printed(VGG, "E, [256; 512] → 384"), (0, 31)),
        ],
    ),
    # Szegedy et al., "Rethinking the Inception architecture", 2015, Table 3; Inception-v3 as released costs more.
    (
        canvas.GREEN,
        [
            Printed("googlenet", "GoogLeNet", printed(INCEPTION, "GoogLeNet"), (-8, 0)),
            Printed("bn-inception", "BN-Inception", printed(INCEPTION, "BN-Inception"), (-8, 4)),
            Printed("inception-v3", "Inception-v3", printed(INCEPTION, "Inception-v2 BN-auxiliary"), (-6, 9)),
        ],
    ),
    # Zagoruyko and Komodakis, 2016, Tables 7 and 8.
    (
        canvas.BLUE,
        [
            Printed("resnet18", "ResNet-18", 30.4, (10, -2)),
            Printed("resnet34", "ResNet-34", 26.77, (10, -4)),
            Printed("resnet50", "ResNet-50", 24.01, (12, -6)),
            Printed("resnet101", "ResNet-101", 22.44, (6, -19)),
            Printed("resnet152", "ResNet-152", 22.16, (13, 6)),
        ],
    ),
    # Xie et al., 2016, Table 3.
    (
        canvas.SKY,
        [
            Printed("resnext50", "ResNeXt-50", printed(RESNEXT, "ResNeXt-50, 32×4d"), (-6, 11)),
            Printed("resnext101", "ResNeXt-101", printed(RESNEXT, "ResNeXt-101, 32×4d"), (12, 5)),
        ],
    ),
    # Huang et al., 2016, Table 3.
    (
        canvas.PURPLE,
        [
            Printed("densenet121", "DenseNet-121", 25.02, (-5, -14)),
            Printed("densenet201", "DenseNet-201", 22.58, (-9, -2)),
        ],
    ),
    # Howard et al., 2017, Table 4.
    (canvas.INK, [Printed("mobilenet", "MobileNet", 29.4, (0, 13))]),
)


def count(name):
    """Count multiply-adds (10⁹) and parameters (10⁶) of a network without auxiliary heads."""
    options = {"heads": False} if name in ("googlenet", "inception-v3") else {}
    if name in ("resnet50", "resnet101", "resnet152"):
        options = {"stride_in": "3x3"}  # the variant whose error is printed
    model, shape = models.create(name, **options), models.input_shape(name)
    return model.multiply_adds(shape) / 1e9, model.count_parameters(shape, trainable_only=True) / 1e6


def draw():
    """Draw a bubble for each network and a line for each family."""
    counts = {network.name: count(network.name) for _, family in FAMILIES for network in family}
    (deep, weights), (vgg, vgg_weights) = counts["resnet50"], counts["vgg-e"]
    assert 4.5 < vgg / deep < 5.5
    assert 5.5 < vgg_weights / weights < 6.5

    figure = canvas.canvas("ResNet-50 beats VGG-19 with a fifth of its operations")
    axes = figure.add_subplot()
    for colour, family in FAMILIES:
        draw_family(axes, colour, family, counts)
    axes.set_xscale("log")
    axes.set_xticks([0.5, 1, 2, 5, 10, 20], ["0.5", "1", "2", "5", "10", "20"])
    axes.minorticks_off()
    axes.set(xlim=(0.42, 27), ylim=(57.5, 80.3), xlabel="operations for one image (10⁹ multiply-adds)")
    axes.set_ylabel("ImageNet accuracy, top-1 (%)")
    axes.grid(color=canvas.PALE)
    axes.set_axisbelow(True)
    draw_legend(axes)
    return figure


def draw_family(axes, colour, family, counts):
    """Draw the labelled bubbles of one family; networks tested on several crops are pale."""
    x, y = [counts[network.name][0] for network in family], [100 - network.error for network in family]
    axes.plot(x, y, color=colour, linewidth=1, alpha=0.6)
    for network, across, up in zip(family, x, y, strict=True):
        pale = 0.25 if network.name in MORE_CROPS else 0.8
        area = AREA * counts[network.name][1]
        axes.scatter([across], [up], area, color=colour, alpha=pale, edgecolor="white", linewidth=1, zorder=2)
        dx, dy = network.at
        place = {"ha": "left" if dx > 5 else "right" if dx < -5 else "center", "va": "center"}
        place |= {"path_effects": [withStroke(linewidth=3, foreground="white")]}  # keeps the label readable on top of a line
        weight = "bold" if network.label in COMPARED else "normal"
        axes.annotate(network.label, (across, up), (dx, dy), textcoords="offset points", fontsize=12, weight=weight, **place)


def draw_legend(axes):
    """Draw the legend: the areas of the bubbles and the pale colour."""
    for millions, across in ((5, 10.3), (25, 13), (140, 18.5)):
        axes.scatter([across], [60.8], AREA * millions, color=canvas.GREY, alpha=0.5, edgecolor="white")
        axes.annotate(f"{millions} M", (across, 60.8), (0, -30), textcoords="offset points", ha="center", fontsize=11)
    axes.annotate("parameters", (13, 60.8), (0, 27), textcoords="offset points", ha="center", fontsize=12)
    axes.text(2.1, 60.8, "pale: tested on more than\none crop of each image", fontsize=11, va="center", color=canvas.GREY)


if __name__ == "__main__":
    canvas.main(draw)
