"""Five kinds of evidence, and the outcome of one kind for one operator."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from refconv._config import Engine, config, get_config
from refconv._optional import need
from refconv.verify.case import Case, fill, spread
from refconv.verify.evidence.adjoint import adjoint
from refconv.verify.evidence.numeric import directional, numeric
from refconv.verify.evidence.oracle import (
    LIBRARIES,
    QUICK_LIBRARIES,
    QUICK_OTHERS,
    accepting,
    installed,
    oracle,
    tables,
    written_tests,
)
from refconv.verify.evidence.parity import parity
from refconv.verify.evidence.worked import worked
from refconv.verify.operator import Operator, Refuted

__all__ = ["KINDS", "LeftOut", "Outcome", "gather"]


@dataclass(frozen=True)
class LeftOut:
    """Cases of one operator that could not be compared.

    Parameters
    ----------
    reason : str
        Why the cases cannot be compared.
    cases : int
    error : str
        Error message of the operator for the first case; empty if it was not called.
    accepting : tuple of str
        Other libraries that return an output in the first case.
    """

    reason: str
    cases: int
    error: str = ""
    accepting: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """Outcome of one kind of evidence for one operator.

    :func:`refconv.verify.evidence.report.report` explains a failure.

    Parameters
    ----------
    operator : str
    kind : str
    cases : int
        Number of cases tested; 0 if this kind of evidence does not apply to the operator.
    error : float
        Largest error, as defined by the kind; 0 if the evidence is exact.
    seconds : float
    refuted : str or None
        What is wrong, and in which case; None if nothing is wrong.
    left_out : tuple of LeftOut
        Further cases that could not be compared.
    case : Case or None
        The smallest case found in which the operator is wrong; None if it is right, or if it is wrong in a worked example.
    """

    operator: str
    kind: str
    cases: int
    error: float
    seconds: float
    refuted: str | None = None
    left_out: tuple[LeftOut, ...] = ()
    case: Case | None = None

    @property
    def cell(self) -> str:
        """Text of the table cell: ✓ with the number of cases and the largest error, ✗, or –."""
        if self.refuted is not None:
            return "✗"
        if not self.cases:
            return "–"
        return f"✓ {self.cases:3} {'exact' if not self.error else f'{self.error:.0e}'}"


def gather(operator: Operator, kind: str, *, quick: bool = False, engine_name: Engine | None = None) -> Outcome:
    """Gather one kind of evidence for one operator.

    Parameters
    ----------
    operator : Operator
    kind : str
        One of :data:`KINDS`.
    quick : bool
        True for fewer cases, so that all operators together take seconds.
    engine_name : str or None
        The engine for numeric and oracle evidence; None for the current one. (Symbolic and adjoint evidence always use the
        loops, and parity compares all engines.)

    Returns
    -------
    Outcome
    """
    start = time.perf_counter()
    refuted = None
    case = None
    entries: list[Any] = []
    with config(engine=engine_name or get_config().engine):
        try:
            entries += case_results(operator, kind, quick)
        except Refuted as refutation:
            refuted, case = str(refutation), refutation.case
    left_out = tuple(entry for entry in entries if isinstance(entry, LeftOut))
    errors = [entry for entry in entries if entry is not None and not isinstance(entry, LeftOut)]
    seconds = time.perf_counter() - start
    return Outcome(operator.name, kind, len(errors), max(errors, default=0.0), seconds, refuted, left_out, case)


def case_results(operator: Operator, kind: str, quick: bool) -> Iterator[float | LeftOut | None]:
    """Return an iterator over the error of each case and the cases left out.

    It is empty if the kind of evidence does not apply to the operator.
    """
    return iter(()) if kind in operator.without else KINDS[kind](operator, quick)


def _on_fixed_cases(check: Callable[..., Any], operator: Operator, max_cases: int | None) -> Iterator[float | None]:
    for case in sorted(
        operator.fixed[:max_cases], key=lambda case: case.elements
    ):  # smallest first: the first failure is the smallest one
        yield _check_case(check, operator, case)


def _on_drawn_cases(check: Callable[..., Any], operator: Operator, max_cases: int) -> list[float | None]:
    """Return the error of each random case; hypothesis shrinks a failing case before it raises."""
    return _drawn(operator.name, operator.cases(), max_cases, partial(_check_case, check, operator))


def _drawn(name, strategy, most, use) -> list[Any]:
    """Return ``use(case)`` for each random case.

    The cases are the same in every run, and nothing is saved to disk.
    """
    hypothesis = need("hypothesis", "verify", "drawing cases")
    results = []

    @hypothesis.settings(
        max_examples=most,
        deadline=None,
        derandomize=True,
        database=None,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(strategy)
    def run(case):  # its source text seeds the draws
        results.append(use(case))

    try:
        run()
    except Refuted:
        raise
    except hypothesis.errors.Flaky as flaky:  # hypothesis repeats a failing case, which passed this time
        # Hypothesis before 6.101 has no `exceptions`; there the failure is the cause.
        first_exception = next(iter(getattr(flaky, "exceptions", ())), flaky.__cause__ or flaky)
        message = f"wrong in one call, but right in another with the same input: {first_exception}"
        raise Refuted(message, getattr(first_exception, "case", None)) from None
    except Exception as error:
        raise Refuted(f"drawing a case of {name} raises {type(error).__name__}: {error}") from error
    return results


def _on_refused_cases(operator: Operator, max_cases: int, libraries: tuple[str, ...] = LIBRARIES) -> Iterator[LeftOut]:
    """Check that an operator refuses invalid cases; yield an entry for each reason.

    Each entry names the libraries that accept the first case with this reason.
    """
    if operator.refused_cases is None:
        return
    messages: dict[str, dict[str, Any]] = {}
    first_cases: dict[str, Case] = {}
    for case, message in _drawn(
        operator.name, operator.refused_cases(), max_cases, lambda case: (case, _refusal(operator, case))
    ):
        messages.setdefault(case.refused, {})[str(case)] = message
        first_cases.setdefault(case.refused, case)
    for reason, by_case in messages.items():
        yield LeftOut(
            reason, len(by_case), next(iter(by_case.values())), tuple(accepting(operator, first_cases[reason], libraries))
        )


def _refusal(operator, case):
    """Return the message of the error that an operator raises for a case that it must refuse."""
    try:
        operator(fill(case, spread))
    except (TypeError, ValueError) as error:
        return str(error)
    except Exception as error:
        raise Refuted(f"{operator.name} raises {type(error).__name__}: {error}\n  in the case {case}", case) from error
    raise Refuted(f"{operator.name} accepts a case in which {case.refused}\n  in the case {case}", case)


def _symbolic(operator, quick):
    need("sympy", "verify", "a proof on symbols")
    from refconv.verify.evidence.symbolic import pinned, symbolic

    yield from _on_fixed_cases(symbolic, operator, 2 if quick else None)
    for pin in operator.pins:
        yield pinned(operator, pin)


def _numeric(operator, quick):
    yield from _on_fixed_cases(numeric, operator, 2 if quick else None)
    yield from _on_drawn_cases(directional, operator, 4 if quick else operator.draws)


def _adjoint(operator, quick):
    yield from _on_fixed_cases(adjoint, operator, 3 if quick else None)


def _parity(operator, quick):
    # Fewer cases suffice with a definition: the operators that it calls are checked in their own rows.
    quick_draws = 4 if operator.definition else 8
    yield from _on_drawn_cases(parity, operator, quick_draws if quick else operator.draws)


def _oracle(operator, quick):
    for example in operator.worked:
        yield worked(operator, example)
    quick_oracle = partial(oracle, libraries=installed(QUICK_LIBRARIES))
    table_checks = list(tables(operator))
    for check, case in table_checks:
        yield _check_case(check, operator, case)
    if quick:
        yield from _on_fixed_cases(quick_oracle, operator, 1)
        yield from _on_refused_cases(operator, 4, QUICK_LIBRARIES)
        return
    other_oracles = partial(oracle, libraries=installed(QUICK_OTHERS))
    for _, case in table_checks if installed(QUICK_OTHERS) else ():
        yield _check_case(other_oracles, operator, case)
    yield from _on_fixed_cases(oracle, operator, None)
    yield from _on_drawn_cases(quick_oracle, operator, 10)
    yield from _on_refused_cases(operator, 20)
    # Listing the tests takes seconds, because the ONNX package generates all of them on each call.
    inexpressible = []
    yield from written_tests(operator, inexpressible)
    for reason, cases in Counter(inexpressible).items():
        yield LeftOut(f"an ONNX test requires {reason}", cases)


def _check_case(check, operator, case):
    """Run a check on a case; raise :class:`Refuted` with the case if it fails or raises."""
    try:
        return check(operator, case)
    except Refuted as refutation:
        message, cause = str(refutation), None
    except Exception as error:
        message, cause = f"{operator.name} raises {type(error).__name__}: {error}", error
    # Raised outside the except clauses: hypothesis treats errors with different contexts as different errors.
    raise Refuted(f"{message}\n  in the case {case}", case) from cause


KINDS: dict[str, Callable[[Operator, bool], Iterator[float | None]]] = {
    "symbolic": _symbolic,
    "numeric": _numeric,
    "adjoint": _adjoint,
    "parity": _parity,
    "oracle": _oracle,
}
