"""Choose the instruction set and import the kernels that were compiled for it.

Each kernel module is compiled once per instruction set: ``baseline``, ``v3`` with AVX2, ``v4`` with AVX-512. The best one
that this processor can run is imported; the environment variable ``REFCONV_ISA=baseline|v3|v4`` selects another. This module
imports the families, whose functions have the names of refconv.reference, and the algorithms, but not the modules of machine/.
"""

import importlib
import os
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from refconv.families import FAMILIES

__all__ = ["ALGORITHMS", "ISA", "PURE_MARKER", "instruction_sets", "kernels", "load", "source"]

CORE = Path(__file__).parent

# A build with REFCONV_PURE=1, which has no kernels, creates this file. Without the file, missing kernels are an error, because
# NumPy, which would replace them, is several times slower.
PURE_MARKER = CORE / "pure_build.txt"

# Kernel modules that are not families: the algorithms that families and layers use, and the sketch of a convolution.
ALGORITHMS = (
    "bias_gradient",
    "checksum",
    "columns",
    "combine",
    "conv_relu_pool",
    "conv_relu_pool_grads",
    "depthwise",
    "direct",
    "direct_dx",
    "direct_grads",
    "one_channel",
    "prologue",
    "sketch",
    "winograd",
)


def load(module: str, isa: str | None = None) -> Any:
    """Import a kernel module, such as "direct".

    ``isa`` is the instruction set that it was compiled for; the default is the one in use, ``ISA``.
    """
    name = f"{__package__}.isa.{isa or ISA}.{module}"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ImportError(f"the kernels are incomplete: {name} is missing. Build or install refconv again.") from None


def instruction_sets() -> list[str]:
    """Return the compiled instruction sets that this processor can run, best first.

    The list is empty in a pure build.
    """
    if _is_compiled():
        return list(load("cpu", "baseline").instruction_sets())
    if PURE_MARKER.exists():
        return []
    others = any(file.suffix in (".so", ".pyd") for file in CORE.glob("isa/*/*"))
    kind = "kernels for another version of Python only" if others else "no compiled kernels"
    raise ImportError(
        f"{CORE} has {kind}. Build them with 'pip install -e .' in a clone of refconv (needs a C compiler and takes a few "
        "minutes) or install refconv without them with 'REFCONV_PURE=1 pip install -e .'; it then computes in NumPy. If "
        "refconv is installed elsewhere, start Python outside of this clone."
    )


def source(module: str) -> Path:
    """Return the path of a kernel module's source."""
    (path,) = CORE.glob(f"*/{module}.pyx")
    return path


def _choose_isa() -> str | None:
    runnable = instruction_sets()
    if not runnable:
        return None
    requested = os.environ.get("REFCONV_ISA") or runnable[0]
    if requested not in runnable:
        raise ImportError(f"REFCONV_ISA must be one of {', '.join(runnable)} on this processor, got {requested!r}")
    return requested


def _is_compiled() -> bool:
    """Return True if any kernel was compiled for this version of Python."""
    files = (file.name.partition(".") for file in CORE.glob("isa/*/*.*"))
    return any(dot + suffix in EXTENSION_SUFFIXES for _, dot, suffix in files)  # the suffix contains the Python version


ISA = _choose_isa()
# The loaded modules as attributes, such as ``kernels.conv``; no attributes in a pure build.
kernels = SimpleNamespace()
if ISA:
    vars(kernels).update({name: load(name) for name in (*FAMILIES, *ALGORITHMS)})
