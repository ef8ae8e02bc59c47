"""The engine: the functions of the book as Cython kernels, one module a family, same names and arguments.

Long sums are added in blocks; sums.h states the bound on their rounding error.

Each family is compiled once for each instruction set (``baseline``, ``v3`` with AVX2, ``v4`` with AVX-512); the best one
that this processor can run is imported. ``REFCONV_ISA=baseline|v3|v4`` asks for another. ``ISA`` is None where the package
was built without kernels (``REFCONV_PURE=1``), and nothing compiled lies here for this Python. Where only a part of the
kernels is there, the import fails: loops in their place would be thousands of times slower without a word.
"""

import importlib
import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

__all__ = ["FAMILIES", "ISA"]

FAMILIES = (
    "activation",
    "avg_pool",
    "conv",
    "conv_transpose",
    "convolve",
    "dense",
    "dropout",
    "loss",
    "matrix",
    "max_pool",
    "norm",
    "resize",
    "response_norm",
    "separable",
    "update",
)

# What families and layers are made of: modules without a loop of their own.
ALGORITHMS = ("columns", "combine", "conv_relu_pool", "depthwise", "direct", "one_channel", "winograd")


def _load(isa, module):
    name = f"{__name__}.{isa}.{module}"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise _refusal(f"the kernels are incomplete, {name} is missing: build or install refconv again") from None


def _choose_isa():
    if not _compiled():
        return None
    runnable = _load("baseline", "cpu").instruction_sets()
    wanted = os.environ.get("REFCONV_ISA") or runnable[0]
    if wanted not in runnable:
        raise _refusal(f"REFCONV_ISA must be one of {', '.join(runnable)} on this processor, but is {wanted!r}")
    return wanted


def _compiled():
    """What was compiled for this Python; another one's modules have other suffixes."""
    files = (file.name.partition(".") for file in Path(__file__).parent.glob("*/*.*"))
    return [stem for stem, dot, suffix in files if dot + suffix in EXTENSION_SUFFIXES]


def _refusal(message):
    """What ends the import: an ImportError; for the command ``refconv``, which cannot catch it, one line instead."""
    called = sys.argv[0] if getattr(sys, "argv", None) else ""
    as_command = Path(called).stem == "refconv" or (called == "-m" and "refconv" in sys.orig_argv)
    return SystemExit(f"refconv: {message}") if as_command else ImportError(message)


ISA = _choose_isa()
if ISA:
    for _family in (*ALGORITHMS, *FAMILIES):
        globals()[_family] = _load(ISA, _family)


def available_threads() -> int:
    """Number of processors that kernels can use, or 0 if the build has no OpenMP or no kernels."""
    return importlib.import_module(f"{__name__}.baseline.cpu").available_threads() if ISA else 0


def threads_survive_fork() -> bool:
    """Return True if a forked child may set any number of threads.

    OpenMP's threads hang in a forked child. A build without threads accepts any number, which has no effect.
    """
    return not available_threads() or importlib.import_module(f"{__name__}.baseline.cpu").team is not None


def keep_freed_memory() -> bool:
    """Let the C library keep freed memory for the next request; False where it cannot be told so."""
    return importlib.import_module(f"{__name__}.baseline.cpu").keep_freed_memory() if ISA else False


def set_num_threads(n: int) -> None:
    """Let all kernels run on n threads."""
    for family in (*ALGORITHMS, *FAMILIES) if ISA else ():
        globals()[family].set_num_threads(n)


def set_tile_side(m: int) -> None:
    """Let Winograd's algorithm work with tiles of m×m outputs."""
    if ISA:
        globals()["conv"].set_tile_side(m)
