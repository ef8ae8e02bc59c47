"""The base class of all layers: shapes are known before parameters exist, and forward returns a backward function."""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.nn.description import Description, Shape, short_repr
from refconv.nn.parameter import Parameter, Parameters, Spec, allocate, flatten, not_built
from refconv.nn.recording import Recorded

__all__ = ["Layer", "Parameter", "Spec", "all_layers", "call_backward", "is_channels_first"]


def call_backward(backward: Callable, dy, want_dx=True):
    """Call a backward function, which may accept ``want_dx`` or only dy, and return ∂e/∂x, or None if it is skipped.

    All code that passes on ``want_dx`` calls this, so a layer's backward function need not have the argument.

    >>> call_backward(lambda dy: 2 * dy, 3.0, want_dx=False), call_backward(lambda dy, want_dx: want_dx, 3.0, want_dx=False)
    (6.0, False)
    """
    if want_dx or not _accepts_want_dx(backward):
        return backward(dy)
    return backward(dy, want_dx=False)


def all_layers(layer: Layer) -> Iterator[Layer]:
    """Yield a layer and, at any depth, its inner layers; a shared one each time."""
    yield layer
    for _, inner in layer.named_layers():
        yield from all_layers(inner)


def is_channels_first(layer: Layer) -> bool:
    """True if the channels are the first axis of the layer's images: if any layer inside has this ``data_format``."""
    return any(getattr(inner, "data_format", None) == "channels_first" for inner in all_layers(layer))


def _accepts_want_dx(backward):
    code = getattr(backward, "__code__", None)
    if code is not None and not code.co_flags & inspect.CO_VARKEYWORDS:  # inspect.signature takes ten microseconds
        return "want_dx" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    parameters = inspect.signature(backward).parameters
    return "want_dx" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


class Layer(Recorded, Description, ABC):
    """Base class of layers: a function with parameters and a derivative.

    ``y, backward = layer.forward(x, train=True)`` returns the output and a backward function. ``dx = backward(dy)`` returns
    ∂e/∂x and adds ∂e/∂θ to each parameter's ``grad``. The closure ``backward`` holds what the derivative needs; the layer
    itself keeps nothing of the pass, so it may be used any number of times before its backward functions are called. The
    closure reads the weights when it is called: call it before they are updated.

    The first layer of a network needs no ∂e/∂x. A backward function may accept ``want_dx``; ``backward(dy, want_dx=False)``
    may then skip ∂e/∂x and return None.

    A subclass must implement ``forward`` and ``output_shape``. If it has parameters, it also lists them in ``specs``; if it
    has inner layers, in ``named_layers`` and ``children``. A shape describes one example, without the batch: an image is
    ``(H, W, C)``. ``output_shape``, ``specs`` and ``multiply_adds`` allocate nothing; ``build`` makes the parameters.

    ``layer(x)`` is inference. ``layer.parameters["w"]`` is the layer's own parameter of this name.

    Examples
    --------
    >>> from refconv import nn
    >>> class Double(nn.Layer):
    ...     def output_shape(self, shape):
    ...         return shape
    ...
    ...     def forward(self, x, train=True):
    ...         return 2 * x, lambda dy: 2 * dy
    >>> nn.Sequential(Double(), nn.ReLU(), Double())(np.array([[1.0, -3.0]]))
    array([[4., 0.]])
    """

    _parameters: Parameters | None = None  # None before build
    input_shape: Shape | None = None  # of one input, as build was called; None in layers that an outer layer has built
    training_settings: tuple[str, ...] = ()  # attributes without an effect in inference; a saved model need not restore them

    def __init_subclass__(cls, **options):
        """A subclass that overrides ``forward`` gets a matching ``__call__``."""
        super().__init_subclass__(**options)
        if "forward" in vars(cls) and "__call__" not in vars(cls):
            cls.__call__ = Layer.__call__

    def __init__(self) -> None:
        """Accept no arguments: without this method, ``Recorded.__new__`` would accept any for a layer that has none."""
        super().__init__()

    @property
    def parameters(self) -> Parameters:
        """The layer's own parameters by name, without those of inner layers; see :meth:`named_parameters`."""
        return Parameters(unbuilt=self) if self._parameters is None else self._parameters

    @parameters.setter
    def parameters(self, parameters: Mapping[str, Parameter]) -> None:
        self._parameters = Parameters(parameters)

    @property
    def is_built(self) -> bool:
        """True if this layer and all inner layers have their parameters."""
        return self._parameters is not None and all(layer.is_built for _, layer in self.named_layers())

    @abstractmethod
    def forward(self, x, train=True):
        """Return the output and a backward function."""

    @abstractmethod
    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of one output for one input of this shape; ``ValueError`` if the layer cannot take it."""

    def specs(self, shape: Shape) -> dict[str, Spec]:
        """Return the specifications of the layer's own parameters for inputs of this shape."""
        return {}

    def multiply_adds(self, shape: Shape) -> int:
        """Return the number of multiply-adds of convolutions and dense layers for one input of this shape."""
        return 0

    @property
    def inference_layer(self) -> Layer:
        """The layer that does the work in inference: this one, or the network inside if the rest serves training only."""
        return self

    def children(self, shape: Shape) -> Iterator[tuple[str, Layer, Shape]]:
        """Yield the name of each inner layer, the layer, and the shape of its input."""
        return iter(())

    def build(self, shape: Shape, rng=None, dtype=np.float32) -> Shape:
        """Make the parameters for inputs of this shape.

        All values are views of one flat array, all gradients of another one; see :class:`Parameter`.

        Parameters
        ----------
        shape : tuple of int
            One input, without the batch.
        rng : numpy.random.Generator, int or None
            A generator, a seed, or None for different parameters each time.
        dtype : numpy dtype
            float32 or float64.

        Returns
        -------
        tuple of int
            The output shape.
        """
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise ArgumentTypeError(f"dtype must be float32 or float64, got {np.dtype(dtype)}")
        rng = np.random.default_rng(rng)
        output = self.output_shape(shape)
        # All shapes and layers are checked before the first array is allocated.
        layers = [(layer, inner) for _, layer, inner in self.distinct_layers(shape)]
        for layer, inner in layers:
            layer._check_before_build(inner)
        specs = [layer.specs(inner) for layer, inner in layers]
        parameters = iter(allocate([spec for own in specs for spec in own.values()], dtype))
        for (layer, inner), own in zip(layers, specs, strict=True):
            layer.parameters = Parameters({name: next(parameters) for name in own})
            layer.make(inner, rng, dtype)
        self.input_shape = tuple(shape)
        return output

    def make(self, shape: Shape, rng, dtype) -> None:
        """Write the first values of the layer's own parameters.

        :meth:`build` calls this once for each layer, after it has allocated what ``specs`` lists. A layer that overrides it
        may also create other state, such as a random generator, or parameters of its own.
        """
        for name, spec in self.specs(shape).items():
            spec.fill(self.parameters[name], rng)

    def flatten_parameters(self) -> None:
        """Move the parameters of this layer and its inner layers into flat arrays of their own.

        :meth:`build` and copies of a built layer do this already. It is needed to release memory: parameters of one network
        are views of one array, so a part of the network, such as ``model.cut("pool5")``, keeps the whole array in memory even
        if the rest is deleted. The parameters stay the same objects, also in other networks that share them, but
        their arrays move: read ``parameter.value`` again. Arrays that a layer or a caller made itself do not move.

        >>> from refconv import nn
        >>> features = nn.Sequential(nn.Dense(3), nn.Dense(90))
        >>> _ = features.build((5,), rng=0)
        >>> head = features[:1]
        >>> head[0].parameters["w"].flat.values.size
        378
        >>> head.flatten_parameters()
        >>> head[0].parameters["w"].flat.values.size
        18
        """
        flatten(p for p in self._made_parameters() if p.relocatable)

    def distinct_layers(self, shape: Shape) -> Iterator[tuple[str, Layer, Shape]]:
        """Yield this layer and all inner layers once, in order, with the dotted name and input shape of the first use.

        Raises ``ValueError`` if a layer that is used twice would need parameters of two shapes.
        """
        seen = {}
        for name, layer, inner in self._every_use("", shape):
            sizes = {parameter: spec.shape for parameter, spec in layer.specs(inner).items()}
            if id(layer) not in seen:
                seen[id(layer)] = name, sizes
                yield name, layer, inner
            elif sizes != seen[id(layer)][1]:
                first, before = seen[id(layer)]
                raise ArgumentValueError(
                    f"{short_repr(layer)} is used as {first} and as {name}, and must have parameters of one shape, "
                    f"got {before} and {sizes}"
                )

    def _every_use(self, name, shape):
        yield name or "the model", self, shape
        for inner_name, layer, inner in self.children(shape):
            yield from layer._every_use(f"{name}.{inner_name}" if name else inner_name, inner)

    def _check_before_build(self, shape):
        """Raise ``TypeError`` if a subclass has inner layers that would not be built, or not be trained."""
        named, built = ({name for name, *_ in layers} for layers in (self.named_layers(), self.children(shape)))
        hidden = [name for name, value in vars(self).items() if isinstance(value, Layer) and not value.is_built]
        if named != built or (hidden and not built):
            raise ArgumentTypeError(
                f"{type(self).__name__} must list its inner layers in named_layers() and children(shape), "
                f"got {sorted(named)} and {sorted(built)}" + (f" and attributes {hidden}" if hidden else "")
            )

    def named_layers(self) -> Iterator[tuple[str, Layer]]:
        """Yield the names of the direct inner layers and the layers."""
        return iter(())

    def reaching(self, x, name: str):
        """Return the input of the direct inner layer of this name, in inference for the input x. Here x itself."""
        return x

    def activations(self, x, name: str):
        """Compute the output of an inner layer in inference: features for another task.

        Parameters
        ----------
        x : array
            A batch, as the network takes it.
        name : str
            The layer's name, dotted for deeper layers: ``"conv2"``, ``"block3.0.conv1"``.

        Returns
        -------
        array
            Its output.

        Raises
        ------
        ValueError
            If there is no layer of this name; the message lists those that exist.

        Examples
        --------
        >>> from refconv import nn
        >>> model = nn.Sequential(first=nn.Identity(), both=nn.Sum(nn.Identity(), twice=nn.Sum(nn.Identity(), nn.Identity())))
        >>> model.activations(np.array([[5.0, 1.0]]), "both.twice"), model(np.array([[5.0, 1.0]]))
        (array([[10.,  2.]]), array([[15.,  3.]]))

        Source: lecture row B10 (SOURCES.md).
        """
        first, _, deeper = name.partition(".")
        layers = dict(self.named_layers())
        if first not in layers:
            raise ArgumentValueError(
                f"name must be one of {', '.join(layers) or 'none: there are no inner layers'}, got {first!r}"
            )
        x = self.reaching(x, first)
        return layers[first].activations(x, deeper) if deeper else layers[first](x)

    def freeze(self) -> None:
        """Make optimisers skip all parameters of this layer; see :class:`refconv.nn.Frozen`.

        Source: lecture row B10 (SOURCES.md).
        """
        for parameter in self.named_parameters().values():
            parameter.frozen = True

    def unfreeze(self) -> None:
        """Make the parameters trainable again."""
        for parameter in self.named_parameters().values():
            parameter.frozen = False

    def named_parameters(self) -> dict[str, Parameter]:
        """Return all parameters by name, dotted for inner layers; a shared one appears once, with its first name."""
        found = dict(self._own_parameters())
        for name, layer in self.named_layers():
            found.update({f"{name}.{inner}": parameter for inner, parameter in layer.named_parameters().items()})
        first = {}
        for name, parameter in found.items():
            first.setdefault(id(parameter), name)
        return {name: found[name] for name in first.values()}

    def count_parameters(self, shape: Shape, trainable_only=False) -> int:
        """Return the number of elements of all parameters, without making any."""
        specs = (spec for _, layer, inner in self.distinct_layers(shape) for spec in layer.specs(inner).values())
        return sum(math.prod(spec.shape) for spec in specs if spec.trainable or not trainable_only)

    def zero_grad(self) -> None:
        """Set all gradients to zero."""
        for parameter in self._own_parameters().values():
            if parameter.grad is not None:
                parameter.grad.fill(0)
        for _, layer in self.named_layers():
            layer.zero_grad()

    def _own_parameters(self) -> Parameters:
        if self._parameters is None:
            raise RuntimeError(not_built(self))
        return self._parameters

    def _made_parameters(self) -> list[Parameter]:
        """Return the parameters that exist, each once, also if some layers are not built."""
        found = list(self.parameters.values())
        for _, layer in self.named_layers():
            found += layer._made_parameters()
        return list(dict.fromkeys(found))

    def __setstate__(self, state):
        """Join the parameters of a copy again: each comes with arrays of its own."""
        vars(self).update(state)
        if self.input_shape is not None:  # build was called on this layer, and not on one around it
            flatten(p for p in self._made_parameters() if p.relocatable and p.flat is None)

    def __call__(self, x):
        """Compute the output in inference, without keeping activations and without changing the layer.

        Containers call their layers instead of their forward passes: the backward functions of those would keep every
        activation until the last layer is done.
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
        raise ArgumentValueError(f"the input of {layer!r} must be {kind}, got shape {tuple(shape)}")
    if layer.data_format == "channels_last":
        return tuple(shape[:-1]), shape[-1]
    return tuple(shape[1:]), shape[0]


def join_shape(size, channels, data_format):
    """Shape of an image or signal with this size and number of channels."""
    return (*size, channels) if data_format == "channels_last" else (channels, *size)
