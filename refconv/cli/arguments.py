"""Types of command-line arguments: functions that parse a string.

For an invalid string they raise ``argparse.ArgumentTypeError``, whose message argparse prints.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from refconv.cli.parser import did_you_mean

if TYPE_CHECKING:
    from refconv.typing import Padding, Size

__all__ = [
    "fraction",
    "index",
    "non_negative",
    "one_of",
    "padding",
    "per_axis",
    "positive",
    "real",
    "seed",
    "shape",
    "share",
    "size",
    "threads",
]


def positive(text: str) -> int:
    """Parse an integer of at least 1."""
    return _integer(text, 1)


def seed(text: str) -> int:
    """Parse a seed, which is an integer of at least 0."""
    return _integer(text, 0)


def threads(text: str) -> int:
    """Parse a number of threads that the kernels accept."""
    from refconv._core.machine.processors import MOST_THREADS

    return _integer(text, 1, MOST_THREADS)


def real(text: str) -> float:
    """Parse a finite number; the function that uses it checks its range."""
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, got {text!r}") from None
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"must be finite, got {text}")
    return number


def non_negative(text: str) -> float:
    """Parse a finite number of at least 0."""
    return _real_in(text, 0.0, math.inf)


def share(text: str) -> float:
    """Parse a number from 0 to 1."""
    return _real_in(text, 0.0, 1.0)


def _real_in(text: str, least: float, most: float) -> float:
    number = real(text)
    if not least <= number <= most:
        bounds = f"at least {least:g}" if math.isinf(most) else f"from {least:g} to {most:g}"
        raise argparse.ArgumentTypeError(f"must be {bounds}, got {text}")
    return number


def fraction(text: str) -> float:
    """Parse a number above 0 and below 1."""
    number = real(text)
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"must be above 0 and below 1, got {text}")
    return number


def one_of(*words: str) -> dict[str, Any]:
    """Return the arguments of ``add_argument`` for an option with a fixed set of words."""

    def word(text: str) -> str:
        if text not in words:
            raise argparse.ArgumentTypeError(f"must be one of {', '.join(words)}, got {text!r}{did_you_mean(text, words)}")
        return text

    return {"type": word, "metavar": f"{{{','.join(words)}}}"}


def index(text: str) -> Size:
    """Parse the indices of an element, from 0, separated by commas: "0,1,2,0"."""
    return _one_or_several([_integer(part, 0) for part in text.split(",")])


def size(text: str) -> tuple[int, ...]:
    """Parse an image size, "96x128" or "96x128x3": height, width and optionally channels."""
    return _sizes(text, "a size such as 96x128 or 96x128x3", (2, 3), least=1)


def shape(text: str) -> Size:
    """Parse the size of an array along some of its axes: "7", "5x7" or "2x5x7x3"."""
    return _one_or_several(_sizes(text, "a size such as 5x7 or 2x5x7x3", (1, 2, 3, 4), least=1))


def per_axis(text: str) -> Size:
    """Parse an integer of at least 0 for all axes, or one for each axis: "2" or "2x1"."""
    return _one_or_several(_sizes(text, "a number, or one for each axis such as 2x1", (1, 2), least=0))


def padding(text: str) -> Padding:
    """Parse a padding: "same", "1", "1x0" or "0:1x2:0".

    "same" and other words are names of a padding. "1" applies to all sides, "1x0" to height and width, and "0:1x2:0" to top,
    bottom, left and right.
    """
    if not text[:1].isdigit():
        return text
    if ":" not in text:
        return per_axis(text)
    # Typed as Any because only the operator checks that there are two sides for each axis.
    axes: list[Any] = [tuple(_integer(side, 0) for side in axis.split(":")) for axis in _parts(text)]
    return tuple(axes)


def _one_or_several(numbers: Sequence[int]) -> Size:
    return tuple(numbers) if len(numbers) > 1 else numbers[0]


def _sizes(text: str, expected: str, counts: tuple[int, ...], least: int) -> tuple[int, ...]:
    parts = _parts(text)
    if len(parts) not in counts or not all(part.isdecimal() and int(part) >= least for part in parts):
        raise argparse.ArgumentTypeError(f"must be {expected}, got {text!r}")
    return tuple(map(int, parts))


def _parts(text: str) -> list[str]:
    """Return the parts of a size, separated by x, X or × with optional spaces."""
    return [part.strip() for part in text.lower().replace("×", "x").split("x")]


def _integer(text: str, least: int, most: float = math.inf) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be an integer, got {text!r}") from None
    if number < least:
        raise argparse.ArgumentTypeError(f"must be at least {least}, got {number}")
    if number > most:
        raise argparse.ArgumentTypeError(f"must be at most {most}, got {number}")
    return number
