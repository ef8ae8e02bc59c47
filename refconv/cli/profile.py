"""Command ``refconv profile``: time the steps of compiled inference."""

from argparse import Namespace

from refconv._optional import need
from refconv.cli.architecture import add_architecture, chosen, is_saved, variant
from refconv.cli.arguments import one_of, positive
from refconv.cli.command import Command
from refconv.cli.console import say
from refconv.cli.output_files import picture_file
from refconv.cli.parser import Parser

__all__ = ["COMMAND"]

DESCRIPTION = """\
Compile a network for inference and print its steps. The table shows for each step what it computes, the layers that it
replaces, the kernel, the size of the output, the bytes of the packed weights, the multiply-adds for one image, and the median
time with its share of the total. The last column compares it with the least time on this machine: for the multiply-adds, or to
read and write each array once. Winograd's algorithm needs fewer multiply-adds, so it can exceed 100 %.

MODEL is the name of an architecture, which gets random weights, or a saved model as for `refconv summary`.
"""


def add_arguments(parser: Parser) -> None:
    add_architecture(parser)
    add = parser.add_argument
    add("--images", type=positive, default=1, metavar="N", help="number of images in a batch (default: %(default)s)")
    add("--rounds", type=positive, default=10, metavar="N", help="number of runs; times are medians (default: %(default)s)")
    add("--format", **one_of("text", "json"), default="text", help="output format (default: %(default)s)")
    add("--out", metavar="FILE", help="also draw the times, as a .png or .svg file")
    add("--overwrite", action="store_true", help="replace an existing file")


def run(options: Namespace) -> None:
    import numpy as np

    import refconv
    from refconv._files import write_atomically

    if options.out is not None:
        need("matplotlib", "train", "refconv profile --out")
        path, form = picture_file(options.out, options.overwrite, options.model)
    model, shape = chosen(options)
    if not model.is_built:
        model.build(shape, rng=0)
    plan = refconv.compile_model(model, shape, batch_size=options.images, watch=False)
    x = np.random.default_rng(0).standard_normal((options.images, *shape)).astype(plan.dtype)
    profile = plan.profile(x, rounds=options.rounds)
    say(profile.as_json() if options.format == "json" else str(profile))
    if options.out is not None:
        from refconv.drawing.profile import profile_picture

        name = options.model if is_saved(options.model) else variant(options.model, options.small)
        write_atomically(path, profile_picture(profile, name, form))
        if options.format == "text":
            say(f"wrote {path}")


COMMAND = Command("profile", "time the steps of compiled inference", DESCRIPTION, add_arguments, run)
