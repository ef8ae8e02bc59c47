"""The safetensors file format: a header in JSON, then the bytes of all arrays.

A file starts with the length of the header as 8 bytes, little-endian. For each array, the header lists its type, its shape,
its first byte and the end of its bytes, both counted from the end of the header. ``__metadata__`` in the header is a dict of
strings. The format is specified at https://github.com/huggingface/safetensors, so other programs can read and write these
files. Files that refconv writes have a checksum of all other content in their metadata, so that a changed bit is noticed.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import reprlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv._files import write_atomically
from refconv.typing import Array
from refconv.weights.foreign import foreign_format

__all__ = ["DamagedFileError", "read_safetensors", "write_safetensors"]

# Types of the format and their NumPy dtypes. NumPy has no bfloat16: its two bytes are the upper half of a float32.
NUMPY_TYPES = {
    **dict(BOOL="?", U8="u1", I8="i1", U16="<u2", I16="<i2", U32="<u4", I32="<i4", U64="<u8", I64="<i8"),
    **dict(F16="<f2", BF16="<u2", F32="<f4", F64="<f8", C64="<c8"),
}
NAMES = {np.dtype(stored): name for name, stored in NUMPY_TYPES.items() if name != "BF16"}
ALIGNMENT = 8  # bytes; the first array starts at a multiple, and arrays with larger elements come first
MAX_HEADER_BYTES = 100_000_000  # other readers reject longer headers
MAX_AXES = 64  # of an array in NumPy
CHECKSUM = "refconv-sha256"  # entry of the metadata
CHUNK = 2**20  # bytes that are read at once for the checksum


class DamagedFileError(ArgumentValueError):
    """Error about a file that is incomplete or changed, or no safetensors file."""


def write_safetensors(path: str | os.PathLike[str], tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
    """Write named arrays, a dict of strings and a checksum to a file, completely or not at all.

    Parameters
    ----------
    path : path
    tensors : dict of array
        Arrays of booleans, integers, float16, float32, float64 or complex64.
    metadata : dict of str

    Raises
    ------
    OSError
        If the file cannot be written.
    TypeError
        If an array has a dtype that the format does not support.
    """
    order = sorted(tensors, key=lambda name: -tensors[name].itemsize)
    ends = list(itertools.accumulate((tensors[name].nbytes for name in order), initial=0))
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    for name, (first, end) in zip(order, itertools.pairwise(ends), strict=True):
        header[name] = {"dtype": _type_of(name, tensors[name]), "shape": tensors[name].shape, "data_offsets": [first, end]}
    stored = [tensors[name].astype(NUMPY_TYPES[header[name]["dtype"]], copy=False) for name in order]
    header["__metadata__"][CHECKSUM] = _checksum(header, (array.tobytes() for array in stored))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    if len(text) > MAX_HEADER_BYTES:
        raise ArgumentValueError(f"metadata and names must take at most {MAX_HEADER_BYTES} bytes, got {len(text)}")
    content = (array.tobytes() for array in stored)
    write_atomically(path, itertools.chain([len(text).to_bytes(8, "little"), text], content))


def read_safetensors(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, str]]:
    """Read all arrays and the metadata of a file.

    Parameters
    ----------
    path : path

    Returns
    -------
    tensors : dict of array
        float16 and bfloat16 are converted to float32, which is exact.
    metadata : dict of str

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the file is damaged, which a checksum also shows, has another format, or contains types that NumPy does not support.
        The message names the file.
    """
    path = Path(path)
    if path.is_dir():
        raise ArgumentValueError(f"{path} must be a safetensors file, got a folder")
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    if content := foreign_format(path):
        raise ArgumentValueError(f"{path} {content}")
    with path.open("rb") as file:
        try:
            header, start = _header(file, path.stat().st_size)
            metadata = _metadata(header.get("__metadata__", {}))
            entries = dict(_entries(header, path.stat().st_size - start))
        except (ValueError, RecursionError) as error:
            raise _damaged(path, error) from error
        for name, (_, dtype, _) in entries.items():
            if dtype not in NUMPY_TYPES:
                got = f"{dtype} in tensor {name}; convert it to F32"
                raise ArgumentValueError(f"{path} must contain types that NumPy supports, got {got}")
        try:
            _check(header, file)
            arrays = {name: _array(file, start + first, dtype, shape) for name, (first, dtype, shape) in entries.items()}
        except (ValueError, OverflowError) as error:  # too many axes, or a length that does not fit into 64 bits beside a 0
            raise _damaged(path, error) from error
        return arrays, metadata


def _check(header: dict[str, Any], file: BinaryIO) -> None:
    """Raise ``ValueError`` if the file has a checksum that does not fit.

    The checksum is removed from the header.
    """
    expected = header.get("__metadata__", {}).pop(CHECKSUM, None)
    if expected is not None and expected != _checksum(header, iter(lambda: file.read(CHUNK), b"")):
        raise ValueError(
            f"its content does not fit its checksum; if it was changed on purpose, remove {CHECKSUM} from its metadata"
        )


def _checksum(header: dict[str, Any], content: Iterable[bytes]) -> str:
    """Return the SHA-256 of a header without checksum, and of the bytes after the header."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for part in content:
        digest.update(part)
    return digest.hexdigest()


def _damaged(path: Path, error: Exception) -> DamagedFileError:
    return DamagedFileError(f"{path} is not a safetensors file, or is damaged: {error}")


def _type_of(name: str, array: Array) -> str:
    if array.dtype.newbyteorder("<") not in NAMES:
        raise ArgumentTypeError(f"tensors must be of {', '.join(str(dtype) for dtype in NAMES)}, got {array.dtype} for {name}")
    return NAMES[array.dtype.newbyteorder("<")]


def _header(file: BinaryIO, size: int) -> tuple[dict[str, Any], int]:
    """Return the header and the position of the first byte after it."""
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, MAX_HEADER_BYTES):
        raise ValueError(f"the header must end within the file of {size} bytes, got a length of {length}")
    header = json.loads(file.read(length).decode(), object_pairs_hook=_with_unique_names)
    if not isinstance(header, dict):
        raise ValueError(f"the header must be a JSON object, got {type(header).__name__}")
    return header, 8 + length


def _with_unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the dict of a JSON object; refuse names that occur more than once."""
    values = dict(pairs)
    if len(values) < len(pairs):
        repeated = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"the names in the header must be unique, got {repeated} more than once")
    return values


def _metadata(metadata: object) -> dict[str, str]:
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("the metadata must be a JSON object of strings")
    return metadata


def _entries(header: dict[str, Any], size: int) -> Iterator[tuple[str, tuple[int, str, tuple[int, ...]]]]:
    """Yield the name of each array with its first byte, type and shape.

    Raises ``ValueError`` if the sizes are inconsistent.
    """
    position = 0
    tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
    for name, entry in sorted(tensors.items(), key=lambda item: _span(*item)):
        first, end = _span(name, entry)
        dtype, shape = entry["dtype"], entry["shape"]
        if isinstance(shape, list) and len(shape) > MAX_AXES:  # the product of a million sizes takes minutes
            raise ValueError(f"tensor {name} must have at most {MAX_AXES} axes, got {len(shape)}")
        if not _are_sizes(shape) or (dtype in NUMPY_TYPES and _bytes(dtype, shape) != end - first):
            raise ValueError(f"tensor {name} must have {end - first} bytes, got shape {_short(shape)} of {dtype}")
        if first != position:
            raise ValueError(f"tensor {name} must start at byte {position}, got {first}")
        position = end
        yield name, (first, dtype, tuple(shape))
    if position != size:
        raise ValueError(f"the tensors must end with the file, at byte {size}, got {position}")


def _span(name: str, entry: object) -> tuple[int, int]:
    """Return the start and the end of an array's bytes; the end is exclusive."""
    if not isinstance(entry, dict) or not {"dtype", "shape", "data_offsets"} <= entry.keys():
        raise ValueError(f"tensor {name} must have a dtype, a shape and data_offsets, got {_short(entry)}")
    offsets = entry["data_offsets"]
    if not _are_sizes(offsets) or len(offsets) != 2 or not isinstance(entry["dtype"], str):
        raise ValueError(f"tensor {name} must have a type and two offsets, got {_short(entry['dtype'])} and {_short(offsets)}")
    return offsets[0], offsets[1]


def _short(value: object) -> str:
    """Return the repr of a value from a header, shortened, since a header may have megabytes."""
    return reprlib.repr(value)


def _bytes(dtype: str, shape: list[int]) -> int:
    return math.prod(shape) * np.dtype(NUMPY_TYPES[dtype]).itemsize


def _are_sizes(value: object) -> bool:
    return isinstance(value, list) and all(type(n) is int and n >= 0 for n in value)


def _array(file: BinaryIO, start: int, dtype: str, shape: tuple[int, ...]) -> Array:
    stored = np.dtype(NUMPY_TYPES[dtype])
    file.seek(start)
    a = np.fromfile(file, stored, math.prod(shape)).reshape(shape)
    if dtype == "BF16":
        return (a.astype(np.uint32) << 16).view(np.float32)
    return a.astype(np.float32 if dtype == "F16" else stored.newbyteorder("="), copy=False)
