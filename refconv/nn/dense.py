"""Dense layer, and the flattening of images before it."""

import math

from refconv._arguments import flag, initializer_or_none, integer, per_axis
from refconv._errors import ArgumentValueError
from refconv.nn.initializers import Initializer, he_normal, zeros
from refconv.nn.layer import Layer, Spec
from refconv.ops.dense import dense, dense_db, dense_dw, dense_dx
from refconv.typing import Array, Backward, Shape

__all__ = ["Dense", "Flatten"]


class Dense(Layer):
    r"""Fully connected layer: each output is a weighted sum of all inputs.

    .. math:: y_o = \mathrm{bias}_o + \sum_c x_c \, w_{c,o}

    Parameters
    ----------
    units : int
        Number of outputs O.
    bias : bool
        If True, there is a bias b.
    initializer : callable
        ``initializer(rng, shape)`` returns the initial w.

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid, or an example of the input does not have exactly one axis.

    Examples
    --------
    >>> layer = Dense(120)
    >>> layer.output_shape((400,)), layer.count_parameters((400,)), layer.multiply_adds((400,))
    ((120,), 48120, 48000)

    Source: lecture row A8 (SOURCES.md).
    """

    category = "dense"

    def __init__(self, units: int, *, bias: bool = True, initializer: Initializer | None = he_normal) -> None:
        self.units = integer("units", units)
        self.bias = flag("bias", bias)
        self.initializer = initializer_or_none(initializer)

    def output_shape(self, shape: Shape) -> Shape:
        self._inputs(shape)
        return (self.units,)

    def specs(self, shape: Shape) -> dict[str, Spec]:
        w = Spec((self._inputs(shape), self.units), self.initializer or he_normal)
        return {"w": w, "b": Spec((self.units,), zeros)} if self.bias else {"w": w}

    def multiply_adds(self, shape: Shape) -> int:
        return self._inputs(shape) * self.units

    def _inputs(self, shape: Shape) -> int:
        if len(shape) != 1:
            raise ArgumentValueError(
                f"the input of {self!r} must have one axis, got shape {tuple(shape)}: add Flatten() before it"
            )
        (inputs,) = per_axis(f"the input of {self!r}", shape, 1)
        return inputs

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        w, b = self.parameters["w"], self.parameters["b"] if self.bias else None
        y = dense(x, w.value, None if b is None else b.value)

        def backward(dy: Array, want_dx: bool = True) -> Array | None:
            w.grad += dense_dw(x, dy)
            if b is not None:
                b.grad += dense_db(dy)
            return dense_dx(dy, w.value) if want_dx else None

        return y, backward

    def caption(self) -> str:
        return f"dense, {self.units}"

    def __repr__(self) -> str:
        return f"Dense({self.units})"


class Flatten(Layer):
    """Layer that reshapes each example to one axis, in row-major order.

    >>> Flatten().output_shape((5, 5, 16))
    (400,)

    Source: lecture row M2 (SOURCES.md).
    """

    wiring = "line"

    def output_shape(self, shape: Shape) -> Shape:
        return (math.prod(shape),)

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        return x.reshape(len(x), math.prod(x.shape[1:])), lambda dy, want_dx=True: dy.reshape(x.shape)

    def own_activations(self, shape: Shape) -> int:
        return 0
