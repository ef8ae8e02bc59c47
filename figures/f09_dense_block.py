"""F9: in a dense block each layer sees all that was made before it, and adds a little.

    python figures/f09_dense_block.py --show

It is the first of DenseNet-121, on 56 × 56 pixels; each column shows the channels in between two layers, and each
colour one that made them. A layer reads the whole column to its left and puts its 32 channels on top, the growth
rate; nothing that was made is ever made again. Source: F9, M14.
"""

from itertools import pairwise

import canvas
from matplotlib.patches import Rectangle

from refconv import models

NAME, BLOCK = "densenet121", "dense1.layer"
WIDE, PITCH = 0.55, 1.5


def layers():
    """The block's layers: channels that come in, and that go out."""
    found = models.create(NAME).distinct_layers(models.input_shape(NAME))
    inside = [(layer, at) for name, layer, at in found if name.startswith(BLOCK) and name.removeprefix(BLOCK).isdigit()]
    return [(at[-1], layer.output_shape(at)[-1]) for layer, at in inside]


def draw():
    """The channels before and after each layer."""
    found = layers()
    first, last = found[0][0], found[-1][1]
    edges = [0, first, *(after for _, after in found)]
    colours = ("#D5D5D5", *canvas.PALETTE)
    figure = canvas.canvas("A dense block: each layer sees all before it, and adds a little")
    axes = figure.add_subplot()
    for k in range(len(found) + 1):
        for made, (low, high) in enumerate(pairwise(edges[: k + 2])):
            axes.add_patch(
                Rectangle((PITCH * k, low), WIDE, high - low, facecolor=colours[made], edgecolor="white", linewidth=1.5)
            )
        axes.text(PITCH * k + WIDE / 2, edges[k + 1] + 4, str(edges[k + 1]), ha="center", va="bottom")
    for k, (before, after) in enumerate(found):
        start, end = PITCH * k + WIDE + 0.06, PITCH * (k + 1) - 0.06
        axes.fill([start, start, end, end], [0, before, after, before], color=colours[k + 1], alpha=0.3, linewidth=0)
        axes.text((start + end) / 2, before / 2 + (before + after) / 6, f"{k + 1}", ha="center", va="center", fontsize=15)
    axes.text(WIDE / 2, first / 2, "input", ha="center", va="center", fontsize=11)
    axes.set(xlim=(-0.15, PITCH * len(found) + WIDE + 0.15), ylim=(0, last + 20), xticks=[], yticks=[0, *edges[1:]])
    axes.set(xlabel="layers 1 to 6, each of them: BN, ReLU, 1×1 conv, BN, ReLU, 3×3 conv", ylabel="channels")
    axes.spines["bottom"].set_visible(False)
    return figure


if __name__ == "__main__":
    canvas.main(draw)
