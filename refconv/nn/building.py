"""Steps of ``Layer.build``: check the layers, allocate parameters or refill them in place.

If a step raises an error, all changes are undone.
"""

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
    """Attributes and methods of :class:`refconv.nn.Layer` that this module uses.

    This module cannot import that class, which imports it.
    """

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
    """Yield a layer and its inner layers at any depth; a shared layer is yielded each time."""
    yield layer
    for _, inner in layer.named_layers():
        yield from all_layers(inner)


def check_before_build(layer: Layer, shape: Shape) -> None:
    """Check that a layer may be built.

    Raises ``TypeError`` if an inner layer would not be built or trained, and ``RuntimeError`` if the layer is frozen.
    """
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
    """Return the attributes that contain layers which ``build`` would miss.

    These layers are not built yet, and ``build`` would not reach them. They may be in lists and dicts.
    """
    reached = {id(inner) for name, listed in layer.named_layers() if name in built for inner in all_layers(listed)}

    def is_missed(inner: Layer) -> bool:
        return id(inner) not in reached and not inner.is_built and not any(inner.named_layers())

    contained = {name: _layers_in(value) for name, value in vars(layer).items() if name != "_arguments"}
    return [
        name for name, layers in contained.items() if any(is_missed(inner) for outer in layers for inner in all_layers(outer))
    ]


def _layers_in(value: Any) -> Iterator[Any]:
    """Yield the layers in an attribute's value.

    The value is a layer, or a list, tuple, set or dict that contains layers at any depth.
    """
    if isinstance(value, Description):  # base class of every layer
        yield value
    elif isinstance(value, list | tuple | set | dict):
        for element in value.values() if isinstance(value, dict) else value:
            yield from _layers_in(element)


def fill_layers(
    layers: Sequence[tuple[Layer, Shape]], specs: Sequence[dict[str, Spec]], rng: np.random.Generator, dtype: np.dtype[Any]
) -> None:
    """Write initial values into the parameters of layers, and allocate them if necessary.

    ``layers`` are given with their input shapes. If the existing parameters fit all specifications, they stay the same objects
    in the same arrays, so an existing optimizer still trains them. Otherwise every layer gets new parameters. If an error is
    raised, no layer changes.
    """
    existing = _parameters_that_fit(layers, specs, dtype)
    with _undone_on_error([layer for layer, _ in layers], existing or ()):
        allocated = iter(allocate([spec for own in specs for spec in own.values()], dtype)) if existing is None else None
        for (layer, shape), own in zip(layers, specs, strict=True):
            if allocated is not None:
                layer.parameters = Parameters({name: next(allocated) for name in own})
                for parameter in layer.parameters.values():
                    parameter.value.fill(0)  # make may not write all elements
            elif not own and not layer.parameters:
                layer.parameters = Parameters()  # counts as built, although it has no parameters
            layer.make(shape, rng, dtype)
            layer.input_shape = shape
    for parameter in existing or ():
        if parameter.grad is not None and parameter.grad.any():  # writing to untouched zeros would allocate their memory
            parameter.grad.fill(0)


def _parameters_that_fit(
    layers: Sequence[tuple[Layer, Shape]], specs: Sequence[dict[str, Spec]], dtype: np.dtype[Any]
) -> list[Parameter] | None:
    """Return the existing parameters if they match the specifications, else None."""
    existing = []
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
            existing.append(parameter)
    return existing


@contextmanager
def _undone_on_error(layers: Sequence[Layer], parameters: Iterable[Parameter]) -> Iterator[None]:
    """Restore the attributes of layers and the values of parameters after an error."""
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
