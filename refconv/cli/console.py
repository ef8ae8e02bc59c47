"""Output of the commands, which may go to a pipe whose reader stops before the end."""

from __future__ import annotations

import os
from typing import Any, TextIO

__all__ = ["PipeWriter", "in_one_line", "say"]


def say(text: str) -> None:
    """Print a line at once, for commands whose next line may take minutes."""
    print(text, flush=True)


def in_one_line(error: Exception) -> str:
    """Return the message of an error; of one from the operating system, the file and what is wrong with it.

    >>> in_one_line(IsADirectoryError(21, "Is a directory", "runs")), in_one_line(ValueError("x must be 3, got 4"))
    ('runs: is a directory', 'x must be 3, got 4')
    """
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror[0].lower()}{error.strerror[1:]}"
    return str(error)


class PipeWriter:
    """A stream whose output is discarded once the reader of its pipe has left.

    `refconv formulas | head -1` then always ends silently and with the same exit status, whether its output was written
    before or after `head` ended, and a training run is still saved.
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
        """Redirect the file to nowhere, with what Python would flush when it exits."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.stream.fileno())
        os.close(nowhere)
