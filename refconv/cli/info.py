"""``refconv info``."""

import importlib.util
import platform
from pathlib import Path

from refconv._version import __version__
from refconv.cli.command import Command

__all__ = ["COMMAND"]

DESCRIPTION = "Print the versions, engine, instruction set and threads in use, and the data and optional packages found."

ISA_NAMES = {
    "v4": "v4 (AVX-512)",
    "v3": "v3 (AVX2, FMA)",
    "baseline": "baseline (what every processor of this kind has)",
}
PURE = "none: built with REFCONV_PURE=1, everything runs on the loops"
OTHER = "none for this Python, though for another: build or install refconv again; everything runs on the loops"
EXTRAS = ("matplotlib", "PIL", "pooch", "safetensors", "tqdm")


def add_arguments(parser):
    pass


def run(options):
    import numpy as np

    from refconv._config import THREADS_REASON, get_config
    from refconv.data.files import available, data_folders
    from refconv.data.mnist import MNIST

    folders = ", ".join(map(str, data_folders(None)))
    missing = [module for module in EXTRAS if importlib.util.find_spec(module) is None]
    for name, value in {
        "refconv": __version__,
        "Python": f"{platform.python_version()}, NumPy {np.__version__}, {platform.platform()}",
        "engine": get_config().engine,
        "kernels": _kernels(),
        "threads": f"{get_config().threads} ({THREADS_REASON})",
        "MNIST": "found" if available(MNIST) else f"not found in {folders}; downloaded when asked for",
        "extras": "all there" if not missing else f"{', '.join(missing)} missing: pip install 'refconv[train]'",
    }.items():
        print(f"{name:9}{value}")


def _kernels():
    from refconv import _core

    if _core.ISA:
        return ISA_NAMES[_core.ISA]
    compiled = [file for file in Path(_core.__file__).parent.glob("isa/*/*") if file.suffix in (".so", ".pyd")]
    return OTHER if compiled else PURE


COMMAND = Command("info", "print versions, engine, threads and data", DESCRIPTION, add_arguments, run)
