"""Oracle evidence: conventions decided outside of refconv, and other libraries where they are installed.

Loops and kernels share :mod:`refconv.geometry`, so comparing them says nothing about padding or output sizes. The oracle
"conventions", which needs NumPy alone, takes these from literal tables and computes outputs and derivatives from them.

Each module of :mod:`refconv.verify.evidence.oracles` calls one library. It converts our arguments, layouts, paddings and
names to those of the library, and returns the output and, where the library can differentiate, all derivatives of ⟨dy, y⟩.
They are compared in float64, on the current engine. The ONNX operator tests bring their own inputs and results, in float32.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from refconv.verify.case import fill, integers, spread
from refconv.verify.evidence.oracles import convention_cases, conventions
from refconv.verify.operator import Operator, Refuted

__all__ = ["LIBRARIES", "QUICK_LIBRARIES", "QUICK_OTHERS", "accepting", "installed", "oracle", "tables", "written_tests"]

CONVENTIONS = "conventions"  # needs no library
LIBRARIES = (CONVENTIONS, "scipy", "torch", "jax", "onnxruntime")
QUICK_OTHERS = ("scipy", "torch", "onnxruntime")  # JAX compiles anew for each shape that it meets
QUICK_LIBRARIES = (CONVENTIONS, *QUICK_OTHERS)
NEEDS = {CONVENTIONS: (), "onnxruntime": ("onnx", "onnxruntime")}
ROUNDING = 1e-11  # relative to the largest element, of float64 sums of a few hundred products in any order


@cache
def importable(name: str) -> bool:
    """Return True if a library can be imported; a broken installation is no oracle."""
    try:
        importlib.import_module(name)
    except (ImportError, OSError):
        return False
    return True


def installed(libraries=LIBRARIES) -> list[str]:
    """Return the libraries that are installed here; the conventions always are."""
    return [name for name in libraries if all(map(importable, NEEDS.get(name, (name,))))]


def oracle(operator: Operator, case, libraries=None) -> float | None:
    """Compare an operator with every library that has it; returns the largest relative error.

    None if no library has this operator with these options. Raises :class:`Refuted`.
    """
    a, ours = _results(operator, fill(case, spread))
    errors = []
    for library in installed() if libraries is None else libraries:
        module = importlib.import_module(f"refconv.verify.evidence.oracles.{library}")
        try:
            theirs = module.evaluate(operator.like or operator.name, a)
        except Exception as error:
            raise Refuted(f"{operator.name} returns, but {library} raises {type(error).__name__}: {error}") from error
        errors += _compared(operator, library, ours, theirs, getattr(module, "ROUNDING", ROUNDING))
    return max(errors, default=None)


def accepting(operator: Operator, case, libraries=LIBRARIES) -> list[str]:
    """Return the installed libraries that return an output in a case that refconv refuses."""
    a, names = fill(case, spread), []
    for library in [name for name in installed(libraries) if name != CONVENTIONS]:
        try:
            with np.errstate(all="ignore"):
                theirs = importlib.import_module(f"refconv.verify.evidence.oracles.{library}").evaluate(operator.name, a)
        except Exception:  # the library refuses it too, with an error of its own
            continue
        names += [library] if theirs else []
    return names


def tables(operator: Operator) -> Iterator[tuple[Any, Any]]:
    """Yield a check for each case in the tables of conventions: ``(check, case)``, where ``check(operator, case)`` returns the
    largest relative error, and raises :class:`Refuted`.

    Whole numbers make ties in the windows of maxima, and sums without rounding.
    """
    make = spread if operator.nature == "smooth" else integers
    for case, decided in convention_cases.cases(operator.name):

        def check(operator, case, decided=decided):
            a, ours = _results(operator, fill(case, make))
            return max(_compared(operator, CONVENTIONS, ours, conventions.evaluate(operator.name, a, decided)))

        yield check, case


def _results(operator, a):
    """Return the arguments with a random dy, and all results of an operator by their names."""
    y = np.asarray(operator(a))
    a = a.with_arrays(dy=np.random.default_rng(1).standard_normal(y.shape))
    ours = {"y": y, **{name: np.asarray(further(a)) for name, further in operator.further.items()}}
    for derivative in operator.derivatives:
        ours.update(derivative(a))
    return a, ours


def _compared(operator, witness, ours, theirs, allowed=ROUNDING):
    """Return the relative error of each result that an oracle has, first of the output, whose shape the others need."""
    errors = []
    for name in (name for name in ours if name in (theirs or {})):
        if name == "y":
            what = operator.name
        elif name in operator.further:
            what = f"{name} of {operator.name}"
        else:
            what = f"∂e/∂{name} of {next((d.name for d in operator.derivatives if name in d.wrt), operator.name)}"
        errors.append(_difference(what, witness, ours[name], np.asarray(theirs[name]), allowed))
    return errors


def written_tests(operator: Operator, left_out: list[Any] | None = None) -> Iterator[float]:
    """Compare an operator with the ONNX operator tests; yields the relative error of each test.

    Yields nothing if they are not installed. Options that the operator lacks are appended to ``left_out``.
    Raises :class:`Refuted`.
    """
    if not installed(("onnx",)):
        return
    from refconv.verify.evidence.oracles.onnx import cases

    for test, found, expected, allowed in cases(operator.name, left_out):
        yield _difference(operator.name, f"the ONNX test {test}", found, expected.astype(np.float64), allowed)


def _difference(what, witness, found, expected, allowed):
    if found.shape != expected.shape:
        raise Refuted(f"{what} has shape {found.shape}, and {witness} gives {expected.shape}")
    error = np.max(np.abs(found - expected), initial=0.0) / max(1.0, np.max(np.abs(expected), initial=0.0))
    if not error <= allowed:
        at = np.unravel_index(np.argmax(np.abs(found - expected)), found.shape)
        raise Refuted(f"{what} is {found[at].item()!r} at {tuple(map(int, at))}, and {witness} gives {expected[at].item()!r}")
    return float(error)
