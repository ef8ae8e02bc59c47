"""A network on disk: its parameters in safetensors, and beside them how to build it again."""

import dataclasses
import json
import os
import tempfile
import warnings
from pathlib import Path

import numpy as np

import refconv.models as models
from refconv._optional import need

__all__ = [
    "clear_unfinished",
    "load_model",
    "need_safetensors",
    "read_tensors",
    "save_model",
    "write_atomically",
    "write_tensors",
]

NOT_SETTINGS = ("input_shape",)  # attributes of layers that building sets
KIND = "refconv"  # the key under which safetensors keeps the description of a model

# Types of safetensors as NumPy reads them. Floats of 16 bits become float32, which is exact; NumPy has no bfloat16.
INTEGERS = dict(BOOL="?", U8="u1", I8="i1", U16="<u2", I16="<i2", U32="<u4", I32="<i4", U64="<u8", I64="<i8")
FLOATS = dict(F16="<f2", BF16="<u2", F32="<f4", F64="<f8", C64="<c8")
NUMPY_TYPES = INTEGERS | FLOATS


def save_model(path, model, *, name, arguments=None, input_shape=None, notes=None):
    """Write a built network, so that :func:`load_model` can build it again.

    The name, the builder's arguments and the shape of one input are saved with the weights. Whether they describe this
    network is checked before anything is written: the names and shapes of the parameters, the types of the layers, and every
    attribute of a layer that is a number, a string or a window, or a collection of them. An attribute that the layer's class
    lists in ``training_settings``, such as the momentum of batch normalisation, has no effect in inference and may differ.

    Parameters
    ----------
    path : path
        The file to write, usually ``….safetensors``. An existing file is replaced, completely or not at all.
    model : Layer
        The network, built.
    name, arguments
        Those of the call ``models.build(name, **arguments)`` that made it.
    input_shape : tuple of int, optional
        Shape of one input, without the batch; by default the one that ``model.build`` was called with or, for a network that
        was put together from built layers, ``models.input_shape(name)``.
    notes : dict, optional
        Anything else that JSON can hold, such as the data it was trained on.

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
    >>> model = models.build("lenet", classes=3)
    >>> _ = model.build((28, 30, 1), rng=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(Path(folder) / "small.safetensors", model, name="lenet", arguments={"classes": 3})
    ...     again, description = load_model(Path(folder) / "small.safetensors")
    >>> bool((again.layers["dense1"]["w"].value == model.layers["dense1"]["w"].value).all()), description["input_shape"]
    (True, (28, 30, 1))

    Source: M2.
    """
    tensors = _values(model.named_parameters())
    shape = input_shape or model.input_shape or models.input_shape(name)
    description = {"name": name, "arguments": arguments or {}, "input_shape": [*shape], "notes": notes or {}}
    _refuse_irreproducible(model, tensors, json.loads(_to_json(description)))
    write_tensors(path, tensors, KIND, description)


def load_model(path, input_shape=None):
    """Read a network that :func:`save_model` wrote.

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
        If it is not a model of refconv's, is damaged, holds types that NumPy does not have, or its weights do not fit the
        architecture it names. The message names the file.
    ImportError
        If safetensors is not installed.

    Source: M2.
    """
    tensors, description = read_tensors(path, KIND)
    dtypes = {a.dtype for a in tensors.values()}
    if len(dtypes) != 1 or not dtypes <= {np.dtype(np.float32), np.dtype(np.float64)}:
        raise ValueError(f"{path} must hold tensors of one type, float32 or float64, got {sorted(map(str, dtypes))}")
    try:
        model = models.build(description["name"], **description["arguments"])
        shape = tuple(input_shape or description.get("input_shape") or models.input_shape(description["name"]))
        expected, found = model.count_parameters(shape), sum(a.size for a in tensors.values())
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"{path} does not describe a model of refconv's: {error}") from error
    fault = f"{path} does not hold the weights of {description['name']}"
    if expected != found:  # before anything is allocated for it
        raise ValueError(f"{fault}: {found} numbers, not {expected} as for inputs of shape {shape}")
    if differing := _differing(_parameter_shapes(model, shape), _shapes(tensors)):
        raise ValueError(f"{fault} for inputs of shape {shape}: {', '.join(differing)} differ")
    model.build(shape, rng=0, dtype=dtypes.pop())
    for name, parameter in model.named_parameters().items():
        parameter.value[...] = tensors[name]
    return model, {**description, "input_shape": shape}


def _refuse_irreproducible(model, tensors, description):
    """Raise an error unless :func:`load_model` would build this very network from its description."""
    dtypes = {a.dtype for a in tensors.values()}
    if len(dtypes) != 1:
        raise ValueError(f"model must have parameters of one type, got {sorted(map(str, dtypes))}")
    name, arguments, shape = description["name"], description["arguments"], tuple(description["input_shape"])
    rebuilt = models.build(name, **arguments)
    call = f"models.build({', '.join([repr(name), *(f'{key}={value!r}' for key, value in arguments.items())])})"
    networks = rebuilt, model
    differing = (
        _differing(_parameter_shapes(rebuilt, shape), _shapes(tensors))
        or _differing(*(_layer_types(network, shape) for network in networks))
        or _differing_settings(*(_settings(network, shape) for network in networks))
    )
    if differing:
        raise ValueError(
            f"model must be what {call} builds for inputs of shape {shape}, got differences in {_first_three(differing)}; "
            "pass the name, arguments and input_shape that it was built with"
        )
    expected, found = (_settings(network, shape, training=True) for network in networks)
    if differing := _differing_settings(expected, found):
        changes = _first_three([f"{key} ({found[key]}, there {expected[key]})" for key in differing])
        reason = "load_model builds the latter, which is the same in inference"
        # The warning points at the call of save_model.
        warnings.warn(f"model differs from what {call} builds in {changes}; {reason}", stacklevel=3)


def _first_three(items):
    return ", ".join(items[:3]) + (", …" if len(items) > 3 else "")


def _layer_types(model, shape):
    return {name: type(layer).__name__ for name, layer, _ in model.distinct_layers(shape)}


def _settings(model, shape, training=False):
    """Settings of all layers by their dotted names: those that have an effect in inference, or those that have none."""
    return {
        f"{name}.{key}": value
        for name, layer, _ in model.distinct_layers(shape)
        for key, value in vars(layer).items()
        if key not in NOT_SETTINGS and (key in layer.training_settings) == training and _is_setting(value)
    }


def _is_setting(value):
    """Whether a value is a number, a string, None or a dataclass such as Window, or a collection of such values."""
    if isinstance(value, dict):
        return all(map(_is_setting, value.values()))
    if isinstance(value, tuple | list):
        return all(map(_is_setting, value))
    return isinstance(value, int | float | str | np.generic | None) or dataclasses.is_dataclass(value)


def _differing_settings(expected, found):
    """Names of settings that differ; what only one network has is no setting, such as the generator of a built layer."""
    return [key for key in expected if key in found and expected[key] != found[key]]


def _parameter_shapes(model, shape):
    """Shapes of the parameters that building would make, by their names; nothing is allocated."""
    layers = [("", model, shape), *[(f"{name}.", *rest) for name, *rest in [*model.distinct_layers(shape)][1:]]]
    return {f"{name}{key}": spec.shape for name, layer, inner in layers for key, spec in layer.specs(inner).items()}


def _shapes(tensors):
    return {name: a.shape for name, a in tensors.items()}


def _differing(expected, found):
    """Names under which two dictionaries differ, in order."""
    return [name for name in [*expected, *(found.keys() - expected.keys())] if expected.get(name) != found.get(name)]


def write_atomically(path, content: bytes):
    """Write a file completely or not at all: under another name first, then moved into its place."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(unfinished, 0o666 & ~_umask())  # mkstemp makes files for the owner alone
        os.replace(unfinished, path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def clear_unfinished(path):
    """Remove what a program that was killed within :func:`write_atomically` has left beside this file."""
    path = Path(path)
    for unfinished in path.parent.glob(f".{path.name}.*"):
        unfinished.unlink(missing_ok=True)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _values(parameters):
    return {name: parameter.value for name, parameter in parameters.items()}


def need_safetensors(purpose):
    """Refuse at once what could not be saved later."""
    return need("safetensors.numpy", "train", purpose)


def write_tensors(path, tensors, kind, description):
    """Write named arrays and a description that JSON can hold, as one file; arrays in the description become lists."""
    content = need_safetensors(f"saving {path}").save(tensors, {kind: _to_json(description)})
    write_atomically(path, content)


def _to_json(description):
    try:
        return json.dumps(description, default=_as_list)
    except ValueError as error:  # a dictionary that contains itself
        raise ValueError(f"arguments and notes must be JSON-serialisable, got {error}") from error


def _as_list(thing):
    if not isinstance(thing, np.ndarray | np.generic):
        raise TypeError(f"arguments and notes must be JSON-serialisable, got {thing!r}")
    return thing.tolist()


def read_tensors(path, kind):
    """Read the arrays and the description that :func:`write_tensors` wrote.

    Raises ``FileNotFoundError`` if there is no such file, and ``ValueError`` with the file's name if it is something else.
    """
    path, safetensors = Path(path), need("safetensors", "train", "loading a model")
    if path.is_dir():
        raise ValueError(f"{path} must be a safetensors file, got a folder")
    if not path.is_file():
        raise FileNotFoundError(f"there is no model {path}")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:  # checks the header against the length of the file
            metadata = file.metadata() or {}
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file, or is damaged: {error}") from error
    if kind not in metadata:
        thing = {"refconv": "a refconv model", "refconv-checkpoint": "a refconv run"}.get(kind, kind)
        raise ValueError(f"{path} holds tensors, but no description of {thing}")
    try:
        description = json.loads(metadata[kind])
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} has a description that is not JSON: {error}") from error
    if not isinstance(description, dict):
        raise ValueError(f"{path} must have a JSON object as its description, got {type(description).__name__}")
    return _read_arrays(path), description


def _read_arrays(path):
    """Read all arrays of a safetensors file whose header has been checked."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    for name, entry in header.items():
        if entry["dtype"] not in NUMPY_TYPES:
            raise ValueError(
                f"{path} must hold types that NumPy has, got {entry['dtype']} in tensor {name}; convert it to F32"
            )
    return {name: _read_array(path, 8 + length, **entry) for name, entry in header.items()}


def _read_array(path, start, dtype, shape, data_offsets):
    first, end = data_offsets
    stored = np.dtype(NUMPY_TYPES[dtype])
    a = np.fromfile(path, stored, (end - first) // stored.itemsize, offset=start + first).reshape(shape)
    if dtype == "BF16":  # the upper half of a float32
        return (a.astype(np.uint32) << 16).view(np.float32)
    return a.astype(np.float32 if dtype == "F16" else stored.newbyteorder("="), copy=False)
