"""The packages of refconv, in the order of their imports: what each holds and which others it may import.

tests/test_imports.py enforces it.
"""

from typing import NamedTuple

__all__ = ["ANY", "PACKAGES", "Package"]

ANY = frozenset("*")  # may import every package


class Package(NamedTuple):
    """A folder or a module directly in refconv."""

    purpose: str
    imports: frozenset


_ROWS = [
    ("_ascii", "characters for terminals without Unicode", ""),
    ("_files", "files written completely or not at all", ""),
    ("_optional", "optional packages, imported where they are used", ""),
    ("_version", "the version number", ""),
    ("geometry", "Window: kernel, stride, padding and dilation, and every size that follows from them", ""),
    ("labels", "class labels: checked and converted to one type", ""),
    ("reference", "the formulas as loops", "geometry"),
    ("_core", "the kernels, in Cython and C", "geometry"),
    ("ops", "the public operators: they check arguments, then run loops or kernels", "_core geometry labels reference"),
    ("data", "data sets, batches and augmentation", "_files _optional geometry labels"),
    ("nn", "layers and combinators", "_ascii geometry ops"),
    ("optim", "optimisers, schedules and gradient clipping", "geometry ops"),
    ("models", "architectures", "geometry labels nn ops"),
    ("weights", "saving and loading networks", "_files _optional models nn"),
    (
        "training",
        "training loops, evaluation and checkpoints",
        "_files _optional data geometry labels models nn ops optim weights",
    ),
    ("verify", "evidence that loops, kernels and derivatives agree", "*"),
    ("analysis", "tables, memory, receptive fields, Gabor filters and paths of networks", "_ascii geometry models nn"),
    ("drawing", "drawings of architectures and plots of training runs", "_optional models nn"),
    ("cli", "the commands of the command line: help, arguments and run of each in one module", "*"),
    ("__init__", "the public API", "*"),
    ("__main__", "python -m refconv", "*"),
]

PACKAGES = {name: Package(purpose, frozenset(imports.split())) for name, purpose, imports in _ROWS}
