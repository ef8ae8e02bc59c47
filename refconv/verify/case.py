"""Test cases of operators, and functions that fill their arrays with various numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np

from refconv.typing import Array, Shape

__all__ = ["Arguments", "Case", "Make", "fill", "floats", "fractions", "integers", "spread"]

Make: TypeAlias = Callable[
    [str, Shape, np.random.Generator, bool], Array
]  # make(name, shape, rng, positive) returns a filled array


@dataclass(frozen=True, eq=False)
class Case:
    """Shapes of an operator's arrays and all other arguments of one call.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Shapes of the arrays by name; each kind of evidence fills them with different numbers.
    options : mapping of str to anything
        Keyword arguments: stride, padding, groups …
    given : mapping of str to anything
        Further arguments that are never differentiated: labels, a seed.
    positive : tuple of str
        Arrays whose elements must be positive, such as a variance.
    factors : mapping of str to int
        Factors of the numbers in an array, for a function with a kink beyond the usual numbers.
    refused : str
        Reason why the operator must refuse this case; empty if it must accept the case.
    """

    shapes: Mapping[str, tuple[int, ...]]
    options: Mapping[str, Any] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)
    positive: tuple[str, ...] = ()
    factors: Mapping[str, int] = field(default_factory=dict)
    refused: str = ""

    @property
    def elements(self) -> int:
        """Total number of elements in all arrays; cases are sorted by it."""
        return sum(map(math.prod, self.shapes.values()))

    def __str__(self) -> str:
        shapes = [f"{name} {shape}" for name, shape in self.shapes.items()]
        return ", ".join([*shapes, *(f"{name}={value!r}" for name, value in {**self.options, **self.given}.items())])


class Arguments:
    """Case filled with numbers: arrays and given arguments are attributes, such as ``a.x``."""

    def __init__(self, arrays: Mapping[str, Any], options: Mapping[str, Any], given: Mapping[str, Any]) -> None:
        self.arrays, self.options, self.given = dict(arrays), dict(options), dict(given)

    def __getattr__(self, name: str) -> Any:
        for values_by_name in (self.__dict__.get("arrays", {}), self.__dict__.get("given", {})):
            if name in values_by_name:
                return values_by_name[name]
        raise AttributeError(f"the case has no array or argument {name!r}")

    def with_arrays(self, **arrays: Any) -> Arguments:
        """Return the same arguments with some arrays replaced or added."""
        return Arguments({**self.arrays, **arrays}, self.options, self.given)

    def only(self, *names: str) -> dict[str, Any]:
        """Return the options with these names, for a function that does not accept the others."""
        return {name: self.options[name] for name in names if name in self.options}

    @property
    def size(self) -> Shape:
        """Height and width of the images x, or length of the signals x, in either data format."""
        return self.x.shape[2:] if self.options.get("data_format") == "channels_first" else self.x.shape[1:-1]


def fill(case: Case, make: Make, seed: int = 0) -> Arguments:
    """Fill a case with numbers; ``make(name, shape, rng, positive)`` returns one array.

    >>> fill(Case({"x": (2, 3)}), integers).x
    array([[ 2.,  1.,  0.],
           [-2., -1., -3.]])
    """
    rng = np.random.default_rng(seed)
    arrays = {name: make(name, shape, rng, name in case.positive) for name, shape in case.shapes.items()}
    return Arguments({name: _times(array, case.factors.get(name)) for name, array in arrays.items()}, case.options, case.given)


def _times(array: Array, factor: int | None) -> Array:
    """Multiply the numbers of an array by a factor; symbols keep their names and are moved."""
    if factor is None:
        return array
    if array.dtype != object:
        return (array * factor).astype(array.dtype)
    return np.array([e.moved(factor) if hasattr(e, "moved") else e * factor for e in array.flat], object).reshape(array.shape)


def integers(name: str, shape: Shape, rng: np.random.Generator, positive: bool) -> Array:
    """Return whole numbers from −3 to 3, or 1 to 7, as floats: many ties, sums without rounding."""
    return (rng.integers(1, 8, shape) if positive else rng.integers(-3, 4, shape)).astype(np.float64)


def floats(name: str, shape: Shape, rng: np.random.Generator, positive: bool) -> Array:
    """Return numbers with two decimals from −2 to 2, or 0.5 to 4, whose sums are rounded."""
    return (rng.integers(50, 401, shape) if positive else rng.integers(-200, 201, shape)) / 100


def spread(name: str, shape: Shape, rng: np.random.Generator, positive: bool) -> Array:
    """Return distinct numbers, further apart and further from 0 than a finite-difference step."""
    count = int(np.prod(shape))
    low = 0.5 if positive else -2
    return rng.permutation(np.linspace(low, 2, count) + 0.37 / max(count, 1)).reshape(shape)


def fractions(name: str, shape: Shape, rng: np.random.Generator, positive: bool) -> Array:
    """Return an object array of random nonzero fractions, with which loops compute exactly."""
    array = np.empty(shape, object)
    for index in np.ndindex(array.shape):
        sign = 1 if positive else int(rng.choice([-1, 1]))
        array[index] = sign * Fraction(int(rng.integers(1, 10)), int(rng.integers(1, 8)))
    return array
