"""Loading of ONNX files as networks of refconv's layers."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from refconv._arguments import LARGEST, entries, integer
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.nn import Layer
from refconv.onnx.reading.errors import InvalidModelError, UnsupportedModelError, require
from refconv.onnx.reading.file import Input, Model, parse
from refconv.onnx.reading.flattening import fold_transpositions
from refconv.onnx.reading.reader import Reader, channels_last, dtype_of, identity
from refconv.onnx.reading.sharing import share_layers
from refconv.typing import Shape
from refconv.weights.graph import Node as GraphNode
from refconv.weights.graph import ancestors, network_of, shorten_names

__all__ = ["load"]

# Exceptions that attributes and inputs of unexpected kinds raise in functions that read a node.
_UNEXPECTED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, UnicodeError, ValueError)
# Operators for which the axes of images have no meaning.
KEEP_AXES = ("Add", "Cast", "Div", "Identity", "Mul", "Pad", "Sub")

MAX_LISTED = 4  # names of layers in a warning


def load(
    path: str | os.PathLike[str],
    *,
    input_shape: Shape | None = None,
    data_format: Literal["channels_last"] | None = None,
) -> Layer:
    """Load an ONNX file as a network of refconv's layers.

    The network can be summarised, drawn, trained further and saved like any other. Its images have the layout that they have
    in the file: usually (N, C, H, W) in files from PyTorch. The layers themselves have the channels last, so the network
    begins with a layer that transposes. With ``data_format="channels_last"`` it does not, and accepts (N, H, W, C).

    The network consists of ``Sequential``, ``Sum``, ``Mean`` and ``Concat`` where the graph has this form, and elsewhere of
    :class:`refconv.nn.Graph`. Nodes that share all their weights become one layer that is used several times. Nodes that share
    only some become layers with separate copies, and a warning names them. Arrays of zeros or ones, which exporters merge, do
    not count as shared. A file contains data and no code: nothing in it is executed, and external data are only read from the
    folder of the file.

    Parameters
    ----------
    path : path
        The file.
    input_shape : tuple of int, optional
        Shape of one input of the network, without the batch. It is needed if the file does not fix it.
    data_format : {"channels_last"}, optional
        Pass "channels_last" for a file from PyTorch, whose images have their channels first, to get a network for images with
        their channels last. A file from refconv stores its layout, and in a file from Keras the layout is visible; both may
        also be loaded with "channels_last". By default, images have the layout of the file.

    Returns
    -------
    Layer
        The built network with its weights.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        :class:`refconv.onnx.InvalidModelError` if the file is damaged, and
        :class:`refconv.onnx.UnsupportedModelError` if refconv has no layers for its graph. The message names the file and
        the node.
    MissingPackage
        If the package onnx is not installed.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import refconv.onnx
    >>> from refconv import nn
    >>> model = nn.Sequential(conv=nn.Conv2D(3, (2, 5)), relu=nn.ReLU())
    >>> _ = model.build((7, 8, 2), rng=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     refconv.onnx.save(model, f"{folder}/model.onnx")
    ...     again = refconv.onnx.load(f"{folder}/model.onnx")
    >>> again
    Sequential(conv=Conv2D(3, 2×5), relu=ReLU())
    >>> x = np.ones((4, 7, 8, 2), np.float32)
    >>> np.allclose(again(x), model(x))
    True

    Source: lecture row M2 (SOURCES.md).
    """
    path = Path(path)
    shape = None if input_shape is None else _checked_shape(input_shape)
    if data_format not in (None, "channels_last"):
        raise ArgumentValueError(f"data_format must be 'channels_last' or None, got {data_format!r}")
    try:
        network, copied = _network(parse(path), shape, data_format is not None)
    except (InvalidModelError, UnsupportedModelError) as error:
        raise type(error)(f"{path}: {error}") from error
    except _UNEXPECTED as error:
        raise InvalidModelError(f"{path}: the file is damaged: {type(error).__name__}: {error}") from error
    if copied:
        _warn_of_copies(path, copied)
    return network


def _warn_of_copies(path: Path, copied: Mapping[str, Sequence[str]]) -> None:
    """Warn that layers have copies of weights that are shared in the file."""
    (name, layers), *others = copied.items()
    listed = ", ".join(layers[:MAX_LISTED]) + (", …" if len(layers) > MAX_LISTED else "")
    warnings.warn(
        f"{path}: the layers {listed} share the weights {name!r} in the file, but differ otherwise, so they have separate "
        "copies, which training changes separately" + (f"; {len(others)} other arrays are copied too" if others else ""),
        stacklevel=3,
    )


def _network(model: Model, input_shape: Shape | None, wants_last: bool) -> tuple[Layer, dict[str, list[str]]]:
    """Return the network, and the names of layers that have copies of the same weights."""
    dtype = dtype_of(model.inputs)
    has_last = _has_channels_last(model)
    is_last = wants_last and not has_last  # the order of the axes changes
    require(input_shape is None or len(model.inputs) == 1, "input_shape must only be given for a graph with one input")
    shapes = [_input_shape(given, input_shape, is_last) for given in model.inputs]
    order_of = channels_last if is_last else identity
    reader = Reader(model, shapes, [order_of(len(shape)) for shape in shapes], wants_last or has_last)
    y = reader.read()
    if model.nodes:
        y = reader.ordered(y, order_of(len(y.shape)))
    fold_transpositions(reader.steps, y.key)
    needed = ancestors({name: step.sources for name, step in reader.steps.items()}, y.key)
    steps = [step for name, step in reader.steps.items() if name in needed]
    copied = share_layers(steps, reader.constants)
    nodes = [GraphNode(step.name, step.layer, tuple(step.sources), step.broadcasts) for step in steps]
    network = shorten_names(network_of(nodes, y.key, [*reader.inputs]))
    network.notes = model.notes
    _build(network, [tuple(shape[axis] for axis in order_of(len(shape))) for shape in shapes], dtype)
    for step in reader.steps.values():
        if step.layer.is_built:  # the others do not affect the output
            for name, array in step.weights.items():
                step.layer.parameters[name].value[...] = array
    return network, copied


def _has_channels_last(model: Model) -> bool:
    """Return True if images have their channels last in the input of the graph.

    Only refconv stores the layout. In files from Keras, the first nodes that use it move the last
    axis before the others.
    """
    if model.data_format is not None:
        return model.data_format == "channels_last"
    unmoved = {given.name for given in model.inputs}
    transposes = []
    for node in model.nodes:
        if unmoved.isdisjoint(node.input):
            continue
        if node.op_type in KEEP_AXES:
            unmoved.update(node.output)
        else:
            transposes.append(node.op_type == "Transpose" and _moves_last_axis(node))
    return bool(transposes) and all(transposes)


def _moves_last_axis(node: Any) -> bool:
    axes = next(([*attribute.ints] for attribute in node.attribute if attribute.name == "perm"), [])
    return len(axes) > 2 and axes == [0, len(axes) - 1, *range(1, len(axes) - 1)]


def _build(network: Layer, shapes: Sequence[Shape], dtype: Any) -> None:
    if len(shapes) == 1:
        network.build(shapes[0], rng=0, dtype=dtype)
        return
    for _, layer, shape in network.children(shapes):  # type: ignore[arg-type]  # a graph with several inputs
        layer.build(shape, rng=0, dtype=dtype)
    network.parameters = {}


def _checked_shape(input_shape: object) -> Shape:
    sizes = entries(input_shape)
    if sizes is None:
        raise ArgumentTypeError(f"input_shape must be a tuple of integers, one input without the batch, got {input_shape!r}")
    return tuple(integer("input_shape", n) for n in sizes)


def _input_shape(given: Input, input_shape: Shape | None, is_last: bool) -> Shape:
    """Return the shape of one example of an input in the graph."""
    sizes = given.sizes
    require(sizes is None or len(sizes) > 0, f"input {given.name!r} must have an axis for the examples")
    if input_shape is None:
        require(
            sizes is not None and None not in sizes[1:],
            f"input_shape must be given, because the file does not fix the sizes of {given.name!r}, got {sizes}",
        )
        shape = tuple(n for n in (sizes or ())[1:] if n is not None)
        require(all(n <= LARGEST for n in shape), f"input {given.name!r} must have sizes up to {LARGEST}, got {shape}")
        return shape
    shape = (input_shape[-1], *input_shape[:-1]) if is_last and input_shape else input_shape
    fits = sizes is None or (
        len(sizes) == len(shape) + 1 and all(n in (None, m) for n, m in zip(sizes[1:], shape, strict=True))
    )
    require(fits, f"input_shape must fit the sizes {sizes} of the file, which start with the batch, got {input_shape}")
    return shape
