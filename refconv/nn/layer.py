"""The base class of all layers: shapes are known before parameters exist, and forward returns a backward function."""

from __future__ import annotations

import inspect
import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from refconv._arguments import entries, fresh_or_seeded
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.nn.building import all_layers, check_before_build, fill_layers
from refconv.nn.calls import CheckedCall
from refconv.nn.description import Description, short_repr
from refconv.nn.foreign import Hints
from refconv.nn.parameter import Parameter, Parameters, Spec, flatten, is_trained, not_built
from refconv.nn.saving import Saveable
from refconv.typing import Array, Backward, Generator, Shape

__all__ = ["Layer", "Parameter", "Spec", "all_layers", "call_backward", "is_channels_first"]

Self = TypeVar("Self", bound="Layer")


def call_backward(backward: Backward, dy: Any, want_dx: bool = True) -> Any:
    """Call a backward function, which may accept ``want_dx`` or only dy, and return ∂e/∂x, or None if it is skipped.

    All code that passes on ``want_dx`` calls this, so a layer's backward function need not have the argument.

    >>> call_backward(lambda dy: 2 * dy, 3.0, want_dx=False), call_backward(lambda dy, want_dx: want_dx, 3.0, want_dx=False)
    (6.0, False)
    """
    if want_dx or not _accepts_want_dx(backward):
        return backward(dy)
    return backward(dy, want_dx=False)


def _accepts_want_dx(backward: Backward) -> bool:
    code = getattr(backward, "__code__", None)
    if code is not None and not code.co_flags & inspect.CO_VARKEYWORDS:  # inspect.signature takes ten microseconds
        return "want_dx" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    parameters = inspect.signature(backward).parameters
    return "want_dx" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


class Layer(Saveable, Hints, Description, metaclass=CheckedCall):
    """Base class of layers: a function with parameters and a derivative.

    ``y, backward = layer.forward(x, train=True)`` returns the output and a backward function. ``dx = backward(dy)`` returns
    ∂e/∂x and adds ∂e/∂θ to the ``grad`` of each parameter θ. Here e is the loss, and ``dy`` is ∂e/∂y. ``layer(x)`` returns
    the output in inference.

    The backward function is a closure, which stores what the derivative needs. The layer itself stores nothing, so it may be
    used several times before its backward functions are called. They read the weights when they are called: call them before
    the optimizer changes the weights.

    The first layer of a network needs no ∂e/∂x. A backward function may have the argument ``want_dx``: with ``want_dx=False``
    it may skip ∂e/∂x and return None.

    A layer of your own must implement ``forward``, and the following if it needs them:

    - ``output_shape``, if the output does not have the shape of the input;
    - ``specs``, if it has parameters: it returns a :class:`Spec`, shape and initial values, for each name. :meth:`build` makes
      the parameters, and ``forward`` reads ``self.parameters["w"].value``;
    - ``named_layers`` and ``children``, if it has inner layers (a subclass of ``Sequential`` or ``Sum`` inherits both);
    - ``multiply_adds``, ``input_span``, ``own_activations``, ``caption``, ``category``, ``wiring``, for tables and diagrams.

    If your layer behaves differently in training and in inference, as dropout does, use the training behaviour only if
    ``train and not self.frozen``; see :meth:`freeze`.

    A shape describes one example, without the batch: an image is ``(H, W, C)``. Methods that take a shape allocate
    no arrays, except ``build`` and ``make``. :func:`refconv.verify.check_layer` checks the derivatives, shapes and types of
    your layer.

    Examples
    --------
    >>> from refconv import nn
    >>> class Double(nn.Layer):
    ...     def forward(self, x, train=True):
    ...         return 2 * x, lambda dy: 2 * dy
    >>> nn.Sequential(Double(), nn.ReLU(), Double())(np.array([[1.0, -3.0]]))
    array([[4., 0.]])

    A layer with a parameter, one factor for each channel:

    >>> class Scale(nn.Layer):
    ...     def specs(self, shape):
    ...         return {"s": nn.Spec(shape[-1:], nn.ones)}
    ...
    ...     def forward(self, x, train=True):
    ...         s = self.parameters["s"]
    ...
    ...         def backward(dy):
    ...             s.grad += (dy * x).sum(axis=tuple(range(x.ndim - 1)))
    ...             return dy * s.value
    ...
    ...         return x * s.value, backward
    >>> layer = Scale()
    >>> layer.build((2,), dtype=np.float64)
    (2,)
    >>> y, backward = layer.forward(np.array([[3.0, 5.0]]))
    >>> backward(np.array([[1.0, 10.0]])), layer.parameters["s"].grad
    (array([[ 1., 10.]]), array([ 3., 50.]))
    """

    _parameters: Parameters | None = None  # None before build
    frozen: bool = False  # set by freeze
    input_shape: Shape | None = None  # without the batch, from build; that of the first use if a layer is used twice
    _joins_arrays: bool = False  # True if build was called on this layer, not on an outer one: it owns the flat arrays

    def __init_subclass__(cls, **options: Any) -> None:
        """A subclass that overrides ``forward`` gets a matching ``__call__``."""
        super().__init_subclass__(**options)
        if "forward" in vars(cls) and "__call__" not in vars(cls):
            cls.__call__ = Layer.__call__  # type: ignore[method-assign]  # on purpose, see above

    def __init__(self) -> None:
        """Accept no arguments: without this method, ``__new__`` would accept any for a layer that has none."""
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
    def forward(self, x: Array, train: bool = True) -> tuple[Any, Backward]:
        """Return the output and a backward function."""

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of the output for one input of this shape; by default the same shape.

        Raise ``ValueError`` if the layer does not accept the shape.
        """
        return tuple(shape)

    def specs(self, shape: Shape) -> dict[str, Spec]:
        """Return the specifications of the layer's own parameters for inputs of this shape."""
        return {}

    def multiply_adds(self, shape: Shape) -> int:
        """Return the number of multiply-adds of convolutions and dense layers for one input of this shape."""
        return 0

    @property
    def inference_layer(self) -> Layer:
        """The layer that computes inference: this one, or an inner one if the rest is for training only."""
        return self

    def children(self, shape: Shape) -> Iterator[tuple[str, Layer, Shape]]:
        """Yield the name of each inner layer, the layer, and the shape of its input."""
        return iter(())

    def build(self, shape: Shape, rng: Generator = None, dtype: DTypeLike = np.float32) -> Shape:
        """Make the parameters for inputs of this shape, or reset existing ones of the right shapes.

        All values are views of one flat array, and all gradients are views of another; see :class:`Parameter`. If the layer
        is already built and its parameters keep their shapes and type, they get new initial values in place, and an existing
        optimizer still trains them. Otherwise ``build`` makes new parameters, which need a new optimizer. If ``build`` raises
        an error, the layer does not change.

        Parameters
        ----------
        shape : tuple of int
            One input, without the batch.
        rng : numpy.random.Generator, int or None
            A generator, a seed, or None for other initial values in each call.
        dtype : numpy dtype
            float32 or float64.

        Returns
        -------
        tuple of int
            The output shape.

        Raises
        ------
        TypeError, ValueError
            If an argument is not valid, or a layer does not accept its input shape.
        RuntimeError
            If a layer with parameters is frozen: building would replace its trained values.
        """
        if entries(shape) is None:
            raise ArgumentTypeError(f"shape must be a tuple of integers, one input without the batch, got {shape!r}")
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise ArgumentTypeError(f"dtype must be float32 or float64, got {np.dtype(dtype)}")
        rng = fresh_or_seeded("rng", rng)
        output = self.output_shape(shape)
        if any(isinstance(size, float) for size in shape):  # some layers say it themselves, in output_shape
            raise ArgumentTypeError(f"shape must be a tuple of integers, one input without the batch, got {shape!r}")
        # All shapes and layers are checked before the first array is allocated.
        layers = [(layer, tuple(inner)) for _, layer, inner in self.distinct_layers(shape)]
        for layer, inner in layers:
            check_before_build(layer, inner)
        fill_layers(layers, [layer.specs(inner) for layer, inner in layers], rng, np.dtype(dtype))
        for layer, _ in layers:
            layer._joins_arrays = layer is self
        return output

    def make(self, shape: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> None:
        """Write the initial values of the layer's own parameters.

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
        seen: dict[int, tuple[str, dict[str, Shape]]] = {}
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

    def _every_use(self, name: str, shape: Shape) -> Iterator[tuple[str, Layer, Shape]]:
        yield name or "the model", self, shape
        for inner_name, layer, inner in self.children(shape):
            yield from layer._every_use(f"{name}.{inner_name}" if name else inner_name, inner)

    def named_layers(self) -> Iterator[tuple[str, Layer]]:
        """Yield the names of the direct inner layers and the layers."""
        return iter(())

    def reaching(self, x: Array, name: str) -> Array:
        """Compute the input of the direct inner layer of this name, in inference; by default x itself."""
        return x

    def activations(self, x: Array, name: str) -> Array:
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

    def freeze(self: Self) -> Self:
        """Stop training this layer and its inner layers, and return it.

        Optimizers skip the parameters. Frozen layers behave in training as in inference: the averages of batch normalisation
        do not change, and dropout and stochastic depth drop nothing. If the first layers of a network are frozen, the backward
        pass does not run through them. A layer that is also part of another network is frozen in both.

        Raises
        ------
        RuntimeError
            If the layer is not built.

        Examples
        --------
        >>> from refconv import models, nn
        >>> trained = models.lenet()
        >>> _ = trained.build((32, 32, 1), rng=0)
        >>> features, scores = trained.cut("relu4").freeze(), nn.Dense(3)
        >>> _ = scores.build((84,), rng=1)
        >>> model = nn.Sequential(features=features, scores=scores)
        >>> [name for name, parameter in model.named_parameters().items() if parameter.trainable]
        ['scores.w', 'scores.b']

        Source: lecture row B10 (SOURCES.md).
        """
        return self._set_frozen(True)

    def unfreeze(self: Self) -> Self:
        """Train this layer and its inner layers again, and return it."""
        return self._set_frozen(False)

    def _set_frozen(self: Self, frozen: bool) -> Self:
        for parameter in self.named_parameters().values():
            parameter.frozen = frozen
        for layer in all_layers(self):
            layer.frozen = frozen
        return self

    @property
    def is_trainable(self) -> bool:
        """True if a parameter of this layer or of an inner layer has a gradient and is not frozen."""
        return any(p.trainable for p in self.parameters.values()) or any(
            layer.is_trainable for _, layer in self.named_layers()
        )

    def named_parameters(self) -> dict[str, Parameter]:
        """Return all parameters by their dotted names; a shared parameter appears once, with its first name."""
        found = dict(self._own_parameters())
        for name, layer in self.named_layers():
            found.update({f"{name}.{inner}": parameter for inner, parameter in layer.named_parameters().items()})
        first: dict[int, str] = {}
        for name, parameter in found.items():
            first.setdefault(id(parameter), name)
        return {name: found[name] for name in first.values()}

    def count_parameters(self, shape: Shape, trainable_only: bool = False) -> int:
        """Return the number of elements of all parameters except counters; the layer need not be built.

        With ``trainable_only``, frozen parameters and those without a gradient, such as running averages, are not counted.
        """
        layers = [(layer, layer.specs(inner)) for _, layer, inner in self.distinct_layers(shape)]
        specs = [(spec, is_trained(layer, name, spec)) for layer, own in layers for name, spec in own.items()]
        return sum(math.prod(spec.shape) for spec, trained in specs if trained or not (trainable_only or spec.counter))

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
        return list(dict.fromkeys(p for layer in all_layers(self) for p in layer.parameters.values()))

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Move the parameters of a copy into common flat arrays: each is copied with its own arrays."""
        vars(self).update(state)
        if self._joins_arrays:
            flatten(p for p in self._made_parameters() if p.relocatable and p.flat is None)

    def __call__(self, x: Array) -> Array:
        """Compute the output in inference, without keeping activations and without changing the layer.

        Containers call their layers and not ``forward`` of their layers, whose backward functions would keep every activation
        in memory until the last layer is done.
        """
        y: Array = self.forward(x, train=False)[0]
        return y

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def is_channels_first(layer: Layer) -> bool:
    """True if the channels are the first axis of the layer's images: if any layer inside has this ``data_format``."""
    return any(getattr(inner, "data_format", None) == "channels_first" for inner in all_layers(layer))
