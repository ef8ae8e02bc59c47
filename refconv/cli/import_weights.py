"""Command ``refconv import``: convert weights of torchvision to a model file."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from refconv._errors import ArgumentValueError
from refconv.cli.arguments import positive
from refconv.cli.command import Command
from refconv.cli.console import say
from refconv.cli.parser import Parser

__all__ = ["COMMAND"]

DESCRIPTION = """\
Convert the weights of a network of torchvision to a model of refconv, which `refconv predict` and `refconv evaluate` read.

FILE is a safetensors file, or a file of torch.save with a state dict, such as the files that torchvision downloads. A file of
torch.save needs PyTorch 2.6 or later. FILE is data: no code in it is run.

The model has the layers of torchvision's network and the number of classes of the weights. Its file contains the preprocessing
of torchvision's published weights: the shorter side of an image is scaled to --resize pixels, and its centre is cropped.
torchvision has two sets of weights for some networks; the default of --resize is for the newer set.
"""


def add_arguments(parser: Parser) -> None:
    from refconv.models.torchvision import TORCHVISION

    add = parser.add_argument
    add("name", metavar="NAME", help=f"one of: {', '.join(TORCHVISION)}")
    add("file", metavar="FILE", help="weights: .safetensors, .pth or .pt")
    add("--out", metavar="FILE", help="model file to write (default: NAME.safetensors)")
    add("--labels", metavar="FILE", help="text file with the names of the classes, one on each line")
    add("--resize", type=positive, metavar="N", help="length of an image's shorter side before the crop, in pixels")
    add("--overwrite", action="store_true", help="replace an existing file")


def run(options: Namespace) -> None:
    from refconv import data, models
    from refconv.cli.pictures import check_output
    from refconv.models.torchvision import torchvision_variant

    torchvision_variant(options.name)
    path = Path(options.out or f"{options.name}.safetensors")
    if path.exists() and not options.overwrite:
        raise FileExistsError(f"{path} already exists; choose another file with --out, or replace it with --overwrite")
    check_output("--out", str(path), [options.file, *filter(None, [options.labels])])
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


COMMAND = Command("import", "convert weights of torchvision to a model", DESCRIPTION, add_arguments, run, can_be_quiet=True)
