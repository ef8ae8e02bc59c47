"""Arrays in ONNX files, whose sizes and types are checked before memory is allocated."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

from refconv.onnx.reading.errors import InvalidModelError, UnsupportedModelError
from refconv.onnx.writing.writer import the_onnx_package
from refconv.typing import Array

__all__ = ["MAX_ELEMENTS", "MAX_SHARING", "array_of", "arrays_of", "type_name"]

MAX_ELEMENTS = 2**31  # of one array; with more, its weights exceed the limit of our own kernels
MAX_AXES = 8
MAX_SHARING = 8  # average number of uses of the same bytes: a small file must not allocate much memory
EXTERNAL_KEYS = {"location", "offset", "length", "checksum"}

# Types of weights and of integers in shapes, the NumPy types of their bytes, and the fields that contain them otherwise.
TYPES = {
    "FLOAT": ("<f4", "float_data"),
    "DOUBLE": ("<f8", "double_data"),
    "INT32": ("<i4", "int32_data"),
    "INT64": ("<i8", "int64_data"),
    "BOOL": ("?", "int32_data"),
}


def type_name(number: int) -> str:
    """Return the name of an ONNX type, such as "FLOAT" or "BFLOAT16"."""
    try:
        return str(the_onnx_package().TensorProto.DataType.Name(number))
    except ValueError:
        return f"number {number}"


def arrays_of(tensors: Iterable[Any], folder: Path) -> dict[str, Array]:
    """Return the arrays of several ``TensorProto`` by name; see :func:`array_of`.

    Raises :class:`InvalidModelError` also if many of them read the same external data.
    """
    arrays: dict[str, Array] = {}
    bytes_read: Counter[PurePosixPath] = Counter()  # by location
    for tensor in tensors:
        arrays[tensor.name] = array_of(tensor, folder)
        if tensor.data_location == tensor.EXTERNAL:
            location = PurePosixPath(_entries(tensor)["location"])
            bytes_read[location] += arrays[tensor.name].nbytes
            if bytes_read[location] > MAX_SHARING * (folder / location).stat().st_size:
                raise InvalidModelError(
                    f"at most {MAX_SHARING} tensors must share the same external data, got more in {location}"
                )
    return arrays


def array_of(tensor: Any, folder: Path) -> Array:
    """Return the array of a ``TensorProto``.

    ``folder`` contains the file, and external data may only be in this folder. Raises :class:`InvalidModelError` or
    :class:`UnsupportedModelError`; the message names the tensor.
    """
    name, kind, shape = f"tensor {tensor.name!r}", type_name(tensor.data_type), tuple(tensor.dims)
    if kind not in TYPES:
        raise UnsupportedModelError(f"{name} must be of a type among {', '.join(TYPES)}, got {kind}")
    if len(shape) > MAX_AXES or min(shape, default=0) < 0 or math.prod(shape) > MAX_ELEMENTS:
        raise InvalidModelError(f"{name} must have at most {MAX_AXES} axes and {MAX_ELEMENTS} elements, got shape {shape}")
    stored, field = TYPES[kind]
    dtype, size = np.dtype(stored), math.prod(shape)
    if tensor.data_location == tensor.EXTERNAL:
        a = _external(tensor, folder, dtype, size)
    elif tensor.HasField("raw_data"):
        if len(tensor.raw_data) != size * dtype.itemsize:
            raise InvalidModelError(
                f"{name} of shape {shape} must have {size * dtype.itemsize} bytes, got {len(tensor.raw_data)}"
            )
        a = np.frombuffer(tensor.raw_data, dtype)
    else:
        numbers = getattr(tensor, field)
        if len(numbers) != size:
            raise InvalidModelError(f"{name} of shape {shape} must have {size} elements, got {len(numbers)}")
        a = np.array(numbers).astype(dtype)
    return a.astype(dtype.newbyteorder("="), copy=False).reshape(shape)


def _external(tensor: Any, folder: Path, dtype: np.dtype[Any], size: int) -> Array:
    """Read data from another file in the folder of the model."""
    name = f"tensor {tensor.name!r}"
    entries = _entries(tensor)
    location = entries.get("location", "")
    if not entries.keys() <= EXTERNAL_KEYS:
        raise InvalidModelError(
            f"the external data of {name} must have entries among {sorted(EXTERNAL_KEYS)}, got {sorted(entries)}"
        )
    path = _inside(folder, location, name)
    bounds = [entries.get("offset", "0"), entries.get("length", str(size * dtype.itemsize))]
    if not all(text.isascii() and text.isdecimal() and len(text) < 20 for text in bounds):
        raise InvalidModelError(f"the external data of {name} must have an offset and a length, got {bounds}")
    offset, length = map(int, bounds)
    if length != size * dtype.itemsize or offset + length > path.stat().st_size:
        raise InvalidModelError(
            f"the external data of {name} must have {size * dtype.itemsize} bytes within {location}, got {length} at {offset}"
        )
    return np.fromfile(path, dtype, size, offset=offset)


def _entries(tensor: Any) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _inside(folder: Path, location: str, name: str) -> Path:
    """Return the path of external data, after checking that it is in the folder of the model."""
    parts = PurePosixPath(location).parts
    is_relative = not PurePosixPath(location).is_absolute() and not PureWindowsPath(location).anchor
    if not parts or not is_relative or ".." in parts or "\\" in location or "\0" in location:
        raise InvalidModelError(f"the external data of {name} must be inside the folder of the model, got {location!r}")
    path = folder
    for part in parts:
        path = path / part
        if os.path.islink(path):
            raise InvalidModelError(f"the external data of {name} must not be behind a symbolic link, got {location!r}")
    if not path.is_file():
        raise InvalidModelError(f"the external data of {name} must be in a file, got {location!r}")
    return path
