"""Command ``refconv predict``: classify images with a trained network."""

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

Each image shows one digit, dark on light or light on dark. It may have any size and any format that Pillow opens, such as PNG
or JPEG. Before classification it is converted to the format of MNIST: the digit is cut out, scaled to fit into 20 × 20
pixels, and placed in an image of 28 × 28 pixels with its centre of mass in the middle.
"""

INPUT_SHAPE = (32, 32, 1)  # shape of the images that data.lenet_input returns


def add_arguments(parser: Parser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a model.safetensors saved by `refconv train`")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="image files: PNG, JPEG, …")
    parser.add_argument("--top", type=positive, default=3, metavar="N", help="print N classes (default: %(default)s)")


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
