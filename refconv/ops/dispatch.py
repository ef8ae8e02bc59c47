"""Access to the modules that compute: the loops of ``reference`` or the kernels of ``_core``."""

from types import ModuleType

from refconv import _core, reference
from refconv._config import current_engine

__all__ = ["implementation"]

_IMPLEMENTATIONS = {"kernels": _core.kernels, "reference": reference}


def implementation(family: str) -> ModuleType:
    """Return the module of one family, such as "conv", in the current engine."""
    return getattr(_IMPLEMENTATIONS[current_engine()], family)
