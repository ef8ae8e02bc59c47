"""Detection of changes in a network."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from refconv.nn import Layer
from refconv.nn.layer import all_layers
from refconv.nn.parameter import Parameter, are_referenced
from refconv.ops.dispatch import kernels
from refconv.typing import Array

__all__ = ["Watch"]


class Watch:
    """State of a network: its layers, and checksums of its parameters and running averages.

    Training, loading weights, replacing a layer and editing an array in place all change it. Checksums are compared only if
    the arrays can have changed since the last comparison: if they were accessed, or if another object refers to them.

    >>> from refconv import nn
    >>> model = nn.Sequential(nn.Dense(3), nn.ReLU())
    >>> _ = model.build((5,), rng=0)
    >>> watch = Watch(model)
    >>> watch.is_unchanged()
    True
    >>> model[0].parameters["b"].value[2] = 7
    >>> watch.is_unchanged()
    False
    """

    def __init__(self, model: Layer) -> None:
        self._recorded = [(layer, *_state(layer)) for layer in all_layers(model)]
        self._checksums = self._read_checksums()
        self._verified: list[Any] | None = None  # the accesses before the last comparison, if it need not be repeated

    def is_unchanged(self) -> bool:
        """Return True if nothing has changed."""
        accesses = self._accesses()
        for layer, inner, *objects in self._recorded:
            now, *others = _state(layer)
            if now != inner or any(map(operator.is_not, others, objects)):
                return False
        return accesses == self._verified or self._verify(accesses)

    def _verify(self, accesses: list[Any]) -> bool:
        """Compare the checksums.

        The result is valid until the next access, if no other object refers to the arrays now.
        """
        referenced = are_referenced(self._parameters())
        unchanged = self._read_checksums() == self._checksums
        self._verified = accesses if unchanged and not referenced else None
        return unchanged

    def _accesses(self) -> list[Any]:
        """Return the parameters and their last accesses."""
        flat_arrays = {id(p.flat): p.flat for p in self._parameters() if p.flat is not None}
        last = [flat.last_access for flat in flat_arrays.values()]
        for parameter in self._parameters():
            last += [parameter, parameter.last_access]
        return last

    def _parameters(self) -> list[Parameter]:
        return [parameter for _, _, parameters, _ in self._recorded for parameter in (parameters or {}).values()]

    def _read_checksums(self) -> list[bytes]:
        """Return the checksum of each array that contains parameters."""
        arrays = {id(parameter.stored): parameter.stored for parameter in self._parameters()}
        return [kernels().checksum.checksum(_bytes(array)) for array in arrays.values()]


def _state(layer: Layer) -> tuple[list[Layer], Any, Any]:
    """Return the inner layers of a layer, its parameters and its own forward function."""
    attributes = vars(layer)
    return [*attributes.get("layers", {}).values()], layer._parameters, attributes.get("forward")


def _bytes(array: Array) -> Array:
    """Return the elements of an array as bytes, copied if they are not contiguous."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
