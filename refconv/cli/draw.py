"""Command ``refconv draw``: draw an architecture."""

from argparse import Namespace
from pathlib import Path

from refconv._optional import need
from refconv.cli.architecture import add_architecture, chosen, is_saved, variant
from refconv.cli.command import Command
from refconv.cli.console import say
from refconv.cli.output_files import picture_file
from refconv.cli.parser import Parser

__all__ = ["COMMAND"]

DESCRIPTION = """\
Draw an architecture: the outputs of its stages as volumes, and one block of each kind as boxes and arrows. A U-Net is drawn in
the shape of a U.

The edges of a volume grow with the image size, and its thickness grows with the number of channels. Both grow less than
proportionally, so that the small last stages remain visible next to the first ones.

MODEL is the name of an architecture, a model file, the folder of a run, packaged weights such as lenet:mnist, or an .onnx or
.keras file.
"""


def add_arguments(parser: Parser) -> None:
    add_architecture(parser)
    add = parser.add_argument
    add("--block", metavar="NAME", help="draw only this layer; `refconv summary` prints the dotted names")
    add("--out", metavar="FILE", help="output file, .png or .svg (default: MODEL.png)")
    add("--overwrite", action="store_true", help="replace an existing file")


def run(options: Namespace) -> None:
    need("matplotlib", "train", "refconv draw")
    from refconv._files import write_atomically
    from refconv.drawing import architecture_picture

    model, shape = chosen(options)
    name = Path(options.model).stem.replace(":", "-") if is_saved(options.model) else variant(options.model, options.small)
    path, form = picture_file(options.out or f"{name}.png", options.overwrite, options.model)
    write_atomically(path, architecture_picture(model, shape, name, block=options.block, form=form))
    say(f"wrote {path}")


COMMAND = Command("draw", "draw an architecture", DESCRIPTION, add_arguments, run)
