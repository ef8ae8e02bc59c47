"""The command ``refconv``: one module per command, each with its help, its arguments and its run."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence

from refconv._ascii import use_ascii_forms
from refconv._errors import ArgumentError
from refconv._optional import MissingPackage
from refconv._version import __version__
from refconv.cli import draw, formulas, info, predict, summary, tables, trace, train, try_out, verify
from refconv.cli.command import Failure
from refconv.cli.console import PipeWriter, in_one_line
from refconv.cli.parser import Parser, did_you_mean

__all__ = ["main"]

# A new command is one module with a `COMMAND`, and one entry here; `refconv --help` lists them in this order.
COMMANDS = tuple(module.COMMAND for module in (train, predict, summary, draw, try_out, tables, verify, trace, formulas, info))

DESCRIPTION = """\
Convolutional networks as loops you can read and kernels you can train with.

  refconv train lenet                train LeNet-5 on digits that refconv draws itself; needs no network
  refconv train lenet --data mnist   the same on MNIST, which is downloaded once
  refconv predict MODEL IMAGE        classify your own handwritten digits
  refconv summary resnet50           print the architecture as a table
  refconv verify                     prove every operator and every derivative
  refconv trace conv2d               print every product that is added to one output element

commands:
"""

CONVENTIONS = """\
`refconv COMMAND --help` describes a command and its options.

Sizes are height × width, written 96x128 or 96×128. Where the help says so, the number of images comes first and the number of
channels last.

exit status:
  0    success
  1    an error, which is printed, or a failed check, such as a wrong derivative
  2    an unknown command or option, or a value that the option does not accept
  130  interrupted with Ctrl-C; `refconv train` saves the network and ends with 0
A command whose output goes to a pipe finishes silently if the pipe is closed, with the same exit status.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    An :class:`~refconv.ArgumentError`, an ``OSError``, a missing optional package and a failed run are printed in one line.
    Any other exception is a fault of refconv and keeps its traceback.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after ``refconv`` (default: ``sys.argv[1:]``).

    Returns
    -------
    int
        0; 1 after an error or a finding; 130 after Ctrl-C. A wrong call raises ``SystemExit`` with status 2, as argparse does.

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
        parser = commands[name].parser()
        return commands[name].run(parser.parse_args(options)) or 0
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
