"""F9: in a dense block each layer reads all earlier outputs and adds a few channels.

    python figures/f09_dense_block.py --show

The first dense block of DenseNet-121, on 56 × 56 pixels. Each column shows the channels between two layers; the colour of a
part shows which layer computed it. A layer reads the whole column to its left and adds its 32 channels on top (32 is the
growth rate). No feature is computed twice. Source: lecture rows F9 and M14 (SOURCES.md).
"""

from itertools import pairwise

import canvas
from matplotlib.patches import Rectangle

from refconv import models

NAME, BLOCK = "densenet121", "dense1.layer"
WIDTH, PITCH = 0.55, 1.5


def layers():
    """Return the numbers of input and output channels of each layer of the block."""
    in_model = models.create(NAME).distinct_layers(models.input_shape(NAME))
    inside = [(layer, at) for name, layer, at in in_model if name.startswith(BLOCK) and name.removeprefix(BLOCK).isdigit()]
    return [(at[-1], layer.output_shape(at)[-1]) for layer, at in inside]


def draw():
    """Draw the channels before and after each layer."""
    channels = layers()
    first, last = channels[0][0], channels[-1][1]
    edges = [0, first, *(after for _, after in channels)]
    colours = ("#D5D5D5", *canvas.PALETTE)
    figure = canvas.canvas("Dense block: each layer reads all earlier outputs, adds 32 channels")
    axes = figure.add_subplot()
    for k in range(len(channels) + 1):
        for source, (low, high) in enumerate(pairwise(edges[: k + 2])):
            axes.add_patch(
                Rectangle((PITCH * k, low), WIDTH, high - low, facecolor=colours[source], edgecolor="white", linewidth=1.5)
            )
        axes.text(PITCH * k + WIDTH / 2, edges[k + 1] + 4, str(edges[k + 1]), ha="center", va="bottom")
    for k, (before, after) in enumerate(channels):
        start, end = PITCH * k + WIDTH + 0.06, PITCH * (k + 1) - 0.06
        axes.fill([start, start, end, end], [0, before, after, before], color=colours[k + 1], alpha=0.3, linewidth=0)
        axes.text((start + end) / 2, before / 2 + (before + after) / 6, f"{k + 1}", ha="center", va="center", fontsize=15)
    axes.text(WIDTH / 2, first / 2, "input", ha="center", va="center", fontsize=11)
    axes.set(xlim=(-0.15, PITCH * len(channels) + WIDTH + 0.15), ylim=(0, last + 20), xticks=[], yticks=[0, *edges[1:]])
    axes.set(xlabel="layers 1 to 6, each of them: BN, ReLU, 1×1 conv, BN, ReLU, 3×3 conv", ylabel="channels")
    axes.spines["bottom"].set_visible(False)
    return figure


if __name__ == "__main__":
    canvas.main(draw)
