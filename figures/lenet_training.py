"""Script for lenet_training.png: train LeNet-5 with ``refconv train`` and keep its plot.

    python figures/lenet_training.py

The seed fixes the digits, the initial weights and the order of the images, so the picture is the same every time, with any
number of threads. Another instruction set adds in another order; then the last digits of the numbers differ.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from refconv.cli import main

PICTURE = Path(__file__).with_suffix(".png")


def draw(picture=PICTURE, *options):
    """Run ``refconv train lenet`` with further options, and copy its plot to ``picture``."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        if status := main(["train", "lenet", "--seed", "0", "--out", str(run), *options]):
            sys.exit(status)
        shutil.copyfile(run / "training.png", picture)


if __name__ == "__main__":
    draw()
