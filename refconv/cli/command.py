"""The description of a command, from which :mod:`refconv.cli` makes its parser."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Command"]


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
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int | None]
