"""The five kinds of evidence, and what comes of gathering one of them for one operator."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from refconv import _core
from refconv._extras import need
from refconv.ops.engine import current_engine, engine
from refconv.verify.adjoint import adjoint
from refconv.verify.numeric import directional, numeric
from refconv.verify.operator import Operator, Refuted
from refconv.verify.oracle import QUICK_LIBRARIES, installed, oracle, written_tests
from refconv.verify.parity import parity

__all__ = ["KINDS", "Outcome", "gather"]


@dataclass(frozen=True)
class Outcome:
    """What one kind of evidence said about one operator.

    ``cases`` counts the cases tried; 0 where this kind has nothing to say. ``error`` is the largest error, in the unit of
    the kind; 0 where the evidence is exact. ``refuted`` holds what was wrong, in words, or None.
    """

    operator: str
    kind: str
    cases: int
    error: float
    seconds: float
    refuted: str | None = None

    @property
    def cell(self) -> str:
        """The outcome in a few characters: ✓ with the number of cases and the largest error, ✗, or –."""
        if self.refuted is not None:
            return "✗"
        if not self.cases:
            return "–"
        return f"✓ {self.cases:3} {'exact' if not self.error else f'{self.error:.0e}'}"


def gather(operator: Operator, kind: str, *, quick: bool = False, engine_name: str | None = None) -> Outcome:
    """Gather one kind of evidence for one operator.

    Parameters
    ----------
    operator : Operator
    kind : str
        One of :data:`KINDS`.
    quick : bool
        Fewer cases, so that all operators take seconds.
    engine_name : str or None
        The engine on which differences and other libraries look at the operator; None for the one that runs. (Proofs
        and exact arithmetic need the loops, and parity needs both.)

    Returns
    -------
    Outcome
    """
    start, errors, refuted = time.perf_counter(), [], None
    with engine(engine_name or current_engine()):
        try:
            errors += said(operator, kind, quick)
        except Refuted as refutation:
            refuted = str(refutation)
    found = [error for error in errors if error is not None]
    return Outcome(operator.name, kind, len(found), max(found, default=0.0), time.perf_counter() - start, refuted)


def said(operator: Operator, kind: str, quick: bool) -> Iterator[float | None]:
    """The error of each case of one kind; nothing where the operator is without this kind."""
    return iter(()) if kind in operator.without else KINDS[kind](operator, quick)


def _on_fixed_cases(check: Callable, operator: Operator, few: int | None) -> Iterator[float | None]:
    for case in operator.fixed[:few]:
        yield _blamed(check, operator, case)


def _on_drawn_cases(check: Callable, operator: Operator, most: int) -> list[float | None]:
    """The same cases in every run, and nothing kept on disk. Hypothesis shrinks a failing case before it raises."""
    hypothesis = need("hypothesis", "verify", "drawing cases")
    errors = []

    @hypothesis.settings(
        max_examples=most,
        deadline=None,
        derandomize=True,
        database=None,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(operator.cases())
    def run(case):  # its source text seeds the draws
        errors.append(_blamed(check, operator, case))

    try:
        run()
    except hypothesis.errors.Flaky as flaky:
        # Hypothesis tries a failing case again, and it passed.
        first = next(iter(getattr(flaky, "exceptions", ())), flaky)
        raise Refuted(f"wrong in one call, right in another with the same input: {first}") from None
    return errors


def _symbolic(operator, quick):
    need("sympy", "verify", "a proof on symbols")
    from refconv.verify.symbolic import pinned, symbolic

    yield from _on_fixed_cases(symbolic, operator, 2 if quick else None)
    for pin in operator.pins:
        yield pinned(operator, pin)


def _numeric(operator, quick):
    yield from _on_fixed_cases(numeric, operator, 2 if quick else None)
    yield from _on_drawn_cases(directional, operator, 4 if quick else 60)


def _adjoint(operator, quick):
    yield from _on_fixed_cases(adjoint, operator, 3 if quick else None)


def _parity(operator, quick):
    if _core.ISA is not None:
        yield from _on_drawn_cases(parity, operator, 8 if quick else 60)


def _oracle(operator, quick):
    soon = partial(oracle, libraries=installed(QUICK_LIBRARIES))
    if quick:
        yield from _on_fixed_cases(soon, operator, 1)
    else:
        yield from _on_fixed_cases(oracle, operator, None)
        yield from _on_drawn_cases(soon, operator, 10)
        # The ONNX package makes all of its tests anew whenever it is asked for them, and takes seconds.
        yield from written_tests(operator)


def _blamed(check, operator, case):
    """Run a check; a refutation states the case, and so does an operator that raises."""
    try:
        return check(operator, case)
    except Refuted as refutation:
        refuted, cause = Refuted(f"{refutation}\n  in the case {case}"), None
    except Exception as error:
        refuted, cause = Refuted(f"{operator.name} raises {type(error).__name__}: {error}\n  in the case {case}"), error
    # Outside of the except clauses: for Hypothesis, errors with different contexts are different errors.
    raise refuted from cause


KINDS: dict[str, Callable[[Operator, bool], Iterator[float | None]]] = {
    "symbolic": _symbolic,
    "numeric": _numeric,
    "adjoint": _adjoint,
    "parity": _parity,
    "oracle": _oracle,
}
