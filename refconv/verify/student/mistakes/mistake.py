"""A common mistake, and the arguments of the call in which it is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

import refconv
from refconv.geometry import Window
from refconv.typing import Array, Shape
from refconv.verify.catalogue import find
from refconv.verify.student.signature import parameters

__all__ = ["Given", "Mistake", "Way", "layout"]


class Mistake:
    """Common mistake: a description and one or several functions that make it.

    Parameters
    ----------
    words : str
        Description that completes the sentence "It looks as if …".
    ways : callable
        Each takes a :class:`Given` and returns the wrong result, or a tuple of all results if there are several.
    """

    def __init__(self, words: str, *ways: Way) -> None:
        self.words, self.ways = words, ways

    def __repr__(self) -> str:
        return f"Mistake({self.words!r})"


class Given:
    """Arguments of a call by refconv's names, channels last.

    Calling this object returns the right result.

    >>> a = Given("conv2d", {"x": np.ones((1, 3, 4, 1)), "w": np.ones((2, 2, 1, 1)), "stride": 2})
    >>> a.stride, a.groups, a.geometry.stride, a().shape, a(stride=1).shape
    (2, 1, (2, 2), (1, 1, 2, 1), (1, 2, 3, 1))
    """

    def __init__(self, name: str, arguments: dict[str, Any]) -> None:
        self.name, self.arguments = name, {**arguments}
        if self.arguments.pop("data_format", None) == "channels_first":
            for image in {"x", "dy", "argmax"} & self.arguments.keys():
                self.arguments[image] = np.moveaxis(self.arguments[image], 1, -1)

    def __getattr__(self, name: str) -> Any:
        return self.argument(name)

    def argument(self, name: str) -> Any:
        """Return one argument or its default.

        This method is needed for an argument that has the same name as a property, such as size.
        """
        if name in self.arguments:
            return self.arguments[name]
        for function in (self.name, find(self.name).name):
            if name in parameters(function):
                return parameters(function)[name].default
        raise AttributeError(f"{self.name} has no argument {name!r}")

    def __call__(self, **changes: Any) -> Any:
        """Return the results of refconv with these arguments changed."""
        arguments = {**self.arguments, **changes}
        return getattr(refconv, self.name)(**{n: v for n, v in arguments.items() if n in parameters(self.name)})

    def other(self, name: str, **changes: Any) -> Any:
        """Return the results of another refconv function with these arguments."""
        return Given(name, self.arguments)(**changes)

    @property
    def size(self) -> Shape:
        """Height and width of the input images, or length of the input signals."""
        return self.arguments["x"].shape[1:-1] if "x" in self.arguments else _tuple(self.input_size)

    @property
    def ndim(self) -> int:
        """Number of spatial axes: 2 for images, 1 for signals."""
        return 1 if "1d" in self.name else 2 if "2d" in self.name else len(self.size)

    @property
    def geometry(self) -> Window:
        """The window of the call, as :class:`refconv.Window`."""
        arguments = self.arguments
        if self.name.startswith(("avg_pool", "max_pool")):
            kernel = _tuple(self.kernel_size, self.ndim)
            stride = kernel if self.stride is None else self.stride
            return Window(kernel, stride, self.padding, arguments.get("dilation", 1), arguments.get("ceil_mode", False))
        w = arguments.get("w", arguments.get("depthwise"))
        kernel = _tuple(self.kernel_size, self.ndim) if w is None else w.shape[: self.ndim]
        return Window(kernel, self.stride, self.padding, self.dilation)

    @property
    def pads(self) -> tuple[tuple[int, int], ...]:
        """Number of zeros before and after the input, along each axis."""
        return self.geometry.pads(self.size)


def _tuple(value: Any, ndim: int = 1) -> Shape:
    return tuple(value) if isinstance(value, tuple | list) else (value,) * ndim


def layout(name: str, given: dict[str, Any], result: Array) -> Array:
    """Return a result in the data format of the call."""
    image = given.get("x", given.get("dy", result))
    if given.get("data_format") != "channels_first" or name.endswith("_dw") or result.ndim != image.ndim or image.ndim < 3:
        return result
    return np.moveaxis(result, -1, 1)


Way: TypeAlias = Callable[[Given], Any]  # returns the wrong result of a call, or a tuple of all its results
