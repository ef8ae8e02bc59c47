"""The engine: the functions of the book as Cython kernels, one module a family, same names and arguments.

Each family is compiled once for each instruction set (``baseline``, ``v3`` with AVX2, ``v4`` with AVX-512); the best one
that this processor can run is imported. ``REFCONV_ISA=baseline|v3|v4`` asks for another. ``ISA`` is None where the package
was built without kernels (``REFCONV_PURE=1``).
"""

import importlib
import os

# GNU's OpenMP lets a thread that waits for others spin, for a millisecond and more. Where another program holds a core that
# makes a step tens of times slower, so it spins for microseconds here, unless the user has decided otherwise.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")

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
)


def _choose_isa():
    try:
        cpu = importlib.import_module(f"{__name__}.baseline.cpu")
    except ModuleNotFoundError:
        return None
    runnable = cpu.instruction_sets()
    wanted = os.environ.get("REFCONV_ISA") or runnable[0]
    if wanted not in runnable:
        raise ImportError(f"REFCONV_ISA must be one of {', '.join(runnable)} on this processor, but is {wanted!r}")
    return wanted


ISA = _choose_isa()
if ISA:
    for _family in FAMILIES:
        globals()[_family] = importlib.import_module(f"{__name__}.{ISA}.{_family}")


def available_threads() -> int:
    """The threads that OpenMP offers, or 0 where the build has no OpenMP or no kernels."""
    return importlib.import_module(f"{__name__}.baseline.cpu").available_threads() if ISA else 0


def keep_freed_memory() -> bool:
    """Let the C library keep freed memory for the next request; False where it cannot be told so."""
    return importlib.import_module(f"{__name__}.baseline.cpu").keep_freed_memory() if ISA else False


def set_num_threads(n: int) -> None:
    """Let all kernels run on n threads."""
    for family in FAMILIES if ISA else ():
        globals()[family].set_num_threads(n)
