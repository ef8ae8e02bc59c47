"""Files for Keras 3 from networks of refconv, and weights of Keras in existing networks."""

from __future__ import annotations

import copy
import os
from typing import Any

from refconv._arguments import check_ending
from refconv._errors import ArgumentValueError
from refconv._files import write_atomically
from refconv.nn import BatchNorm, Dense, Layer
from refconv.nn.parameter import MANY
from refconv.typing import Shape
from refconv.weights.keras.archive import read_weights_image, write_archive
from refconv.weights.keras.hdf5 import Group, Wanted, groups_with_weights, read_groups, refuse_others, write_groups
from refconv.weights.keras.lowering import INPUT, Item, Lowering
from refconv.weights.keras.reader import FILE_ERRORS
from refconv.weights.specs import saved_shape

__all__ = ["load_keras_weights", "save_keras_weights", "to_keras"]

NAME = "refconv"  # of the network in the file

Path = str | os.PathLike[str]
Json = Any


def to_keras(model: Layer, path: Path, *, input_shape: Shape | None = None) -> None:
    """Write a built network as a ``.keras`` file for Keras 3.

    ``keras.saving.load_model`` reads it. A chain of layers becomes a sequential network, and other networks become functional.
    Inner containers are flattened: layer ``block1.conv`` has the name ``block1_conv`` in Keras. Padding that Keras does not
    have becomes a ``ZeroPadding2D``. A layer that is used several times is one layer with several calls. Auxiliary heads and
    drop-path are left out.

    Parameters
    ----------
    model : Layer
    path : path
        The file to write, completely or not at all. It must end in ``.keras``.
    input_shape : tuple of int, optional
        Shape of one input, without the batch; by default the shape that was passed to ``build``.

    Raises
    ------
    MissingPackage
        If h5py is not installed.
    OSError
        If the file cannot be written.
    RuntimeError
        If the network is not built.
    ValueError
        If Keras has no layer that computes a layer of the network. The message names the layer.

    Examples
    --------
    >>> import json, tempfile, zipfile
    >>> from refconv import nn, weights
    >>> model = nn.Sequential(block1=nn.Sequential(conv=nn.Conv2D(3, (2, 5), padding=1)), relu=nn.ReLU())
    >>> _ = model.build((7, 8, 2), rng=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     weights.to_keras(model, f"{folder}/model.keras")
    ...     with zipfile.ZipFile(f"{folder}/model.keras") as archive:
    ...         config = json.loads(archive.read("config.json"))["config"]
    >>> for layer in config["layers"]:
    ...     print(layer["class_name"], layer["config"]["name"])
    InputLayer input
    ZeroPadding2D block1_conv_0_zero_padding2d
    Conv2D block1_conv
    ReLU relu
    """
    check_ending(path, ".keras")
    graph = _lowered(model, input_shape)
    write_archive(path, _config(graph), _weights(graph))


def save_keras_weights(model: Layer, path: Path, *, input_shape: Shape | None = None) -> None:
    """Write the weights of a built network as a ``.weights.h5`` file for Keras 3.

    A network in Keras reads it with ``load_weights``. It must have the same layers in the same order as the network that
    :func:`to_keras` writes. The parameters and errors are the same as for :func:`to_keras`.
    """
    check_ending(path, ".weights.h5")  # Keras accepts no other ending
    write_atomically(path, _weights(_lowered(model, input_shape)))


def load_keras_weights(model: Layer, path: Path, *, input_shape: Shape | None = None) -> None:
    """Copy the weights in a ``.weights.h5`` or ``.keras`` file of Keras 3 into a network.

    The file does not contain names for the arrays: the k-th convolution in Keras's order of layers gets the arrays of the k-th
    convolution in the file, and so on for each class. So the network must have the same layers in the same order as in Keras.
    If the file has no dense layer, dense layers take the weights of 1 × 1 convolutions, as at the end of Keras's MobileNet.

    Parameters
    ----------
    model : Layer
    path : path
    input_shape : tuple of int, optional
        Shape of one input, without the batch; by default the shape that was passed to ``build``. It is needed if the network
        is not built; it is then built in float32.

    Raises
    ------
    MissingPackage
        If h5py is not installed.
    FileNotFoundError
        If the file does not exist.
    RuntimeError
        If the network is not built and ``input_shape`` is not given.
    ValueError
        If the file is damaged, or does not contain exactly the weights of the network. Then no weight changes.
    """
    if not model.is_built and input_shape is not None:
        trial = copy.deepcopy(model)  # the network stays as it is if the weights do not fit
        trial.build(tuple(input_shape), rng=0)
        load_keras_weights(trial, path)
        model.build(tuple(input_shape), rng=0)
    graph = _lowered(model, input_shape)
    try:
        image = read_weights_image(path)
        present = groups_with_weights(image, ["layers"])
        if not any(path.startswith("layers/dense") for path in present):
            graph = _with_convolutions(graph)
        groups = graph.groups()
        items = {groups[name]: (name, item) for name, item in graph.items.items() if item.parameters}
        wanted = {group: Wanted(name, _shapes(item)) for group, (name, item) in items.items()}
        refuse_others(present, wanted)
        arrays = read_groups(image, wanted, graph.dtype())
    except FILE_ERRORS as error:
        raise ArgumentValueError(f"{path} must contain the weights of the network: {error}") from error
    for group, (_, item) in items.items():
        for parameter, array in zip(item.parameters, arrays[group], strict=True):
            parameter.value[...] = array.reshape(parameter.value.shape)
        if isinstance(item.layer, BatchNorm):
            item.layer.parameters["updates"].value[...] = MANY


def _lowered(model: Layer, input_shape: Shape | None) -> Lowering:
    shape = saved_shape(model, input_shape)
    try:
        return Lowering(model, shape)
    except ValueError as error:
        raise ArgumentValueError(f"model must be a network that Keras can express: {error}") from error


def _with_convolutions(graph: Lowering) -> Lowering:
    """Replace dense layers by 1 × 1 convolutions."""
    for name, item in graph.items.items():
        if item.kind == "Dense":
            graph.items[name] = item._replace(kind="Conv2D")
    return graph


def _shapes(item: Item) -> tuple[Shape, ...]:
    """Return the shapes of a layer's arrays in the file."""
    shapes = tuple(parameter.value.shape for parameter in item.parameters)
    if item.kind == "Conv2D" and isinstance(item.layer, Dense):
        return ((1, 1, *shapes[0]), *shapes[1:])
    return shapes


def _weights(graph: Lowering) -> bytes:
    """Return the bytes of the file of weights."""
    groups = graph.groups()
    arrays: dict[str, Group] = {"": Group(NAME, ())}
    for name, item in graph.items.items():
        if name in groups:
            arrays[groups[name]] = Group(name, tuple(parameter.value for parameter in item.parameters))
    return write_groups(arrays)


def _config(graph: Lowering) -> dict[str, Json]:
    """Return the description of the network."""
    dtype = graph.dtype().name
    layers = [_layer(name, graph.items[name], dtype) for name in graph.order()]
    config: dict[str, Json] = {"name": NAME, "trainable": True, "layers": layers}
    if graph.is_chain:
        return {"module": "keras", "class_name": "Sequential", "config": {**config, "dtype": dtype}, "registered_name": None}
    calls = graph.calls()
    entries = {entry["config"]["name"]: entry for entry in layers}
    for name, entry in entries.items():
        entry |= {"name": name, "inbound_nodes": []}
    for name, item in graph.items.items():
        tensors = [_tensor(calls[before], graph.items[before], dtype) for before in item.inputs]
        if tensors:
            argument = tensors if len(tensors) > 1 else tensors[0]
            entries[calls[name][0]]["inbound_nodes"].append({"args": [argument], "kwargs": {}})
    config |= {"input_layers": [[INPUT, 0, 0]], "output_layers": [[*calls[graph.output], 0]]}
    return {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": config,
        "registered_name": "Functional",
    }


def _layer(name: str, item: Item, dtype: str) -> dict[str, Json]:
    config = {"name": name, "dtype": dtype, **item.config}
    if name != INPUT:
        config["trainable"] = item.trainable
    return {"module": "keras.layers", "class_name": item.kind, "config": config, "registered_name": None}


def _tensor(call: tuple[str, int], item: Item, dtype: str) -> dict[str, Json]:
    config = {"shape": [None, *item.value.shape], "dtype": dtype, "keras_history": [*call, 0]}
    return {"class_name": "__keras_tensor__", "config": config}
