"""Command ``refconv info``: print versions, settings, data and optional packages."""

import importlib.util
import platform
from argparse import Namespace

from refconv._version import __version__
from refconv.cli.command import Command
from refconv.cli.parser import Parser

__all__ = ["COMMAND"]

DESCRIPTION = "Print versions, instruction set, settings of refconv.get_config(), and the data and optional packages found."

ISA_NAMES = {
    "v4": "v4 (AVX-512)",
    "v3": "v3 (AVX2, FMA)",
    "baseline": "baseline (instructions that every processor of this family has)",
}
PURE = "none: built with REFCONV_PURE=1, so the loops compute everything"
EXTRAS = ("matplotlib", "PIL", "pooch", "tqdm")


def add_arguments(parser: Parser) -> None:
    pass


def run(options: Namespace) -> None:
    import numpy as np

    from refconv import _core
    from refconv._config import THREADS_REASON, get_config
    from refconv.data.files import available, data_folders
    from refconv.data.mnist import MNIST

    settings = get_config()
    folders = ", ".join(map(str, data_folders(None)))
    missing = [module for module in EXTRAS if importlib.util.find_spec(module) is None]
    for name, value in {
        "refconv": __version__,
        "Python": f"{platform.python_version()}, NumPy {np.__version__}, {platform.platform()}",
        "engine": settings.engine,
        "kernels": ISA_NAMES[_core.ISA] if _core.ISA else PURE,
        "threads": f"{settings.threads} ({THREADS_REASON})",
        "precision": settings.precision,
        "fusion": "on" if settings.fusion else "off",
        "MNIST": "found" if available(MNIST) else f"not found in {folders}; downloaded when it is needed",
        "extras": "all installed" if not missing else f"{', '.join(missing)} missing: pip install 'refconv[train]'",
    }.items():
        print(f"{name:11}{value}")


COMMAND = Command("info", "print versions, settings, data and optional packages", DESCRIPTION, add_arguments, run)
