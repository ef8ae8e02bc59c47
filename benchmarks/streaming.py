"""Peak memory and speed of training on JPEG files that are decoded during the training.

    python -m benchmarks.streaming                     50,000 files of 64 × 64 pixels, ResNet-20
    python -m benchmarks.streaming --files 5000 --pixels 128 --model mobilenet-small

The files are generated in a temporary folder. Then `refconv train` runs for one epoch in a separate process, with a limit of
0 bytes for images that are kept in memory. Each epoch line of its output is followed by the share of the time for which the
training waited for images. The peak memory is the largest resident memory of this process.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from refconv._ascii import use_ascii_forms

CLASSES = 10
SCRIPT = """
import sys
from refconv.cli import main, training_data
training_data.HELD_IN_MEMORY = 0
sys.exit(main(sys.argv[1:]))
"""


def main(arguments=None):
    """Run the command."""
    use_ascii_forms()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.streaming", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--files", type=int, default=50_000, metavar="N", help="number of files (default: %(default)s)")
    add("--pixels", type=int, default=64, metavar="N", help="height and width of a picture (default: %(default)s)")
    add("--model", default="resnet20", metavar="MODEL", help="network (default: %(default)s)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder) / "jpegs", options.files, options.pixels)
        command = ["train", options.model, "--data", f"{folder}/jpegs", "--epochs", "1", "--out", f"{folder}/out"]
        subprocess.run([sys.executable, "-c", SCRIPT, *command], check=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{options.files:,} files of {options.pixels} × {options.pixels} pixels: peak memory {peak:,.0f} MiB")


def draw(folder, files, pixels):
    """Write JPEG files of smooth random patterns in ten classes, which differ in their colours."""
    from PIL import Image

    rng = np.random.default_rng(0)
    colours = rng.uniform(60, 200, (CLASSES, 3))
    for k in range(CLASSES):
        (folder / f"class{k}").mkdir(parents=True)
    for number in range(files):
        label = number % CLASSES
        coarse = np.clip(colours[label] + rng.normal(0, 50, (8, 8, 3)), 0, 255).astype(np.uint8)
        picture = Image.fromarray(coarse).resize((pixels, pixels), Image.Resampling.BICUBIC)
        picture.save(folder / f"class{label}" / f"{number:06}.jpg", quality=85)


if __name__ == "__main__":
    main()
