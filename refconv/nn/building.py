"""Building a layer: its inner layers are checked, parameters are made or refilled in place, and an error undoes all of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import numpy as np

from refconv._errors import ArgumentTypeError
from refconv.nn.description import Description, short_repr
from refconv.nn.parameter import Parameter, Parameters, Spec, allocate
from refconv.typing import Shape

__all__ = ["all_layers", "check_before_build", "fill_layers"]


class Layer(Protocol):
    """What this module uses of :class:`refconv.nn.Layer`, which imports it."""

    parameters: Any  # a Parameters; any dict can be assigned
    input_shape: Shape | None
    frozen: bool

    @property
    def is_built(self) -> bool: ...

    def named_layers(self) -> Iterator[tuple[str, Any]]: ...

    def children(self, shape: Shape) -> Iterator[tuple[str, Any, Shape]]: ...

    def make(self, shape: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> None: ...


AnyLayer = TypeVar("AnyLayer", bound=Layer)


def all_layers(layer: AnyLayer) -> Iterator[AnyLayer]:
    """Yield a layer and, at any depth, its inner layers; a shared one each time."""
    yield layer
    for _, inner in layer.named_layers():
        yield from all_layers(inner)


def check_before_build(layer: Layer, shape: Shape) -> None:
    """Raise ``TypeError`` if inner layers would not be built or trained, ``RuntimeError`` if a layer is frozen."""
    if layer.frozen and layer.parameters:
        raise RuntimeError(
            f"{short_repr(layer)} is frozen, and building would replace its values: "
            "build the other layers alone, or call unfreeze()"
        )
    named, built = ({name for name, *_ in layers} for layers in (layer.named_layers(), layer.children(shape)))
    hidden = _attributes_with_unlisted_layers(layer, built)
    if named != built or hidden:
        raise ArgumentTypeError(
            f"{type(layer).__name__} must list its inner layers in named_layers() and children(shape), "
            f"got {sorted(named)} and {sorted(built)}" + (f" and attributes {hidden}" if hidden else "")
        )


def _attributes_with_unlisted_layers(layer: Layer, built: set[str]) -> list[str]:
    """Return the attributes with layers, also in lists and dicts, that are not built and that build would not reach."""
    reached = {id(inner) for name, listed in layer.named_layers() if name in built for inner in all_layers(listed)}

    def is_missed(inner: Layer) -> bool:
        return id(inner) not in reached and not inner.is_built and not any(inner.named_layers())

    held = {name: _layers_in(value) for name, value in vars(layer).items() if name != "_arguments"}
    return [name for name, layers in held.items() if any(is_missed(inner) for outer in layers for inner in all_layers(outer))]


def _layers_in(value: Any) -> Iterator[Any]:
    """Yield the layers that an attribute holds: itself, or elements of a list, tuple, set or dict at any depth."""
    if isinstance(value, Description):  # every layer is one
        yield value
    elif isinstance(value, list | tuple | set | dict):
        for element in value.values() if isinstance(value, dict) else value:
            yield from _layers_in(element)


def fill_layers(
    layers: Sequence[tuple[Layer, Shape]], specs: Sequence[dict[str, Spec]], rng: np.random.Generator, dtype: np.dtype[Any]
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
                for parameter in layer.parameters.values():
                    parameter.value.fill(0)  # make may leave some unwritten
            elif not own and not layer.parameters:
                layer.parameters = Parameters()  # built, although there is nothing to fill
            layer.make(shape, rng, dtype)
            layer.input_shape = shape
    for parameter in kept or ():
        if parameter.grad is not None and parameter.grad.any():  # writing zeros over zeros would allocate memory
            parameter.grad.fill(0)


def _parameters_that_fit(
    layers: Sequence[tuple[Layer, Shape]], specs: Sequence[dict[str, Spec]], dtype: np.dtype[Any]
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
