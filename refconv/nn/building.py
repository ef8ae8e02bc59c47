"""What ``Layer.build`` does with arrays: it makes parameters or refills them in place, and an error undoes all of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from refconv.nn.parameter import Parameter, Parameters, Spec, allocate

if TYPE_CHECKING:
    from refconv.nn.layer import Layer

__all__ = ["fill_layers"]

Shape = tuple[int, ...]


def fill_layers(
    layers: Sequence[tuple[Layer, Shape]], specs: Sequence[dict[str, Spec]], rng: np.random.Generator, dtype: np.dtype
) -> None:
    """Write first values into the parameters of layers, given with their input shapes and specifications.

    Parameters that already fit all specifications stay the same objects in the same arrays, so an optimizer that holds them
    remains connected to the layers. Otherwise every layer gets new ones. After an error every layer is what it was before.
    """
    kept = _parameters_that_fit(layers, specs, dtype)
    with _undone_on_error([layer for layer, _ in layers], kept or ()):
        made = iter(allocate([spec for own in specs for spec in own.values()], dtype)) if kept is None else None
        for (layer, shape), own in zip(layers, specs, strict=True):
            if made is not None:
                layer.parameters = Parameters({name: next(made) for name in own})
            elif not own and not layer.parameters:
                layer.parameters = Parameters()  # built, although there is nothing to fill
            layer.make(shape, rng, dtype)
            layer.input_shape = shape
    for parameter in kept or ():
        if parameter.grad is not None and parameter.grad.any():  # writing zeros over zeros would allocate memory
            parameter.grad.fill(0)


def _parameters_that_fit(
    layers: Sequence[tuple[Layer, Shape]], specs: Sequence[dict[str, Spec]], dtype: np.dtype
) -> list[Parameter] | None:
    """Return the existing parameters if they are what the specifications describe, else None."""
    kept = []
    for (layer, _), own in zip(layers, specs, strict=True):
        if not layer.parameters.keys() >= own.keys():
            return None
        for name, spec in own.items():
            parameter = layer.parameters[name]
            has_gradient = parameter.grad is not None
            if not parameter.relocatable or parameter.value.dtype != dtype:
                return None
            if (parameter.value.shape, has_gradient) != (tuple(spec.shape), spec.trainable):
                return None
            kept.append(parameter)
    return kept


@contextmanager
def _undone_on_error(layers: Sequence[Layer], parameters: Iterable[Parameter]) -> Iterator[None]:
    """Restore the attributes of layers and the values of parameters if the block raises an error."""
    attributes = [dict(vars(layer)) for layer in layers]
    values = [(parameter, parameter.value.copy()) for parameter in parameters]
    try:
        yield
    except BaseException:
        for layer, before in zip(layers, attributes, strict=True):
            vars(layer).clear()
            vars(layer).update(before)
        for parameter, value in values:
            parameter.value[...] = value
        raise
