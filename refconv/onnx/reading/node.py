"""Node of an ONNX graph: attributes and inputs with their types checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from refconv.onnx.reading.errors import InvalidModelError, UnsupportedModelError, require
from refconv.typing import Array

__all__ = ["BATCH", "Node"]

BATCH = -(2**62)  # stands for the number of examples in constant shapes


class Node:
    """Node with its attributes, which are read as needed.

    Parameters
    ----------
    reader : Reader
        The network under construction, which knows values and constants.
    proto : NodeProto
    """

    def __init__(self, reader: Any, proto: Any) -> None:
        self._reader = reader
        self.op, self.name, self.domain = proto.op_type, proto.name, proto.domain
        self.inputs, self.outputs = list(proto.input), list(proto.output)
        if not self.outputs or not self.outputs[0]:
            raise InvalidModelError(f"{self} must have an output")
        self._attributes = {attribute.name: attribute for attribute in proto.attribute}

    def __str__(self) -> str:
        return f"node {self.name!r} ({self.op})" if self.name else f"a node {self.op}"

    def integer(self, name: str, default: int) -> int:
        """Return an integer attribute."""
        return int(self._attribute(name, "INT", "i", default))

    def flag(self, name: str) -> bool:
        """Return an attribute that is 0 or 1; by default False."""
        return bool(self.integer(name, 0))

    def real(self, name: str, default: float) -> float:
        """Return a float attribute."""
        return float(self._attribute(name, "FLOAT", "f", default))

    def word(self, name: str, default: str) -> str:
        """Return a string attribute."""
        value = self._attribute(name, "STRING", "s", default)
        return value if isinstance(value, str) else value.decode("utf-8", "replace")

    def integers(self, name: str, default: Any = None) -> Any:
        """Return an attribute that is a list of integers."""
        value = self._attribute(name, "INTS", "ints", default)
        return value if value is default else [int(n) for n in value]

    def tensor(self, name: str) -> Any:
        """Return a tensor attribute, or None."""
        return self._attribute(name, "TENSOR", "t", None)

    def has(self, name: str) -> bool:
        """Return True if the node has the attribute."""
        return name in self._attributes

    def _attribute(self, name: str, kind: str, field: str, default: Any) -> Any:
        if name not in self._attributes:
            return default
        attribute = self._attributes[name]
        if attribute.type != getattr(attribute, kind):
            raise InvalidModelError(f"{self} must have an attribute {name} of type {kind}, got type {attribute.type}")
        return getattr(attribute, field)

    def has_input(self, k: int) -> bool:
        """Return True if the node has its k-th input, from 0."""
        return k < len(self.inputs) and bool(self.inputs[k])

    def value(self, k: int = 0) -> Any:
        """Return an input that the network computes: a ``Value``."""
        require(self.has_input(k), f"must have an input {k}")
        require(self.inputs[k] in self._reader.values, f"must have an input {k} that depends on the input of the graph")
        return self._reader.values[self.inputs[k]]

    def is_constant(self, k: int) -> bool:
        """Return True if an input is a constant array."""
        return self.has_input(k) and self.inputs[k] in self._reader.constants

    def constant(self, k: int) -> Array | None:
        """Return a constant input; None if the node does not have it."""
        if not self.has_input(k):
            return None
        require(self.inputs[k] in self._reader.constants, f"must have a constant input {k}, got {self.inputs[k]!r}")
        a: Array = self._reader.constants[self.inputs[k]]
        return a

    def weights(self, k: int) -> Array:
        """Return a constant input of floats."""
        a = self.constant(k)
        require(a is not None and a.dtype.kind == "f", f"must have weights of floats as input {k}")
        assert a is not None
        return a

    def numbers(self, name: str, k: int) -> list[int] | None:
        """Return integers that are an attribute or, in newer versions, an input; None if missing."""
        if self.has(name):
            return list(self.integers(name))
        a = self.constant(k)
        if a is None:
            return None
        require(a.dtype.kind == "i" and a.ndim <= 1, f"must have integers as input {k}")
        return [int(n) for n in np.atleast_1d(a)]

    def number(self, name: str, k: int, default: float) -> float:
        """Return a number that is an attribute in old versions and an input in new ones."""
        if self.has(name):
            return self.real(name, default)
        a = self.constant(k)
        if a is None:
            return default
        require(a.size == 1, f"must have one number as input {k}")
        return float(a.reshape(()))

    def axis(self, name: str, default: int, rank: int) -> int:
        """Return an attribute that is an axis of an array with this number of axes, from 0."""
        return self.checked_axis(self.integer(name, default), rank)

    def checked_axis(self, axis: int, rank: int) -> int:
        """Return an axis counted from 0."""
        if not -rank <= axis < rank:
            raise UnsupportedModelError(f"must have an axis from {-rank} to {rank - 1}, got {axis}")
        return axis % rank
