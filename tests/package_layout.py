"""Packages of refconv in import order: purpose, allowed imports and actual imports.

tests/test_imports.py enforces the list; docs/architecture.md is generated from it.
"""

import ast
import functools
import re
from pathlib import Path
from typing import NamedTuple

import refconv

__all__ = ["ANY", "DEFERRED", "PACKAGE", "PACKAGES", "Package", "deferred", "imported", "package_of", "packages_imported"]

PACKAGE = Path(refconv.__file__).parent
CYTHON_IMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+c?import\b|c?import\s+([\w.]+))", re.MULTILINE)
ANY = frozenset("*")  # may import every package


class Package(NamedTuple):
    """Folder or module directly in refconv."""

    purpose: str
    imports: frozenset


_ROWS = [
    ("_errors", "errors about arguments", ""),
    ("_bounded", "reading of streams of unknown length with a limit", ""),
    ("_ascii", "characters for terminals without Unicode", ""),
    ("_files", "files written completely or not at all", ""),
    ("_lock", "locks of folders", ""),
    ("_optional", "optional packages, imported where they are used", ""),
    ("_progress", "progress bars, and the setting that hides them", "_optional"),
    ("_version", "the version number", ""),
    ("families", "the names of the families of operators", ""),
    ("typing", "types of the public interface, for annotations", ""),
    ("_tables", "tables and sizes as text", "typing"),
    ("_arguments", "checks of arguments that are not arrays", "_errors typing"),
    (
        "geometry",
        "Window: kernel, stride, padding and dilation, and every size that follows from them",
        "_arguments _errors typing",
    ),
    ("reference", "the formulas as loops", "_arguments families geometry typing"),
    ("vectorized", "the operators in NumPy", "families geometry reference typing"),
    ("_core", "the kernels, in Cython and C", "_arguments families geometry typing"),
    ("_config", "settings: engine, threads, precision, fusion", "_arguments _core _errors"),
    (
        "ops",
        "the public operators: they check arguments, then run loops, NumPy or kernels",
        "_arguments _config _core _errors geometry reference typing vectorized",
    ),
    ("data", "data sets, batches and augmentation", "_arguments _bounded _errors _files _optional _progress geometry typing"),
    ("nn", "layers and combinators", "_arguments _ascii _config _errors geometry ops typing"),
    ("optim", "optimisers, schedules and gradient clipping", "_arguments _errors geometry nn ops typing"),
    ("models", "architectures", "_arguments _errors geometry nn ops typing"),
    (
        "weights",
        "saving and loading networks, exchange with PyTorch and Keras",
        "_arguments _bounded _errors _files _optional data geometry models nn typing",
    ),
    (
        "onnx",
        "networks as ONNX files",
        "_arguments _errors _files _optional _version geometry models nn typing weights",
    ),
    (
        "inference",
        "compiled inference: networks as lists of steps with packed weights",
        "_arguments _config _core _errors _tables geometry models nn ops typing",
    ),
    (
        "training",
        "training loops, evaluation and checkpoints",
        "_arguments _config _core _errors _files _lock _optional _progress _version data geometry inference models nn ops "
        "optim typing weights",
    ),
    ("verify", "evidence that loops, kernels and derivatives agree", "*"),
    (
        "analysis",
        "tables, memory, receptive fields, Gabor filters and paths of networks",
        "_arguments _ascii _errors _tables geometry models nn typing",
    ),
    ("drawing", "drawings of architectures and plots of training runs", "_arguments _errors _optional models nn typing"),
    ("cli", "the command line, with one module for each command", "*"),
    ("__init__", "the public API", "*"),
    ("__main__", "python -m refconv", "*"),
]

# Imports of packages further down this list, inside methods: they are executed when the method is called.
DEFERRED = {
    "nn/description.py": {"analysis", "drawing"},  # model.summary() and the diagram of a model in a notebook
    "models/registry.py": {"weights"},  # models.create(name, weights=…) reads a file, which contains any layers
    "nn/saving.py": {"weights"},  # model.save(path) is a method, and saving needs the classes of all layers
}

PACKAGES = {name: Package(purpose, frozenset(imports.split())) for name, purpose, imports in _ROWS}


def package_of(path):
    """Return the name of the package or module directly in refconv that a file belongs to."""
    inside = path.relative_to(PACKAGE)
    return inside.parts[0] if len(inside.parts) > 1 else inside.stem


@functools.cache  # several tests of each file need it
def imported(path):
    """Return the dotted names of all imports of a module, at its top or inside a function."""
    if path.suffix != ".py":
        return frozenset(a or b for a, b in CYTHON_IMPORT.findall(path.read_text(encoding="utf-8")))
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path.name}, line {node.lineno}: a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def packages_imported(path):
    """Return the names of the other packages of refconv that a file imports."""
    parts = [name.split(".") for name in imported(path) if name.split(".")[0] == "refconv"]
    return {names[1] if len(names) > 1 else "__init__" for names in parts} - {package_of(path)} - deferred(path)


def deferred(path):
    """Return the packages that a file may import inside methods, against the list's order."""
    return DEFERRED.get(path.relative_to(PACKAGE).as_posix(), set()) if path.is_relative_to(PACKAGE) else set()
