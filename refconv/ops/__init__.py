"""Public operators, which check their arguments and then run loops or kernels.

Each module is imported on its first use.
"""

import importlib
import pkgutil
from types import ModuleType

__all__ = sorted(module.name for module in pkgutil.iter_modules(__path__))


def __getattr__(name: str) -> ModuleType:
    """Import a module of operators, such as ``refconv.ops.conv``, on its first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module 'refconv.ops' has no attribute {name!r}")
    return importlib.import_module(f"refconv.ops.{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
