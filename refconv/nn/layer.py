"""What a layer is: it knows its shapes before it has weights, and its forward pass returns the value and the way back."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

__all__ = ["Layer", "Parameter", "Spec"]

Shape = tuple[int, ...]


class Parameter:
    """An array that belongs to a layer, and the gradient that gathers beside it.

    Parameters
    ----------
    value : array
        The numbers themselves. Optimisers change them in place.
    trainable : bool
        Whether there is a gradient. The running averages of batch normalisation have none.

    Source: A12; B3 for what gathers in ``grad``.
    """

    def __init__(self, value, trainable=True):
        self.value = value
        self.grad = np.zeros_like(value) if trainable else None

    @property
    def trainable(self) -> bool:
        return self.grad is not None

    def __repr__(self):
        return f"Parameter{self.value.shape}" + ("" if self.trainable else " (not trained)")


class Spec(NamedTuple):
    """A parameter before it exists: its shape, and how to fill it."""

    shape: Shape
    initializer: Callable[[np.random.Generator, Shape], np.ndarray]
    trainable: bool = True

    def make(self, rng, dtype) -> Parameter:
        return Parameter(np.ascontiguousarray(self.initializer(rng, self.shape), dtype), self.trainable)


class Layer(ABC):
    """A function with parameters and a derivative.

    ``y, backward = layer.forward(x, train=True)`` returns the value and the way back. ``dx = backward(dy)`` returns ∂e/∂x
    and adds ∂e/∂θ to each parameter's ``grad``. What the derivative needs, the closure ``backward`` holds; the layer itself
    remembers nothing of the pass, so it may be used any number of times before the way back. The first layer of a network
    needs no ∂e/∂x: ``backward(dy, want_dx=False)`` may skip it and return None.

    ``layer(x)`` is inference. Shapes are those of one example, without the batch: an image is ``(H, W, C)``.
    ``output_shape``, ``specs`` and ``multiply_adds`` only count; ``build`` makes the parameters.
    """

    parameters: dict[str, Parameter] | None = None

    @abstractmethod
    def forward(self, x, train=True):
        """The value, and the way back."""

    @abstractmethod
    def output_shape(self, shape: Shape) -> Shape:
        """Shape of one output for one input of this shape; a ``ValueError`` if the layer cannot take it."""

    def specs(self, shape: Shape) -> dict[str, Spec]:
        """The parameters that an input of this shape asks for."""
        return {}

    def multiply_adds(self, shape: Shape) -> int:
        """Multiplications (each with its addition) for one input of this shape, in convolutions and dense layers."""
        return 0

    def children(self, shape: Shape) -> Iterator[tuple[str, Layer, Shape]]:
        """The layers inside of this one, each with its name and the shape that reaches it."""
        return iter(())

    def build(self, shape: Shape, rng=None, dtype=np.float32) -> Shape:
        """Make the parameters for inputs of this shape.

        Parameters
        ----------
        shape : tuple of int
            One input, without the batch.
        rng : numpy.random.Generator, int or None
            Where the random numbers come from: a generator, a seed, or None for a different network each time.
        dtype : numpy dtype
            float32 or float64.

        Returns
        -------
        tuple of int
            The output shape.
        """
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise TypeError(f"dtype must be float32 or float64, but is {np.dtype(dtype)}")
        rng = np.random.default_rng(rng)
        output = self.output_shape(shape)
        self.parameters = {name: spec.make(rng, dtype) for name, spec in self.specs(shape).items()}
        for layer, inner in {id(layer): (layer, inner) for _, layer, inner in self.children(shape)}.values():
            layer.build(inner, rng, dtype)
        return output

    def named_layers(self) -> Iterator[tuple[str, Layer]]:
        """The layers directly inside, with their names."""
        return iter(())

    def named_parameters(self) -> dict[str, Parameter]:
        """All parameters, those of inner layers under dotted names; a shared one appears once, under its first name."""
        if self.parameters is None:
            raise RuntimeError(f"{self!r} has no parameters yet: call build(input_shape) first")
        found = dict(self.parameters)
        for name, layer in self.named_layers():
            found.update({f"{name}.{inner}": parameter for inner, parameter in layer.named_parameters().items()})
        first = {}
        for name, parameter in found.items():
            first.setdefault(id(parameter), name)
        return {name: found[name] for name in first.values()}

    def count_parameters(self, shape: Shape, trainable_only=False) -> int:
        """How many numbers the parameters hold, without making any."""
        own = sum(math.prod(s.shape) for s in self.specs(shape).values() if s.trainable or not trainable_only)
        inside = {id(layer): (layer, inner) for _, layer, inner in self.children(shape)}
        return own + sum(layer.count_parameters(inner, trainable_only) for layer, inner in inside.values())

    def zero_grad(self) -> None:
        """Set all gradients to zero."""
        for parameter in self.named_parameters().values():
            if parameter.trainable:
                parameter.grad[...] = 0

    def __getitem__(self, name: str) -> Parameter:
        """A parameter of this layer by its name."""
        if self.parameters is None:
            raise RuntimeError(f"{self!r} has no parameters yet: call build(input_shape) first")
        return self.parameters[name]

    def __call__(self, x):
        """The value in inference: nothing is kept for a way back, and nothing in the layer changes."""
        return self.forward(x, train=False)[0]

    def __repr__(self):
        return f"{type(self).__name__}()"
