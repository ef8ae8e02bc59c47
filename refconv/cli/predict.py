"""Command ``refconv predict``: classify images with a trained network."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from refconv._errors import ArgumentValueError
from refconv.cli.arguments import positive
from refconv.cli.command import Command
from refconv.cli.parser import Parser

if TYPE_CHECKING:
    from refconv import nn
    from refconv.typing import Array

__all__ = ["COMMAND"]

DESCRIPTION = """\
Classify the digit in each image with a trained network; print the most probable classes with their probabilities.

Each image shows one digit, dark on light or light on dark. It may have any size and any format that Pillow opens, such as PNG
or JPEG. A photograph may contain shadows and the edges of the paper; leave a margin around the digit. Before classification an
image is converted to the format of MNIST: the digit is cut out, scaled to fit into 20 × 20 pixels, and placed in an image of
28 × 28 pixels with its centre of mass in the middle. --show writes these images to a file.

With --sheet, each image shows several digits, which do not touch each other. The command prints the digits of each line of
writing, then each digit with its probability and its position in pixels: columns, then rows.

The command prints a warning if an image seems to show several digits but --sheet is not given, and if a digit is unlike the
training images. The second warning recognises only a part of such images: a network must choose one of its classes, and may be
certain of a wrong one.
"""

INPUT_SHAPE = (32, 32, 1)  # shape of the images that data.lenet_input returns
# Probability below which an image is called unlike the training images if the file of the network contains no measured limit.
# Of 2,000 test images of MNIST, 0.8 % are below it (python -m benchmarks.photographs MODEL --parts unlike).
LEAST_PROBABILITY = 0.6


class Picture(NamedTuple):
    """Digits of one image file.

    Attributes
    ----------
    path : str
        The file.
    digits : array (N, 28, 28), uint8
        The images that the network classifies.
    boxes : array (n, 5), int
        Result of ``digits_from_sheet``. Without --sheet, N is 1, and n may be larger.
    """

    path: str
    digits: Array
    boxes: Array


def add_arguments(parser: Parser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a model.safetensors saved by `refconv train`")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="image files: PNG, JPEG, …")
    parser.add_argument("--top", type=positive, default=3, metavar="N", help="print N classes (default: %(default)s)")
    parser.add_argument("--sheet", action="store_true", help="find and read several digits in each image")
    parser.add_argument("--show", metavar="FILE", help="write the images that the network classifies to this PNG file")


def run(options: Namespace) -> None:
    import numpy as np

    from refconv import data
    from refconv.ops.loss import softmax

    _check_output(options)
    model = _load_classifier(options.model)
    pictures = [_read(path, options.sheet) for path in options.images]  # read all images before printing anything
    digits = np.concatenate([picture.digits for picture in pictures])
    scores = model(data.lenet_input(digits, next(iter(model.named_parameters().values())).value.dtype))
    probabilities, is_unlike = softmax(scores), _unlike(scores, model.notes)
    if options.show:
        _show(options.show, digits, probabilities)
    first = 0
    for picture in pictures:
        part = slice(first, first + len(picture.digits))
        lines = (
            _sheet_lines(picture, probabilities[part]) if options.sheet else [_line(picture, probabilities[first], options)]
        )
        print(*lines, sep="\n", flush=True)
        for warning in _warnings(picture, is_unlike[part], options.sheet):
            print(f"refconv: {warning}", file=sys.stderr)
        first += len(picture.digits)


def _read(path: str, is_sheet: bool) -> Picture:
    from refconv.data.photo import digit_from_photo, digits_from_sheet

    digits, boxes = digits_from_sheet(path)
    return Picture(path, digits if is_sheet else digit_from_photo(path)[None], boxes)


def _line(picture: Picture, probabilities: Array, options: Namespace) -> str:
    """Return the most probable classes of the only digit of an image, in one line."""
    most_probable = (-probabilities).argsort(kind="stable")[: options.top]
    return f"{picture.path}:  " + "   ".join(f"{c} {100 * probabilities[c]:.1f} %" for c in most_probable)


def _sheet_lines(picture: Picture, probabilities: Array) -> Iterator[str]:
    """Yield the digits of each line of a sheet, followed by one line for each digit."""
    classes = probabilities.argmax(1)
    for number in range(picture.boxes[-1, 0] + 1):
        members = (picture.boxes[:, 0] == number).nonzero()[0]
        yield f"{picture.path}, line {number + 1}:  {' '.join(str(classes[k]) for k in members)}"
        for k in members:
            _, top, left, bottom, right = picture.boxes[k]
            percent = 100 * probabilities[k].max()
            yield f"    {classes[k]}  {percent:5.1f} %   columns {left} to {right - 1}, rows {top} to {bottom - 1}"


def _unlike(scores: Array, notes: Mapping[str, object]) -> Array:
    """Return True for each image that is unlike the training images, (N,)."""
    from refconv.ops.loss import softmax
    from refconv.training import familiarity

    limit = notes.get("least_familiarity")
    if isinstance(limit, int | float):
        return familiarity(scores) < limit
    return softmax(scores).max(1) < LEAST_PROBABILITY


def _warnings(picture: Picture, is_unlike: Array, is_sheet: bool) -> Iterator[str]:
    if not is_sheet and len(picture.boxes) > 1:
        yield f"{picture.path} seems to show {len(picture.boxes)} digits, which were read as one; --sheet reads each of them"
    elif not is_sheet and is_unlike[0]:
        yield f"{picture.path} is unlike the training images; the prediction may be meaningless"
    elif is_unlike.any():
        numbers = ", ".join(str(k + 1) for k in is_unlike.nonzero()[0])
        yield f"{picture.path} contains digits that are unlike the training images, counted from the first: {numbers}"


def _check_output(options: Namespace) -> None:
    """Check that --show does not name an input file or a folder."""
    if options.show is None:
        return
    if os.path.isdir(options.show):
        raise ArgumentValueError(f"--show must be a file, got the folder {options.show}")
    for path in (options.model, *options.images):
        if os.path.realpath(options.show) == os.path.realpath(path) or _is_same_file(options.show, path):
            raise ArgumentValueError(f"--show must be a file that is not an input, got {options.show}")


def _is_same_file(a: str, b: str) -> bool:
    """Return True for two names of one file, such as hard links."""
    return os.path.exists(a) and os.path.exists(b) and os.path.samefile(a, b)


def _show(path: str, digits: Array, probabilities: Array) -> None:
    from refconv._files import write_atomically
    from refconv.drawing import contact_sheet

    captions = [f"{p.argmax()}  {100 * p.max():.1f} %" for p in probabilities]
    write_atomically(path, contact_sheet(digits, captions))


def _load_classifier(path: str) -> nn.Layer:
    """Load a model and check that it accepts the outputs of ``data.lenet_input``.

    Raise ``ValueError`` if it does not, if it does not return class scores, or if its weights are not finite.
    """
    import numpy as np

    from refconv import load

    model = load(path)
    shape = model.input_shape or ()  # a loaded model is built, so input_shape is not None
    if shape != INPUT_SHAPE or len(model.output_shape(shape)) != 1:
        expected = f"take inputs of shape {INPUT_SHAPE} and return the scores of classes"
        raise ArgumentValueError(f"{path} must {expected}, got shapes {shape} and {model.output_shape(shape)}")
    for name, parameter in model.named_parameters().items():
        if not np.isfinite(parameter.value).all():
            raise ArgumentValueError(f"{path} must contain finite weights, got non-finite values in {name}")
    return model


COMMAND = Command("predict", "classify images with a trained network", DESCRIPTION, add_arguments, run)
