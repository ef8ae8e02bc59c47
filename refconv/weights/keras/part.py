"""Layers of refconv for one layer of Keras, and how they get its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from refconv.nn import Layer
from refconv.typing import Shape
from refconv.weights.keras.options import Options

__all__ = ["FREEZE", "Converter", "Part", "with_bias"]

FREEZE = ("*",)  # training does not change the layer at all
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Part(NamedTuple):
    """Layers of refconv for one layer of Keras.

    The first layer has the weights of Keras's layer: ``variables`` are the names of its parameters in the order of the file.
    The parameters in ``constants`` have fixed values, and training does not change those in ``frozen``. ``file_shapes``
    contains the shapes of arrays that have fewer axes in the file.
    """

    layers: tuple[Layer, ...]
    variables: tuple[str, ...] = ()
    constants: Mapping[str, Any] = NOTHING
    frozen: tuple[str, ...] = ()
    file_shapes: Mapping[str, Shape] = NOTHING

    def freeze_fixed(self) -> None:
        """Freeze the parameters that Keras does not have, or does not train."""
        first = self.layers[0]
        if self.frozen == FREEZE:
            first.freeze()
            return
        for name in self.frozen:
            first.parameters[name].frozen = True


# Function of a layer's options and the shape of its input, without the batch.
Converter: TypeAlias = Callable[[Options, Shape], Part]


def with_bias(*kernels: str, bias: bool) -> tuple[str, ...]:
    """Return the names of a layer's parameters: its kernels, and "b" if it has a bias."""
    return (*kernels, "b") if bias else kernels
