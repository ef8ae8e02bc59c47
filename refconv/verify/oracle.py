"""Oracle evidence: what other people's libraries say, where they are installed.

Each module of :mod:`refconv.verify.oracles` speaks for one library. It takes our arguments, brings layouts, paddings and
names into its library's form, and gives back the value and, where the library can differentiate, all derivatives of
⟨dy, y⟩. They are compared in float64, on whatever engine runs. The ONNX operator tests bring inputs and results of their
own, in float32.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from functools import cache

import numpy as np

from refconv.verify.case import fill, spread
from refconv.verify.operator import Operator, Refuted

__all__ = ["LIBRARIES", "QUICK_LIBRARIES", "installed", "oracle", "written_tests"]

LIBRARIES = ("scipy", "torch", "jax")
QUICK_LIBRARIES = ("scipy", "torch")  # JAX compiles anew for each shape that it meets
ROUNDING = 1e-11  # relative to the largest element, of float64 sums of a few hundred products in any order


@cache
def importable(name: str) -> bool:
    """Whether a library is there and can be imported; a broken one is no witness against anybody."""
    try:
        importlib.import_module(name)
    except (ImportError, OSError):
        return False
    return True


def installed(libraries=LIBRARIES) -> list[str]:
    """The libraries that can be asked here."""
    return [name for name in libraries if importable(name)]


def oracle(operator: Operator, case, libraries=None) -> float | None:
    """Compare an operator with every library that has it; returns the largest relative error.

    None if no library has anything to say about this case. Raises :class:`Refuted`.
    """
    a = fill(case, spread)
    y = np.asarray(operator(a))
    a = a.with_arrays(dy=np.random.default_rng(1).standard_normal(y.shape))
    ours = {"y": y}
    for derivative in operator.derivatives:
        ours.update(derivative(a))
    errors = []
    for library in installed() if libraries is None else libraries:
        module = importlib.import_module(f"refconv.verify.oracles.{library}")
        theirs = module.evaluate(operator.like or operator.name, a)
        for name in ours.keys() & (theirs or {}).keys():
            what = operator.name if name == "y" else f"∂e/∂{name} of {operator.name}"
            errors.append(_difference(what, library, ours[name], np.asarray(theirs[name]), ROUNDING))
    return max(errors, default=None)


def written_tests(operator: Operator) -> Iterator[float]:
    """Compare an operator with what the ONNX operator tests say; yields the relative error of each test.

    Nothing if they are not installed. Raises :class:`Refuted`.
    """
    if not installed(("onnx",)):
        return
    from refconv.verify.oracles.onnx import cases

    for test, found, expected, allowed in cases(operator.name):
        yield _difference(operator.name, f"the ONNX test {test}", found, expected.astype(np.float64), allowed)


def _difference(what, witness, found, expected, allowed):
    if found.shape != expected.shape:
        raise Refuted(f"{what} has shape {found.shape}, and {witness} gives {expected.shape}")
    error = np.max(np.abs(found - expected), initial=0.0) / max(1.0, np.max(np.abs(expected), initial=0.0))
    if not error <= allowed:
        at = np.unravel_index(np.argmax(np.abs(found - expected)), found.shape)
        raise Refuted(f"{what} is {found[at]!r} at {tuple(map(int, at))}, and {witness} gives {expected[at]!r}")
    return float(error)
