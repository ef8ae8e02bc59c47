"""Import of optional packages, with an error that explains how to install a missing one."""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = ["MissingPackage", "need"]


class MissingPackage(ImportError):  # noqa: N818 - named after what is missing
    """Error about a missing optional package; its message names the extra that installs it."""

    __module__ = "refconv"  # tracebacks print a name without a private module


def need(module: str, extra: str, purpose: str) -> ModuleType:
    """Import an optional package, or raise an error that explains how to install it.

    NumPy is the only package that refconv always needs at run time. All other packages are installed with an extra. The
    function that uses such a package imports it; importing refconv itself never does.

    Parameters
    ----------
    module : str
        The module to import, such as ``"pooch"`` or ``"matplotlib.pyplot"``.
    extra : str
        The extra of refconv that installs it, such as ``"train"``.
    purpose : str
        The activity that needs the package, as the beginning of a sentence: ``"downloading MNIST"``.

    Returns
    -------
    module
        The imported module.

    Raises
    ------
    MissingPackage
        If the package is not installed; this is an ``ImportError``. A package that is installed but broken raises its own
        error.

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
