"""Output of the commands, including output to a pipe that its reader closes early."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from refconv._optional import need

__all__ = ["PipeWriter", "bar", "in_one_line", "say", "warnings_as_lines"]


def say(text: str) -> None:
    """Print a line and flush it, because the next line may take minutes."""
    print(text, flush=True)


@contextlib.contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Print each warning as one line on the standard error, without its line of code."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        print(warning.message, file=sys.stderr, flush=True)


@contextlib.contextmanager
def bar(name: str, total: int, unit: str) -> Iterator[Callable[[int], Any]]:
    """Show a progress bar with the time left; yield a function that adds to its count.

    Nothing is shown if the standard error is not a terminal.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda count: None
        return
    progress = need("tqdm", "train", "a progress bar").tqdm(total=total, desc=name, unit=f" {unit}", leave=False)
    with progress:
        yield progress.update


def in_one_line(error: Exception) -> str:
    """Return the message of an error in one line; an ``OSError`` begins with its file name.

    >>> in_one_line(IsADirectoryError(21, "Is a directory", "runs")), in_one_line(ValueError("x must be 3, got 4"))
    ('runs: is a directory', 'x must be 3, got 4')
    """
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror[0].lower()}{error.strerror[1:]}"
    return str(error)


class PipeWriter:
    """Stream that discards its output once the reader has closed the pipe.

    For example, `refconv formulas | head -1` always ends silently and with the same exit status, whether `head` ends before
    or after the output is written. A training run is saved even if its pipe is closed.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        try:
            return self.stream.write(text)
        except BrokenPipeError:
            self._discard()
            return len(text)

    def flush(self) -> None:
        try:
            self.stream.flush()
        except BrokenPipeError:
            self._discard()

    def _discard(self) -> None:
        """Redirect the stream to the null device, so that Python's flush at exit does not fail."""
        null_device = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null_device, self.stream.fileno())
        os.close(null_device)
