"""Parity evidence: comparison of the engines in cases that hypothesis draws.

Each case runs in float32 and float64, which must agree except for rounding. With numbers that round, the engines must agree
within the bound of rounding; with small integers, where sums are exact, to the last bit. NumPy and the kernels run twice, and
the memory that they allocate contains different garbage each time, so an element that they do not write is detected.

If an operator has a definition, the definition in NumPy and on the kernels must also agree with the operator on the loops.

All these calls are watched: arguments must not change, a call with the same arguments must give the same bits, and a later
call with other numbers of the same shapes must not change an earlier result. So a kernel or a loop that keeps state between
calls is refuted. Random errors are found with some probability: sixty cases make 480 calls of each engine, and if 2 % of the
calls are wrong, at least one of these is wrong with a probability of 99.99 %.
"""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np

from refconv._config import AVAILABLE_ENGINES, config, get_config
from refconv.verify.case import fill, floats, integers
from refconv.verify.operator import Operator, Refuted

__all__ = ["GARBAGE", "assert_parity", "assert_within", "garbage", "parity", "rounding", "several"]

GIVES = {"kernels": "kernels give", "numpy": "NumPy gives"}  # in messages
GARBAGE = (0xFF, 0x7E)  # bytes: 0xFF reads as NaN or −1; 0x7E as 8e37, 1e301 or a huge integer


def parity(operator: Operator, case) -> float:
    """Compare the engines on an operator and its derivatives in one case.

    Returns the largest error, relative to the largest element. Raises :class:`Refuted` if results differ.
    """
    worst = 0.0
    watched: dict[int, Watched] = {}
    for dtype in (np.float32, np.float64):
        for make in (floats, integers):
            a = _with_dy(operator, fill(case, _typed(make, dtype)), _typed(make, dtype))
            exact = make is integers and operator.nature == "linear"
            for number, (name, function) in enumerate(_calls(operator, a)):
                arrays = a.arrays.values()
                call = watched.setdefault(
                    number, Watched()
                )  # tolerances by position, since one function may compute an output and a derivative
                call.function = function
                try:
                    tolerance = 0.0 if exact else _tolerance(operator, call, arrays)
                    worst = max(worst, assert_parity(call, *arrays, tolerance=tolerance))
                    if dtype is np.float32:
                        _assert_as_in_double(call, arrays, tolerance)
                    call.assert_results_unchanged()
                except AssertionError as error:
                    raise Refuted(f"{name}, {np.dtype(dtype)}: {error}") from None
    return worst


class Watched:
    """Function whose calls are watched: its results must depend only on its arguments.

    A call raises ``AssertionError`` if it changes an argument, or if its results differ in any bit from an earlier call with
    the same arguments on the same engine.
    """

    def __init__(self, function=None):
        self.function, self.results = function, {}

    def __call__(self, *arrays):
        """Call the function and return its results as a tuple."""
        before = tuple(_bits(array) for array in arrays)
        results = several(self.function(*arrays))
        for position, (array, bits) in enumerate(zip(arrays, before, strict=True)):
            assert _bits(array) == bits, f"the call changes argument {position} in place"
        copies = tuple(np.array(result) for result in results)
        _, first_copies = self.results.setdefault((get_config().engine, before), (results, copies))
        for first_copy, copy in zip(first_copies, copies, strict=True):
            if _bits(first_copy) != _bits(copy):
                message = "it keeps state between calls, or reads uninitialised memory"
                raise AssertionError(f"the second call with the same input {_difference(first_copy, copy)}: {message}")
        return results

    def assert_results_unchanged(self):
        """Raise ``AssertionError`` if a result has changed since its call returned."""
        for results, copies in self.results.values():
            for result, copy in zip(results, copies, strict=True):
                if _bits(result) != _bits(copy):
                    message = "a later call changes the result of an earlier one"
                    raise AssertionError(
                        f"{message}, which {_difference(copy, np.asarray(result))}: the function reuses its buffer"
                    )


def _bits(value):
    array = np.asarray(value)
    return array.dtype.str, array.shape, array.tobytes()


def _difference(first, second):
    """Return a phrase that describes where the second array differs from the first."""
    if (first.dtype, first.shape) != (second.dtype, second.shape):
        return f"gives {second.dtype} of shape {second.shape}, not {first.dtype} of shape {first.shape}"
    index = tuple(np.argwhere((first != second) & ~(np.isnan(first) & np.isnan(second)))[:1].ravel().tolist())
    return f"gives {second[index]!r}, not {first[index]!r}, at {index}"


def _calls(operator, a):
    """Yield the operator and its derivatives with their names, as functions of all arrays of a."""

    def with_replaced(arrays):
        return a.with_arrays(**dict(zip(a.arrays, arrays, strict=True)))

    yield operator.name, lambda *arrays: operator(with_replaced(arrays))
    for derivative in operator.derivatives:
        yield derivative.name, lambda *arrays, derivative=derivative: tuple(derivative(with_replaced(arrays)).values())
    if operator.definition and (defined := tuple(operator.definition(a))):

        def loops_or_definition(*arrays):
            """Return the results of the operator on the loops, or of its definition on another engine."""
            compute = operator.results if get_config().engine == "reference" else operator.definition
            computed = compute(with_replaced(arrays))
            return tuple(computed[name] for name in defined)

        yield f"{operator.name} by its definition", loops_or_definition


def _typed(make, dtype):
    return lambda *arguments: make(*arguments).astype(dtype)


def _with_dy(operator, a, make):
    with config(engine="reference"):
        y = operator(a.with_arrays(**{name: array.copy() for name, array in a.arrays.items()}))
    return a.with_arrays(dy=make("dy", np.shape(y), np.random.default_rng(1), False))


def _tolerance(operator, call, arrays):
    if operator.nature == "linear":
        return rounding(call, *arrays, terms=sum(array.size for array in arrays))
    with config(engine="reference"):
        results = several(call(*arrays))
    eps = max(np.finfo(array.dtype).eps for array in arrays)
    return tuple(operator.slack * eps * (1 + np.max(np.abs(y), initial=0)) for y in results)


def rounding(call, *arrays, terms):
    """Return the largest difference that rounding allows between two sums of the same products.

    The call must be linear in each of its arrays. The error of a sum of n products, in any order and with or without fused
    steps, is at most n·ε·Σ|products|, and two sums are compared. The sums of absolute values are computed by the loops on the
    absolute values of the arrays. There is one tolerance for each result.
    """
    eps = max(np.finfo(a.dtype).eps for a in arrays)
    with config(engine="reference"):
        magnitudes = several(call(*[np.abs(a) for a in arrays]))
    return tuple(2 * (terms + 2) * eps * np.asarray(magnitude) for magnitude in magnitudes)


def assert_parity(call, *arrays, tolerance=0.0, rtol=0.0) -> float:
    """Assert that ``call(*arrays)`` returns the same on all engines within a tolerance.

    NumPy and the kernels are compared with the loops.

    Shapes and dtypes must be equal. The tolerance is absolute: one number for all results or a tuple with one for each, as
    returned by :func:`rounding`; rtol is relative to the result of the loops. A call may return several arrays. Each
    engine runs twice, with different garbage in the memory that it allocates; both calls must give the same bits, and none
    may change an array. Returns the largest error, relative to the largest element.
    """
    call = call if isinstance(call, Watched) else Watched(call)
    with config(engine="reference"):
        expected = call(*arrays)
    tolerance = tolerance if isinstance(tolerance, tuple) else (tolerance,) * len(expected)
    calls = []
    for engine, byte in itertools.product(AVAILABLE_ENGINES[:-1], GARBAGE):  # all engines but the loops
        with garbage(byte), config(engine=engine):
            calls.append((engine, call(*arrays)))
    return max(
        (
            assert_within(np.asarray(result), np.asarray(expected_result), allowed, rtol, (GIVES[engine], "loops give"))
            for engine, results in calls
            for result, expected_result, allowed in zip(results, expected, tolerance, strict=True)
        ),
        default=0.0,
    )


def _assert_as_in_double(call, arrays, tolerance):
    """Assert that the loops on float32 and float64 agree within a tolerance."""
    with config(engine="reference"):
        single_results, double_results = several(call(*arrays)), several(call(*[a.astype(np.float64) for a in arrays]))
    tolerance = tolerance if isinstance(tolerance, tuple) else (tolerance,) * len(double_results)
    for result, expected_result, allowed in zip(single_results, double_results, tolerance, strict=True):
        assert_within(
            np.asarray(result).astype(np.float64), np.asarray(expected_result), allowed, who=("float32 gives", "float64 gives")
        )


def assert_within(actual, expected, tolerance, rtol=0.0, who=("kernels give", "loops give")) -> float:
    """Assert that two arrays have the same dtype and shape and differ by at most a tolerance.

    The tolerance is ``tolerance + rtol * |expected|``; ``tolerance`` broadcasts against the arrays. Equal infinities and pairs
    of NaN count as equal. ``who`` names the two sides in the message. Returns the largest error, relative to the largest
    element.
    """
    left_label, right_label = who
    assert actual.dtype == expected.dtype, f"{left_label} {actual.dtype}, {right_label} {expected.dtype}"
    assert actual.shape == expected.shape, f"{left_label} shape {actual.shape}, {right_label} {expected.shape}"
    relative = rtol * np.abs(expected) if rtol else 0.0  # 0 · ∞ would be NaN
    allowed = np.broadcast_to(tolerance + relative, expected.shape)
    # Equal elements are found first, since ∞ − ∞ is NaN.
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    with np.errstate(invalid="ignore"):
        error = np.where(same, 0, np.abs(actual.astype(np.result_type(actual, np.float64)) - expected))
    wrong = ~same & ~(error <= allowed)
    if wrong.any():
        index = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise AssertionError(
            f"{np.count_nonzero(wrong)} of {wrong.size} elements differ, the first at {index}: "
            f"{left_label} {actual[index]!r}, {right_label} {expected[index]!r}, allowed ±{allowed[index]:.3g}"
        )
    largest = np.max(np.abs(expected), initial=0.0, where=np.isfinite(expected))
    return float(np.max(error, initial=0.0) / max(1.0, largest))


@contextmanager
def garbage(byte):
    """Fill the memory from numpy.empty and empty_like with one byte, to detect missing writes."""
    empty, empty_like = np.empty, np.empty_like

    def filled(array):
        if not array.dtype.hasobject and array.size:
            array.ravel(order="K").view(np.uint8)[...] = byte
        return array

    with (
        mock.patch.object(np, "empty", lambda *a, **k: filled(empty(*a, **k))),
        mock.patch.object(np, "empty_like", lambda *a, **k: filled(empty_like(*a, **k))),
    ):
        yield


def several(result: Any) -> tuple[Any, ...]:
    """Return one result or several as a tuple."""
    return result if isinstance(result, tuple) else (result,)
