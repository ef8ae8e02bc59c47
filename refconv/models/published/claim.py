"""Claims: a published figure, our count, and the comparison of the two."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from refconv._errors import ArgumentValueError
from refconv.nn import Layer, Sequential
from refconv.typing import Shape

__all__ = ["Claim", "Line", "Stage", "Table", "agrees", "count_weights", "depth", "size", "stages"]

UNITS = {"": 1, "K": 1e3, "M": 1e6, "Bn": 1e9, "×10⁶": 1e6, "×10⁹": 1e9}
NUMBER = re.compile(r"(~?)(\d[\d,]*(?:\.\d+)?) ?(K|M|Bn|×10⁶|×10⁹|)$")
TOLERANCE = 0.05  # largest relative difference from a figure with ~


class Claim(NamedTuple):
    """Row of a table: quantity, printed figure, our count, and the reason for a difference."""

    what: str
    printed: str
    counted: float | tuple[int, ...]
    reason: str = ""

    @property
    def beside(self) -> str:
        """What is counted, as text."""
        return size(self.counted) if isinstance(self.counted, tuple) else f"{self.counted:,}"

    def verdict(self, kilo: int = 1000) -> str:
        """Return "equal", "differs" with the reason, or "DIFFERS" without one."""
        if agrees(self.printed, self.counted, kilo):
            return "equal"
        return f"differs: {self.reason}" if self.reason else "DIFFERS"


class Line(Protocol):
    """A line of a table: a printed figure beside another one, and whether the two agree."""

    @property
    def what(self) -> str: ...

    @property
    def printed(self) -> str: ...

    @property
    def beside(self) -> str: ...

    def verdict(self, kilo: int = 1000) -> str: ...


class Table(NamedTuple):
    """Lines of one source.

    ``kilo`` is the value of its unit K; ``beside`` is the head of the column next to the printed figures.
    """

    title: str
    claims: Sequence[Line]
    kilo: int = 1000
    beside: str = "counted"


class Stage(NamedTuple):
    """Layer of a network with its input shape and its output shape."""

    layer: Layer
    input: tuple[int, ...]
    output: tuple[int, ...]

    @property
    def multiply_adds(self) -> int:
        return self.layer.multiply_adds(self.input)

    @property
    def weights(self) -> int:
        return count_weights(self.layer, self.input)


def agrees(printed: str, counted: float | Shape, kilo: float = 1000) -> bool:
    """Return True if a count matches a printed figure to its last digit, rounded or truncated.

    Sizes are compared without axes of length 1, so a vector of 1024 elements is equal to 1×1×1024. A figure with ~ may differ
    by five percent.

    >>> agrees("28×28×256", (28, 28, 256)), agrees("3.8×10⁹", 3_857_973_248), agrees("3.8×10⁹", 3_902_000_000)
    (True, True, False)
    """
    if isinstance(counted, tuple):
        return [n for n in map(int, printed.split("×")) if n > 1] == [n for n in counted if n > 1]
    about, digits, unit = _number(printed)
    scale = kilo if unit == "K" else UNITS[unit]
    if about:
        return abs(counted / scale - float(digits)) <= TOLERANCE * float(digits)
    _, _, decimals = digits.partition(".")
    last_digit = 10.0 ** -len(decimals)
    difference = counted / scale - float(digits)
    return -last_digit / 2 <= difference < last_digit


def size(shape: Shape) -> str:
    """Return a shape in the notation of the papers.

    >>> size((28, 28, 256))
    '28×28×256'
    """
    return "×".join(map(str, shape))


def stages(model: Layer, shape: Shape) -> dict[str, Stage]:
    """Return the layers directly inside a network, by name."""
    return {name: Stage(layer, inner, layer.output_shape(inner)) for name, layer, inner in model.children(shape)}


def depth(layer: Layer, shape: Shape) -> int:
    """Return the number of convolutions and dense layers on the longest path.

    >>> from refconv.models import vgg
    >>> depth(vgg("D"), (224, 224, 3))
    16
    """
    inner = [depth(child, at) for _, child, at in layer.children(shape)]
    if not inner:
        return int(count_weights(layer, shape) > 0)
    return sum(inner) if isinstance(layer, Sequential) else max(inner)


def count_weights(layer: Layer, shape: Shape) -> int:
    """Count the elements of kernels and matrices, without biases and normalisation."""
    specs = [spec for _, inner, at in layer.distinct_layers(shape) for spec in inner.specs(at).values()]
    return sum(math.prod(spec.shape) for spec in specs if len(spec.shape) > 1)


def _number(printed: str) -> tuple[bool, str, str]:
    """Return True if the figure has a ~, its digits, and its unit."""
    match = NUMBER.match(printed)
    if not match:
        raise ArgumentValueError(f"printed must be a size such as 28×28×256 or a number such as 1.8×10⁹, got {printed!r}")
    about, digits, unit = match.groups()
    return bool(about), digits.replace(",", ""), unit
