"""F9: VGG-16 uses only 3×3 windows; the image shrinks while the channels increase to 512.

    python figures/f09_vgg.py --show

The edge of a volume grows with the image's size and its thickness with the number of channels, both less than
proportionally, so that the last stages are visible beside the first. Two or three layers of 3×3 have the same receptive field
as one layer of 5×5 or 7×7, with fewer weights. Sizes and counts come from ``models.create("vgg-d")``.
Source: lecture rows F9, F4, M5 and B7 (SOURCES.md).
"""

import canvas
from diagrams import network


def draw():
    """Draw the output of each stage as a volume."""
    return network("VGG-16: only 3×3 windows, sixteen layers deep", "vgg-d")


if __name__ == "__main__":
    canvas.main(draw)
