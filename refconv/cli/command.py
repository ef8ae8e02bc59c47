"""Definition of a command, and the error of a command that ends without a result."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from refconv.cli.parser import Parser

__all__ = ["Command", "Failure"]


class Failure(Exception):  # noqa: N818 - an outcome of a run, not a bug in the program
    """Error of a command that ends without a result, such as a run whose loss is not finite.

    Its message is printed in one line.
    """


@dataclass(frozen=True)
class Command:
    """Command of ``refconv``: its name, help, arguments and function.

    Parameters
    ----------
    name : str
        Name on the command line: ``refconv NAME``.
    help : str
        One line for ``refconv --help``.
    description : str
        Text that ``refconv NAME --help`` prints above the arguments.
    add_arguments : callable
        Function of a parser that adds the command's arguments to it.
    run : callable
        Function that runs the command with the parsed options and returns the exit status, or None for 0. Slow imports belong
        inside this function, so that other commands start fast.
    can_be_quiet : bool
        True for the option --quiet, which hides progress bars and the lines of :func:`refconv.cli.console.say`.
    """

    name: str
    help: str
    description: str
    add_arguments: Callable[[Parser], None]
    run: Callable[[argparse.Namespace], int | None]
    can_be_quiet: bool = False

    def parser(self) -> Parser:
        """Return a new parser with the command's arguments.

        It is created on demand, because the arguments of some commands need slow imports.
        """
        parser = Parser(f"refconv {self.name}", self.description, "`refconv --help` describes sizes and exit statuses.")
        self.add_arguments(parser)
        if self.can_be_quiet:
            parser.add_argument("-q", "--quiet", action="store_true", help="print only results and errors")
        return parser
