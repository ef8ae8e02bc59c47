"""Access to the implementations: the loops, the operators in NumPy, and the kernels."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from refconv import _core, reference, vectorized
from refconv._config import activate

__all__ = ["implementation", "in_numpy", "kernels", "vectorized_module"]


def implementation(family: str) -> ModuleType:
    """Return the module of one family, such as "conv", for the current engine."""
    return getattr(_IMPLEMENTATIONS[activate().engine], family)


def kernels() -> SimpleNamespace:
    """Pass the current settings to the kernels and return their modules.

    The engine setting is ignored.
    """
    activate()
    return _core.kernels


def vectorized_module(family: str) -> ModuleType:
    """Return a module with the functions of one family, as loops if there is no NumPy version."""
    loops = getattr(reference, family)
    versions = {**vars(vectorized), **vectorized.FORMULAS}
    found = {name: versions.get(name.replace("1d", "2d")) for name in loops.__all__}
    module = ModuleType(f"{vectorized.__name__}.{family}")
    vars(module).update({name: _silent(f) if f else getattr(loops, name) for name, f in found.items()})
    return module


def _silent(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function without NumPy's warnings about overflow and NaN."""

    @functools.wraps(function)
    def silent(*arguments: Any, **more: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*arguments, **more)

    return silent


in_numpy = SimpleNamespace(**{family: vectorized_module(family) for family in reference.__all__})
_IMPLEMENTATIONS = {"kernels": _core.kernels, "numpy": in_numpy, "reference": reference}
