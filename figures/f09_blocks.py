"""F9: residual and bottleneck blocks add their input to the output, dense blocks append it.

    python figures/f09_blocks.py --show

The blocks come from ResNet-34, ResNet-50 and DenseNet-121, with images of 56 × 56 pixels. A bottleneck does its 3×3
convolution with a quarter of the channels. A sum keeps the number of channels; a concatenation increases it.
Source: lecture rows F9, A23, M9 and M14 (SOURCES.md).
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
    """Draw the blocks from the layers of their models."""
    shown = []
    for title, (name, block) in SHOWN.items():
        layers = models.create(name).distinct_layers(models.input_shape(name))
        shown += [(title, layer, shape) for dotted, layer, shape in layers if dotted == block]
    figure = canvas.canvas("Shortcuts: the input is added to the output, or concatenated")
    blocks(figure, shown)
    return figure


if __name__ == "__main__":
    canvas.main(draw)
