"""Types of command-line arguments: each parses a word, or refuses it with a message that argparse prints."""

import argparse
import math

__all__ = ["padding", "positive", "seed", "size", "sizes", "threads"]


def positive(text):
    """An integer of at least 1."""
    return _integer(text, 1)


def seed(text):
    """A seed: an integer of at least 0."""
    return _integer(text, 0)


def threads(text):
    """A number of threads that the kernels accept."""
    from refconv._config import MOST_THREADS

    return _integer(text, 1, MOST_THREADS)


def sizes(text):
    """One integer of at least 0, or a tuple of several: "3" or "3,5"."""
    numbers = tuple(_integer(part, 0) for part in text.split(","))
    return numbers if len(numbers) > 1 else numbers[0]


def size(text):
    """The size of an input, "96x128" or "96x128x3": height, width and optionally channels, with x, X or × between them."""
    numbers = tuple(_integer(part, 1) for part in text.replace("×", "x").lower().split("x"))
    if len(numbers) not in (2, 3):
        raise argparse.ArgumentTypeError(f"must be a size such as 96x128 or 96x128x3, got {text!r}")
    return numbers


def padding(text):
    """A name such as "same"; "1" for all sides; "1,0" for height and width; "0:1,2:0" for top, bottom, left and right."""
    if ":" in text:
        return tuple(tuple(_integer(side, 0) for side in axis.split(":")) for axis in text.split(","))
    return sizes(text) if text[:1].isdigit() else text


def _integer(text, least, most=math.inf):
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be an integer, got {text!r}") from None
    if number < least:
        raise argparse.ArgumentTypeError(f"must be at least {least}, got {number}")
    if number > most:
        raise argparse.ArgumentTypeError(f"must be at most {most}, got {number}")
    return number
