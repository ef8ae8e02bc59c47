"""Command line of refconv, with one module for each command."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence

from refconv._ascii import use_ascii_forms
from refconv._errors import ArgumentError
from refconv._optional import MissingPackage
from refconv._progress import quiet
from refconv._version import __version__
from refconv.cli import (
    completion,
    download,
    draw,
    evaluate,
    export,
    formulas,
    import_weights,
    info,
    listing,
    predict,
    profile,
    restore,
    settings,
    summary,
    tables,
    trace,
    train,
    try_out,
    verify,
)
from refconv.cli.command import Failure
from refconv.cli.console import PipeWriter, in_one_line
from refconv.cli.parser import Parser, did_you_mean

__all__ = ["main"]

# To add a command, write a module with a `COMMAND` and add it here. `refconv --help` lists the commands in this order.
MODULES = (
    *(train, evaluate, predict, restore, listing, download, import_weights, export, summary, draw, profile, try_out),
    *(tables, settings, verify, trace, formulas, info),
)
COMMANDS = tuple(module.COMMAND for module in MODULES)
COMMANDS += (completion.command(COMMANDS),)

DESCRIPTION = """\
Convolutional networks as loops you can read and kernels you can train with.

  refconv train lenet                train LeNet-5 on digits drawn by refconv; needs no download
  refconv train lenet --data mnist   the same on MNIST, which is downloaded once
  refconv train resnet20 --data DIR  train any architecture on a folder of pictures, DIR/CLASS/*.jpg
  refconv predict MODEL IMAGE        classify your own handwritten digits or photographs
  refconv list                       list the architectures, the data sets and the trained weights
  refconv restore photo.jpg          remove noise from your own photograph
  refconv summary resnet50           print the architecture as a table
  refconv profile resnet50           time each step of compiled inference
  refconv export MODEL out.onnx      write a network for ONNX Runtime and other programs
  refconv verify                     prove every operator and every derivative
  refconv trace conv2d               print every product that is added to one output element

commands:
"""

CONVENTIONS = """\
`refconv COMMAND --help` describes a command and its options.

Sizes are height × width, written 96x128 or 96×128. Some options also accept a number of images in front and a number of
channels at the end, as in NxHxWxC; their help shows it.

In a terminal or a notebook, commands that take long show their progress and the time left. --quiet hides it. --json or
--format json prints the results for other programs.

exit status:
  0    success
  1    an error, which is printed, or a failed check, such as a wrong derivative
  2    an unknown command or option, or a value that the option does not accept
  130  interrupted with Ctrl-C; `refconv train` and `refconv restore` instead save the result so far and exit with status 0,
       also after SIGTERM or if the terminal is closed
  143  ended by SIGTERM
If the output goes to a pipe that is closed early, the command finishes silently with the same exit status.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    An :class:`~refconv.ArgumentError`, an ``OSError``, a missing optional package and a failed run are reported in one line.
    Any other exception is a bug in refconv, so its traceback is printed.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command and its arguments (default: ``sys.argv[1:]``).

    Returns
    -------
    int
        0 on success, 1 after an error or a failed check, 130 after Ctrl-C. Invalid arguments raise ``SystemExit`` with status
        2, as in argparse.

    Source: lecture rows A12 and M2 (SOURCES.md).
    """
    use_ascii_forms()
    with contextlib.redirect_stdout(PipeWriter(sys.stdout)), contextlib.redirect_stderr(PipeWriter(sys.stderr)):
        try:
            return _run(list(sys.argv[1:] if arguments is None else arguments))
        except (ArgumentError, OSError, MissingPackage, Failure) as error:
            print(f"refconv: {in_one_line(error)}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("refconv: interrupted", file=sys.stderr)
            return 130
        finally:
            sys.stdout.flush()


def _run(arguments: list[str]) -> int:
    name, *options = arguments or ["--help"]
    commands = {command.name: command for command in COMMANDS}
    if name in commands:
        given = commands[name].parser().parse_args(options)
        with quiet(getattr(given, "quiet", False)):
            return commands[name].run(given) or 0
    if name in ("-h", "--help"):
        print(_help())
    elif name == "--version":
        print(f"refconv {__version__}")
    else:
        kind, known = ("option", ["--help", "--version"]) if name.startswith("-") else ("command", commands)
        Parser("refconv", DESCRIPTION).error(f"unknown {kind} {name!r}{did_you_mean(name, known)}")
    return 0


def _help() -> str:
    lines = [f"  {command.name:10}{command.help}" for command in COMMANDS]
    return "\n".join(["usage: refconv COMMAND …\n", DESCRIPTION.rstrip("\n"), *lines, "", CONVENTIONS.rstrip("\n")])
