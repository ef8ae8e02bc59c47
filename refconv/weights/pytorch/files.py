"""Files with state dicts of PyTorch: named arrays, and no code."""

from __future__ import annotations

import importlib
import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from refconv._arguments import check_ending
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv._files import write_atomically
from refconv._optional import MissingPackage
from refconv.typing import Array
from refconv.weights.foreign import LEGACY_TORCH, ZIP, archive_kind, is_archive
from refconv.weights.safetensors import read_safetensors, write_safetensors

__all__ = ["arrays_of", "is_saved_by_torch", "read_state_dict", "write_state_dict"]

# First bytes of a file of torch.save. A safetensors file cannot begin like this: its header would be longer than the format
# allows.
SAVED_BY_TORCH = (ZIP, LEGACY_TORCH)
TORCH_SUFFIXES = (".pt", ".pth")
MAX_SHARING = 16  # tensors of a file may share their elements, like tied weights, up to this multiple of its size
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
        if larger := [key for key, tensor in content.items() if _exceeds_its_bytes(tensor)]:
            raise ArgumentValueError(f"{path} must contain all elements of each tensor, got fewer for {larger[0]!r}")
        limit = MAX_SHARING * path.stat().st_size
        if (size := sum(tensor.numel() * tensor.element_size() for tensor in content.values())) > limit:
            raise ArgumentValueError(f"{path} must contain tensors of at most {limit} bytes in all, for its size, got {size}")
        try:
            return arrays_of(content)
        except ArgumentTypeError as error:
            raise ArgumentValueError(f"{path} must contain tensors that NumPy can represent: {error}") from error
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
        array = value if isinstance(value, np.ndarray) else _array_of(key, value)
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
    _check_archive(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file raises errors of many classes
        if any(content in str(error) for content in OTHER_OBJECTS):
            raise ArgumentValueError(
                f"{path} must contain a state dict, got other objects; in PyTorch, write torch.save(model.state_dict(), path)"
            ) from error
        reason = str(error).partition("\n")[0]
        raise ArgumentValueError(f"{path} is not a state dict of torch.save, or is damaged: {reason}") from error


def _check_archive(path: Path) -> None:
    """Refuse a ZIP archive whose members take more bytes than the file.

    A small file must not allocate much memory.
    """
    if not is_archive(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except Exception as error:  # a damaged list of members raises errors of many classes
        raise ArgumentValueError(f"{path} is not a state dict of torch.save, or is damaged: {error}") from error
    if len({member.filename for member in members}) < len(members):
        raise ArgumentValueError(f"{path} is damaged: the names of its members must be unique")
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ArgumentValueError(f"{path} must contain its tensors without compression, as torch.save writes them")
    if sum(member.file_size for member in members) > path.stat().st_size:
        raise ArgumentValueError(f"{path} is damaged: its members must not overlap")


def _exceeds_its_bytes(tensor: Any) -> bool:
    """Return True for a tensor with several elements at the same place, as in a broadcast one."""
    if str(tensor.layout) != "torch.strided":
        return False  # refused later
    return bool(tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes())


def _array_of(key: str, value: Any) -> Array:
    """Return the array of a tensor of PyTorch."""
    try:
        tensor = value.detach().cpu()
        array: Array = (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()
    except (NotImplementedError, RuntimeError, TypeError) as error:
        kind = " ".join(str(getattr(value, name, "")) for name in ("dtype", "layout")).strip()
        raise ArgumentTypeError(f"state_dict must contain dense tensors of types of NumPy, got {kind} for {key!r}") from error
    return array


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
