"""Files with state dicts of PyTorch: named arrays, and no code."""

from __future__ import annotations

import importlib
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from refconv._arguments import check_ending
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv._files import write_atomically
from refconv._optional import MissingPackage
from refconv.typing import Array
from refconv.weights.foreign import LEGACY_TORCH, ZIP, archive_kind
from refconv.weights.safetensors import read_safetensors, write_safetensors

__all__ = ["arrays_of", "is_saved_by_torch", "read_state_dict", "write_state_dict"]

# First bytes of a file of torch.save. A safetensors file cannot begin like this: its header would be longer than the format
# allows.
SAVED_BY_TORCH = (ZIP, LEGACY_TORCH)
TORCH_SUFFIXES = (".pt", ".pth")
SUFFIXES = (".safetensors", *TORCH_SUFFIXES)  # of files that are written
OTHER_OBJECTS = ("Unsupported global", "Unsupported class", "TorchScript")  # in errors of torch.load with weights_only
SAFE_VERSION = (2, 6)  # of PyTorch; before, a file could run code in spite of weights_only (CVE-2025-32434)


def read_state_dict(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Read a state dict from a safetensors file, or from a file of ``torch.save``.

    Files of ``torch.save`` need PyTorch 2.6 or later and are read with ``weights_only=True``, which runs no code of the file.
    float16 and bfloat16 are converted to float32, which is exact.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    refconv.MissingPackage
        If PyTorch is needed and not installed.
    ValueError
        If the file is damaged, has another format, or contains anything but named tensors. The message names the file.
    """
    path = Path(path)
    if is_saved_by_torch(path):
        content = _read_with_torch(path)
        if not isinstance(content, Mapping) or not all(_is_tensor(value) for value in content.values()):
            raise ArgumentValueError(f"{path} must contain a dict of tensors, got {_description(content)}")
        return arrays_of(content)
    return read_safetensors(path)[0]


def is_saved_by_torch(path: str | os.PathLike[str]) -> bool:
    """Return True if a file exists and begins like a file of ``torch.save``."""
    path = Path(path)
    if not path.is_file():
        return False
    with path.open("rb") as file:
        is_saved = file.read(8).startswith(SAVED_BY_TORCH)
    return is_saved and not archive_kind(path)  # Keras and np.savez also write ZIP archives


def arrays_of(state_dict: Mapping[str, Any]) -> dict[str, Array]:
    """Return the arrays of a state dict, whose values are NumPy arrays or tensors of PyTorch.

    >>> arrays_of({"w": np.float16([1.5])})
    {'w': array([1.5], dtype=float32)}
    """
    arrays = {}
    for key, value in state_dict.items():
        if not isinstance(key, str) or not (isinstance(value, np.ndarray) or _is_tensor(value)):
            raise ArgumentTypeError(
                f"state_dict must contain arrays or tensors by name, got {type(value).__name__} for {key!r}"
            )
        if isinstance(value, np.ndarray):
            array = value
        else:
            tensor = value.detach().cpu()
            array = (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()
        arrays[key] = array.astype(np.float32) if array.dtype == np.float16 else array
    return arrays


def write_state_dict(path: str | os.PathLike[str], arrays: Mapping[str, Array]) -> None:
    """Write a state dict, completely or not at all.

    A path that ends in ``.safetensors`` is a safetensors file. One that ends in ``.pt`` or ``.pth`` is written with
    ``torch.save``, which needs PyTorch. Other endings raise ``ValueError``.
    """
    check_ending(path, *SUFFIXES)
    if Path(path).suffix.lower() not in TORCH_SUFFIXES:
        write_safetensors(path, arrays, {"format": "pt"})  # programs such as transformers read this entry
        return
    torch = _torch("writing a file of torch.save", "write a .safetensors file")
    file = io.BytesIO()
    torch.save({key: torch.from_numpy(np.array(array)) for key, array in arrays.items()}, file)
    write_atomically(path, file.getvalue())


def _torch(purpose: str, otherwise: str) -> Any:
    try:
        return importlib.import_module("torch")
    except ModuleNotFoundError as error:
        if error.name != "torch":  # PyTorch itself is installed
            raise
        raise MissingPackage(f"{purpose} needs PyTorch: pip install torch; or {otherwise}", name="torch") from error


def _read_with_torch(path: Path) -> Any:
    torch = _torch(f"reading {path}, a file of torch.save,", "convert the file with safetensors.torch.save_file")
    version = tuple(int(number) for number in torch.__version__.split(".")[:2])
    if version < SAFE_VERSION:
        raise ArgumentValueError(
            f"{path} must be a safetensors file, got a file of torch.save; PyTorch {torch.__version__} may run code of such a "
            "file, so PyTorch 2.6 or later is required"
        )
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file raises errors of many classes
        if any(content in str(error) for content in OTHER_OBJECTS):
            raise ArgumentValueError(
                f"{path} must contain a state dict, got other objects; in PyTorch, write torch.save(model.state_dict(), path)"
            ) from error
        reason = str(error).partition("\n")[0]
        raise ArgumentValueError(f"{path} is not a state dict of torch.save, or is damaged: {reason}") from error


def _is_tensor(value: object) -> bool:
    return hasattr(value, "detach") and hasattr(value, "numpy")


def _description(content: object) -> str:
    """Describe the content of a file that is not a state dict, for an error message."""
    if not isinstance(content, Mapping):
        return type(content).__name__
    dicts = [key for key, value in content.items() if isinstance(value, Mapping)]
    others = ", ".join(f"{key!r}: {type(value).__name__}" for key, value in content.items() if not _is_tensor(value))
    hint = f"; load it with PyTorch and pass its entry {dicts[0]!r}" if dicts else ""
    return f"a dict with {others}{hint}"
