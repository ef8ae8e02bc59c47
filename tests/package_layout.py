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
    ("_optional", "optional packages, imported where they are used", ""),
    ("_version", "the version number", ""),
    ("families", "the names of the families of operators", ""),
    ("geometry", "Window: kernel, stride, padding and dilation, and every size that follows from them", ""),
    ("labels", "class labels: checked and converted to one type", ""),
    ("reference", "the formulas as loops", "families geometry"),
    ("_core", "the kernels, in Cython and C", "families geometry"),
    ("ops", "the public operators: they check arguments, then run loops or kernels", "_core geometry labels reference"),
    ("data", "data sets, batches and augmentation", "_optional geometry labels"),
    ("nn", "layers and combinators", "_ascii geometry ops"),
    ("optim", "optimisers, schedules and gradient clipping", "geometry ops"),
    ("models", "architectures", "geometry labels nn ops"),
    ("weights", "saving and loading networks", "_optional models nn"),
    ("report", "plots of a training run", "_optional"),
    (
        "training",
        "training loops, evaluation and checkpoints",
        "_optional data geometry labels models nn ops optim weights",
    ),
    ("verify", "evidence that loops, kernels and derivatives agree", "*"),
    ("analysis", "tables, memory, receptive fields, Gabor filters and paths of networks", "_ascii geometry models nn"),
    ("drawing", "drawings of architectures", "_optional models nn"),
    ("museum", "architectures trained on a small task", "_ascii _optional analysis data models nn ops optim training"),
    ("recipes", "experiments from the papers, on a small scale", "*"),
    ("commands", "the commands of the command line", "*"),
    ("cli", "the arguments of the command line", "*"),
    ("__init__", "the public API", "*"),
    ("__main__", "python -m refconv", "*"),
]

PACKAGES = {name: Package(purpose, frozenset(imports.split())) for name, purpose, imports in _ROWS}
