"""F9: AlexNet is LeNet-5's plan, larger: convolutions and poolings, and three dense layers.

    python figures/f09_alexnet.py --show

The edges of a volume grow with the image's size and its thickness with the number of channels, both less than in
proportion, so that the last stages can be seen beside the first. Two groups are the paper's two graphics cards. Sizes
and counts are those of ``models.alexnet()``. Source: F9, F4, M3.
"""

import canvas
from diagrams import network


def draw():
    """What each stage makes."""
    return network("AlexNet: the plan of LeNet-5, a thousand times as large", "alexnet")


if __name__ == "__main__":
    canvas.main(draw)
