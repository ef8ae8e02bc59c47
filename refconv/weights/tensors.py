"""Files that contain named arrays and a JSON description with a format number."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.typing import Array
from refconv.weights.safetensors import read_safetensors, write_safetensors

__all__ = [
    "CHECKPOINT",
    "FORMAT",
    "MODEL",
    "WEIGHTS",
    "description_of",
    "read_tensors",
    "refuse_newer",
    "write_tensors",
]

FORMAT = 2  # 1: file without a number, model saved as a name for models.create; 2: architecture saved as data
# Keys of descriptions in the metadata of a file.
MODEL, CHECKPOINT, WEIGHTS = "refconv", "refconv-checkpoint", "refconv-weights"
KINDS = {MODEL: "a refconv model", CHECKPOINT: "a refconv run", WEIGHTS: "refconv weights"}

Description = dict[str, Any]


def write_tensors(
    path: str | os.PathLike[str],
    tensors: Mapping[str, Array],
    kind: str,
    description: Mapping[str, Any],
    others: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write named arrays and a description to a safetensors file.

    Parameters
    ----------
    path : path
        The file to write, completely or not at all.
    tensors : dict of array
    kind : str
        Key of the description in the file's metadata: "refconv" for a model, "refconv-checkpoint" for a checkpoint,
        "refconv-weights" for weights without an architecture.
    description : dict
        Any JSON-serialisable dict; arrays in it become lists. The current format number is added as "format".
    others : dict of dict, optional
        Descriptions of other kinds, by kind. A checkpoint can also be a model.

    Raises
    ------
    OSError
        If the file cannot be written.
    TypeError, ValueError
        If the description is not JSON-serialisable.
    """
    descriptions = {kind: description, **(others or {})}
    write_safetensors(path, tensors, {name: _to_json({"format": FORMAT, **content}) for name, content in descriptions.items()})


def read_tensors(path: str | os.PathLike[str], kind: str) -> tuple[dict[str, Array], Description]:
    """Read the arrays and the description that :func:`write_tensors` wrote.

    Parameters
    ----------
    path : path
    kind : str
        Key of the description, as in :func:`write_tensors`.

    Returns
    -------
    tensors : dict of array
        float16 and bfloat16 are converted to float32.
    description : dict
        Contains the file's format number as "format", 1 for a file without a number.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the file is damaged, is of another kind, has a newer format, or contains types that NumPy does not support. The
        message names the file.
    """
    tensors, metadata = read_safetensors(path)
    return tensors, description_of(path, metadata, kind)


def description_of(path: str | os.PathLike[str], metadata: Mapping[str, str], kind: str) -> Description:
    """Return the description that a file's metadata stores under the key ``kind``.

    Raises the same errors as :func:`read_tensors`.
    """
    if kind not in metadata:
        others = [description for other, description in KINDS.items() if other in metadata]
        content = " and ".join(others) or "tensors without a description"
        if kind == MODEL:
            function = "load_weights" if others else "weights.from_torch, if the tensors have the names of PyTorch"
            content += f"; build the network and call {function}"
        raise ArgumentValueError(f"{path} must be {KINDS.get(kind, kind)}, got {content}")
    return _description(path, metadata[kind])


def refuse_newer(path: str | os.PathLike[str], metadata: Mapping[str, str]) -> None:
    """Raise ``ValueError`` if a description in a file has a newer format."""
    for kind in KINDS.keys() & metadata.keys():
        _description(path, metadata[kind])


def _description(path: str | os.PathLike[str], text: str) -> Description:
    try:
        description = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArgumentValueError(f"{path} has a description that is not JSON: {error}") from error
    if not isinstance(description, dict):
        raise ArgumentValueError(f"{path} must have a JSON object as its description, got {type(description).__name__}")
    number = description.setdefault("format", 1)
    if type(number) is not int or number < 1:
        raise ArgumentValueError(f"{path} must have an integer of at least 1 as its format, got {number!r}")
    if number > FORMAT:
        raise ArgumentValueError(
            f"{path} was written by a newer version of refconv: format {number}, this version reads up to {FORMAT}"
        )
    return description


def _to_json(description: Mapping[str, Any]) -> str:
    """Return the description as JSON text; arrays become lists."""
    try:
        return json.dumps(description, default=_as_list)
    except ValueError as error:  # a dictionary that contains itself
        raise ArgumentValueError(f"notes must be JSON-serialisable, got {error}") from error


def _as_list(value: object) -> Any:
    if not isinstance(value, np.ndarray | np.generic):
        raise ArgumentTypeError(f"notes must be JSON-serialisable, got {value!r}")
    return value.tolist()
