"""``refconv predict``."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from refconv._errors import ArgumentValueError
from refconv.cli.arguments import positive
from refconv.cli.command import Command
from refconv.cli.parser import Parser

if TYPE_CHECKING:
    from refconv import nn

__all__ = ["COMMAND"]

DESCRIPTION = """\
Classify the digit in each image with a trained network; print the most probable classes with their probabilities.

Images may be PNG, JPEG or any other format that Pillow opens, of any size, dark on light or light on dark, one digit each.
They are first brought into MNIST's form: the ink is cut out, scaled to fit into 20 × 20 pixels, and placed with its centre of
mass in the middle of 28 × 28.
"""

INPUT_SHAPE = (32, 32, 1)  # of data.lenet_input


def add_arguments(parser: Parser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a model.safetensors saved by `refconv train`")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="PNG, JPEG, …")
    parser.add_argument("--top", type=positive, default=3, metavar="N", help="classes to print (default: %(default)s)")


def run(options: Namespace) -> None:
    import numpy as np

    from refconv import data
    from refconv.data.photo import digit_from_photo
    from refconv.ops.loss import softmax

    model = _load_classifier(options.model)
    digits = np.stack([digit_from_photo(path) for path in options.images])  # read all images before printing anything
    dtype = next(iter(model.named_parameters().values())).value.dtype
    probabilities = softmax(model(data.lenet_input(digits, dtype)))
    for path, p in zip(options.images, probabilities, strict=True):
        most_probable = np.argsort(-p, kind="stable")[: options.top]
        print(f"{path}:  " + "   ".join(f"{c} {100 * p[c]:.1f} %" for c in most_probable))


def _load_classifier(path: str) -> nn.Layer:
    """Load a model; refuse it unless it takes inputs of ``data.lenet_input``, returns class scores and is finite."""
    import numpy as np

    from refconv import load

    model = load(path)
    shape = model.input_shape or ()  # never None: a loaded model is built
    if shape != INPUT_SHAPE or len(model.output_shape(shape)) != 1:
        expected = f"take inputs of shape {INPUT_SHAPE} and return the scores of classes"
        raise ArgumentValueError(f"{path} must {expected}, got shapes {shape} and {model.output_shape(shape)}")
    for name, parameter in model.named_parameters().items():
        if not np.isfinite(parameter.value).all():
            raise ArgumentValueError(f"{path} must hold finite weights, got non-finite values in {name}")
    return model


COMMAND = Command("predict", "classify images with a trained network", DESCRIPTION, add_arguments, run)
