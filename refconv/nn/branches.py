"""Parallel branches with the same input, whose outputs are added, averaged or concatenated."""

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from refconv._arguments import integer
from refconv._errors import ArgumentValueError
from refconv.nn.container import Container, Layers, container_repr
from refconv.nn.description import Span, around
from refconv.nn.layer import Layer, call_backward
from refconv.nn.location import names_failing_layer
from refconv.ops.fused import side_by_side, total
from refconv.typing import Array, Backward, Shape

__all__ = ["Branches", "Concat", "Mean", "Sum", "mean_of", "sum_of"]

MAX_AXES = 64  # NumPy's limit for the axes of an array


class Branches(Container):
    """Base class of containers whose layers have the same input and whose outputs are joined.

    Diagrams show the caption where the outputs are joined.
    """

    wiring = "branches"

    @abstractmethod
    def _join(self, outputs: Sequence[Array]) -> Array:
        """Combine the outputs of the branches."""

    @abstractmethod
    def _share_out(self, dy: Array, shapes: Sequence[Shape]) -> Sequence[Array]:
        """Return ∂e/∂y of each branch; ``shapes`` contains the shape of each output."""

    @names_failing_layer
    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        outputs, backward_functions = zip(*(layer.forward(x, train) for layer in self.layers.values()), strict=True)
        shapes = [output.shape for output in outputs]

        def backward(dy: Array, want_dx: bool = True) -> Array | None:
            parts = self._share_out(dy, shapes)
            needed = [want_dx or layer.is_trainable for layer in self.layers.values()]
            return sum_of(
                [
                    call_backward(backward_of_branch, part, want_dx) if is_needed else None
                    for backward_of_branch, part, is_needed in zip(backward_functions, parts, needed, strict=True)
                ]
            )

        return self._join(outputs), backward

    @names_failing_layer
    def __call__(self, x: Array) -> Array:
        return self._join([layer(x) for layer in self.layers.values()])

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        return around(layer.input_span(inner, span) for _, layer, inner in self.children(shape))

    def layers_before(self, name: str) -> Sequence[Layer]:
        return ()

    def _shapes(self, shape: Shape) -> list[Shape]:
        return [tuple(layer.output_shape(shape)) for layer in self.layers.values()]

    def _one_shape(self, shapes: Sequence[Shape]) -> Shape:
        """Return the common shape of all branches; raise ``ValueError`` if shapes differ.

        NumPy would broadcast different shapes, and gradients would not have the shapes of the branches.
        """
        if len(set(shapes)) > 1:
            by_name = dict(zip(self.layers, shapes, strict=True))
            raise ArgumentValueError(f"branches of {type(self).__name__} must have outputs of one shape, got {by_name}")
        return shapes[0]


class Sum(Branches):
    r"""Sum of the outputs of parallel branches.

    In the backward function, every branch receives ∂e/∂y, and the ∂e/∂x of all branches are added.

    .. math:: y = \sum_k f_k(x), \qquad \frac{\partial e}{\partial x} = \sum_k J_k^\top \frac{\partial e}{\partial y}

    Parameters
    ----------
    *layers, **named : Layer
        Branches whose outputs have the same shape.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a layer, there are no layers, or their outputs differ in shape.

    Examples
    --------
    >>> from refconv.nn import Identity
    >>> y, backward = Sum(Identity(), Identity()).forward(np.array([[1.0, 2.0]]))
    >>> y, backward(np.array([[10.0, 0.5]]))
    (array([[2., 4.]]), array([[20.,  1.]]))

    Source: lecture row A23 (SOURCES.md); He et al., "Deep residual learning for image recognition", 2015.
    """

    @names_failing_layer
    def output_shape(self, shape: Shape) -> Shape:
        return self._one_shape(self._shapes(shape))

    def _join(self, outputs: Sequence[Array]) -> Array:
        self._one_shape([output.shape for output in outputs])
        return total(outputs)

    def caption(self) -> str:
        return "+"

    def _share_out(self, dy: Array, shapes: Sequence[Shape]) -> Sequence[Array]:
        return [dy] * len(shapes)


class Mean(Branches):
    r"""Mean of the outputs of parallel branches, as in a fractal network.

    .. math:: y = \frac{1}{K} \sum_{k=1}^{K} f_k(x)

    Parameters
    ----------
    *layers, **named : Layer
        Branches whose outputs have the same shape.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a layer, there are no layers, or their outputs differ in shape.

    Examples
    --------
    >>> from refconv.nn import Identity
    >>> Mean(Identity(), Sum(Identity(), Identity()))(np.array([[2.0, 6.0]]))
    array([[3., 9.]])

    Source: lecture row M13 (SOURCES.md); Larsson et al., "FractalNet", 2016.
    """

    @names_failing_layer
    def output_shape(self, shape: Shape) -> Shape:
        return self._one_shape(self._shapes(shape))

    def _join(self, outputs: Sequence[Array]) -> Array:
        self._one_shape([output.shape for output in outputs])
        return mean_of(outputs)

    def caption(self) -> str:
        return "mean"

    def _share_out(self, dy: Array, shapes: Sequence[Shape]) -> Sequence[Array]:
        return [dy * (1 / len(shapes))] * len(shapes)


class Concat(Branches):
    r"""Concatenation of the outputs of parallel branches along the channels.

    In the backward function, each branch receives its part of ∂e/∂y.

    Parameters
    ----------
    *layers, **named : Layer
        Branches whose outputs have the same size; the numbers of channels may differ.
    axis : int
        Axis of the channels in one example: −1 for channels_last (the default), 0 for channels_first.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a layer, there are no layers, or their outputs differ in size.

    Examples
    --------
    >>> from refconv import nn
    >>> Concat(nn.Identity(), nn.Conv2D(12, 3, padding="same")).output_shape((7, 5, 24))
    (7, 5, 36)

    Source: lecture rows M7 and M14 (SOURCES.md); Huang et al., "Densely connected convolutional networks", 2016.
    """

    def __init__(self, *layers: Layers, axis: int = -1, **named: Layer) -> None:
        super().__init__(*layers, **named)
        self.axis = integer("axis", axis, least=-MAX_AXES)

    @names_failing_layer
    def output_shape(self, shape: Shape) -> Shape:
        return self._joined(self._shapes(shape))

    def _joined(self, shapes: Sequence[Shape]) -> Shape:
        if any(not -len(shape) <= self.axis < len(shape) for shape in shapes):
            raise ArgumentValueError(f"branches of Concat must have outputs with an axis {self.axis}, got shapes {shapes}")
        sizes = [list(shape) for shape in shapes]
        channels = [size.pop(self.axis) for size in sizes]
        if any(size != sizes[0] for size in sizes):
            by_name = dict(zip(self.layers, shapes, strict=True))
            raise ArgumentValueError(f"branches of Concat must have outputs of one size, got {by_name}")
        axis = self.axis % len(shapes[0])
        return (*sizes[0][:axis], sum(channels), *sizes[0][axis:])

    def _join(self, outputs: Sequence[Array]) -> Array:
        self._joined([output.shape[1:] for output in outputs])
        return side_by_side(outputs, self._axis_of_batch())

    def _share_out(self, dy: Array, shapes: Sequence[Shape]) -> Sequence[Array]:
        axis = self._axis_of_batch()
        ends = np.cumsum([shape[axis] for shape in shapes])[:-1]
        return [np.ascontiguousarray(part) for part in np.split(dy, ends, axis)]

    def caption(self) -> str:
        return "concat"

    def __repr__(self) -> str:
        return container_repr("Concat", self.layers, *([f"axis={self.axis}"] if self.axis != -1 else []))

    def _axis_of_batch(self) -> int:
        return self.axis if self.axis < 0 else self.axis + 1  # the batch comes first


def sum_of(arrays: Sequence[Array | None]) -> Array | None:
    """Return the sum in a new array; None if a term is None.

    The array is new because backward functions may still refer to the terms.
    """
    present = [a for a in arrays if a is not None]
    return total(present) if len(present) == len(arrays) else None  # None: want_dx was False


def mean_of(arrays: Sequence[Array]) -> Array:
    """Return the mean; it is computed in place in the new array of the sum."""
    y = total(arrays)
    mean: Array = np.multiply(y, 1 / len(arrays), out=y if y.dtype.kind == "f" else None)
    return mean
