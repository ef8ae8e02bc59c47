"""Command ``refconv summary``: print an architecture as a table."""

from argparse import Namespace

from refconv.cli.architecture import add_architecture, chosen
from refconv.cli.arguments import one_of, positive
from refconv.cli.command import Command
from refconv.cli.parser import Parser

__all__ = ["COMMAND"]

DESCRIPTION = """\
Print an architecture as a table. For each stage it shows the output size, the trainable parameters, the multiply-adds for one
image and the receptive field of the middle output pixel. The memory for parameters and activations is printed below the table.
Running averages are counted in a separate column, and auxiliary heads, which inference does not use, in a separate total.
A named architecture is not built, so no arrays are allocated.

MODEL is the name of an architecture, a model file, the folder of a run, packaged weights such as lenet:mnist, or an .onnx or
.keras file. A saved model has its own input size and classes.
"""


def add_arguments(parser: Parser) -> None:
    add_architecture(parser)
    add = parser.add_argument
    add("--depth", type=positive, default=1, metavar="N", help="number of levels of blocks to show (default: %(default)s)")
    add("--layers", action="store_true", help="print a row for each innermost layer, without receptive fields")
    add("--format", **one_of("text", "markdown", "csv", "json"), default="text", help="output format (default: %(default)s)")


def run(options: Namespace) -> None:
    import refconv

    model, shape = chosen(options)
    refconv.summary(model, shape, depth=None if options.layers else options.depth, form=options.format)


COMMAND = Command("summary", "print an architecture as a table", DESCRIPTION, add_arguments, run)
