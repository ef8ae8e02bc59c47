"""Command ``refconv import``: convert weights of torchvision, ONNX or Keras to a model file."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refconv._errors import ArgumentValueError
from refconv.cli.arguments import positive, real
from refconv.cli.command import Command
from refconv.cli.console import say
from refconv.cli.parser import Parser

if TYPE_CHECKING:
    from refconv import nn

__all__ = ["COMMAND"]

DESCRIPTION = """\
Convert the weights of a network of torchvision to a model of refconv, which `refconv predict` and `refconv evaluate` read.

FILE is a safetensors file, or a file of torch.save with a state dict, such as the files that torchvision downloads. A file of
torch.save needs PyTorch 2.6 or later. FILE is data: no code in it is run.

The model has the layers of torchvision's network and the number of classes of the weights. Its file contains the preprocessing
of torchvision's published weights: the shorter side of an image is scaled to --resize pixels, and its centre is cropped.
torchvision has two sets of weights for some networks; the default of --resize is for the newer set.

FILE may also be an .onnx or .keras file, which contains its own layers; its scores must not end in a softmax. The model then
gets the preprocessing of --mean and --std, or the one that refconv stored in an .onnx file, or for other .onnx files the one
of torchvision's network NAME.
"""


def add_arguments(parser: Parser) -> None:
    from refconv.models.torchvision import TORCHVISION

    add = parser.add_argument
    add("name", metavar="NAME", help=f"one of: {', '.join(TORCHVISION)}; any name with --mean and --std")
    add("file", metavar="FILE", help="weights: .safetensors, .pth or .pt; or a network: .onnx or .keras")
    add("--out", metavar="FILE", help="model file to write (default: NAME.safetensors)")
    add("--labels", metavar="FILE", help="text file with the names of the classes, one on each line")
    add("--resize", type=positive, metavar="N", help="length of an image's shorter side before the crop, in pixels")
    add("--mean", type=real, nargs="+", metavar="X", help="means of the channels, from 0 to 1, for an .onnx or .keras file")
    add("--std", type=real, nargs="+", metavar="X", help="standard deviations of the channels, for an .onnx or .keras file")
    add("--overwrite", action="store_true", help="replace an existing file")


def run(options: Namespace) -> None:
    from refconv import data, models
    from refconv.cli.output_files import check_not_input, check_overwrite
    from refconv.models.torchvision import torchvision_variant

    has_layers = Path(options.file).suffix.lower() in (".onnx", ".keras")
    if not has_layers:
        torchvision_variant(options.name)
        if options.mean or options.std:
            raise ArgumentValueError(f"--mean and --std must only be given for an .onnx or .keras file, got {options.file}")
    path = Path(options.out or f"{options.name}.safetensors")
    check_overwrite(path, options.overwrite)
    check_not_input("--out", str(path), [options.file, *filter(None, [options.labels])])
    if has_layers:
        model = _with_layers(options)
    else:
        model = models.create(options.name, weights=options.file, labels=options.labels)
    if options.resize:
        if "preprocessing" not in model.notes:
            raise ArgumentValueError(f"--resize must only be given for weights with preprocessing, got none in {options.file}")
        settings = {**model.notes["preprocessing"], "shorter_side": options.resize}
        model.notes = {**model.notes, "preprocessing": data.Preprocessing.from_settings(settings).settings()}
    model.save(path)
    shape = model.input_shape or ()
    count, classes = model.count_parameters(shape, trainable_only=True), model.output_shape(shape)[-1]
    say(f"wrote {path}: {options.name}, {count:,} trainable parameters, {classes} classes")


def _with_layers(options: Namespace) -> nn.Layer:
    """Return the network of an .onnx or .keras file, with complete notes."""
    from refconv.cli.saved_model import load_network
    from refconv.weights.pretrained import read_labels

    model = load_network(options.file)
    shape = model.input_shape or ()
    if len(shape) != 3:
        raise ArgumentValueError(f"{options.file} must be a network for images, got inputs of shape {shape}")
    notes = dict(model.notes)
    if options.mean or options.std or "preprocessing" not in notes:
        notes["preprocessing"] = _preprocessing(options, shape)
    if options.labels:
        notes["classes"] = read_labels(options.labels, model)
    model.notes = notes
    return model


def _preprocessing(options: Namespace, shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the settings of --mean and --std, or of torchvision's network."""
    from refconv import data, models
    from refconv.models.blocks import IMAGENET_MEAN, IMAGENET_STD
    from refconv.models.torchvision import torchvision_variant

    if options.mean or options.std:
        if {len(options.mean or ()), len(options.std or ())} != {shape[2]}:
            raise ArgumentValueError(
                f"--mean and --std must have {shape[2]} numbers each, one for each channel of {options.file}"
            )
        resize = None if options.resize else shape[:2]
        return data.Preprocessing(shape[:2], options.mean, options.std, resize, shorter_side=options.resize).settings()
    if options.file.lower().endswith(".keras"):
        raise ArgumentValueError("--mean and --std must be given for a .keras file, which contains no preprocessing, got none")
    variant = torchvision_variant(options.name)
    if shape != models.input_shape(variant.name):
        raise ArgumentValueError(
            f"--mean and --std must be given for {options.file}, whose inputs have shape {shape}, got none"
        )
    return data.Preprocessing(shape[:2], IMAGENET_MEAN, IMAGENET_STD, shorter_side=variant.resize).settings()


COMMAND = Command(
    "import", "convert weights or networks of other programs to a model", DESCRIPTION, add_arguments, run, can_be_quiet=True
)
