"""F9: an Inception block looks at the image in four ways at once, and puts what they find side by side.

    python figures/f09_inception.py --show

It is the first of GoogLeNet, ``inception3a``. The 1×1 convolutions before the larger ones make them affordable.
Source: F9, M7.
"""

import canvas
from diagrams import blocks

from refconv import models


def draw():
    """The block, drawn from its layers."""
    model = models.create("googlenet")
    layers = {name: (layer, shape) for name, layer, shape in model.distinct_layers(models.input_shape("googlenet"))}
    layer, shape = next(found for name, found in layers.items() if name.endswith("inception3a"))
    figure = canvas.canvas("Inception: four windows at once, side by side in the channels")
    blocks(figure, [("inception3a", layer, shape)])
    return figure


if __name__ == "__main__":
    canvas.main(draw)
