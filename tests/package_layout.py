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
    ("_extras", "optional packages, imported where they are used", ""),
    ("_version", "the version number", ""),
    ("geometry", "Window: kernel, stride, padding and dilation, and every size that follows from them", ""),
    ("labels", "class labels: checked and converted to one type", ""),
    ("neighbours", "arrays that are consecutive in memory", ""),
    ("reference", "the formulas as loops", "geometry"),
    ("_core", "the kernels, in Cython and C", "geometry"),
    ("ops", "the public operators: they check arguments, then run loops or kernels", "_core geometry labels reference"),
    ("data", "data sets, batches and augmentation", "_extras geometry labels"),
    ("nn", "layers and combinators", "_ascii geometry neighbours ops"),
    ("optim", "optimisers, schedules and gradient clipping", "geometry neighbours ops"),
    ("models", "architectures", "geometry labels nn"),
    ("weights", "saving and loading networks", "_extras models nn"),
    ("report", "plots of a training run", "_extras"),
    (
        "training",
        "training loops, evaluation and checkpoints",
        "_extras data geometry labels models nn ops optim weights",
    ),
    ("verify", "evidence that loops, kernels and derivatives agree", "*"),
    ("drawing", "drawings of architectures", "_extras nn"),
    ("museum", "architectures trained on a small task", "_ascii _extras data models nn ops optim training"),
    ("recipes", "experiments from the papers, on a small scale", "*"),
    ("commands", "the commands of the command line", "*"),
    ("cli", "the arguments of the command line", "*"),
    ("__init__", "the public API", "*"),
    ("__main__", "python -m refconv", "*"),
]

PACKAGES = {name: Package(purpose, frozenset(imports.split())) for name, purpose, imports in _ROWS}
