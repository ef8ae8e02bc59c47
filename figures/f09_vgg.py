"""F9: VGG-16 has 3×3 windows alone: where pooling halves the image, the channels are doubled.

    python figures/f09_vgg.py --show

The edges of a volume grow with the image's size and its thickness with the number of channels, both less than in
proportion, so that the last stages can be seen beside the first. Two or three layers of 3×3 see as much as one of 5×5
or 7×7, with fewer weights. Sizes and counts are those of ``models.create("vgg-d")``. Source: F9, F4, M5, B7.
"""

import canvas
from diagrams import network


def draw():
    """What each stage makes."""
    return network("VGG-16: nothing but 3×3 windows, sixteen layers deep", "vgg-d")


if __name__ == "__main__":
    canvas.main(draw)
