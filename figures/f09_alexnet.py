"""F9: AlexNet is a larger LeNet-5: convolutions and poolings, then three dense layers.

    python figures/f09_alexnet.py --show

The edge of a volume grows with the image's size and its thickness with the number of channels, both less than
proportionally, so that the last stages are visible beside the first. The paper's two groups ran on two graphics cards.
Sizes and counts come from ``models.alexnet()``. Source: lecture rows F9, F4 and M3 (SOURCES.md).
"""

import canvas
from diagrams import network


def draw():
    """Draw the output of each stage as a volume."""
    return network("AlexNet: the design of LeNet-5, a thousand times as large", "alexnet")


if __name__ == "__main__":
    canvas.main(draw)
