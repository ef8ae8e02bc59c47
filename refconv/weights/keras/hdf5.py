"""Reading and writing of the HDF5 files in which Keras 3 stores weights.

A layer has a group ``…/vars`` with the datasets "0", "1" and so on. An untrusted file may contain links to other files,
datasets that are computed from others, and sizes that do not fit its bytes. All of these are refused before anything is read.
"""

from __future__ import annotations

import io
import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from refconv._optional import need
from refconv.typing import Array, Shape

__all__ = ["Group", "Wanted", "groups_with_weights", "read_groups", "refuse_others", "write_groups"]

NAME = "name"  # attribute of a group, with the name of the layer; Keras 3 writes it since version 3.9
# Exceptions that h5py raises for damaged files.
_DAMAGED = (ArithmeticError, AttributeError, LookupError, MemoryError, OSError, RuntimeError, TypeError)


class Wanted(NamedTuple):
    """Layer whose arrays are needed: its name, and the shape of each array."""

    name: str
    shapes: tuple[Shape, ...]


class Group(NamedTuple):
    """Arrays of a layer to write: its name, and its arrays."""

    name: str
    arrays: tuple[Array, ...]


def read_groups(
    image: bytes, wanted: Mapping[str, Wanted], dtype: np.dtype[Any], *, check_names: bool = False
) -> dict[str, list[Array]]:
    """Return the arrays of each wanted group, after all of them were checked.

    Parameters
    ----------
    image : bytes
        The bytes of the file.
    wanted : dict of Wanted
        The layers by the path of their group, such as "layers/conv2d". A layer's arrays are in the group "vars" inside.
    dtype : numpy dtype
        The type that all arrays must have.
    check_names : bool
        If True, a group must have the name of its layer, if it has a name.

    Raises
    ------
    ValueError
        If the file is not an HDF5 file, is damaged, or does not contain exactly these arrays. The message names the layer.
    """
    h5py = _h5py()
    try:
        with h5py.File(io.BytesIO(image), "r") as file:
            datasets = {path: _datasets(file, path, layer, dtype, check_names) for path, layer in wanted.items()}
            return {path: [_read(dataset, len(image), dtype) for dataset in own] for path, own in datasets.items()}
    except _DAMAGED as error:
        raise ValueError(f"the weights are not an HDF5 file, or are damaged: {_first_line(error)}") from error


def groups_with_weights(image: bytes, networks: Iterable[str]) -> list[str]:
    """Return the paths of all layers with weights in these groups, such as "layers"."""
    h5py = _h5py()
    paths = []
    try:
        with h5py.File(io.BytesIO(image), "r") as file:
            for network in networks:
                for name in _inner(file, network) or ():
                    arrays = _inner(file, f"{network}/{name}/vars")
                    if arrays is not None and len(arrays):
                        paths.append(f"{network}/{name}")
    except _DAMAGED as error:
        raise ValueError(f"the weights are not an HDF5 file, or are damaged: {_first_line(error)}") from error
    return paths


def refuse_others(present: Iterable[str], wanted: Collection[str]) -> None:
    """Raise ``ValueError`` if the file has weights of a layer that is not wanted."""
    for path in present:
        if path not in wanted:
            raise ValueError(f"the network has no layer for the weights in {path}")


def write_groups(groups: Mapping[str, Group]) -> bytes:
    """Return the bytes of a file with these groups, by path.

    Groups without arrays are written too, as Keras does.
    """
    h5py = _h5py()
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for path, (name, arrays) in groups.items():
            group = file.create_group(f"{path}/vars".lstrip("/"))
            group.attrs[NAME] = name
            for k, array in enumerate(arrays):
                group.create_dataset(str(k), data=np.ascontiguousarray(array))
    return buffer.getvalue()


def _h5py() -> Any:
    return need("h5py", "keras", "reading and writing files of Keras")


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def _inner(group: Any, path: str) -> Any:
    """Return the object at a path, or None if it does not exist.

    Only hard links are followed: other links may point to other files.
    """
    h5py = _h5py()
    for part in path.split("/"):
        if not isinstance(group, h5py.Group) or part not in group:
            return None
        link = group.get(part, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"{path} must be in the file itself, got a {type(link).__name__}")
        group = group[part]
    return group


def _datasets(file: Any, path: str, layer: Wanted, dtype: np.dtype[Any], check_names: bool) -> list[Any]:
    """Return the datasets of a layer, after checks of their number, shapes and types."""
    h5py = _h5py()
    group = _inner(file, f"{path}/vars")
    if not isinstance(group, h5py.Group):
        raise ValueError(f"the weights of layer {layer.name} must be in the group {path}/vars, which does not exist")
    if check_names and NAME in group.attrs and group.attrs[NAME] != layer.name:
        raise ValueError(f"the group {path} must belong to layer {layer.name}, got {group.attrs[NAME]!r}")
    names = [str(k) for k in range(len(layer.shapes))]
    if sorted(group, key=str) != sorted(names):
        raise ValueError(f"layer {layer.name} must have {len(names)} arrays, got {len(group)} in {path}/vars")
    datasets = []
    for name, shape in zip(names, layer.shapes, strict=True):
        dataset = _inner(group, name)
        _check_dataset(dataset, f"array {name} of layer {layer.name}", shape, dtype)
        datasets.append(dataset)
    return datasets


def _check_dataset(dataset: Any, name: str, shape: Shape, dtype: np.dtype[Any]) -> None:
    if not isinstance(dataset, _h5py().Dataset) or dataset.is_virtual or dataset.external:
        raise ValueError(f"{name} must be a dataset in the file itself")
    if dataset.shape != tuple(shape) or dataset.dtype.newbyteorder("=") != dtype:
        raise ValueError(f"{name} must have shape {tuple(shape)} and type {dtype}, got {dataset.shape} and {dataset.dtype}")
    if dataset.chunks is not None or dataset.id.get_storage_size() != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{name} must be stored in one piece and without compression, as Keras does")


def _read(dataset: Any, size: int, dtype: np.dtype[Any]) -> Array:
    offset = dataset.id.get_offset()  # None for data in the header of the dataset
    if offset is not None and offset + dataset.nbytes > size:
        raise ValueError(f"the data of {dataset.name} must end within the file of {size} bytes")
    return np.asarray(dataset[()], dtype)
