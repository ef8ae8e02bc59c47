"""Oracle evidence: independent conventions, and other libraries if they are installed.

Loops and kernels share :mod:`refconv.geometry`, so comparing them does not test padding or output sizes. The oracle
"conventions", which needs only NumPy, takes these from literal tables and computes outputs and derivatives from them.

Each module of :mod:`refconv.verify.evidence.oracles` calls one library. It converts arguments, data formats, paddings and
names to the conventions of the library, and returns the output and, if the library can differentiate, all derivatives of
⟨dy, y⟩. They are compared in float64, on the current engine. The ONNX operator tests contain inputs and results in float32.
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
QUICK_OTHERS = ("scipy", "torch", "onnxruntime")  # without JAX, which compiles again for each new shape
QUICK_LIBRARIES = (CONVENTIONS, *QUICK_OTHERS)
NEEDS = {CONVENTIONS: (), "onnxruntime": ("onnx", "onnxruntime")}
ROUNDING = 1e-11  # error of float64 sums of a few hundred products in any order, relative to the largest element


@cache
def importable(name: str) -> bool:
    """Return True if a library can be imported, False if it is missing or broken."""
    try:
        importlib.import_module(name)
    except (ImportError, OSError):
        return False
    return True


def installed(libraries=LIBRARIES) -> list[str]:
    """Return the libraries that are installed; the oracle "conventions" is always included."""
    return [name for name in libraries if all(map(importable, NEEDS.get(name, (name,))))]


def oracle(operator: Operator, case, libraries=None) -> float | None:
    """Compare an operator with every library that supports it; return the largest error.

    The error is relative. Returns None if no library supports this operator with these options. Raises :class:`Refuted` if a
    result differs.
    """
    a, results = _results(operator, fill(case, spread))
    errors = []
    for library in installed() if libraries is None else libraries:
        module = importlib.import_module(f"refconv.verify.evidence.oracles.{library}")
        try:
            library_results = module.evaluate(operator.like or operator.name, a)
        except Exception as error:
            raise Refuted(f"{operator.name} returns a result, but {library} raises {type(error).__name__}: {error}") from error
        errors += _compared(operator, library, results, library_results, getattr(module, "ROUNDING", ROUNDING))
    return max(errors, default=None)


def accepting(operator: Operator, case, libraries=LIBRARIES) -> list[str]:
    """Return the installed libraries that return an output in a case that refconv refuses."""
    a = fill(case, spread)
    names = []
    for library in [name for name in installed(libraries) if name != CONVENTIONS]:
        try:
            with np.errstate(all="ignore"):
                library_results = importlib.import_module(f"refconv.verify.evidence.oracles.{library}").evaluate(
                    operator.name, a
                )
        except Exception:  # the library also refuses the case
            continue
        names += [library] if library_results else []
    return names


def tables(operator: Operator) -> Iterator[tuple[Any, Any]]:
    """Yield a pair ``(check, case)`` for each case in the tables of conventions.

    ``check(operator, case)`` returns the largest relative error, or raises :class:`Refuted`. The arrays contain whole numbers,
    for ties in the windows of max pooling and sums without rounding.
    """
    make = spread if operator.nature == "smooth" else integers
    for case, convention in convention_cases.cases(operator.name):

        def check(operator, case, convention=convention):
            a, results = _results(operator, fill(case, make))
            return max(_compared(operator, CONVENTIONS, results, conventions.evaluate(operator.name, a, convention)))

        yield check, case


def _results(operator, a):
    """Return the arguments with a random dy, and all results of an operator by name."""
    y = np.asarray(operator(a))
    a = a.with_arrays(dy=np.random.default_rng(1).standard_normal(y.shape))
    results = {"y": y, **{name: np.asarray(further(a)) for name, further in operator.further.items()}}
    for derivative in operator.derivatives:
        results.update(derivative(a))
    return a, results


def _compared(operator, oracle_name, results, oracle_results, allowed=ROUNDING):
    """Return the relative error of each result that an oracle provides, the output first."""
    errors = []
    for name in (name for name in results if name in (oracle_results or {})):
        if name == "y":
            result_name = operator.name
        elif name in operator.further:
            result_name = f"{name} of {operator.name}"
        else:
            result_name = f"∂e/∂{name} of {next((d.name for d in operator.derivatives if name in d.wrt), operator.name)}"
        errors.append(_difference(result_name, oracle_name, results[name], np.asarray(oracle_results[name]), allowed))
    return errors


def written_tests(operator: Operator, left_out: list[Any] | None = None) -> Iterator[float]:
    """Yield the relative error of an operator in each ONNX operator test.

    Yields nothing if the tests are not installed. Options that the operator does not have are appended to ``left_out``.
    Raises :class:`Refuted` if a result differs.
    """
    if not installed(("onnx",)):
        return
    from refconv.verify.evidence.oracles.onnx import cases

    for test, result, expected, allowed in cases(operator.name, left_out):
        yield _difference(operator.name, f"the ONNX test {test}", result, expected.astype(np.float64), allowed)


def _difference(result_name, oracle_name, result, expected, allowed):
    if result.shape != expected.shape:
        raise Refuted(f"{result_name} has shape {result.shape}, and {oracle_name} gives {expected.shape}")
    error = np.max(np.abs(result - expected), initial=0.0) / max(1.0, np.max(np.abs(expected), initial=0.0))
    if not error <= allowed:
        at = np.unravel_index(np.argmax(np.abs(result - expected)), result.shape)
        raise Refuted(
            f"{result_name} is {result[at].item()!r} at {tuple(map(int, at))}, and {oracle_name} gives {expected[at].item()!r}"
        )
    return float(error)
