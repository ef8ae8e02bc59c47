"""Evaluation of nodes whose inputs are constants, such as the shapes that exporters compute.

In shapes, :data:`BATCH` stands for the number of examples, which is unknown. Only nodes that move elements accept it.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from refconv.onnx.reading.errors import UnsupportedModelError, require
from refconv.onnx.reading.node import BATCH, Node
from refconv.onnx.reading.tensors import array_of, type_name
from refconv.typing import Array

__all__ = ["fold"]

MAX_FOLDED = 2**24  # elements of all computed constants of one file; a hostile graph could double an array in each node
CASTS = {"FLOAT": np.float32, "DOUBLE": np.float64, "INT32": np.int32, "INT64": np.int64, "BOOL": np.bool_}


def fold(reader: Any, node: Node) -> Array | None:
    """Return the constant output of a node, or None if it depends on the input of the network.

    ``reader`` is the :class:`Reader` of the graph, whose module imports this one.
    """
    if node.op == "Constant":
        return _constant(node)
    if node.op == "Shape":
        return _shape(reader, node)
    names = [name for name in node.inputs if name]
    if not names or not all(name in reader.constants for name in names) or node.op not in FOLDED:
        return None
    function, size = FOLDED[node.op]
    inputs = [node.constant(k) for k in range(len(node.inputs))]
    with _unfit_inputs_refused():
        reader.folded += size(node, inputs)
    require(reader.folded <= MAX_FOLDED, f"must not compute more than {MAX_FOLDED} elements of constants")
    with _unfit_inputs_refused():
        return np.asarray(function(node, inputs))


@contextlib.contextmanager
def _unfit_inputs_refused() -> Iterator[None]:
    """Raise :class:`UnsupportedModelError` for errors of NumPy, and for missing inputs."""
    try:
        yield
    except (AttributeError, IndexError, OverflowError, TypeError, ValueError, ZeroDivisionError) as error:
        raise UnsupportedModelError(f"must have constant inputs that fit together: {error}") from error


def _constant(node: Node) -> Array:
    if (tensor := node.tensor("value")) is not None:
        return array_of(tensor, Path("/nonexistent"))  # external data are only for weights
    for name, read, dtype in (
        ("value_int", lambda: node.integer("value_int", 0), np.int64),
        ("value_float", lambda: node.real("value_float", 0), np.float32),
        ("value_ints", lambda: node.integers("value_ints"), np.int64),
    ):
        if node.has(name):
            return np.array(read(), dtype)
    raise UnsupportedModelError("must have a value that is an array or numbers")


def _shape(reader: Any, node: Node) -> Array:
    constant = node.constant(0) if node.is_constant(0) else None
    if constant is not None:
        shape = [*constant.shape]
    else:
        batch = reader.batch
        shape = [BATCH if batch is None else batch, *node.value().shape]
    return np.array(shape[node.integer("start", 0) : node.integer("end", len(shape))], np.int64)


def _axes(node: Node, inputs: list[Any]) -> Any:
    if node.has("axes"):
        return node.integers("axes")
    return inputs[1].tolist() if len(inputs) > 1 else None


def _unsqueeze(node: Node, inputs: list[Any]) -> Array:
    return np.expand_dims(inputs[0], tuple(_axes(node, inputs)))


def _squeeze(node: Node, inputs: list[Any]) -> Array:
    axes = _axes(node, inputs)
    return np.squeeze(inputs[0], None if axes is None else tuple(axes))


def _slice(node: Node, inputs: list[Any]) -> Array:
    starts, ends = ([*numbers] for numbers in (node.numbers("starts", 1) or [], node.numbers("ends", 2) or []))
    axes, steps = node.numbers("axes", 3), node.numbers("steps", 4)
    index: list[slice] = [slice(None)] * inputs[0].ndim
    for axis, start, end, step in zip(axes or range(len(starts)), starts, ends, steps or [1] * len(starts), strict=True):
        index[axis] = slice(start, end, step)
    return inputs[0][tuple(index)]


def _cast(node: Node, inputs: list[Any]) -> Array:
    kind = type_name(node.integer("to", 0))
    require(kind in CASTS, f"must convert to a type among {', '.join(CASTS)}, got {kind}")
    require(kind in ("INT64", "INT32") or not _has_batch(inputs), "must not convert the number of examples")
    return inputs[0].astype(np.int64 if _has_batch(inputs) else CASTS[kind])  # BATCH has more than 32 bits


def _reshape(node: Node, inputs: list[Any]) -> Array:
    return inputs[0].reshape([inputs[0].shape[k] if n == 0 else n for k, n in enumerate(inputs[1].tolist())])


def _transpose(node: Node, inputs: list[Any]) -> Array:
    return np.transpose(inputs[0], node.integers("perm"))


def _constant_of_shape(node: Node, inputs: list[Any]) -> Array:
    tensor = node.tensor("value")
    value = np.float32(0) if tensor is None else array_of(tensor, Path("/nonexistent")).reshape(())
    return np.full(inputs[0].tolist(), value)


def _arithmetic(function: Callable[..., Any]) -> Callable[[Any, list[Any]], Array]:
    def compute(node: Node, inputs: list[Any]) -> Array:
        require(not _has_batch(inputs), "must not compute with the number of examples")
        first, second = inputs
        require(first.dtype == second.dtype, "must have constants of one type")
        with np.errstate(all="ignore"):
            return np.asarray(function(first, second)).astype(first.dtype)

    return compute


def _divided(first: Array, second: Array) -> Array:
    if first.dtype.kind == "i":
        require((second != 0).all(), "must not divide by zero")
        return np.trunc(first / second)
    return first / second


def _has_batch(inputs: list[Any]) -> bool:
    return any(a is not None and a.dtype.kind == "i" and (a == BATCH).any() for a in inputs)


def _sum_of_sizes(node: Node, inputs: list[Any]) -> int:
    return sum(a.size for a in inputs if a is not None)


def _broadcast_size(node: Node, inputs: list[Any]) -> int:
    shapes = [a.shape for a in inputs]
    rank = max(map(len, shapes))
    aligned = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return math.prod(max(sizes) for sizes in zip(*aligned, strict=True))


def _wanted_size(node: Node, inputs: list[Any]) -> int:
    return math.prod(max(int(n), 0) for n in inputs[0].reshape(-1))


def _copied_size(node: Node, inputs: list[Any]) -> int:
    return 0 if inputs[0].flags.c_contiguous else int(inputs[0].size)  # as after a transposition


def _gathered_size(node: Node, inputs: list[Any]) -> int:
    return int(inputs[0].size * max(inputs[1].size, 1))


# Function that computes the output, and function that bounds its number of elements, by operator.
FOLDED: dict[str, tuple[Callable[..., Any], Callable[..., int]]] = {
    "Identity": (lambda node, inputs: inputs[0], lambda node, inputs: 0),
    "Cast": (_cast, _sum_of_sizes),
    "Concat": (lambda node, inputs: np.concatenate(inputs, node.integer("axis", 0)), _sum_of_sizes),
    "Gather": (lambda node, inputs: np.take(inputs[0], inputs[1], node.integer("axis", 0)), _gathered_size),
    "Unsqueeze": (_unsqueeze, lambda node, inputs: 0),
    "Squeeze": (_squeeze, lambda node, inputs: 0),
    "Slice": (_slice, lambda node, inputs: 0),
    "Reshape": (_reshape, _copied_size),
    "Transpose": (_transpose, lambda node, inputs: 0),
    "ConstantOfShape": (_constant_of_shape, _wanted_size),
    "Add": (_arithmetic(np.add), _broadcast_size),
    "Sub": (_arithmetic(np.subtract), _broadcast_size),
    "Mul": (_arithmetic(np.multiply), _broadcast_size),
    "Div": (_arithmetic(_divided), _broadcast_size),
}
