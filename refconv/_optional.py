"""Optional packages: imported where they are used, and asked for by name when they are missing."""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = ["MissingPackage", "need"]


class MissingPackage(ImportError):  # noqa: N818 - named after what is missing
    """An optional package that is not installed; the message says what needs it and how to install it."""

    __module__ = "refconv"  # tracebacks print a name without a private module


def need(module: str, extra: str, purpose: str) -> ModuleType:
    """Import an optional package, or say what needs it and how to install it.

    NumPy is all that refconv needs at run time; everything else comes with an extra of its own, and is
    imported by the function that uses it, never when refconv itself is imported.

    Parameters
    ----------
    module : str
        The module to import, such as ``"pooch"`` or ``"matplotlib.pyplot"``.
    extra : str
        The extra of refconv that installs it, such as ``"train"``.
    purpose : str
        What needs it, as the beginning of a sentence: ``"downloading MNIST"``.

    Returns
    -------
    module
        The imported module.

    Raises
    ------
    MissingPackage
        An ``ImportError``: the package is not installed. A package that is installed but broken raises its own error.

    Examples
    --------
    >>> need("fractions", "verify", "exact arithmetic").Fraction(1, 3)
    Fraction(1, 3)
    >>> need("no_such_package", "train", "drawing a figure")
    Traceback (most recent call last):
        ...
    refconv.MissingPackage: drawing a figure needs no_such_package: pip install "refconv[train]"
    """
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        # An installed package whose own dependency is missing must not be reported as missing itself.
        if error.name != package:
            raise
        raise MissingPackage(f'{purpose} needs {package}: pip install "refconv[{extra}]"', name=package) from error
