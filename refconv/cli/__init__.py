"""The command ``refconv``: one module per command, each with its help, its arguments and its run."""

import argparse
import sys

from refconv._ascii import use_ascii_forms
from refconv._version import __version__
from refconv.cli import draw, formulas, info, predict, summary, tables, trace, train, try_out, verify
from refconv.cli.console import mute

__all__ = ["main"]

# A new command is one module with a `COMMAND`, and one entry here; `refconv --help` lists them in this order.
COMMANDS = tuple(module.COMMAND for module in (train, predict, summary, draw, try_out, tables, verify, trace, formulas, info))

DESCRIPTION = """\
Convolutional networks as loops you can read and kernels you can train with.

  refconv train lenet                      train LeNet-5 on digits that refconv draws itself; needs no network
  refconv train lenet --data mnist         the same on MNIST, which is downloaded once
  refconv predict MODEL IMAGE …            classify your own handwritten digits
  refconv summary lenet                    print the architecture as a table
  refconv draw googlenet                   draw the architecture, for a slide
  refconv try                              run every architecture once, at its paper's input size
  refconv tables                           compare the figures in the papers with our counts
  refconv verify                           prove every operator and every derivative
  refconv trace conv2d                     print every product that enters one output element
  refconv formulas                         list the lectures' formulas with their loops and kernels
  refconv formulas --adjoints              list which other operator each derivative is
  refconv info                             print engine, instruction set, threads and data
"""


def main(arguments=None) -> int:
    """Run one command and return its exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after ``refconv`` (default: ``sys.argv[1:]``).

    Returns
    -------
    int
        0, or 1 after an error, 130 after Ctrl-C. A wrong call raises ``SystemExit`` with status 2, as argparse does.

    Source: lecture rows A12 and M2 (SOURCES.md).
    """
    use_ascii_forms()
    try:
        options = _parser().parse_args(arguments)
        status = options.run(options) or 0
        sys.stdout.flush()
    except BrokenPipeError:  # the reader closed the pipe
        mute()
        return 1
    except (ImportError, OSError, ValueError, TypeError, RuntimeError, FloatingPointError) as error:
        print(f"refconv: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("refconv: interrupted", file=sys.stderr)
        return 130
    return status


def _parser():
    parser = argparse.ArgumentParser("refconv", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"refconv {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_CommandParser)
    for command in COMMANDS:
        commands.add_parser(command.name, help=command.help, command=command)
    return parser


class _CommandParser(argparse.ArgumentParser):
    """Parser of one command. It adds the arguments when it first parses: some need imports that other commands do not."""

    def __init__(self, command, **settings):
        super().__init__(description=command.description, formatter_class=argparse.RawDescriptionHelpFormatter, **settings)
        self.set_defaults(run=command.run)
        self._add_arguments = command.add_arguments

    def parse_known_args(self, args=None, namespace=None):
        if self._add_arguments:
            self._add_arguments(self)
            self._add_arguments = None
        return super().parse_known_args(args, namespace)
