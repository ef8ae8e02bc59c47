"""Command ``refconv info``: print versions, settings, data and optional packages."""

import importlib.util
import platform
from argparse import Namespace
from typing import Any

from refconv._version import __version__
from refconv.cli.command import Command
from refconv.cli.console import print_json
from refconv.cli.parser import Parser

__all__ = ["COMMAND"]

DESCRIPTION = "Print versions, instruction set, settings of refconv.get_config(), and the data and optional packages found."

ISA_NAMES = {
    "v4": "v4 (AVX-512)",
    "v3": "v3 (AVX2, FMA)",
    "baseline": "baseline (instructions that every processor of this family has)",
}
PURE = "none: built with REFCONV_PURE=1, so NumPy computes everything"
EXTRAS = ("matplotlib", "PIL", "pooch", "tqdm")


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="print the same as JSON")


def run(options: Namespace) -> None:
    facts = _facts()
    if options.json:
        print_json(facts)
    else:
        for name, value in _lines(facts).items():
            print(f"{name:11}{value}")


def _facts() -> dict[str, Any]:
    """Return versions, settings and what was found, as JSON-serialisable data."""
    import numpy as np

    from refconv import _core
    from refconv._config import THREADS_REASON, get_config
    from refconv.data.files import available, data_folders
    from refconv.data.mnist import MNIST

    settings = get_config()
    return {
        "refconv": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": platform.platform(),
        "engine": settings.engine,
        "instruction_set": _core.ISA,
        "threads": settings.threads,
        "threads_reason": THREADS_REASON,
        "precision": settings.precision,
        "fusion": settings.fusion,
        "data_folders": [*map(str, data_folders(None))],
        "mnist_found": available(MNIST),
        "missing_packages": [module for module in EXTRAS if importlib.util.find_spec(module) is None],
    }


def _lines(facts: dict[str, Any]) -> dict[str, str]:
    """Return the lines of the text by their labels."""
    folders, missing, isa = ", ".join(facts["data_folders"]), facts["missing_packages"], facts["instruction_set"]
    return {
        "refconv": facts["refconv"],
        "Python": f"{facts['python']}, NumPy {facts['numpy']}, {facts['platform']}",
        "engine": facts["engine"],
        "kernels": ISA_NAMES[isa] if isa else PURE,
        "threads": f"{facts['threads']} ({facts['threads_reason']})",
        "precision": facts["precision"],
        "fusion": "on" if facts["fusion"] else "off",
        "MNIST": "found" if facts["mnist_found"] else f"not found in {folders}; downloaded when it is needed",
        "extras": "all installed" if not missing else f"{', '.join(missing)} missing: pip install 'refconv[train]'",
    }


COMMAND = Command("info", "print versions, settings, data and optional packages", DESCRIPTION, add_arguments, run)
