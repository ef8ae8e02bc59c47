"""Draw figures/lenet_training.png: train LeNet-5 with the command ``refconv train``, and keep the picture of the run.

    python figures/lenet_training.py

The seed fixes the digits, the first weights and the order of the images, so the picture comes out the same every time, on
any number of threads. Another instruction set adds in another order; then the last digits of its numbers differ.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from refconv.cli import main

PICTURE = Path(__file__).with_suffix(".png")


def draw(picture=PICTURE, *options):
    """Train as ``refconv train lenet`` does, with more options if there are any, and write the picture."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        if status := main(["train", "lenet", "--seed", "0", "--out", str(run), *options]):
            sys.exit(status)
        shutil.copyfile(run / "training.png", picture)


if __name__ == "__main__":
    draw()
