"""Trained weights in this folder.

README.md in this folder lists the packaged weights with their recipes, accuracies and checksums.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from refconv._errors import ArgumentTypeError, ArgumentValueError, suggestion

__all__ = ["PACKAGED", "weights_path"]

PACKAGED = {"lenet": ("mnist", "digits"), "resnet20": ("cifar10",)}  # the file of a pair is NETWORK-WEIGHTS.safetensors
FOLDER = Path(__file__).parent

Weights = str | os.PathLike[str]


def weights_path(name: str, weights: Weights) -> Path:
    """Return the path of the packaged weights of this name, or of a file or folder.

    A name of packaged weights takes precedence over a file of the same name in the working folder.

    Parameters
    ----------
    name : str
        Name of the network as in ``models.names()``.
    weights : str or path
        Name of packaged weights, such as "mnist", or a path.

    Raises
    ------
    TypeError, ValueError
        If there are neither packaged weights of this name nor such a file.
    FileNotFoundError
        If ``weights`` is the name of a file, such as "resnet50.pth", that does not exist.
    """
    if not isinstance(weights, str | os.PathLike):
        raise ArgumentTypeError(f"weights must be a name or a path, got {weights!r}")
    packaged = PACKAGED.get(name, ())
    if weights in packaged:
        return FOLDER / f"{name}-{weights}.safetensors"
    path = Path(weights).expanduser()
    if path.exists():
        return path
    if path.suffix:
        raise FileNotFoundError(f"there is no file {path}")
    names = f"one of {', '.join(map(repr, packaged))} for {name}, or " if packaged else ""
    got = f"{os.fspath(weights)!r}{suggestion(difflib.get_close_matches(str(weights), packaged))}"
    raise ArgumentValueError(f"weights must be {names}a file of weights or the folder of a run, got {got}")
