"""Argument parser with one-line error messages that suggest similar known words."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from refconv._errors import suggestion

__all__ = ["Parser", "did_you_mean"]


class Parser(argparse.ArgumentParser):
    """``ArgumentParser`` that prints an error in one line, without a summary of all options.

    Options must be written in full, because an abbreviation would become ambiguous when an option with the same beginning is
    added. The parsed arguments have an attribute ``given``, the options that are on the command line, and an attribute
    ``parser``.
    """

    def __init__(self, program: str, description: str, epilog: str = "") -> None:
        self.options: list[str] = []
        form = argparse.RawDescriptionHelpFormatter
        super().__init__(program, description=description, epilog=epilog, formatter_class=form, allow_abbrev=False)

    def add_argument(self, *names: str, **settings: Any) -> argparse.Action:
        self.options += [name for name in names if name.startswith("-")]
        return super().add_argument(*names, **settings)

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]  # the overloads of argparse are not needed
        options, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self.error(f"unknown argument {unknown[0]}{did_you_mean(unknown[0].partition('=')[0], self.options)}")
        options.given, options.parser = self._given(args), self
        return options

    def _given(self, args: Sequence[str] | None) -> dict[str, str]:
        """Return the options on the command line: {"weights": "--from"}."""
        not_given = object()
        found, _ = self.parse_known_args(args, argparse.Namespace(**{action.dest: not_given for action in self._actions}))
        return {
            action.dest: action.option_strings[-1]
            for action in self._actions
            if action.option_strings and getattr(found, action.dest) is not not_given
        }

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\nRun `{self.prog} --help` to see what it accepts.\n")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean …?" with up to three similar known words, or "" if there is none.

    >>> did_you_mean("sumary", ["train", "summary", "trace"]), did_you_mean("--epoch", ["--engine", "--epochs"])
    ('; did you mean summary?', '; did you mean --epochs?')
    >>> did_you_mean("walk", ["train", "summary"])
    ''
    """
    return suggestion(difflib.get_close_matches(word.lower(), list(known), n=3, cutoff=0.7))
