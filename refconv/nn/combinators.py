"""Layers made of layers: with these few, an architecture reads like its paper.

>>> from refconv import nn
>>> def residual(main, shortcut=None):
...     return nn.Sequential(nn.Sum(main, shortcut or nn.Identity()), nn.ReLU())
>>> block = residual(nn.Conv2D(6, 3, padding="same"))
>>> block.output_shape((14, 15, 6))
(14, 15, 6)
"""

import itertools
from abc import abstractmethod

import numpy as np

from refconv._arguments import integer, real
from refconv.nn.fusion import steps
from refconv.nn.layer import Layer
from refconv.ops.fused import side_by_side, total

__all__ = ["Concat", "Identity", "Mean", "Sequential", "StochasticDepth", "Sum"]

MOST_AXES = 64  # of an array, in NumPy


class Identity(Layer):
    """The input itself: the shortcut of a residual block.

    Source: A23.
    """

    def output_shape(self, shape):
        return tuple(shape)

    def forward(self, x, train=True):
        return x, lambda dy, want_dx=True: dy


class _Combinator(Layer):
    """Layers with names: those given by keyword have theirs, the others are numbered."""

    def __init__(self, *layers, **named):
        if clash := {str(k) for k in range(len(layers))} & named.keys():
            raise ValueError(f"{type(self).__name__} numbers layers without a name itself, but got names {sorted(clash)}")
        self.layers = {**{str(k): layer for k, layer in enumerate(layers)}, **named}
        for name, layer in self.layers.items():
            if not isinstance(layer, Layer):
                raise TypeError(f"{type(self).__name__} takes layers, but {name} is {layer!r}")
        if not self.layers:
            raise ValueError(f"{type(self).__name__} needs at least one layer")

    def named_layers(self):
        return iter(self.layers.items())

    def children(self, shape):
        return ((name, layer, shape) for name, layer in self.layers.items())

    def multiply_adds(self, shape):
        return sum(layer.multiply_adds(inner) for _, layer, inner in self.children(shape))

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(map(repr, self.layers.values()))})"


class _Chance(_Combinator):
    """Layers that are in or out at random, by numbers that begin where ``build`` says."""

    rng: np.random.Generator | None = None

    def make(self, shape, rng, dtype):
        super().make(shape, rng, dtype)
        self.rng = np.random.default_rng(rng.integers(2**63))

    def chance(self):
        """The random numbers, if there are any yet."""
        if self.rng is None:
            raise RuntimeError(f"{self!r} has no random numbers yet: call build(input_shape) first")
        return self.rng


class Sequential(_Combinator):
    r"""One layer after the other; on the way back, the chain rule from the last to the first.

    .. math:: f = f_n \circ \dots \circ f_1, \qquad
              \frac{\partial e}{\partial x} = J_1^\top \cdots J_n^\top \frac{\partial e}{\partial y}

    Parameters
    ----------
    *layers, **named : Layer
        In order; a keyword gives a layer its name.

    Raises
    ------
    TypeError, ValueError
        If something is not a layer, or there is none.

    Examples
    --------
    >>> from refconv import nn
    >>> model = Sequential(conv1=nn.Conv2D(6, 5), relu1=nn.ReLU(), pool1=nn.MaxPool2D(2))
    >>> model.output_shape((32, 28, 1)), model.count_parameters((32, 28, 1))
    ((14, 12, 6), 156)

    Source: B7, layers that follow each other.
    """

    def output_shape(self, shape):
        for layer in self.layers.values():
            shape = layer.output_shape(shape)
        return tuple(shape)

    def children(self, shape):
        for name, layer in self.layers.items():
            yield name, layer, shape
            shape = layer.output_shape(shape)

    def forward(self, x, train=True):
        ways_back = []
        for step in steps(self.layers.values(), train):
            x, way_back = step.forward(x, train)
            ways_back.append(way_back)

        def backward(dy, want_dx=True):
            for way_back in reversed(ways_back[1:]):
                dy = way_back(dy)
            return ways_back[0](dy, want_dx)

        return x, backward

    def __call__(self, x):
        for step in steps(self.layers.values(), train=False):
            x = step(x)
        return x

    def reaching(self, x, name):
        for before in itertools.takewhile(lambda other: other != name, self.layers):
            x = self.layers[before](x)
        return x

    def cut(self, at):
        """The layers from the first to the one of this name: a network whose outputs are features for another task.

        They are the same layers with the same parameters, and not copies.

        >>> from refconv import models
        >>> models.lenet().cut("dense1").output_shape((32, 32, 1))
        (120,)

        Source: B10.
        """
        if at not in self.layers:
            raise ValueError(f"at must be one of {', '.join(self.layers)}, but is {at!r}")
        names = list(self.layers)
        return self.of({name: self.layers[name] for name in names[: names.index(at) + 1]})

    @classmethod
    def of(cls, layers):
        """The sequence of these layers by their names, numbers too; it needs no build where they are built."""
        made = cls(**layers)
        made.parameters = {} if all(layer.parameters is not None for layer in layers.values()) else None
        return made


class _Branches(_Combinator):
    """Layers side by side, all with the same input."""

    @abstractmethod
    def _join(self, values):
        """What the branches' values make together."""

    @abstractmethod
    def _share_out(self, dy, shapes):
        """The ∂e/∂y of each branch, whose values have these shapes."""

    def forward(self, x, train=True):
        values, ways_back = zip(*(layer.forward(x, train) for layer in self.layers.values()), strict=True)
        shapes = [value.shape for value in values]

        def backward(dy, want_dx=True):
            parts = self._share_out(dy, shapes)
            return _total([back(part, want_dx) for back, part in zip(ways_back, parts, strict=True)])

        return self._join(values), backward

    def __call__(self, x):
        return self._join([layer(x) for layer in self.layers.values()])

    def _shapes(self, shape):
        return [tuple(layer.output_shape(shape)) for layer in self.layers.values()]

    def _one_shape(self, shapes):
        """The shape that all have. NumPy would stretch others until they fit, and the way back would not know."""
        if len(set(shapes)) > 1:
            found = dict(zip(self.layers, shapes, strict=True))
            raise ValueError(f"{type(self).__name__} needs branches with outputs of one shape, but has {found}")
        return shapes[0]


class Sum(_Branches):
    r"""The sum of the branches; on the way back each gets all of ∂e/∂y, and their ∂e/∂x are added.

    .. math:: y = \sum_k f_k(x), \qquad \frac{\partial e}{\partial x} = \sum_k J_k^\top \frac{\partial e}{\partial y}

    Parameters
    ----------
    *layers, **named : Layer
        Branches with outputs of one shape.

    Raises
    ------
    TypeError, ValueError
        If something is not a layer, there is none, or their outputs differ in shape.

    Examples
    --------
    >>> import numpy as np
    >>> y, backward = Sum(Identity(), Identity()).forward(np.array([[1.0, 2.0]]))
    >>> y, backward(np.array([[10.0, 0.5]]))
    (array([[2., 4.]]), array([[20.,  1.]]))

    Source: A23; He et al., "Deep residual learning for image recognition", 2015.
    """

    def output_shape(self, shape):
        return self._one_shape(self._shapes(shape))

    def _join(self, values):
        self._one_shape([value.shape for value in values])
        return total(values)

    def _share_out(self, dy, shapes):
        return [dy] * len(shapes)


class Mean(_Branches):
    r"""The mean of the branches, as a fractal network joins them.

    .. math:: y = \frac{1}{K} \sum_{k=1}^{K} f_k(x)

    Parameters
    ----------
    *layers, **named : Layer
        Branches with outputs of one shape.

    Raises
    ------
    TypeError, ValueError
        If something is not a layer, there is none, or their outputs differ in shape.

    Examples
    --------
    >>> import numpy as np
    >>> Mean(Identity(), Sum(Identity(), Identity()))(np.array([[2.0, 6.0]]))
    array([[3., 9.]])

    Source: M13; Larsson et al., "FractalNet", 2016.
    """

    def output_shape(self, shape):
        return self._one_shape(self._shapes(shape))

    def _join(self, values):
        self._one_shape([value.shape for value in values])
        return _mean(values)

    def _share_out(self, dy, shapes):
        return [dy * (1 / len(shapes))] * len(shapes)


class Concat(_Branches):
    r"""The outputs of the branches behind one another along the channels; on the way back each gets its own part of ∂e/∂y.

    Parameters
    ----------
    *layers, **named : Layer
        Branches with outputs of one size; their channels may differ in number.
    axis : int
        Axis of the channels in one example: −1 for channels_last (the default), 0 for channels_first.

    Raises
    ------
    TypeError, ValueError
        If something is not a layer, there is none, or their outputs differ in size.

    Examples
    --------
    >>> from refconv import nn
    >>> Concat(Identity(), nn.Conv2D(12, 3, padding="same")).output_shape((7, 5, 24))
    (7, 5, 36)

    Source: M7, M14; Huang et al., "Densely connected convolutional networks", 2016.
    """

    def __init__(self, *layers, axis=-1, **named):
        super().__init__(*layers, **named)
        self.axis = integer("axis", axis, least=-MOST_AXES)

    def output_shape(self, shape):
        return self._joined(self._shapes(shape))

    def _joined(self, shapes):
        if any(not -len(shape) <= self.axis < len(shape) for shape in shapes):
            raise ValueError(f"Concat needs branches with outputs with an axis {self.axis}, but they have shapes {shapes}")
        sizes = [list(shape) for shape in shapes]
        channels = [size.pop(self.axis) for size in sizes]
        if any(size != sizes[0] for size in sizes):
            found = dict(zip(self.layers, shapes, strict=True))
            raise ValueError(f"Concat needs branches with outputs of one size, but has {found}")
        axis = self.axis % len(shapes[0])
        return (*sizes[0][:axis], sum(channels), *sizes[0][axis:])

    def _join(self, values):
        self._joined([value.shape[1:] for value in values])
        return side_by_side(values, self._axis_of_batch())

    def _share_out(self, dy, shapes):
        axis = self._axis_of_batch()
        ends = np.cumsum([shape[axis] for shape in shapes])[:-1]
        return [np.ascontiguousarray(part) for part in np.split(dy, ends, axis)]

    def _axis_of_batch(self):
        return self.axis if self.axis < 0 else self.axis + 1  # the batch comes first


class StochasticDepth(_Chance):
    r"""A layer that is left out at random, for a whole mini-batch at a time; in inference it counts by how often it was in.

    .. math:: y = s \, f(x), \qquad s \sim \mathrm{Bernoulli}(p) \text{ in training}, \quad s = p \text{ in inference}

    Beside an ``Identity`` in a ``Sum`` this drops a residual branch.

    Parameters
    ----------
    layer : Layer
        f.
    survival : float
        p, the probability that the layer is in, above 0 and up to 1.

    Raises
    ------
    TypeError, ValueError
        If survival is not a probability above 0.

    Examples
    --------
    >>> import numpy as np
    >>> StochasticDepth(Identity(), survival=0.75)(np.array([[4.0, 8.0]]))
    array([[3., 6.]])

    Source: B8; Huang et al., "Deep networks with stochastic depth", 2016.
    """

    def __init__(self, layer, survival):
        super().__init__(layer)
        self.layer, self.survival = layer, real("survival", survival, above=0, most=1)

    def output_shape(self, shape):
        return self.layer.output_shape(shape)

    def forward(self, x, train=True):
        if train and self.chance().random() >= self.survival:
            y = np.zeros((len(x), *self.output_shape(x.shape[1:])), x.dtype)
            return y, lambda dy, want_dx=True: np.zeros_like(x)
        y, way_back = self.layer.forward(x, train)
        if train:
            return y, way_back
        return y * self.survival, lambda dy, want_dx=True: way_back(dy * self.survival, want_dx)

    def __call__(self, x):
        return self.layer(x) * self.survival

    def __repr__(self):
        return f"StochasticDepth({self.layer!r}, {self.survival})"


def _total(arrays):
    """The sum, in a new array: what the branches returned may still be held by a way back."""
    return None if any(a is None for a in arrays) else total(arrays)  # want_dx=False: nobody asked


def _mean(arrays):
    """The mean, in the array that the sum has made."""
    y = total(arrays)
    return np.multiply(y, 1 / len(arrays), out=y if y.dtype.kind == "f" else None)
