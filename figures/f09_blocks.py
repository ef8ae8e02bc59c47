"""F9: a residual block adds its input to its result, a bottleneck too; a dense block keeps the input beside it.

    python figures/f09_blocks.py --show

From ResNet-34, ResNet-50 and DenseNet-121, on images of 56 × 56 pixels. A bottleneck does its 3×3 work in a quarter
of the channels. A sum leaves the number of channels as it is, a concatenation lets it grow. Source: F9, A23, M9, M14.
"""

import canvas
from diagrams import blocks

from refconv import models

SHOWN = {
    "residual block": ("resnet34", "conv2_x.block2"),
    "bottleneck block": ("resnet50", "conv2_x.block2"),
    "layer of a dense block": ("densenet121", "dense1.layer1"),
}


def draw():
    """Each block, drawn from its layers."""
    found = []
    for title, (name, block) in SHOWN.items():
        layers = models.create(name).distinct_layers(models.input_shape(name))
        found += [(title, layer, shape) for dotted, layer, shape in layers if dotted == block]
    figure = canvas.canvas("Shortcuts: the input is added to the result, or stays beside it")
    blocks(figure, found)
    return figure


if __name__ == "__main__":
    canvas.main(draw)
