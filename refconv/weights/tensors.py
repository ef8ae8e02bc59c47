"""Named arrays on disk: reading and writing of safetensors files with a JSON description."""

import json
from pathlib import Path

import numpy as np

from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv._files import write_atomically
from refconv._optional import need

__all__ = ["need_safetensors", "read_tensors", "to_json", "write_tensors"]

# The types of safetensors and how NumPy reads them. 16-bit floats become float32, which is exact; NumPy has no bfloat16.
INTEGERS = dict(BOOL="?", U8="u1", I8="i1", U16="<u2", I16="<i2", U32="<u4", I32="<i4", U64="<u8", I64="<i8")
FLOATS = dict(F16="<f2", BF16="<u2", F32="<f4", F64="<f8", C64="<c8")
NUMPY_TYPES = INTEGERS | FLOATS


def need_safetensors(purpose):
    """Import the module that writes safetensors, so that a missing package is reported before a long run."""
    return need("safetensors.numpy", "train", purpose)


def write_tensors(path, tensors, kind, description):
    """Write named arrays and a description as one safetensors file.

    Parameters
    ----------
    path : path
        The file to write, completely or not at all.
    tensors : dict of array
    kind : str
        Key of the description in the file's metadata: "refconv" for a model, "refconv-checkpoint" for a checkpoint.
    description : dict
        Anything JSON-serialisable; arrays in it become lists.

    Raises
    ------
    ImportError
        If safetensors is not installed.
    TypeError, ValueError
        If the description is not JSON-serialisable.
    """
    content = need_safetensors(f"saving {path}").save(tensors, {kind: to_json(description)})
    write_atomically(path, content)


def to_json(description) -> str:
    """Return the description as JSON; arrays become lists."""
    try:
        return json.dumps(description, default=_as_list)
    except ValueError as error:  # a dictionary that contains itself
        raise ArgumentValueError(f"arguments and notes must be JSON-serialisable, got {error}") from error


def _as_list(thing):
    if not isinstance(thing, np.ndarray | np.generic):
        raise ArgumentTypeError(f"arguments and notes must be JSON-serialisable, got {thing!r}")
    return thing.tolist()


def read_tensors(path, kind):
    """Read the arrays and the description that :func:`write_tensors` wrote.

    Parameters
    ----------
    path : path
    kind : str
        As in :func:`write_tensors`.

    Returns
    -------
    tensors : dict of array
        float16 and bfloat16 are converted to float32.
    description : dict

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, of another kind, or holds types that NumPy does not have. The message names the file.
    ImportError
        If safetensors is not installed.
    """
    path, safetensors = Path(path), need("safetensors", "train", "loading a model")
    if path.is_dir():
        raise ArgumentValueError(f"{path} must be a safetensors file, got a folder")
    if not path.is_file():
        raise FileNotFoundError(f"there is no model {path}")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:  # checks the header against the length of the file
            metadata = file.metadata() or {}
    except safetensors.SafetensorError as error:
        raise ArgumentValueError(f"{path} is not a safetensors file, or is damaged: {error}") from error
    if kind not in metadata:
        thing = {"refconv": "a refconv model", "refconv-checkpoint": "a refconv run"}.get(kind, kind)
        raise ArgumentValueError(f"{path} holds tensors, but no description of {thing}")
    try:
        description = json.loads(metadata[kind])
    except (ValueError, RecursionError) as error:
        raise ArgumentValueError(f"{path} has a description that is not JSON: {error}") from error
    if not isinstance(description, dict):
        raise ArgumentValueError(f"{path} must have a JSON object as its description, got {type(description).__name__}")
    return _read_arrays(path), description


def _read_arrays(path):
    """Read all arrays of a safetensors file whose header has been checked."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    for name, entry in header.items():
        if entry["dtype"] not in NUMPY_TYPES:
            raise ArgumentValueError(
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
