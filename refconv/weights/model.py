"""A network on disk: its parameters in safetensors, with a description of how to build it."""

import json

import numpy as np

import refconv.models as models
from refconv._errors import ArgumentValueError
from refconv.weights.compare import check_reproducible, differing_names, parameter_shapes, shapes
from refconv.weights.tensors import read_tensors, to_json, write_tensors

__all__ = ["load_model", "save_model"]

KIND = "refconv"  # the key of the description in the file's metadata


def save_model(path, model, *, name, arguments=None, input_shape=None, notes=None):
    """Save a built network with all that :func:`load_model` needs to build it again.

    The name, the builder's arguments and the shape of one input are saved with the weights. Before anything is written, the
    network is compared with the one that they build: the names and shapes of the parameters, the types of the layers, and
    every attribute of a layer that is a number, a string or a window, or a collection of them. An attribute that the layer's
    class lists in ``training_settings``, such as the momentum of batch normalisation, has no effect in inference and may
    differ.

    Parameters
    ----------
    path : path
        The file to write, usually ``….safetensors``. An existing file is replaced, completely or not at all.
    model : Layer
        The network, built.
    name, arguments
        The name and arguments of the call ``models.create(name, **arguments)`` that created it.
    input_shape : tuple of int, optional
        Shape of one input, without the batch; by default the argument of ``model.build`` or, for a network
        composed of built layers, ``models.input_shape(name)``.
    notes : dict, optional
        Anything JSON-serialisable, such as the data it was trained on.

    Warns
    -----
    UserWarning
        If a setting that has no effect in inference differs from what `load_model` will build; the message names it.

    Raises
    ------
    ImportError
        If safetensors is not installed.
    RuntimeError
        If the network is not built.
    TypeError
        If arguments or notes are not JSON-serialisable, or the builder does not accept the arguments.
    ValueError
        If name, arguments and input_shape build another network than this one; the message names what differs.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> model = models.create("lenet", classes=3)
    >>> _ = model.build((28, 30, 1), rng=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(Path(folder) / "small.safetensors", model, name="lenet", arguments={"classes": 3})
    ...     again, description = load_model(Path(folder) / "small.safetensors")
    >>> w, same = (network["dense1"].parameters["w"].value for network in (model, again))
    >>> bool((same == w).all()), description["input_shape"]
    (True, (28, 30, 1))

    Source: lecture row M2 (SOURCES.md).
    """
    tensors = {name: parameter.value for name, parameter in model.named_parameters().items()}
    shape = input_shape or model.input_shape or models.input_shape(name)
    description = {"name": name, "arguments": arguments or {}, "input_shape": [*shape], "notes": notes or {}}
    check_reproducible(model, tensors, json.loads(to_json(description)))
    write_tensors(path, tensors, KIND, description)


def load_model(path, input_shape=None):
    """Load a network that :func:`save_model` saved.

    Parameters
    ----------
    path : path
        The file. Weights of 16 bits, float16 or bfloat16, are read as float32.
    input_shape : tuple of int, optional
        Shape of one input, without the batch; needed only for a file of an earlier version, which does not record it, if the
        network was not built for ``models.input_shape(name)``.

    Returns
    -------
    model : Layer
        The network, built, with its weights.
    description : dict
        ``name``, ``arguments``, ``input_shape`` and ``notes`` as they were saved.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a refconv model, is damaged, holds types that NumPy does not have, or its weights do not fit the
        architecture it names. The message names the file.
    ImportError
        If safetensors is not installed.

    Source: lecture row M2 (SOURCES.md).
    """
    tensors, description = read_tensors(path, KIND)
    dtypes = {a.dtype for a in tensors.values()}
    if len(dtypes) != 1 or not dtypes <= {np.dtype(np.float32), np.dtype(np.float64)}:
        raise ArgumentValueError(f"{path} must hold tensors of one type, float32 or float64, got {sorted(map(str, dtypes))}")
    try:
        model = models.create(description["name"], **description["arguments"])
        shape = tuple(input_shape or description.get("input_shape") or models.input_shape(description["name"]))
        expected, stored = model.count_parameters(shape), sum(a.size for a in tensors.values())
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ArgumentValueError(f"{path} does not describe a refconv model: {error}") from error
    fault = f"{path} does not hold the weights of {description['name']}"
    if expected != stored:  # checked before memory for the parameters is allocated
        raise ArgumentValueError(f"{fault}: {stored} numbers, not {expected} as for inputs of shape {shape}")
    if differing := differing_names(parameter_shapes(model, shape), shapes(tensors)):
        raise ArgumentValueError(f"{fault} for inputs of shape {shape}: {', '.join(differing)} differ")
    model.build(shape, rng=0, dtype=dtypes.pop())
    for name, parameter in model.named_parameters().items():
        parameter.value[...] = tensors[name]
    return model, {**description, "input_shape": shape}
