"""Output of the commands, which may go to a pipe whose reader stops before the end."""

import os
import sys

__all__ = ["mute", "say"]


def say(text) -> None:
    """Print a line at once; if the reader has closed the pipe, continue silently so that a run can still be saved."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        mute()


def mute() -> None:
    """Discard all further output, including what Python flushes when it exits."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
