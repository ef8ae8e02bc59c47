"""Parsing and checking of ONNX files.

An untrusted file is data: nothing in it is executed, and sizes are checked before memory is allocated. Later modules may
rely on what is checked here: each name is defined once, and before it is used, so the graph has no cycles.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refconv.onnx.reading.errors import InvalidModelError, UnsupportedModelError
from refconv.onnx.reading.messages import check_messages
from refconv.onnx.reading.tensors import arrays_of, type_name
from refconv.onnx.writing.save import LAYOUT, NOTES
from refconv.onnx.writing.writer import the_onnx_package
from refconv.typing import Array

__all__ = ["Input", "Model", "parse"]

MAX_FILE_BYTES = 2**31  # of a protobuf message
MAX_NODES = 50_000
MAX_LISTED = 3  # names in an error message
FORMATS = ("channels_last", "channels_first")
OPSETS = range(6, 29)  # versions of the operators that the readers know


@dataclass(frozen=True)
class Input:
    """Input of a graph: name, name of its type, and sizes, None where they are not fixed."""

    name: str
    type: str
    sizes: tuple[int | None, ...] | None


@dataclass(frozen=True)
class Model:
    """Checked content of a file.

    Attributes
    ----------
    nodes : list of NodeProto
        In topological order.
    constants : dict of array
        Weights and other constant arrays by name.
    inputs, outputs : list of Input, list of str
    opset : int
    notes : dict
        Notes of refconv in the metadata.
    data_format : str or None
        Layout of the images in the input, if the metadata of refconv contain it.
    """

    nodes: list[Any]
    constants: dict[str, Array]
    inputs: list[Input]
    outputs: list[str]
    opset: int
    notes: dict[str, Any]
    data_format: str | None


def parse(path: Path) -> Model:
    """Read and check a file.

    Raises :class:`FileNotFoundError`, :class:`InvalidModelError` or :class:`UnsupportedModelError`.
    """
    if path.is_dir():
        raise InvalidModelError("an ONNX file is expected, got a folder")
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    size = os.path.getsize(path)
    if not 0 < size < MAX_FILE_BYTES:
        raise InvalidModelError(f"an ONNX file must have at least one byte and less than {MAX_FILE_BYTES}, got {size}")
    proto = _decoded(path.read_bytes())
    graph = proto.graph
    opset = _opset(proto)
    if len(graph.node) > MAX_NODES:
        raise UnsupportedModelError(f"the graph must have at most {MAX_NODES} nodes, got {len(graph.node)}")
    _refuse_functions_and_sparse_weights(proto)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    if len(constants) != len(graph.initializer):
        raise InvalidModelError("the names of the weights must be distinct")
    inputs = [_input(value) for value in graph.input if value.name not in constants]
    _check_names(graph, [value.name for value in inputs], constants)
    arrays = arrays_of(constants.values(), path.parent)
    outputs = [value.name for value in graph.output]
    return Model([*graph.node], arrays, inputs, outputs, opset, _notes(proto), _data_format(proto))


def _decoded(data: bytes) -> Any:
    from google.protobuf.message import DecodeError  # protobuf is a dependency of the package onnx

    proto = the_onnx_package().ModelProto()
    check_messages(data, proto.DESCRIPTOR)
    try:
        proto.ParseFromString(data)
    except (DecodeError, ValueError, RecursionError) as error:
        raise InvalidModelError(f"the file is not an ONNX model, or is damaged: {error}") from error
    if not proto.HasField("graph"):
        raise InvalidModelError("the file is not an ONNX model, or is damaged: it has no graph")
    return proto


def _refuse_functions_and_sparse_weights(proto: Any) -> None:
    if len(proto.functions):
        names = [f"{function.domain}.{function.name}".lstrip(".") for function in proto.functions]
        listed = ", ".join(map(repr, names[:MAX_LISTED])) + (", …" if len(names) > MAX_LISTED else "")
        raise UnsupportedModelError(
            f"the file must have no local functions, got {listed}; onnx.inliner.inline_local_functions replaces them by nodes"
        )
    if len(proto.graph.sparse_initializer):
        name = proto.graph.sparse_initializer[0].values.name
        raise UnsupportedModelError(f"the file must have no sparse weights, got {name!r}")


def _opset(proto: Any) -> int:
    versions = {entry.domain: entry.version for entry in proto.opset_import}
    version = versions.get("", versions.get("ai.onnx", 0))
    if version not in OPSETS:
        raise UnsupportedModelError(f"the opset must be from {OPSETS[0]} to {OPSETS[-1]}, got {version}")
    return int(version)


def _input(value: Any) -> Input:
    if not value.type.HasField("tensor_type"):
        raise UnsupportedModelError(f"input {value.name!r} must be an array")
    tensor = value.type.tensor_type
    sizes = None
    if tensor.HasField("shape"):
        sizes = tuple(dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in tensor.shape.dim)
    return Input(value.name, type_name(tensor.elem_type), sizes)


def _check_names(graph: Any, inputs: list[str], constants: dict[str, Any]) -> None:
    """Check that each name is valid UTF-8 and is defined once, before its use."""
    texts = [text for node in graph.node for text in (node.name, node.op_type, node.domain, *node.input, *node.output)]
    if invalid := [
        text for text in [*texts, *inputs, *constants] if not isinstance(text, str)
    ]:  # of some versions of protobuf
        raise InvalidModelError(f"names must be valid UTF-8, got {invalid[0]!r}")
    if len(set(inputs)) != len(inputs):
        raise InvalidModelError("the names of the inputs must be distinct")
    defined = {*inputs, *constants}
    for node in graph.node:
        missing = [name for name in node.input if name and name not in defined]
        if missing:
            raise InvalidModelError(
                f"the nodes must be in topological order, without cycles: {node.op_type} {node.name!r} reads {missing[0]!r}, "
                "which no earlier node computes"
            )
        for name in filter(None, node.output):
            if name in defined:
                raise InvalidModelError(f"each name must be defined once, got {name!r} twice")
            defined.add(name)
    for value in graph.output:
        if value.name not in defined:
            raise InvalidModelError(f"a node must compute the output {value.name!r}")


def _notes(proto: Any) -> dict[str, Any]:
    for entry in proto.metadata_props:
        if entry.key == NOTES:
            try:
                notes = json.loads(entry.value)
            except (ValueError, RecursionError) as error:
                raise InvalidModelError(f"the notes in the metadata must be JSON, got {error}") from error
            if not isinstance(notes, dict):
                raise InvalidModelError(f"the notes in the metadata must be a JSON object, got {type(notes).__name__}")
            return notes
    return {}


def _data_format(proto: Any) -> str | None:
    for entry in proto.metadata_props:
        if entry.key == LAYOUT:
            if entry.value not in FORMATS:
                raise InvalidModelError(f"the layout in the metadata must be {' or '.join(FORMATS)}, got {entry.value!r}")
            return str(entry.value)
    return None
