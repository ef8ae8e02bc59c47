"""Access to the implementations: the loops of ``reference`` or the kernels of ``_core``."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace

from refconv import _core, reference
from refconv._config import activate

__all__ = ["implementation", "kernels"]

_IMPLEMENTATIONS = {"kernels": _core.kernels, "reference": reference}


def implementation(family: str) -> ModuleType:
    """Return the module of one family, such as "conv", for the current engine."""
    return getattr(_IMPLEMENTATIONS[activate().engine], family)


def kernels() -> SimpleNamespace:
    """Pass the current settings to the kernels and return their modules.

    The engine setting is ignored.
    """
    activate()
    return _core.kernels
