"""Explanation of an outcome: the formula, the smallest wrong case and the lecture rows."""

from __future__ import annotations

import re
from functools import partial

from refconv.verify.catalogue import CATALOGUE
from refconv.verify.evidence.kinds import Outcome
from refconv.verify.lectures.index import Loop, literature, named
from refconv.verify.lectures.statements import STATEMENTS
from refconv.verify.operator import lookup

__all__ = ["report"]


def report(outcome: Outcome) -> str:
    """Return a description of an outcome, with the details needed to understand a failed proof.

    The first line names the operator, the kind of evidence and the verdict. If the operator is refuted, the following lines
    contain the reason and the smallest case, and for each wrong function its formula, its location in the code, the
    publications that its docstring cites, and its statements of the lectures.

    Parameters
    ----------
    outcome : Outcome

    Returns
    -------
    str
        Lines, without a newline at the end.

    >>> print(report(Outcome("conv1d", "adjoint", 0, 0.0, 0.0, "conv1d_dw: ⟨dy, J v⟩ = 1, but ⟨Jᵀ dy, v⟩ = 2")))
    ... # doctest: +ELLIPSIS
    conv1d, adjoint: refuted
      conv1d_dw: ⟨dy, J v⟩ = 1, but ⟨Jᵀ dy, v⟩ = 2
      formula    conv1d_dw: ∂e/∂w[m,c,o] = Σ_{b,i} x[b, i·S + m·D, c] · ∂e/∂y[b,i,o]
      code       refconv/reference/conv.py:...
      lectures   B3   ∂e/∂w_ij = Σ_{k,l} ∂e/∂z_kl x_{k+i, l+j}
      lectures   C8   convolution in one dimension; its Toeplitz matrix; a shifted input gives a shifted output
    """
    if outcome.refuted is None:
        return f"{outcome.operator}, {outcome.kind}: {outcome.cell}"
    lines = [f"{outcome.operator}, {outcome.kind}: refuted"]
    lines += [f"  {line}".rstrip() for line in outcome.refuted.splitlines() if not line.startswith("  in the case ")]
    if outcome.case is not None:
        lines.append(_labelled("case", outcome.case))
    for name in _wrong_functions(outcome):
        if (loop := named(name)) is not None:
            lines += _origin(loop)
    return "\n".join(lines)


def _wrong_functions(outcome):
    """Return the functions named in the refutation; the operator itself if none is named."""
    row = CATALOGUE.get(outcome.operator)
    functions = row.functions if row else (outcome.operator,)
    return [name for name in functions if re.search(rf"(?<![\w.]){re.escape(name)}\b", outcome.refuted)] or functions[:1]


def _origin(loop: Loop):
    """Return lines with the formula, location, publications and statements of a function."""
    labelled = {"formula": loop.formula and f"{loop.name}: {loop.formula}", "code": "{}:{}".format(*loop.place)}
    labelled["source"] = literature(lookup(loop.name))
    statements = [f"{id:4} {STATEMENTS[id]}" for id in loop.ids]
    return [*(_labelled(*item) for item in labelled.items() if item[1]), *map(partial(_labelled, "lectures"), statements)]


def _labelled(label, text):
    return f"  {label:10} {text}"
