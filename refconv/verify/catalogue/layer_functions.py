"""Layers as functions of arrays, so that the evidence for operators applies to them.

The arrays of a case are the input x and the layer's parameters, by the names that ``named_parameters`` gives them. Each
evaluation builds the layer from the same seed, so a layer that draws random numbers always draws the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from refconv.nn import Layer
from refconv.verify.case import Arguments, Case
from refconv.verify.operator import Refuted

__all__ = ["Make", "backward", "definition_of", "forward", "layer_case", "prepare"]

SEED = 1


@dataclass(frozen=True)
class Make:
    """Function that creates a layer, and the definition of the layer by operators, or None.

    ``definition(a)`` returns the output for the arguments a. ``trained`` is True if the function returns a layer that
    is already built and must not be built again.
    """

    layer: Callable[[], Layer]
    definition: Callable[[Arguments], np.ndarray] | None = None
    trained: bool = False

    def __repr__(self):
        return " ".join(repr(self.layer()).split())  # in one line, whatever its length


def layer_case(make: Make, shape: tuple[int, ...], train: bool = True, positive: tuple[str, ...] = (), batch: int = 3) -> Case:
    """Return the case of a layer for inputs of this shape: x, and an array for each parameter.

    Variances, numbers of updates and the arrays in ``positive`` are positive.

    >>> from refconv import nn
    >>> layer_case(Make(lambda: nn.Dense(4)), (5,)).shapes
    {'x': (3, 5), 'w': (5, 4), 'b': (4,)}
    """
    layer = make.layer()
    if not make.trained:
        layer.build(shape, SEED, np.float64)
    parameters = layer.named_parameters()
    shapes = {name: parameter.value.shape for name, parameter in parameters.items()}
    positive = (*positive, *(name for name in parameters if name.rpartition(".")[2] in ("var", "updates")))
    return Case({"x": (batch, *shape), **shapes}, given={"make": make, "train": train}, positive=positive)


def forward(layer: Layer, a: Arguments, trained: bool = False) -> np.ndarray:
    """Return the output of a layer for a.x, with the parameters of a.

    If the layer returns several outputs, they are concatenated along the last axis. Raises :class:`Refuted` if
    ``output_shape`` returns another shape.
    """
    prepare(layer, a, trained)
    y, _ = layer.forward(a.x, a.given.get("train", True))
    outputs = y if isinstance(y, tuple) else (y,)
    predicted_shape = (len(a.x), *layer.output_shape(a.x.shape[1:]))
    if outputs[0].shape != predicted_shape:
        raise Refuted(
            f"the output of {layer!r} must have the shape from output_shape, {predicted_shape}, got {outputs[0].shape}"
        )
    return np.concatenate(y, -1) if isinstance(y, tuple) else y


def backward(layer: Layer, a: Arguments, trained: bool = False) -> dict[str, np.ndarray]:
    """Return ∂e/∂x and the gradients of trainable parameters in a, by name; ``a.dy`` is ∂e/∂y.

    The backward function is called twice and the gradients are halved: a layer that overwrites gradients instead of adding
    to them returns half of each. Another forward pass runs between forward and backward: a layer must not store arrays of a
    pass in itself. Raises :class:`Refuted` if the layer changes x or dy, or if ``layer(x)`` is not the output in inference.
    """
    train = a.given.get("train", True)
    prepare(layer, a, trained)
    _check_inference(layer, a.x)
    x, dy = a.x.copy(), a.dy.copy()
    y, backward_function = layer.forward(x, train)
    layer.forward(np.roll(x, 1), train)
    parts = _parts(dy, y)
    dx = backward_function(parts)
    backward_function(parts, want_dx=False)
    for name, array, original in (("x", x, a.x), ("dy", dy, a.dy)):
        if not np.array_equal(array, original):
            raise Refuted(f"{layer!r} changes {name} in place")
    trainable = {name: p for name, p in layer.named_parameters().items() if p.trainable and name in a.arrays}
    return {"x": dx, **{name: p.grad / 2 for name, p in trainable.items()}}


def _check_inference(layer, x):
    """Raise :class:`Refuted` unless ``layer(x)`` equals ``forward(x, train=False)`` exactly.

    Both execute the same operations in the same order, so they must round in the same way.
    """
    called = layer(x.copy())
    expected, _ = layer.forward(x.copy(), train=False)
    if called.dtype != expected.dtype or not np.array_equal(called, expected):
        raise Refuted(f"{layer!r}(x) is {called.tolist()}, and forward(x, train=False) returns {expected.tolist()}")


def prepare(layer: Layer, a: Arguments, trained: bool = False) -> None:
    """Build the layer in the dtype of x, set its parameters to arrays of a, and zero gradients."""
    if not trained:
        layer.build(a.x.shape[1:], SEED, np.float64 if a.x.dtype == object else a.x.dtype)
    for name, parameter in layer.named_parameters().items():
        parameter.replace_array(np.array(a.arrays.get(name, parameter.value), a.x.dtype))


def _parts(dy, y):
    """Return ``dy``, split into a tuple if the output of the layer is a tuple."""
    if not isinstance(y, tuple):
        return dy
    ends = np.cumsum([part.shape[-1] for part in y])[:-1]
    return tuple(np.ascontiguousarray(part) for part in np.split(dy, ends, -1))


def definition_of(make: Make, a: Arguments) -> Mapping[str, object]:
    """Return the output by the layer's definition as ``{"y": …}``, or {} without a definition."""
    return {"y": make.definition(a)} if make.definition else {}
