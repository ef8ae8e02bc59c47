"""F9: an Inception block applies four branches to its input and concatenates their outputs.

    python figures/f09_inception.py --show

The first block of GoogLeNet, ``inception3a``. Its 1×1 convolutions reduce the channels before the larger windows, which
makes these affordable. Source: lecture rows F9 and M7 (SOURCES.md).
"""

import canvas
from diagrams import blocks

from refconv import models


def draw():
    """Draw the block from the layers of the model."""
    model = models.create("googlenet")
    layers = {name: (layer, shape) for name, layer, shape in model.distinct_layers(models.input_shape("googlenet"))}
    layer, shape = next(entry for name, entry in layers.items() if name.endswith("inception3a"))
    figure = canvas.canvas("Inception: four branches, concatenated along the channels")
    blocks(figure, [("inception3a", layer, shape)])
    return figure


if __name__ == "__main__":
    canvas.main(draw)
