"""Saving of a network as an ONNX file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from refconv._arguments import check_ending, known_format
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv._files import write_atomically
from refconv._version import __version__
from refconv.nn import Layer
from refconv.onnx.writing.writer import Value, Writer, channels_first, identity, the_onnx_package
from refconv.typing import DataFormat, Shape
from refconv.weights.element_order import input_layout
from refconv.weights.specs import saved_shape

__all__ = ["LAYOUT", "NOTES", "OPSET", "save"]

OPSET = 19  # the first with dilation in AveragePool
IR_VERSION = 9  # of the file format; the first for this opset
BATCH = "batch"  # name of the batch axis, whose size is not fixed
NOTES = "refconv"  # key of the notes in the metadata
LAYOUT = "refconv_data_format"  # key of the layout of the graph's input in the metadata
MAX_BYTES = 2**31 - 2**20  # a protobuf message has less than 2 GiB; one MiB is for the nodes


def save(
    model: Layer,
    path: str | os.PathLike[str],
    *,
    input_shape: Shape | None = None,
    data_format: DataFormat | None = None,
    notes: Mapping[str, Any] | None = None,
) -> None:
    """Save a built network as an ONNX file, which other programs can run.

    The graph computes inference in float32 for batches of any size. Its input is called "input" and its output "output". The
    weights have the dotted names of the parameters. Layers that are only used in training, such as dropout and auxiliary
    heads, are left out. A layer of your own needs a function that writes it; see :func:`refconv.onnx.register`.

    Parameters
    ----------
    model : Layer
        The built network.
    path : path
        The file to write. It must end in ``.onnx``. An existing file is replaced, completely or not at all.
    input_shape : tuple of int, optional
        Shape of one input of the network, without the batch; by default the shape that was passed to ``build``.
    data_format : {"channels_last", "channels_first"}, optional
        Layout of the images in the graph's input and output; by default the layout of the network. It is stored in the
        metadata of the file.
    notes : dict, optional
        JSON-serialisable dict for the metadata of the file; by default ``model.notes``, which contains the preprocessing of
        a network from ``refconv train``.

    Raises
    ------
    RuntimeError
        If the network is not built.
    TypeError
        If there is no function for a layer, or the notes are not JSON-serialisable. The message names the layer.
    ValueError
        If an argument is not valid, or the weights exceed 2 GiB, the limit of the format.
    MissingPackage
        If the package onnx is not installed.

    Examples
    --------
    >>> import tempfile
    >>> import onnx
    >>> import refconv.onnx
    >>> from refconv import nn
    >>> model = nn.Sequential(conv=nn.Conv2D(3, (2, 5)), relu=nn.ReLU())
    >>> _ = model.build((7, 8, 2), rng=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     refconv.onnx.save(model, f"{folder}/model.onnx", data_format="channels_first")
    ...     graph = onnx.load(f"{folder}/model.onnx").graph
    >>> [node.op_type for node in graph.node], [weight.name for weight in graph.initializer]
    (['Conv', 'Relu'], ['conv.w', 'conv.b'])

    Source: lecture row M2 (SOURCES.md).
    """
    check_ending(path, ".onnx")
    write_atomically(path, model_proto(model, input_shape, data_format, notes).SerializeToString())


def model_proto(
    model: Layer,
    input_shape: Shape | None = None,
    data_format: DataFormat | None = None,
    notes: Mapping[str, Any] | None = None,
) -> Any:
    """Return a built network as a ``ModelProto``; see :func:`save`."""
    onnx = the_onnx_package()
    shape = _checked_shape(model, input_shape)
    known = input_layout(model, shape)
    layout = known or "channels_last"
    outside = layout if data_format is None else known_format(data_format)
    x = Value("input", shape, _order(len(shape), layout, outside))
    graph = Writer(OPSET, reserved=("input", "output"))
    y = graph.layer(model, x)
    order = _order(len(y.shape), layout, outside)
    name = graph.ordered(y, order)
    if name == "input":
        name = graph.add("Identity", name)
    _check_size(graph)
    _rename(graph, name, "output")
    helper = onnx.helper
    proto = helper.make_graph(
        graph.nodes,
        type(model).__name__,
        [_declared(x.name, shape, x.order)],
        [_declared("output", y.shape, order)],
        graph.initializers,
    )
    opsets = [helper.make_opsetid("", OPSET)]
    result = helper.make_model(
        proto, producer_name="refconv", producer_version=__version__, opset_imports=opsets, ir_version=IR_VERSION
    )
    metadata = {LAYOUT: outside} if known or data_format else {}
    if notes := dict(model.notes if notes is None else notes):
        metadata[NOTES] = _as_json(notes)
    if metadata:
        helper.set_model_props(result, metadata)
    return result


def _checked_shape(model: Layer, input_shape: Shape | None) -> Shape:
    if not isinstance(model, Layer):
        raise ArgumentTypeError(f"model must be a layer, got {model!r}")
    shape = saved_shape(model, input_shape)
    model.output_shape(shape)  # raises an error if the network does not accept the shape
    return tuple(map(int, shape))


def _order(rank: int, layout: str, outside: str) -> tuple[int, ...]:
    """Return the order of the axes of the input or output for the layout of the network."""
    if layout == outside or rank == 1:
        return identity(rank)
    return channels_first(rank) if outside == "channels_first" else (*range(1, rank), 0)


def _declared(name: str, shape: Shape, order: tuple[int, ...]) -> Any:
    onnx = the_onnx_package()
    sizes = [BATCH, *(shape[axis] for axis in order)]
    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, sizes)


def _rename(graph: Writer, name: str, new: str) -> None:
    for node in graph.nodes:
        for names in (node.input, node.output):
            for k, old in enumerate(names):
                if old == name:
                    names[k] = new


def _check_size(graph: Writer) -> None:
    if graph.bytes > MAX_BYTES:
        raise ArgumentValueError(f"model must have at most {MAX_BYTES} bytes of weights for one ONNX file, got {graph.bytes}")


def _as_json(notes: dict[str, Any]) -> str:
    try:
        return json.dumps(notes)
    except (TypeError, ValueError) as error:
        raise ArgumentTypeError(f"notes must be JSON-serialisable, got {error}") from error
