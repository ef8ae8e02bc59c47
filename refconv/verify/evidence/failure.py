"""Describe refuted evidence: the function, its formula, its rows of the lectures, its code and the smallest case."""

from __future__ import annotations

import re

from refconv.verify.evidence.kinds import Outcome
from refconv.verify.lectures.index import named
from refconv.verify.lectures.statements import STATEMENTS
from refconv.verify.operator import Operator

__all__ = ["describe"]


def describe(operator: Operator, outcome: Outcome) -> str:
    """Return the formula, lecture rows and code of the function that was refuted, and the smallest case, as lines of text.

    Parameters
    ----------
    operator : Operator
    outcome : Outcome
        One with a refutation, of this operator.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If nothing was refuted.
    """
    if outcome.refuted is None:
        raise ValueError(f"outcome must be a refuted one, got {outcome.cell} for {outcome.kind} evidence")
    loop = named(_function(operator, outcome.refuted))
    path, line = loop.place
    return "\n".join(
        [
            f"{loop.name}: {outcome.kind} evidence refuted",
            f"  formula: {loop.formula or operator.formula}",
            *(f"  lecture row {id} (SOURCES.md): {STATEMENTS[id]}" for id in loop.ids),
            f"  code: {path}:{line}",
            *(f"  {text}" for text in outcome.refuted.splitlines()),
        ]
    )


def _function(operator, message):
    """The function of the operator that the message names first, or the operator itself."""
    names = sorted(operator.functions, key=len, reverse=True)  # conv2d_dx before conv2d
    mentioned = re.search("|".join(rf"(?<![\w.]){re.escape(name)}(?!\w)" for name in names), message)
    return mentioned[0] if mentioned else operator.name
