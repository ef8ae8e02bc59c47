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
    ("_arguments", "checks of arguments that are not arrays", ""),
    ("geometry", "Window: kernel, stride, padding and dilation, and every size that follows from them", "_arguments"),
    ("neighbours", "arrays that are consecutive in memory", ""),
    ("reference", "the formulas as loops", "_arguments geometry"),
    ("_core", "the kernels, in Cython and C", "_arguments geometry"),
    ("ops", "the public operators: they check arguments, then run loops or kernels", "_arguments _core geometry reference"),
    ("data", "data sets, batches and augmentation", "_arguments _extras geometry"),
    ("nn", "layers and combinators", "_arguments _ascii geometry neighbours ops"),
    ("optim", "optimisers, schedules and gradient clipping", "_arguments geometry neighbours ops"),
    ("models", "architectures", "_arguments geometry nn"),
    ("weights", "saving and loading networks", "_extras models nn"),
    ("report", "plots of a training run", "_extras"),
    (
        "training",
        "training loops, evaluation and checkpoints",
        "_arguments _extras data geometry models nn ops optim weights",
    ),
    ("verify", "evidence that loops, kernels and derivatives agree", "*"),
    ("drawing", "drawings of architectures", "_arguments _extras nn"),
    ("museum", "architectures trained on a small task", "_arguments _ascii _extras data models nn ops optim training"),
    ("recipes", "experiments from the papers, on a small scale", "*"),
    ("commands", "the commands of the command line", "*"),
    ("cli", "the arguments of the command line", "*"),
    ("__init__", "the public API", "*"),
    ("__main__", "python -m refconv", "*"),
]

PACKAGES = {name: Package(purpose, frozenset(imports.split())) for name, purpose, imports in _ROWS}
