"""Recognition of files of other programs, for error messages."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from refconv._errors import ArgumentValueError

__all__ = ["archive_kind", "foreign_format", "is_archive", "refuse_other_endings"]

HDF5 = b"\x89HDF\r\n\x1a\n"  # first bytes
ZIP = b"PK\x03\x04"
LEGACY_TORCH = b"\x80\x02\x8a\x0a"  # torch.save before PyTorch 1.6: a pickle of protocol 2 with a long integer

# Endings of files of other formats, and the functions that write them.
OTHER_ENDINGS = {
    ".onnx": "; refconv.onnx.save writes it",
    **dict.fromkeys((".keras", ".h5", ".hdf5"), "; weights.to_keras writes files of Keras"),
    **dict.fromkeys((".pt", ".pth"), "; weights.to_torch writes files of PyTorch"),
    **dict.fromkeys((".npz", ".npy", ".pkl", ".pickle"), ""),
}

ONNX = "is an ONNX file; read it with refconv.onnx.load"
KERAS = "is a Keras file; read it with weights.from_keras"
KERAS_WEIGHTS = "contains only weights of Keras; build the network and call weights.load_keras_weights"
LEGACY_KERAS = (
    "is an HDF5 file; if Keras wrote it, save the network with model.save('model.keras') and call weights.from_keras"
)
NPZ = "is a file of np.savez; pass dict(np.load(path)) to weights.from_torch, or copy the arrays into named_parameters()"
TORCH = "is a file of torch.save; read it with weights.from_torch"


def foreign_format(path: str | os.PathLike[str]) -> str:
    """Return what a file of another program is and what reads it, or "" if it is not recognised.

    >>> foreign_format("lenet.onnx")
    'is an ONNX file; read it with refconv.onnx.load'
    """
    path = Path(path)
    if path.suffix.lower() == ".onnx":
        return ONNX
    start = b""
    if path.is_file():
        with path.open("rb") as file:
            start = file.read(len(HDF5))
    if start == HDF5:
        return KERAS_WEIGHTS if path.name.lower().endswith(".weights.h5") else LEGACY_KERAS
    if start.startswith(LEGACY_TORCH):
        return TORCH
    if start.startswith(ZIP):
        return {"keras": KERAS, "npz": NPZ}.get(archive_kind(path), TORCH)
    return ""


def is_archive(path: Path) -> bool:
    """Return True if a file is a ZIP archive, which may be damaged or one of several parts."""
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:  # opening it raises the same error
        return True


def archive_kind(path: Path) -> str:
    """Return "keras" or "npz" for such a ZIP archive, and "" for others and damaged ones."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return ""
    if "config.json" in names and "metadata.json" in names:
        return "keras"
    return "npz" if names and all(name.endswith(".npy") for name in names) else ""


def refuse_other_endings(path: str | os.PathLike[str]) -> None:
    """Raise ``ValueError`` if the name of a file of refconv has the ending of another format."""
    path = Path(path)
    if (suffix := path.suffix.lower()) in OTHER_ENDINGS:
        raise ArgumentValueError(f"path must end in .safetensors, got {path.name}{OTHER_ENDINGS[suffix]}")
