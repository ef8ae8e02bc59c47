"""Saving and loading of a network: architecture, weights, input shape and notes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from refconv._errors import ArgumentValueError
from refconv.nn import Layer
from refconv.typing import Array, Shape
from refconv.weights.architecture import Architecture, describe
from refconv.weights.counters import with_counters
from refconv.weights.foreign import refuse_other_endings
from refconv.weights.names import Known
from refconv.weights.parameters import differences, kinds, put, weights_among
from refconv.weights.registered import registered_input_shape, registered_model
from refconv.weights.safetensors import read_safetensors
from refconv.weights.specs import named_specs, saved_shape
from refconv.weights.tensors import MODEL, description_of, write_tensors

__all__ = ["RUN_FILES", "describe_network", "load", "save"]

FLOATS = {np.dtype(np.float32), np.dtype(np.float64)}
# Exceptions that constructors and decoders raise for a faulty description.
_DESCRIPTION_ERRORS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)

# Files of a training run that contain a network, preferred ones first.
RUN_FILES = ("model.safetensors", "best.safetensors", "last.safetensors")

Tensors = dict[str, Array]
Path = str | os.PathLike[str]


def save(path: Path, model: Layer, *, input_shape: Shape | None = None, notes: Mapping[str, Any] | None = None) -> None:
    """Save a built network to a file; see :meth:`refconv.nn.Layer.save`, which calls this."""
    refuse_other_endings(path)
    description, arrays = describe_network(model, input_shape)
    weights = {name: parameter.value for name, parameter in model.named_parameters().items()}
    notes = dict(model.notes if notes is None else notes)
    write_tensors(path, {**weights, **arrays}, MODEL, {**description, "notes": notes})


def describe_network(model: Layer, input_shape: Shape | None = None) -> tuple[dict[str, Any], Tensors]:
    """Return a built network without its weights as JSON data, and the arrays that it refers to.

    Raises ``TypeError`` or ``ValueError`` if :func:`load` could not restore the network; see :meth:`refconv.nn.Layer.save`.
    """
    parameters = model.named_parameters()
    weights = {name: parameter.value for name, parameter in parameters.items()}
    shape = saved_shape(model, input_shape)
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

    A file contains data and no code. It refers to layer classes, and to functions among their arguments, by name. These must
    exist already, because loading imports nothing. They may come from refconv, from the main program or from ``layers``;
    layer classes may come from any module that the program has imported.

    Parameters
    ----------
    path : path
        A model file, a checkpoint of a training run, or the folder of a run of ``refconv train``. 16-bit weights (float16 or
        bfloat16) are read as float32.
    layers : iterable of class or function
        Layer classes and functions that the file refers to and that are defined elsewhere.
    input_shape : tuple of int, optional
        Shape of one input, without the batch. It is only needed for files of format 1 that do not contain it.

    Returns
    -------
    Layer
        The built network with its weights, its frozen parameters and its ``notes``. The random generators of dropout and
        similar layers start from seed 0.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the file is not a refconv model, is damaged, was written by a newer version of refconv, or refers to a layer class
        that the program has not defined. The message names the file.

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
    path = _model_file(path)
    tensors, metadata = read_safetensors(path)
    description = description_of(path, metadata, MODEL)
    weights = weights_among(tensors, metadata)
    notes = description.get("notes", {})
    if not isinstance(notes, dict):
        raise ArgumentValueError(f"{path} must have a JSON object as its notes, got {type(notes).__name__}")
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
    except _DESCRIPTION_ERRORS as error:
        raise ArgumentValueError(f"{path} does not contain a network that can be loaded: {error}") from error
    model.notes = notes
    return model


def _model_file(path: Path) -> Path:
    """Return the path of a model file, which may be in the folder of a training run."""
    if not os.path.isdir(path):
        return path
    files = [os.path.join(path, name) for name in RUN_FILES]
    found = next((file for file in files if os.path.exists(file)), None)
    if found is None:
        raise FileNotFoundError(f"there is no model in the folder {os.fspath(path)}; expected {', '.join(RUN_FILES)}")
    return found


def _freeze(model: Layer, names: Iterable[str]) -> None:
    parameters = model.named_parameters()
    for name in names:
        parameters[name].frozen = True


def _build(model: Layer, shape: Shape, weights: Tensors) -> None:
    """Check that the weights fit a network, build it and copy them."""
    dtype = _check_weights(model, shape, weights)  # before the parameters are allocated
    model.build(shape, rng=0, dtype=dtype)
    if difference := differences(kinds({name: p.value for name, p in model.named_parameters().items()}), kinds(weights)):
        raise ArgumentValueError(f"the weights must fit inputs of shape {shape}, got {difference}")
    put(model, weights)


def _check_weights(model: Layer, shape: Shape, weights: Tensors) -> np.dtype[Any]:
    """Return the dtype of the weights.

    Raises ``ValueError`` if they lack a parameter that ``build`` will allocate, or if a shape or a dtype differs.
    """
    dtypes = {a.dtype for a in weights.values()} or {np.dtype(np.float32)}
    if len(dtypes) > 1 or not dtypes <= FLOATS:
        raise ArgumentValueError(f"the weights must all be float32 or all float64, got {', '.join(sorted(map(str, dtypes)))}")
    dtype = dtypes.pop()
    expected = {name: f"{spec.shape} {dtype}" for name, spec in named_specs(model, shape).items()}
    actual = {name: kind for name, kind in kinds(weights).items() if name in expected}  # a layer's make may add parameters
    if difference := differences(expected, actual):
        raise ArgumentValueError(f"the weights must fit inputs of shape {shape}, got {difference}")
    return dtype
