"""Base class of all layers.

Shapes are known before parameters exist, and ``forward`` returns a backward function.
"""

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
    """Call a backward function with or without ``want_dx`` and return ∂e/∂x.

    Some backward functions accept only dy. Code that passes on ``want_dx`` must use this function. The result is None if the
    backward function skips ∂e/∂x.

    >>> call_backward(lambda dy: 2 * dy, 3.0, want_dx=False), call_backward(lambda dy, want_dx: want_dx, 3.0, want_dx=False)
    (6.0, False)
    """
    if want_dx or not _accepts_want_dx(backward):
        return backward(dy)
    return backward(dy, want_dx=False)


def _accepts_want_dx(backward: Backward) -> bool:
    code = getattr(backward, "__code__", None)
    if code is not None and not code.co_flags & inspect.CO_VARKEYWORDS:  # faster: inspect.signature takes 10 microseconds
        return "want_dx" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    parameters = inspect.signature(backward).parameters
    return "want_dx" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


class Layer(Saveable, Hints, Description, metaclass=CheckedCall):
    """Base class of layers: a function with parameters and a derivative.

    ``y, backward = layer.forward(x, train=True)`` returns the output and a backward function. ``dx = backward(dy)`` returns
    ∂e/∂x and adds ∂e/∂θ to the ``grad`` of each parameter θ. Here e is the loss, and ``dy`` is ∂e/∂y. ``layer(x)`` returns
    the output in inference.

    The backward function is a closure that stores the arrays needed for the derivative. The layer itself stores nothing, so it
    may be used several times before its backward functions are called. They read the weights when they are called: call them
    before the optimizer changes the weights.

    The first layer of a network needs no ∂e/∂x. A backward function may have the argument ``want_dx``: with ``want_dx=False``
    it may skip ∂e/∂x and return None.

    Your own layer must implement ``forward``, and the following methods and attributes if it needs them:

    - ``output_shape``, if the output does not have the shape of the input;
    - ``specs``, if it has parameters: it returns a :class:`Spec`, shape and initial values, for each name. :meth:`build`
      creates the parameters, and ``forward`` reads ``self.parameters["w"].value``;
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
    input_shape: Shape | None = None  # without the batch, set by build; if a layer is used twice, from its first use
    _joins_arrays: bool = False  # True if build was called on this layer, not on an outer one: it owns the flat arrays

    def __init_subclass__(cls, **options: Any) -> None:
        """Give a subclass that overrides ``forward`` a matching ``__call__``."""
        super().__init_subclass__(**options)
        if "forward" in vars(cls) and "__call__" not in vars(cls):
            cls.__call__ = Layer.__call__  # type: ignore[method-assign]  # intended: see the docstring

    def __init__(self) -> None:
        """Accept no arguments.

        Without this method, a layer without a constructor would accept any arguments, because ``__new__`` does.
        """
        super().__init__()

    @property
    def parameters(self) -> Parameters:
        """Parameters of this layer by name, without inner layers; see :meth:`named_parameters`."""
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
        """Return the output shape for one input of this shape; by default the same shape.

        Raise ``ValueError`` if the layer does not accept the shape.
        """
        return tuple(shape)

    def specs(self, shape: Shape) -> dict[str, Spec]:
        """Return the specifications of the layer's own parameters for inputs of this shape."""
        return {}

    def multiply_adds(self, shape: Shape) -> int:
        """Return the number of multiply-adds for one input of this shape.

        Only convolutions and dense layers are counted.
        """
        return 0

    @property
    def inference_layer(self) -> Layer:
        """Layer that computes inference: this layer, or an inner one if the rest is for training."""
        return self

    def children(self, shape: Shape) -> Iterator[tuple[str, Layer, Shape]]:
        """Yield the name of each direct inner layer, the layer, and the shape of its input."""
        return iter(())

    def build(self, shape: Shape, rng: Generator = None, dtype: DTypeLike = np.float32) -> Shape:
        """Create the parameters for inputs of this shape, or reset existing parameters that fit.

        All values are views of one flat array, and all gradients are views of another; see :class:`Parameter`. If the layer
        is already built and its parameters keep their shapes and type, they get new initial values in place, and an existing
        optimizer still trains them. Otherwise ``build`` creates new parameters, which need a new optimizer. If ``build``
        raises an error, the layer does not change.

        Parameters
        ----------
        shape : tuple of int
            One input, without the batch.
        rng : numpy.random.Generator, int or None
            A generator, a seed, or None for different initial values in each call.
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
        if any(isinstance(size, float) for size in shape):  # some layers check this themselves, in output_shape
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

        :meth:`build` calls this once for each layer, after it has allocated the parameters of ``specs``. A layer that
        overrides it may also create other state, such as a random generator, or additional parameters.
        """
        for name, spec in self.specs(shape).items():
            spec.fill(self.parameters[name], rng)

    def flatten_parameters(self) -> None:
        """Move the parameters of this layer and its inner layers to new flat arrays.

        :meth:`build` and copies of a built layer do this automatically. Call it to release memory: the parameters of a network
        are views of one array, so a part of the network, such as ``model.cut("pool5")``, keeps the whole array in memory even
        if the rest is deleted. The parameters stay the same objects, also in other networks that share them, but their arrays
        move: read ``parameter.value`` again. Arrays that were not allocated by ``build`` do not move.

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
        """Yield this layer and all inner layers in order, each once, with name and input shape.

        If a layer is used twice, the dotted name and the input shape come from its first use. Raises ``ValueError`` if the two
        uses need parameters of different shapes.
        """
        first_uses: dict[int, tuple[str, dict[str, Shape]]] = {}
        for name, layer, inner in self._all_uses("", shape):
            sizes = {parameter: spec.shape for parameter, spec in layer.specs(inner).items()}
            if id(layer) not in first_uses:
                first_uses[id(layer)] = name, sizes
                yield name, layer, inner
            elif sizes != first_uses[id(layer)][1]:
                first, before = first_uses[id(layer)]
                raise ArgumentValueError(
                    f"{short_repr(layer)} is used as {first} and {name}: its parameters must have the same shapes in both, "
                    f"got {before} and {sizes}"
                )

    def _all_uses(self, name: str, shape: Shape) -> Iterator[tuple[str, Layer, Shape]]:
        yield name or "the model", self, shape
        for inner_name, layer, inner in self.children(shape):
            yield from layer._all_uses(f"{name}.{inner_name}" if name else inner_name, inner)

    def named_layers(self) -> Iterator[tuple[str, Layer]]:
        """Yield the name of each direct inner layer and the layer."""
        return iter(())

    def reaching(self, x: Array, name: str) -> Array:
        """Compute the input of a direct inner layer in inference; by default return x itself."""
        return x

    def activations(self, x: Array, name: str) -> Array:
        """Compute the output of an inner layer in inference, for example as features.

        Parameters
        ----------
        x : array
            A batch of inputs of the network.
        name : str
            The layer's name, dotted for deeper layers: ``"conv2"``, ``"block3.0.conv1"``.

        Returns
        -------
        array
            The output of the layer.

        Raises
        ------
        ValueError
            If there is no layer of this name; the message lists the existing names.

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
        """Freeze the parameters of this layer and its inner layers, and return the layer.

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
        """Undo :meth:`freeze` for this layer and its inner layers, and return the layer."""
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
        """Return all parameters by their dotted names.

        A shared parameter appears once, under its first name.
        """
        parameters = dict(self._own_parameters())
        for name, layer in self.named_layers():
            parameters.update({f"{name}.{inner}": parameter for inner, parameter in layer.named_parameters().items()})
        first: dict[int, str] = {}
        for name, parameter in parameters.items():
            first.setdefault(id(parameter), name)
        return {name: parameters[name] for name in first.values()}

    def count_parameters(self, shape: Shape, trainable_only: bool = False) -> int:
        """Return the number of elements of all parameters except counters.

        The layer need not be built. With ``trainable_only``, frozen parameters and parameters without a gradient, such as
        running averages, are not counted.
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
        """Return all existing parameters, each once; some layers may not be built."""
        return list(dict.fromkeys(p for layer in all_layers(self) for p in layer.parameters.values()))

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Move the parameters of a copy to common flat arrays; they are copied one by one."""
        vars(self).update(state)
        if self._joins_arrays:
            flatten(p for p in self._made_parameters() if p.relocatable and p.flat is None)

    def __call__(self, x: Array) -> Array:
        """Compute the output in inference.

        The layer does not change, and no activations are kept. So containers call their layers instead of ``forward``, whose
        backward functions would keep every activation in memory until the last layer has run.
        """
        y: Array = self.forward(x, train=False)[0]
        return y

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def is_channels_first(layer: Layer) -> bool:
    """Return True if the layer or an inner layer has ``data_format="channels_first"``."""
    return any(getattr(inner, "data_format", None) == "channels_first" for inner in all_layers(layer))
