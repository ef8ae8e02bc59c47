"""The description of a command, and the error of a command that ends without a result."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from refconv.cli.parser import Parser

__all__ = ["Command", "Failure"]


class Failure(Exception):  # noqa: N818 - an outcome of a run, not a fault of the program
    """A run that ended without its result, such as a loss that is not finite; the message is printed in one line."""


@dataclass(frozen=True)
class Command:
    """A command of ``refconv``.

    Parameters
    ----------
    name : str
        The word after ``refconv``.
    help : str
        One line for ``refconv --help``.
    description : str
        What ``refconv NAME --help`` prints above the arguments.
    add_arguments : callable
        Adds the command's arguments to the parser that it is called with.
    run : callable
        Runs the command with the parsed options; returns the exit status, or None for 0. Imports that take time belong in it.
    """

    name: str
    help: str
    description: str
    add_arguments: Callable[[Parser], None]
    run: Callable[[argparse.Namespace], int | None]

    def parser(self) -> Parser:
        """Return a new parser with the command's arguments: some need imports that other commands do not."""
        parser = Parser(f"refconv {self.name}", self.description, "`refconv --help` describes sizes and exit statuses.")
        self.add_arguments(parser)
        return parser
