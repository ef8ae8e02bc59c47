"""Accuracy of `refconv predict` on synthetic photographs of digits on paper.

    refconv train lenet --data mnist --out runs/mnist
    python -m benchmarks.photographs runs/mnist/model.safetensors
    python -m benchmarks.photographs runs/mnist/model.safetensors --parts unlike --count 50

The parts:

    photographs   share of photographs of one digit that are read correctly, and of those in which one digit is found
    sheets        share of sheets with 3 × 5 digits on which 15 digits are found, and of these digits that are read correctly
    mnist         accuracy on test images of MNIST, directly and saved as PNG files in several forms
    strokes       quantiles of the mean width of the strokes of MNIST's training images
    unlike        share of digits, letters, scribbles and noise that are called unlike the training images

The conditions of the photographs are described in benchmarks/paper.py. The digits are drawn in the styles of
`refconv.data.draw_digits`; a network trained on MNIST misreads some of these styles in any photograph, so compare with the row
"plain". MNIST must be on this computer.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.paper import KINDS, photographs, pictures_of, sheets
from refconv import data, load
from refconv._ascii import use_ascii_forms
from refconv.cli.predict import LEAST_PROBABILITY
from refconv.data.photo import FINE, SIDE, digit_from_photo, digits_from_sheet, fine_form, stroke_width
from refconv.training import familiarity, predict, predict_proba

QUANTILES = (0, 0.01, 0.05, 0.5, 0.95, 0.99, 1)
LETTERS = "ABCDEFGHJKLMNPQRTUVWXYZ#&@%?"  # without those that look like digits
SHARE = 0.005  # of the training images below the limit of familiarity


def main(arguments=None):
    use_ascii_forms()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.photographs", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = {
        f.__name__.removeprefix("print_"): f
        for f in (print_photographs, print_sheets, print_mnist, print_strokes, print_unlike)
    }
    parser.add_argument("model", metavar="MODEL", help="a LeNet saved by `refconv train`")
    parser.add_argument("--parts", nargs="+", choices=parts, default=[*parts])
    parser.add_argument("--count", type=int, default=200, metavar="N", help="photographs of each kind (default: %(default)s)")
    options = parser.parse_args(arguments)
    model = load(options.model)
    for part in options.parts:
        parts[part](model, options.count)


def read(pictures):
    """Return the digits (N, 28, 28) of photographs and the number of digits found in each, (N,)."""
    digits, found = np.zeros((len(pictures), SIDE, SIDE), np.uint8), np.zeros(len(pictures), int)
    for k, (path, picture) in enumerate(saved(pictures)):
        try:
            digits[k], found[k] = digit_from_photo(path), len(digits_from_sheet(path)[0])
        except ValueError as error:
            print(f"{error} ({picture.size})")
    return digits, found


def saved(pictures) -> Iterator[tuple[Path, Image.Image]]:
    """Save each picture to the same PNG file; yield the path and the picture."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        for picture in pictures:
            picture.save(path)
            yield path, picture


def percent_read(model, digits, labels):
    return 100 * (predict(model, data.lenet_input(digits)) == labels).mean()


def print_photographs(model, count):
    print(f"photographs          read correctly   one digit found   ({count} of each kind)")
    for name, kind in KINDS.items():
        pictures, labels = photographs(kind, count, seed=5)
        digits, found = read(pictures)
        print(f"{name:20} {percent_read(model, digits, labels):12.1f} % {100 * (found == 1).mean():15.1f} %", flush=True)


def print_sheets(model, count):
    number = max(1, count // 15)
    print(f"sheets of 3 × 5      all digits found   of these read correctly   ({number} of each kind)")
    for name, kind in KINDS.items():
        pictures, labels = sheets(kind, 3, 5, number, seed=4)
        complete, shares = 0, []
        for (path, _), expected in zip(saved(pictures), labels, strict=True):
            digits, boxes = digits_from_sheet(path)
            if np.bincount(boxes[:, 0]).tolist() == [5, 5, 5]:
                complete += 1
                shares.append(percent_read(model, digits, expected.ravel()))
        print(f"{name:20} {100 * complete / number:14.1f} % {np.mean(shares or [np.nan]):23.1f} %", flush=True)


def print_mnist(model, count):
    images, labels = (array[: 2 * count] for array in data.load_mnist("test", download=False))
    cropped = [image[image.any(1)][:, image.any(0)] for image in images]
    print(f"test images of MNIST ({len(images)})   read correctly")
    print(f"directly             {percent_read(model, images, labels):12.1f} %")
    forms = {
        "PNG, light on dark": [Image.fromarray(image) for image in images],
        "PNG, dark on light": [Image.fromarray(255 - image) for image in images],
        "without a margin": [Image.fromarray(image) for image in cropped],
        "280 × 280 pixels": pictures_of(images, 280),
    }
    for name, pictures in forms.items():
        print(f"{name:20} {percent_read(model, read(pictures)[0], labels):12.1f} %", flush=True)


def print_strokes(model, count):
    images, _ = data.load_mnist("train", download=False)
    digits = (image[image.any(1)][:, image.any(0)] / np.float32(255) for image in images[: 20 * count])
    widths = [stroke_width(fine_form(digit)) / FINE for digit in digits]
    cells = (f"{100 * q:g} %: {width:.2f}" for q, width in zip(QUANTILES, np.quantile(widths, QUANTILES), strict=True))
    print(f"strokes of {len(widths):,} training images of MNIST, pixels: {', '.join(cells)}")


def print_unlike(model, count):
    training, _ = data.load_mnist("train", download=False)
    limit = np.quantile(familiarity(scores(model, training[-6000:])), SHARE)
    rng = np.random.default_rng(0)
    groups = {
        "MNIST, test": data.load_mnist("test", download=False)[0][:2000],
        "photographs, plain": read(photographs(KINDS["plain"], count, seed=9)[0])[0],
        "photographs, all": read(photographs(KINDS["all"], count, seed=9)[0])[0],
        "printed letters": read([*letters(rng, count)])[0],
        "scribbles": read([*scribbles(rng, count)])[0],
        "noise": read([*noise(rng, count)])[0],
        "two digits as one": read(sheets(KINDS["plain"], 1, 2, count, seed=3)[0])[0],
    }
    print(f"called unlike        familiarity < {limit:.2f}   probability < {LEAST_PROBABILITY}")
    for name, digits in groups.items():
        shares = [familiarity(scores(model, digits)) < limit]
        shares.append(predict_proba(model, data.lenet_input(digits)).max(1) < LEAST_PROBABILITY)
        print(f"{name:20} {100 * shares[0].mean():15.1f} % {100 * shares[1].mean():17.1f} %", flush=True)


def scores(model, digits):
    return np.concatenate([model(data.lenet_input(digits[first : first + 500])) for first in range(0, len(digits), 500)])


def letters(rng, count):
    for k in range(count):
        picture = Image.new("L", (240, 240), 225)
        font = ImageFont.load_default(size=int(rng.uniform(80, 160)))
        ImageDraw.Draw(picture).text((60, 30), LETTERS[k % len(LETTERS)], fill=60, font=font)
        yield picture.rotate(rng.uniform(-10, 10), fillcolor=225)


def scribbles(rng, count):
    for _ in range(count):
        picture = Image.new("L", (240, 240), 225)
        points = np.cumsum(rng.normal(0, 35, (12, 2)), 0)
        points = (points - points.mean(0)).clip(-105, 105) + 120
        ImageDraw.Draw(picture).line([tuple(map(float, p)) for p in points], fill=60, width=int(rng.integers(5, 14)))
        yield picture


def noise(rng, count):
    for _ in range(count):
        side = int(rng.choice([8, 16, 32, 64]))
        pixels = rng.integers(0, 256, (side, side)).astype(np.uint8)
        yield Image.fromarray(pixels).resize((240, 240), Image.Resampling.BICUBIC)


if __name__ == "__main__":
    main()
