"""A network in a file: its architecture as data, its weights, its input shape and notes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from refconv._errors import ArgumentValueError
from refconv.nn import Layer
from refconv.nn.description import built_shape
from refconv.typing import Array, Shape
from refconv.weights.architecture import Architecture, describe
from refconv.weights.counters import with_counters
from refconv.weights.names import Known
from refconv.weights.parameters import differences, kinds, put, weights_among
from refconv.weights.registered import registered_input_shape, registered_model
from refconv.weights.safetensors import read_safetensors
from refconv.weights.specs import named_specs
from refconv.weights.tensors import MODEL, description_of, write_tensors

__all__ = ["describe_network", "load", "save"]

FLOATS = {np.dtype(np.float32), np.dtype(np.float64)}
# What constructors and decoders raise for a faulty description.
_UNFIT = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)

Tensors = dict[str, Array]
Path = str | os.PathLike[str]


def save(path: Path, model: Layer, *, input_shape: Shape | None = None, notes: Mapping[str, Any] | None = None) -> None:
    """Save a built network to a file; see :meth:`refconv.nn.Layer.save`, which calls this."""
    description, arrays = describe_network(model, input_shape)
    weights = {name: parameter.value for name, parameter in model.named_parameters().items()}
    notes = dict(model.notes if notes is None else notes)
    write_tensors(path, {**weights, **arrays}, MODEL, {**description, "notes": notes})


def describe_network(model: Layer, input_shape: Shape | None = None) -> tuple[dict[str, Any], Tensors]:
    """Return everything of a built network but its weights, as data for JSON, and the arrays in it.

    Raises ``TypeError`` or ``ValueError`` if :func:`load` could not build it again; see :meth:`refconv.nn.Layer.save`.
    """
    parameters = model.named_parameters()
    weights = {name: parameter.value for name, parameter in parameters.items()}
    shape = built_shape(model) if input_shape is None else tuple(input_shape)
    if shape is None:
        raise ArgumentValueError(
            f"input_shape must be given, as build was not called on this {type(model).__name__}, got None"
        )
    architecture, arrays = describe(model)
    _check_weights(model, shape, weights)
    description = {
        "architecture": architecture,
        "input_shape": shape,
        "frozen": [name for name, parameter in parameters.items() if parameter.frozen],
    }
    return description, arrays


def load(path: Path, *, layers: Iterable[Any] = (), input_shape: Shape | None = None) -> Layer:
    """Load a network that :meth:`refconv.nn.Layer.save` saved.

    A file holds data and no code. It names the classes of layers and the functions among their arguments, which must exist:
    those of refconv, layer classes that the program has defined or imported, functions of the main program, and what
    ``layers`` lists. Nothing is imported.

    Parameters
    ----------
    path : path
        The file, or a checkpoint of a training run. Weights of 16 bits, float16 or bfloat16, are read as float32.
    layers : iterable of class or function
        Layer classes, and functions among the arguments of layers, that the file names and that are defined elsewhere.
    input_shape : tuple of int, optional
        Shape of one input, without the batch. Only files of format 1 may lack it.

    Returns
    -------
    Layer
        The network, built, with its weights, its frozen parameters, and what was saved as ``notes``. The random numbers of
        dropout and similar layers start from seed 0.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not a refconv model, is damaged, was written by a newer version of refconv, or names a layer class that
        the program has not defined. The message names the file.

    Examples
    --------
    >>> import tempfile
    >>> from refconv import nn
    >>> model = nn.Sequential(conv=nn.Conv2D(3, (2, 5)), norm=nn.BatchNorm(momentum=0.9))
    >>> _ = model.build((7, 8, 2), rng=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(f"{folder}/model.safetensors", notes={"data": "drawn"})
    ...     again = load(f"{folder}/model.safetensors")
    >>> again.input_shape, again.layers["norm"].momentum, again.notes
    ((7, 8, 2), 0.9, {'data': 'drawn'})

    Source: lecture row M2 (SOURCES.md).
    """
    known = Known(layers)
    tensors, metadata = read_safetensors(path)
    description, weights = description_of(path, metadata, MODEL), weights_among(tensors, metadata)
    try:
        if description["format"] == 1:
            model = registered_model(description)
            shape = tuple(input_shape or registered_input_shape(description))
            _build(model, shape, with_counters(model, shape, weights))
        else:
            architecture = Architecture(description["architecture"], tensors, known)
            model = architecture.model
            _build(model, tuple(input_shape or description["input_shape"]), weights)
            architecture.restore_settings()
            _freeze(model, description["frozen"])
    except _UNFIT as error:
        raise ArgumentValueError(f"{path} does not hold a network that can be loaded: {error}") from error
    model.notes = description.get("notes", {})
    return model


def _freeze(model: Layer, names: Iterable[str]) -> None:
    parameters = model.named_parameters()
    for name in names:
        parameters[name].frozen = True


def _build(model: Layer, shape: Shape, weights: Tensors) -> None:
    """Build a network and copy its weights, after checks that they fit."""
    dtype = _check_weights(model, shape, weights)  # before memory for the parameters is allocated
    model.build(shape, rng=0, dtype=dtype)
    if difference := differences(kinds({name: p.value for name, p in model.named_parameters().items()}), kinds(weights)):
        raise ArgumentValueError(f"the weights do not fit inputs of shape {shape}, got {difference}")
    put(model, weights)


def _check_weights(model: Layer, shape: Shape, weights: Tensors) -> np.dtype[Any]:
    """Return the type of the weights; ``ValueError`` unless all parameters that ``build`` will allocate are among them."""
    dtypes = {a.dtype for a in weights.values()} or {np.dtype(np.float32)}
    if len(dtypes) > 1 or not dtypes <= FLOATS:
        raise ArgumentValueError(
            f"the weights must be of one type, float32 or float64, got {', '.join(sorted(map(str, dtypes)))}"
        )
    dtype = dtypes.pop()
    expected = {name: f"{spec.shape} {dtype}" for name, spec in named_specs(model, shape).items()}
    found = {name: kind for name, kind in kinds(weights).items() if name in expected}  # a layer may make others itself
    if difference := differences(expected, found):
        raise ArgumentValueError(f"the weights do not fit inputs of shape {shape}, got {difference}")
    return dtype
