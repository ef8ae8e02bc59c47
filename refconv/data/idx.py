"""Reading and writing of idx files, the file format of MNIST.

A file is a header with big-endian sizes, followed by the elements in row-major order::

    bytes 0, 1      00 00
    byte  2         the type of the elements, a code from the table below
    byte  3         the number of dimensions d
    4 d bytes       the size of each dimension, as unsigned 32-bit integers
    remaining bytes the elements; the index of the last dimension changes fastest

Source: lecture row M2 (SOURCES.md); LeCun et al. 1998, and "The MNIST database of handwritten digits", file formats.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np

from refconv._bounded import read_at_most
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv._files import write_atomically
from refconv.data.files import GZIP, BadDataFile, damage_named, unpack
from refconv.typing import Array

_DTYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype("u1"),
    0x09: np.dtype("i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_MAX_DIMENSIONS = 32  # supported by every version of NumPy
LONGEST_HEADER = 4 + 4 * _MAX_DIMENSIONS  # bytes


def read_idx(path: str | os.PathLike[str]) -> Array:
    """Read an idx file, which may be compressed with gzip.

    Parameters
    ----------
    path : path
        The file. Gzip data are recognised by their first bytes, not by the name.

    Returns
    -------
    ndarray
        A writable array with the shape and type of the header, in the byte order of this computer.

    Raises
    ------
    BadDataFile
        If the file is not idx data, or its number of bytes differs from the header.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_idx(f"{folder}/labels.gz", np.array([7, 2, 1], np.uint8))
    ...     read_idx(f"{folder}/labels.gz")
    array([7, 2, 1], dtype=uint8)
    """
    path = Path(path)
    with path.open("rb") as file:
        start = file.read(LONGEST_HEADER)
        file.seek(0)
        if not start.startswith(GZIP):
            return decode_idx(_read(file, unpack(start, path), path), path)
        with gzip.GzipFile(fileobj=file) as unpacked, damage_named(path, path.stat().st_size):
            return decode_idx(_read(unpacked, unpacked.read(LONGEST_HEADER), path), path)


def _read(stream: Any, start: bytes, path: Path) -> bytes:
    """Return the content of a stream, whose length its header announces.

    ``start`` is the beginning of the content. Nothing after the announced end is decompressed.
    """
    dtype, shape, first = _decode_header(start, path)
    end = first + math.prod(shape) * dtype.itemsize
    stream.seek(0)
    content = read_at_most(stream, end)
    if len(content) > end:
        raise BadDataFile(path, f"is too long: got more than {end} bytes, {_expected(end, shape, dtype)}")
    return content


def decode_idx(content: bytes, source: str | os.PathLike[str]) -> Array:
    """Convert the bytes of an uncompressed idx file to an array.

    Parameters
    ----------
    content : bytes
        Header and elements.
    source : path or str
        Path or name of the file, for messages.

    Returns
    -------
    ndarray
        The array, as `read_idx` returns it.

    Raises
    ------
    BadDataFile
        If the bytes are not idx data, or their number differs from the header.

    Examples
    --------
    >>> decode_idx(bytes([0, 0, 0x0B, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 0, 255, 255]), "two shorts")
    array([[256,  -1]], dtype=int16)
    >>> decode_idx(bytes([0, 0, 0x08, 1, 0, 0, 0, 3, 7, 2]), "labels")
    Traceback (most recent call last):
        ...
    refconv.data.files.BadDataFile: labels ends early: got 10 bytes, expected 11 from the header (3 of uint8)
    """
    dtype, shape, start = _decode_header(content, source)
    end = start + math.prod(shape) * dtype.itemsize
    if len(content) != end:
        fault = f"ends early: got {len(content)}" if len(content) < end else f"is too long: got {len(content)}"
        raise BadDataFile(source, f"{fault} bytes, {_expected(end, shape, dtype)}")
    elements = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return elements.astype(dtype.newbyteorder("="))  # always copies, so the result is writable


def _expected(end: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
    return f"expected {end} from the header ({' x '.join(map(str, shape))} of {dtype.name})"


def _decode_header(content: bytes, source: str | os.PathLike[str]) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """Return the type, the shape and the position of the first element."""
    if len(content) < 4:
        raise BadDataFile(source, f"ends early: got {len(content)} bytes, expected at least 8 for the header")
    if content[:2] != b"\0\0":
        raise BadDataFile(source, f"is not idx data: it starts with {content[:2].hex(' ')}, expected 00 00")
    code, dimensions = content[2:4]
    if code not in _DTYPES:
        known = ", ".join(f"0x{code:02x} {dtype.name}" for code, dtype in _DTYPES.items())
        raise BadDataFile(source, f"has the unknown type code 0x{code:02x}, expected one of {known}")
    if not 1 <= dimensions <= _MAX_DIMENSIONS:
        raise BadDataFile(source, f"has {dimensions} dimensions, expected 1 to {_MAX_DIMENSIONS}")
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise BadDataFile(source, f"ends early: got {len(content)} bytes, expected {start} for the header")
    return _DTYPES[code], struct.unpack_from(f">{dimensions}I", content, 4), start


def write_idx(path: str | os.PathLike[str], array: Array) -> None:
    r"""Write an array as an idx file, compressed with gzip if the name ends in ``.gz``.

    The same array always gives the same bytes, because the gzip header contains no date.

    Parameters
    ----------
    path : path
        The file, which is written completely or not at all. Missing folders are created.
    array : ndarray
        An array of uint8, int8, int16, int32, float32 or float64 with 1 to 32 dimensions.

    Raises
    ------
    TypeError
        If idx does not support the type of the elements.
    ValueError
        If the array has no dimensions or more than 32.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_idx(f"{folder}/labels", np.array([7, 2, 1], np.uint8))
    ...     Path(folder, "labels").read_bytes()
    b'\x00\x00\x08\x01\x00\x00\x00\x03\x07\x02\x01'
    """
    array = np.asarray(array)
    codes = {dtype.newbyteorder("="): code for code, dtype in _DTYPES.items()}
    code = codes.get(array.dtype.newbyteorder("="))
    if code is None:
        known = ", ".join(dtype.name for dtype in codes)
        raise ArgumentTypeError(f"array must be of a type that idx supports ({known}), got {array.dtype.name}")
    if not 1 <= array.ndim <= _MAX_DIMENSIONS:
        raise ArgumentValueError(f"array must have 1 to {_MAX_DIMENSIONS} dimensions, got {array.ndim}")
    header = struct.pack(f">2x2B{array.ndim}I", code, array.ndim, *array.shape)
    content = header + array.astype(_DTYPES[code]).tobytes()
    write_atomically(path, gzip.compress(content, mtime=0) if Path(path).suffix == ".gz" else content)
