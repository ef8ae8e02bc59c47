"""Specifications of a network's parameters, and the input shape that is saved with it."""

from __future__ import annotations

from refconv._errors import ArgumentValueError
from refconv.nn import Layer, Spec
from refconv.nn.description import built_shape, short_repr
from refconv.typing import Shape

__all__ = ["named_specs", "saved_shape"]


def named_specs(model: Layer, shape: tuple[int, ...]) -> dict[str, Spec]:
    """Return the specifications of all parameters that ``build`` would allocate.

    The names are the same as in ``named_parameters``.

    >>> from refconv import nn
    >>> {name: spec.shape for name, spec in named_specs(nn.Sequential(scores=nn.Dense(3)), (5,)).items()}
    {'scores.w': (5, 3), 'scores.b': (3,)}
    """
    _, *inner = model.distinct_layers(shape)
    layers = [("", model, shape), *((f"{name}.", layer, reaching) for name, layer, reaching in inner)]
    return {f"{name}{key}": spec for name, layer, reaching in layers for key, spec in layer.specs(reaching).items()}


def saved_shape(model: Layer, input_shape: Shape | None) -> Shape:
    """Return the input shape to save with a network: the given one, or its ``input_shape``.

    Raises ``RuntimeError`` if the network is not built, and ``ValueError`` if ``build`` was only called on its inner layers.
    """
    if not model.is_built:
        raise RuntimeError(f"{short_repr(model)} is not built: call build(input_shape) first")
    shape = built_shape(model) if input_shape is None else tuple(input_shape)
    if shape is None:
        raise ArgumentValueError(
            f"input_shape must be given if build was not called on the {type(model).__name__} itself, got None"
        )
    return shape
