"""Base classes of layers that are made of named layers."""

import operator

import numpy as np

from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.nn.layer import Layer

__all__ = ["Container", "RandomContainer"]


class Container(Layer):
    """Layers with names: a keyword gives a layer its name, and the others get their number.

    ``container["conv1"]`` is the layer of this name and ``container[0]`` the first one, counted in order whatever the names
    are. Iterating yields the layers.
    """

    def __init__(self, *layers, **named):
        if clash := {str(k) for k in range(len(layers))} & named.keys():
            raise ArgumentValueError(f"{type(self).__name__} numbers layers without a name itself, got names {sorted(clash)}")
        self.layers = {**{str(k): layer for k, layer in enumerate(layers)}, **named}
        for name, layer in self.layers.items():
            if not isinstance(layer, Layer):
                raise ArgumentTypeError(f"{type(self).__name__} takes layers, but {name} is {layer!r}")
            if not name or "." in name:  # dots separate the names of layers inside of layers
                raise ArgumentValueError(f"the name of a layer must be a string without dots, got {name!r}")
        if not self.layers:
            raise ArgumentValueError(f"{type(self).__name__} needs at least one layer")

    def named_layers(self):
        return iter(self.layers.items())

    def children(self, shape):
        return ((name, layer, shape) for name, layer in self.layers.items())

    def multiply_adds(self, shape):
        return sum(layer.multiply_adds(inner) for _, layer, inner in self.children(shape))

    def _own_parameters(self):
        """A container usually has none, so it is built as soon as its layers are."""
        return self.parameters or {}

    def _is_built(self):
        return all(layer._is_built() for layer in self.layers.values())

    def __getitem__(self, key):
        """Return a layer by its name or its position."""
        if isinstance(key, str):
            return super().__getitem__(key)
        try:
            position = operator.index(key)
        except TypeError:
            raise ArgumentTypeError(f"key must be the name or the position of a layer, got {key!r}") from None
        if not -len(self) <= position < len(self):
            raise IndexError(f"key must be from {-len(self)} to {len(self) - 1}, got {position}")
        return list(self.layers.values())[position]

    def __len__(self):
        return len(self.layers)

    def __iter__(self):
        return iter(self.layers.values())

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(map(repr, self.layers.values()))})"


class RandomContainer(Container):
    """A container that drops layers at random; ``build`` seeds the generator."""

    rng: np.random.Generator | None = None

    def make(self, shape, rng, dtype):
        super().make(shape, rng, dtype)
        self.rng = np.random.default_rng(rng.integers(2**63))

    def generator(self):
        """Return the generator; ``RuntimeError`` before ``build``."""
        if self.rng is None:
            raise RuntimeError(f"{self!r} has no random numbers yet: call build(input_shape) first")
        return self.rng
