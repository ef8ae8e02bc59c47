"""What a layer is: it knows its shapes before it has weights, and its forward pass returns the value and the way back."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from refconv import neighbours

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

    Source: A12.
    """

    def __init__(self, value, trainable=True):
        self.value = value
        self.grad = np.zeros_like(value) if trainable else None
        self.frozen = False  # for now: it has a gradient, but optimisers leave it alone

    @property
    def trainable(self) -> bool:
        return self.grad is not None and not self.frozen

    def __repr__(self):
        return f"Parameter{self.value.shape}" + ("" if self.trainable else " (not trained)")


class Spec(NamedTuple):
    """A parameter before it exists: its shape, and how to fill it."""

    shape: Shape
    initializer: Callable[[np.random.Generator, Shape], np.ndarray]
    trainable: bool = True

    def make(self, rng, dtype) -> Parameter:
        return Parameter(np.ascontiguousarray(self.initializer(rng, self.shape), dtype), self.trainable)


JOINED = 1 << 20  # bytes; with larger arrays an update gains nothing, and one that is kept would keep its neighbours


def _put_side_by_side(layers):
    """Values behind one another in memory, and gradients as well: so an optimiser may take all in one pass."""
    own = [p for layer in layers if type(layer).make is Layer.make for p in layer.parameters.values()]
    small = [p for p in own if p.grad is not None and p.value.nbytes <= JOINED]
    values, gradients = (neighbours.zeros([p.value for p in small]) for _ in range(2))
    for parameter, value, gradient in zip(small, values, gradients, strict=True):
        value[...] = parameter.value
        parameter.value, parameter.grad = value, gradient


class Layer(ABC):
    """A function with parameters and a derivative.

    ``y, backward = layer.forward(x, train=True)`` returns the value and the way back. ``dx = backward(dy)`` returns ∂e/∂x
    and adds ∂e/∂θ to each parameter's ``grad``. What the derivative needs, the closure ``backward`` holds; the layer itself
    remembers nothing of the pass, so it may be used any number of times before the way back. The closure reads the weights
    when it is called: take the way back before they are updated. The first layer of a network
    needs no ∂e/∂x: ``backward(dy, want_dx=False)`` may skip it and return None.

    ``layer(x)`` is inference. Shapes are those of one example, without the batch: an image is ``(H, W, C)``.
    ``output_shape``, ``specs`` and ``multiply_adds`` only count; ``build`` makes the parameters.
    """

    parameters: dict[str, Parameter] | None = None
    input_shape: Shape | None = None  # of one input, as build was called; None in layers that an outer layer has built
    training_settings: tuple[str, ...] = ()  # attributes without an effect in inference; a saved model need not restore them

    def __init_subclass__(cls, **options):
        """A class with a forward pass of its own is called by that, whatever the class that it is made from does."""
        super().__init_subclass__(**options)
        if "forward" in vars(cls) and "__call__" not in vars(cls):
            cls.__call__ = Layer.__call__

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
            raise TypeError(f"dtype must be float32 or float64, got {np.dtype(dtype)}")
        rng = np.random.default_rng(rng)
        output = self.output_shape(shape)
        layers = list(self.distinct_layers(shape))  # all shapes are looked at before the first is made
        for _, layer, inner in layers:
            layer.make(inner, rng, dtype)
        _put_side_by_side([layer for _, layer, _ in layers])
        self.input_shape = tuple(shape)
        return output

    def make(self, shape: Shape, rng, dtype) -> None:
        """Make what this layer itself owns, without the layers inside; :meth:`build` calls it once for each layer."""
        self.parameters = {name: spec.make(rng, dtype) for name, spec in self.specs(shape).items()}

    def distinct_layers(self, shape: Shape) -> Iterator[tuple[str, Layer, Shape]]:
        """This layer and all inside of it, in order: each once, with its dotted name and the shape that reaches it first.

        A ``ValueError`` if a layer that is used twice would need parameters of two shapes.
        """
        seen = {}
        for name, layer, inner in self._every_use("", shape):
            sizes = {parameter: spec.shape for parameter, spec in layer.specs(inner).items()}
            if id(layer) not in seen:
                seen[id(layer)] = name, sizes
                yield name, layer, inner
            elif sizes != seen[id(layer)][1]:
                first, before = seen[id(layer)]
                raise ValueError(
                    f"{layer!r} is used as {first} and as {name}, and must have parameters of one shape, but has {before} "
                    f"and {sizes}"
                )

    def _every_use(self, name, shape):
        yield name or "the model", self, shape
        for inner_name, layer, inner in self.children(shape):
            yield from layer._every_use(f"{name}.{inner_name}" if name else inner_name, inner)

    def named_layers(self) -> Iterator[tuple[str, Layer]]:
        """The layers directly inside, with their names."""
        return iter(())

    def reaching(self, x, name: str):
        """What the layer of this name, directly inside, gets in inference where this layer gets x. Here x itself."""
        return x

    def activations(self, x, name: str):
        """What an inner layer makes of x in inference: features that may serve another task.

        Parameters
        ----------
        x : array
            A batch, as the network takes it.
        name : str
            The layer's name, dotted where it lies deeper: ``"conv2"``, ``"block3.0.conv1"``.

        Returns
        -------
        array
            Its output.

        Raises
        ------
        ValueError
            If there is no layer of this name; the message says which there are.

        Examples
        --------
        >>> from refconv import nn
        >>> model = nn.Sequential(first=nn.Identity(), both=nn.Sum(nn.Identity(), twice=nn.Sum(nn.Identity(), nn.Identity())))
        >>> model.activations(np.array([[5.0, 1.0]]), "both.twice"), model(np.array([[5.0, 1.0]]))
        (array([[10.,  2.]]), array([[15.,  3.]]))

        Source: B10.
        """
        first, _, deeper = name.partition(".")
        layers = dict(self.named_layers())
        if first not in layers:
            raise ValueError(f"name must be one of {', '.join(layers) or 'none: there is nothing inside'}, got {first!r}")
        x = self.reaching(x, first)
        return layers[first].activations(x, deeper) if deeper else layers[first](x)

    def freeze(self) -> None:
        """Let optimisers leave all parameters of this layer as they are; see :class:`refconv.nn.Frozen`.

        Source: B10.
        """
        for parameter in self.named_parameters().values():
            parameter.frozen = True

    def unfreeze(self) -> None:
        """Let the parameters be trained again."""
        for parameter in self.named_parameters().values():
            parameter.frozen = False

    def named_parameters(self) -> dict[str, Parameter]:
        """All parameters, those of inner layers under dotted names; a shared one appears once, under its first name."""
        found = dict(self._own_parameters())
        for name, layer in self.named_layers():
            found.update({f"{name}.{inner}": parameter for inner, parameter in layer.named_parameters().items()})
        first = {}
        for name, parameter in found.items():
            first.setdefault(id(parameter), name)
        return {name: found[name] for name in first.values()}

    def count_parameters(self, shape: Shape, trainable_only=False) -> int:
        """How many numbers the parameters hold, without making any."""
        specs = (spec for _, layer, inner in self.distinct_layers(shape) for spec in layer.specs(inner).values())
        return sum(math.prod(spec.shape) for spec in specs if spec.trainable or not trainable_only)

    def zero_grad(self) -> None:
        """Set all gradients to zero."""
        for parameter in self._own_parameters().values():
            if parameter.grad is not None:
                parameter.grad.fill(0)
        for _, layer in self.named_layers():
            layer.zero_grad()

    def __getitem__(self, name: str) -> Parameter:
        """A parameter of this layer by its name."""
        return self._own_parameters()[name]

    def _own_parameters(self) -> dict[str, Parameter]:
        if self.parameters is None:
            raise RuntimeError(f"{self!r} has no parameters yet: call build(input_shape) first")
        return self.parameters

    def __call__(self, x):
        """The value in inference: nothing is kept for a way back, and nothing in the layer changes.

        Layers made of layers call theirs, and not their forward passes: ways back would keep every activation until the
        last layer is done.
        """
        return self.forward(x, train=False)[0]

    def __repr__(self):
        return f"{type(self).__name__}()"


def split_shape(layer, shape):
    """Size and channels of one image or signal, the input of a spatial layer.

    >>> from refconv.nn.conv import Conv2D
    >>> split_shape(Conv2D(2, 3, data_format="channels_first"), (6, 14, 15))
    ((14, 15), 6)
    """
    if len(shape) != layer.ndim + 1:
        kind = {1: "a signal (length, channels)", 2: "an image (height, width, channels)"}[layer.ndim]
        raise ValueError(f"the input of {layer!r} must be {kind}, got shape {tuple(shape)}")
    if layer.data_format == "channels_last":
        return tuple(shape[:-1]), shape[-1]
    return tuple(shape[1:]), shape[0]


def join_shape(size, channels, data_format):
    """Shape of an image or signal with this size and number of channels."""
    return (*size, channels) if data_format == "channels_last" else (channels, *size)
