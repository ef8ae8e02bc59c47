"""Command ``refconv trace``: print the products that a loop adds to one output element."""

from __future__ import annotations

import math
import os
from argparse import Namespace
from typing import TYPE_CHECKING

from refconv._errors import ArgumentValueError
from refconv._optional import need
from refconv.cli.arguments import index, one_of, padding, per_axis, positive, seed, shape
from refconv.cli.command import Command
from refconv.cli.console import print_json
from refconv.cli.parser import Parser

if TYPE_CHECKING:
    from refconv.typing import Array

__all__ = ["COMMAND"]

DESCRIPTION = """\
Print each product that is added to one output element, with the index letters of the formula and their values.

The command runs the reference loop itself, on numbers that record their array and their index, so the trace shows exactly what
the loop computes. Without files, the arrays contain small non-zero integers, so a 0 in the trace comes from the padding.
"""

ARRAYS = ("x", "w", "b", "dy")
OPTIONS = ("stride", "padding", "dilation", "groups", "mode", "output_padding", "ceil_mode", "count_include_pad")


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    add("operator", metavar="OPERATOR", help="operator, such as conv2d, conv2d_dw, max_pool2d_dx")
    add("--output", type=index, metavar="B,I,J,O", help="indices of the output element, from 0 (default: one near a corner)")
    add("--input", type=shape, metavar="HxW", help="input size, or NxHxWxC")
    add("--kernel", type=shape, metavar="HxW", help="size of the kernel or the pooling window")
    add("--channels", type=positive, metavar="N", help="number of input channels")
    add("--filters", type=positive, metavar="N", help="number of output channels")
    for name in ("stride", "dilation", "output-padding"):
        add(f"--{name}", type=per_axis, metavar="N", help="one number, or one for each axis: NxN")
    add(
        "--padding",
        type=padding,
        metavar="P",
        help="same, valid, …; N; NxN; or before:after for each axis, N:NxN:N",
    )
    add("--groups", type=positive, metavar="N", help="number of groups")
    add("--mode", **one_of("valid", "same", "full"), help="output size of convolve2d and similar operators")
    add("--ceil-mode", action="store_true", default=None, help="round the output size up (pooling)")
    add("--count-include-pad", action="store_true", default=None, help="count padding in the mean (average pooling)")
    add("--seed", type=seed, default=0, metavar="N", help="seed of the random integers (default: %(default)s)")
    for name in ARRAYS:
        add(f"--{name}", metavar="FILE", help=f"your own array {name}, written by numpy.save; channels last")
    add("--json", action="store_true", help="print the products as JSON")


def run(options: Namespace) -> None:
    need("hypothesis", "verify", "refconv trace")
    from refconv.verify.tracing.trace import trace

    shapes = {name: getattr(options, name) for name in ("input", "kernel", "channels", "filters")}
    arrays = {name: read_array(name, path) for name in ARRAYS if (path := getattr(options, name))}
    given = {name: value for name in OPTIONS if (value := getattr(options, name)) is not None}
    result = trace(options.operator, options.output, **shapes, seed=options.seed, arrays=arrays, **given)
    if options.json:
        print_json(result.as_dict())
    else:
        print(result)


def read_array(name: str, path: str) -> Array:
    """Return the array in a file of ``numpy.save``; ``name`` is the option of the path."""
    import numpy as np

    try:
        with open(path, "rb") as file:
            form = np.lib.format
            version = form.read_magic(file)  # (1, 0), or (2, 0) for a long header; later ones are for names of fields
            shape, _, dtype = (form.read_array_header_1_0 if version == (1, 0) else form.read_array_header_2_0)(file)
            if math.prod(shape) * dtype.itemsize > os.path.getsize(path):  # else NumPy would allocate the announced memory
                raise ValueError
            file.seek(0)
            return form.read_array(file, allow_pickle=False)
    except OSError:
        raise
    except Exception:  # NumPy parses the header as Python code, so a damaged header can raise almost any exception
        raise ArgumentValueError(f"--{name} must be a file written by numpy.save, got {path}") from None


COMMAND = Command("trace", "print every product that is added to one output element", DESCRIPTION, add_arguments, run)
