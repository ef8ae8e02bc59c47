"""Combinators: layers made of layers, from which architectures are composed.

>>> from refconv import nn
>>> def residual(main, shortcut=None):
...     return nn.Sequential(nn.Sum(main, shortcut or nn.Identity()), nn.ReLU())
>>> block = residual(nn.Conv2D(6, 3, padding="same"))
>>> block.output_shape((14, 15, 6))
(14, 15, 6)
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, SupportsIndex, overload

import numpy as np

from refconv._arguments import real
from refconv._errors import ArgumentValueError
from refconv.nn.branches import Concat, Mean, Sum
from refconv.nn.container import Container, Layers, RandomContainer, container_repr
from refconv.nn.description import Span, Wrapper
from refconv.nn.fusion import COMBINATORS, Plan, Step, run
from refconv.nn.layer import Layer, call_backward
from refconv.nn.location import names_failing_layer
from refconv.typing import Array, Backward, Shape

__all__ = ["Concat", "Identity", "Mean", "Sequential", "StochasticDepth", "Sum"]


class Identity(Layer):
    """Layer that returns its input: the shortcut of a residual block.

    Source: lecture row A23 (SOURCES.md).
    """

    wiring = "line"

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        return x, lambda dy, want_dx=True: dy

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        return span

    def own_activations(self, shape: Shape) -> int:
        return 0


class Sequential(Container):
    r"""Chain of layers, each applied to the output of the previous one.

    The backward function applies the chain rule from the last layer to the first.

    .. math:: f = f_n \circ \dots \circ f_1, \qquad
              \frac{\partial e}{\partial x} = J_1^\top \cdots J_n^\top \frac{\partial e}{\partial y}

    Parameters
    ----------
    *layers, **named : Layer
        The layers in order. A keyword is the name of its layer. Instead, pass a list of layers or a dict of names and layers:
        ``Sequential([conv, relu])``, ``Sequential({"conv1": conv, "relu1": relu})``.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a layer, or there are no layers.

    Examples
    --------
    >>> from refconv import nn
    >>> model = Sequential(conv1=nn.Conv2D(6, 5), relu1=nn.ReLU(), pool1=nn.MaxPool2D(2))
    >>> model.output_shape((32, 28, 1)), model.count_parameters((32, 28, 1))
    ((14, 12, 6), 156)

    Source: lecture row B7 (SOURCES.md), consecutive layers.
    """

    wiring = "chain"

    def __init__(self, *layers: Layers, **named: Layer) -> None:
        super().__init__(*layers, **named)
        self._plan = Plan()

    def make(self, shape: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> None:
        super().make(shape, rng, dtype)
        self._plan = Plan()  # the old plan would keep the parameters of an earlier build in memory

    @names_failing_layer
    def output_shape(self, shape: Shape) -> Shape:
        for layer in self.layers.values():
            shape = layer.output_shape(shape)
        return tuple(shape)

    def children(self, shape: Shape) -> Iterator[tuple[str, Layer, Shape]]:
        for name, layer in self.layers.items():
            yield name, layer, shape
            shape = layer.output_shape(shape)

    def steps(self) -> Sequence[Step]:
        """Return the steps that ``forward`` runs.

        A step is a layer, or computes several layers together; see :mod:`refconv.nn.fusion`.
        """
        return self._plan.steps(self.layers.values())

    @names_failing_layer
    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        return run(self.steps(), x, train)

    @names_failing_layer
    def __call__(self, x: Array) -> Array:
        for step in self.steps():
            x = step(x)
        return x

    def reaching(self, x: Array, name: str) -> Array:
        for layer in self.layers_before(name):
            x = layer(x)
        return x

    def layers_before(self, name: str) -> Sequence[Layer]:
        return [self.layers[before] for before in itertools.takewhile(lambda other: other != name, self.layers)]

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        needed: Span | None = span
        for _, layer, inner in reversed([*self.children(shape)]):
            if needed is None:
                return None
            needed = layer.input_span(inner, needed)
        return needed

    def own_activations(self, shape: Shape) -> int:
        return 0

    def peak_activations(self, shape: Shape, keep_input: bool = False) -> int:
        peak = kept_input = 0
        for _, layer, inner in self.children(shape):
            peak = max(peak, kept_input + layer.peak_activations(inner, keep_input and not kept_input))
            if keep_input and layer.all_activations(inner) > 0:
                kept_input = math.prod(shape)  # while later layers run, the input stays in memory too
        return peak

    @overload
    def __getitem__(self, key: slice) -> Sequential: ...

    @overload
    def __getitem__(self, key: str | SupportsIndex) -> Layer: ...

    def __getitem__(self, key: str | SupportsIndex | slice) -> Layer:
        """Return a layer by its name or its position.

        A slice of positions returns a network that shares these layers.

        >>> from refconv import models
        >>> model = models.lenet()
        >>> model["conv1"] is model[0], [*model[:3].layers]
        (True, ['conv1', 'relu1', 'pool1'])
        """
        if isinstance(key, slice):
            return Sequential(dict(list(self.layers.items())[key]))
        return super().__getitem__(key)

    def cut(self, at: str) -> Sequential:
        """Return the network of all layers up to and including the layer of this name.

        It computes features for another task. It shares the layers and their parameters with this network; see
        :meth:`flatten_parameters` about memory.

        >>> from refconv import models
        >>> models.lenet().cut("dense1").output_shape((32, 32, 1))
        (120,)

        Source: lecture row B10 (SOURCES.md).
        """
        if at not in self.layers:
            raise ArgumentValueError(f"at must be one of {', '.join(self.layers)}, got {at!r}")
        return self[: list(self.layers).index(at) + 1]


COMBINATORS.update(Identity=Identity, Sequential=Sequential)


class StochasticDepth(Wrapper, RandomContainer):
    r"""Container that drops its layer at random, for a whole mini-batch.

    In inference, the output of the layer is scaled instead.

    .. math:: y = s \, f(x), \qquad s \sim \mathrm{Bernoulli}(p) \text{ in training}, \quad s = p \text{ in inference}

    In a ``Sum`` with an ``Identity``, it drops a residual branch.

    Parameters
    ----------
    layer : Layer
        The layer f.
    survival : float
        p, the probability that the layer is kept, above 0 and at most 1.

    Raises
    ------
    TypeError, ValueError
        If survival is not a probability above 0.

    Examples
    --------
    >>> import numpy as np
    >>> StochasticDepth(Identity(), survival=0.75)(np.array([[4.0, 8.0]]))
    array([[3., 6.]])

    Source: lecture row B8 (SOURCES.md); Huang et al., "Deep networks with stochastic depth", 2016.
    """

    def __init__(self, layer: Layer, survival: float) -> None:
        super().__init__(layer)
        self.layer = layer
        self.survival = real("survival", survival, above=0, most=1)

    @names_failing_layer
    def output_shape(self, shape: Shape) -> Shape:
        return self.layer.output_shape(shape)

    @names_failing_layer
    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        drops = train and not self.frozen
        if drops and self.generator().random() >= self.survival:
            y = np.zeros((len(x), *self.output_shape(x.shape[1:])), x.dtype)
            return y, lambda dy, want_dx=True: np.zeros_like(x)
        y, layer_backward = self.layer.forward(x, train)
        if drops:
            return y, layer_backward
        return y * self.survival, lambda dy, want_dx=True: call_backward(layer_backward, dy * self.survival, want_dx)

    @names_failing_layer
    def __call__(self, x: Array) -> Array:
        return self.layer(x) * self.survival

    def caption(self) -> str:
        return f"p = {self.survival:.2g}"

    def __repr__(self) -> str:
        return container_repr("StochasticDepth", self.layers, f"survival={self.survival}")
