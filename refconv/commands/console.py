"""Lines for whoever reads the command, which may be a pipe that is closed before the end."""

import os
import sys

__all__ = ["mute", "say"]


def say(text) -> None:
    """Print a line at once. If nobody reads any more (a pipe to head), the command goes on, and saves what it has learnt."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        mute()


def mute() -> None:
    """Let all that is still printed go nowhere, also what Python flushes at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
