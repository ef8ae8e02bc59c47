"""Base classes of layers that contain named layers."""

import operator
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, SupportsIndex

import numpy as np

from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.nn.description import short_repr
from refconv.nn.layer import Layer
from refconv.nn.parameter import Parameters
from refconv.nn.recording import Arguments
from refconv.typing import Shape

__all__ = ["Container", "RandomContainer", "container_repr"]

MAX_REPR_LENGTH = 88  # characters of a container's repr in one line

Layers = Layer | Sequence[Layer] | Mapping[str, Layer]  # type of the only argument of a container


class Container(Layer):
    """Base class of layers that contain named layers.

    The name of an inner layer is its keyword, as in ``Sequential(conv1=a)``. Without a keyword it is a number: "0", "1" and so
    on. A list may replace several layers, and a dict may replace keywords: ``Sequential([a, b])`` is ``Sequential(a, b)``, and
    ``Sequential({"conv1": a})`` is ``Sequential(conv1=a)``.

    ``container["conv1"]`` is the layer of this name, and ``container[0]`` is the first layer. Iterating over a container
    yields its layers in order.
    """

    def __init__(self, *layers: Layers, **named: Layer) -> None:
        has_no_other_arguments = self._arguments == (layers, named)
        unnamed: tuple[Any, ...] = layers  # checked below
        if len(layers) == 1 and not named:
            unnamed, named = _unpacked(layers[0])
        if clash := {str(k) for k in range(len(unnamed))} & named.keys():
            raise ArgumentValueError(
                f"names in {type(self).__name__} must differ from the numbers of unnamed layers, got {sorted(clash)}"
            )
        self.layers: dict[str, Layer] = {**{str(k): layer for k, layer in enumerate(unnamed)}, **named}
        for name, layer in self.layers.items():
            if not isinstance(layer, Layer):
                raise ArgumentTypeError(_not_a_layer(f"layer {name} of {type(self).__name__}", layer))
            if not name or "." in name:  # dots separate the names of nested layers
                raise ArgumentValueError(f"the name of a layer must be a string without dots, got {name!r}")
        if not self.layers:
            raise ArgumentValueError(f"{type(self).__name__} must have at least one layer, got none")
        if has_no_other_arguments:  # record the dict itself, because its layers may be replaced later
            self._arguments = Arguments((self.layers,))

    def named_layers(self) -> Iterator[tuple[str, Layer]]:
        return iter(self.layers.items())

    def children(self, shape: Shape) -> Iterator[tuple[str, Layer, Shape]]:
        return ((name, layer, shape) for name, layer in self.layers.items())

    def multiply_adds(self, shape: Shape) -> int:
        return sum(layer.multiply_adds(inner) for _, layer, inner in self.children(shape))

    def _own_parameters(self) -> Parameters:
        """Return the container's own parameters, even if ``build`` was not called on it.

        Usually there are none, so a container of built layers counts as built.
        """
        return self.parameters

    @property
    def is_built(self) -> bool:
        """True if all inner layers have their parameters."""
        return all(layer.is_built for layer in self.layers.values())

    def __getitem__(self, key: str | SupportsIndex) -> Layer:
        """Return a layer by its name or its position."""
        if isinstance(key, str):
            if key not in self.layers:
                raise KeyError(f"key must be one of {', '.join(self.layers)}, got {key!r}")
            return self.layers[key]
        try:
            position = operator.index(key)
        except TypeError:
            raise ArgumentTypeError(f"key must be the name or the position of a layer, got {key!r}") from None
        if not -len(self) <= position < len(self):
            raise IndexError(f"key must be from {-len(self)} to {len(self) - 1}, got {position}")
        return list(self.layers.values())[position]

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers.values())

    def __repr__(self) -> str:
        return container_repr(type(self).__name__, self.layers)


def container_repr(name: str, layers: Mapping[str, Layer], *settings: str) -> str:
    """Return the repr of a container, with one line per layer if it is long.

    >>> from refconv import nn
    >>> nn.Sequential(conv=nn.Conv2D(6, 5), relu=nn.ReLU())
    Sequential(conv=Conv2D(6, 5×5), relu=ReLU())
    >>> nn.Sequential(first=nn.Conv2D(96, 11, stride=4), branches=nn.Sum(nn.Conv2D(96, 3, padding=1), nn.Identity()))
    Sequential(
      first: Conv2D(96, 11×11, stride 4×4)
      branches: Sum(Conv2D(96, 3×3, padding ((1, 1), (1, 1))), Identity())
    )
    """
    texts = {
        key: repr(layer) for key, layer in layers.items()
    }  # computed once: the cost of two calls would double with each level
    arguments = [text if key.isdigit() else f"{key}={text}" for key, text in texts.items()]
    one_line = f"{name}({', '.join([*arguments, *settings])})"
    if len(one_line) <= MAX_REPR_LENGTH and "\n" not in one_line:
        return one_line
    body = "\n".join([*(f"{key}: {text}" for key, text in texts.items()), *settings])
    return f"{name}(\n{textwrap.indent(body, '  ')}\n)"


def _unpacked(only: Layers) -> tuple[tuple[Any, ...], dict[str, Layer]]:
    """Return the unnamed and the named layers in a container's only argument.

    The argument is a layer, or a list or dict of layers.
    """
    if isinstance(only, Mapping):
        return (), dict(only)
    if isinstance(only, list | tuple):
        return tuple(only), {}
    return (only,), {}


def _not_a_layer(name: str, value: object) -> str:
    if isinstance(value, type) and issubclass(value, Layer):
        return f"{name} must be a layer, got the class: write {value.__name__}(…)"
    if isinstance(value, Iterator):
        return f"{name} must be a layer, got an iterator: write a list of layers, or * before it"
    return f"{name} must be a layer, got {value!r}"


class RandomContainer(Container):
    """Base class of containers that drop layers at random; ``build`` seeds the generator."""

    rng: np.random.Generator | None = None

    def make(self, shape: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> None:
        super().make(shape, rng, dtype)
        self.rng = np.random.default_rng(rng.integers(2**63))

    def generator(self) -> np.random.Generator:
        """Return the random generator; raise ``RuntimeError`` before ``build``."""
        if self.rng is None:
            raise RuntimeError(f"{short_repr(self)} has no random generator yet: call build(input_shape) first")
        return self.rng
