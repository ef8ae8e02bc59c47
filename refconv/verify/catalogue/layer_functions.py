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
    """How a layer is made: a function, and what the layer then computes, written with operators (or None).

    ``definition(a)`` returns the output for the arguments a. ``trained`` says that the function returns a layer that is
    built, which must not be built again.
    """

    layer: Callable[[], Layer]
    definition: Callable[[Arguments], np.ndarray] | None = None
    trained: bool = False

    def __repr__(self):
        return " ".join(repr(self.layer()).split())  # in one line, however long


def layer_case(make: Make, shape: tuple[int, ...], train: bool = True, positive: tuple[str, ...] = (), batch: int = 3) -> Case:
    """Return the case of a layer with inputs of this shape: x, and an array for each parameter.

    Variances and numbers of updates are positive, and so are the arrays named.

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
    """Return the output of a layer for a.x, with the parameters of a; :class:`Refuted` if ``output_shape`` is wrong.

    If the layer returns several outputs, they are concatenated along the last axis.
    """
    prepare(layer, a, trained)
    y, _ = layer.forward(a.x, a.given.get("train", True))
    outputs = y if isinstance(y, tuple) else (y,)
    foreseen = (len(a.x), *layer.output_shape(a.x.shape[1:]))
    if outputs[0].shape != foreseen:
        raise Refuted(f"the output of {layer!r} has shape {outputs[0].shape}, and output_shape says {foreseen}")
    return np.concatenate(y, -1) if isinstance(y, tuple) else y


def backward(layer: Layer, a: Arguments, trained: bool = False) -> dict[str, np.ndarray]:
    """Return ∂e/∂x and the gradient of each trainable parameter that is in a, by their names; ``a.dy`` is ∂e/∂y.

    The backward function is called twice and the gradients are halved: a layer that overwrites gradients instead of adding
    to them returns half of each. Between forward and backward another input passes: a layer must keep nothing of a pass.
    Raises :class:`Refuted` if the layer changes x or dy, or if ``layer(x)`` is not the output in inference.
    """
    train = a.given.get("train", True)
    prepare(layer, a, trained)
    _check_inference(layer, a.x)
    x, dy = a.x.copy(), a.dy.copy()
    y, back = layer.forward(x, train)
    layer.forward(np.roll(x, 1), train)
    parts = _parts(dy, y)
    dx = back(parts)
    back(parts, want_dx=False)
    for name, array, before in (("x", x, a.x), ("dy", dy, a.dy)):
        if not np.array_equal(array, before):
            raise Refuted(f"{layer!r} changes {name}")
    trainable = {name: p for name, p in layer.named_parameters().items() if p.trainable and name in a.arrays}
    return {"x": dx, **{name: p.grad / 2 for name, p in trainable.items()}}


def _check_inference(layer, x):
    """Raise :class:`Refuted` unless ``layer(x)`` is the output of ``layer.forward(x, train=False)``, to the last bit.

    Both compute the same operations in the same order, so nothing may round differently.
    """
    called, (expected, _) = layer(x.copy()), layer.forward(x.copy(), train=False)
    if called.dtype != expected.dtype or not np.array_equal(called, expected):
        raise Refuted(f"{layer!r}(x) is {called.tolist()}, and forward(x, train=False) returns {expected.tolist()}")


def prepare(layer: Layer, a: Arguments, trained: bool = False) -> None:
    """Build the layer and give it the parameters of a, and zero gradients, of x's type."""
    if not trained:
        layer.build(a.x.shape[1:], SEED, np.float64 if a.x.dtype == object else a.x.dtype)
    for name, parameter in layer.named_parameters().items():
        parameter.replace_array(np.array(a.arrays.get(name, parameter.value), a.x.dtype))


def _parts(dy, y):
    """Return ``dy`` as the layer expects it: a tuple if its output is one."""
    if not isinstance(y, tuple):
        return dy
    ends = np.cumsum([part.shape[-1] for part in y])[:-1]
    return tuple(np.ascontiguousarray(part) for part in np.split(dy, ends, -1))


def definition_of(make: Make, a: Arguments) -> Mapping[str, object]:
    """Return the output by the layer's definition, as ``{"y": …}``; empty if it has none."""
    return {"y": make.definition(a)} if make.definition else {}
