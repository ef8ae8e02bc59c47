"""Modules beside the package, which an installed package does not have."""

import importlib
import sys
from pathlib import Path

import pytest

import refconv

__all__ = ["benchmark"]

ROOT = Path(refconv.__file__).parents[1]


def benchmark(name):
    """Return a module of benchmarks; skip the test, or the file that calls it, without them."""
    if not (ROOT / "benchmarks").is_dir():
        pytest.skip("an installed package has no benchmarks", allow_module_level=True)
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))
    return importlib.import_module(f"benchmarks.{name}")
