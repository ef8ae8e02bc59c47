"""F9: AlexNet is LeNet-5's plan, larger: convolutions and poolings, and three dense layers.

    python figures/f09_alexnet.py --show

The edges of a volume grow with the image's size and its thickness with the number of channels, both less than in
proportion, so that the last stages can be seen beside the first. Two groups are the paper's two graphics cards. Sizes
and counts are those of ``models.alexnet()``. Source: F9, F4, M3.
"""

import canvas
from diagrams import volumes

from refconv import models

NAME = "alexnet"


def draw():
    """What each stage makes."""
    model, shape = models.build(NAME), models.input_shape(NAME)
    weights, products = model.count_parameters(shape) / 1e6, model.multiply_adds(shape) / 1e6
    figure = canvas.canvas("AlexNet: the plan of LeNet-5, a thousand times as large")
    figure.supxlabel(f"{weights:.0f} million weights, {products:.0f} million multiply-adds", fontsize=13)
    volumes(figure, model, shape)
    return figure


if __name__ == "__main__":
    canvas.main(draw)
