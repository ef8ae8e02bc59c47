"""Output of the commands, including output to a pipe that its reader closes early."""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import json
import math
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any, TextIO

from refconv._progress import bar, bars_cleared, is_quiet

__all__ = [
    "PipeWriter",
    "bar",
    "bars_cleared",
    "in_one_line",
    "print_error",
    "print_json",
    "print_result",
    "say",
    "warnings_as_lines",
]


def say(text: str) -> None:
    """Print a line about the progress, unless the command is quiet."""
    if not is_quiet():
        print_result(text)


def print_result(text: str) -> None:
    """Print a line that the user asked for."""
    with bars_cleared():
        print(text, flush=True)  # the next line may take minutes


def print_error(text: str) -> None:
    """Print a line on the standard error."""
    with bars_cleared():
        print(text, file=sys.stderr, flush=True)


def print_json(data: Any) -> None:
    """Print data as JSON; NaN and infinity, which JSON does not have, become null."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    is_unicode = codecs.lookup(encoding).name.startswith("utf")  # other encodings get escape sequences of JSON
    print_result(json.dumps(_without_nan(data), ensure_ascii=not is_unicode, indent=1))


def _without_nan(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _without_nan(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [_without_nan(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


@contextlib.contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Print each warning as one line on the standard error.

    The line of code that caused it is left out. A quiet command prints no warnings.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught if not is_quiet() else ():
        print_error(str(warning.message))


def in_one_line(error: Exception) -> str:
    """Return the message of an error in one line; an ``OSError`` begins with its file name.

    >>> in_one_line(IsADirectoryError(21, "Is a directory", "runs")), in_one_line(OSError(28, "No space left on device"))
    ('runs: is a directory', 'no space left on device')
    """
    if isinstance(error, OSError) and error.strerror:
        reason = f"{error.strerror[0].lower()}{error.strerror[1:]}"
        return f"{error.filename}: {reason}" if error.filename else reason
    return str(error)


class PipeWriter:
    """Stream that discards its output once its pipe or terminal is closed.

    For example, `refconv formulas | head -1` always ends silently and with the same exit status, whether `head` ends before
    or after the output is written. A training run is saved even if its pipe or its terminal is closed.
    """

    CLOSED = (errno.EPIPE, errno.EIO)  # of a pipe, of a terminal

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = io.StringIO() if stream is None else stream  # the stream of a process may be closed

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        try:
            return self.stream.write(text)
        except OSError as error:
            self._discard(error)
            return len(text)

    def flush(self) -> None:
        try:
            self.stream.flush()
        except OSError as error:
            self._discard(error)

    def _discard(self, error: OSError) -> None:
        """Redirect the stream to the null device, so that Python's flush at exit does not fail."""
        if error.errno not in self.CLOSED:
            raise error
        null_device = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null_device, self.stream.fileno())
        os.close(null_device)
