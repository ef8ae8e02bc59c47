"""Checks of the files that commands write, before anything is computed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from refconv._errors import ArgumentValueError
from refconv._files import link_target

__all__ = ["check_not_input", "check_overwrite", "picture_file"]


def check_overwrite(path: Path, overwrite: bool, option: str | None = "--out") -> None:
    """Raise ``FileExistsError`` for an existing file that must not be replaced.

    Commands write the file that a link points to. A link that points to no file raises ``OSError``.
    ``option`` is the option with which the user can choose another file; None if it is an argument without a name.
    """
    if link_target(path).exists() and not overwrite:
        other = f"another file with {option}" if option else "another file"
        raise FileExistsError(f"{path} already exists; choose {other}, or replace it with --overwrite")


def check_not_input(option: str, path: str, inputs: Sequence[str]) -> None:
    """Check that an output file is neither a folder, a dangling link, nor one of the inputs."""
    link_target(path)
    if os.path.isdir(path):
        raise ArgumentValueError(f"{option} must be a file, got the folder {path}")
    for other in inputs:
        if os.path.realpath(path) == os.path.realpath(other) or _is_same_file(path, other):
            raise ArgumentValueError(f"{option} must be a file that is not an input, got {path}")


def picture_file(name: str, overwrite: bool, model: str) -> tuple[Path, str]:
    """Return the path and the format, "png" or "svg", of a picture of a model to write."""
    path = Path(name)
    form = path.suffix.lower().removeprefix(".")
    if form not in ("png", "svg"):
        raise ArgumentValueError(f"--out must end in .png or .svg, got {path}")
    check_overwrite(path, overwrite)
    check_not_input("--out", name, [model])
    return path, form


def _is_same_file(a: str, b: str) -> bool:
    """Return True for two names of one file, such as hard links."""
    return os.path.exists(a) and os.path.exists(b) and os.path.samefile(a, b)
