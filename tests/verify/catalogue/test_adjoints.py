"""Tests of the table of adjoints: each identity is true in exact fractions.

Each is compared with the derivative and with the forward loop.
"""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import refconv
from refconv.verify.case import fill, fractions
from refconv.verify.catalogue import CATALOGUE
from refconv.verify.catalogue.adjoints import ADJOINTS, Adjoint
from refconv.verify.evidence.adjoint import inner
from refconv.verify.evidence.dual import dual_array, rates

ROWS = [(row, CATALOGUE[name]) for row in ADJOINTS for name in row.operators]


def filled(operator, case):
    """Return the arguments of a case in fractions, with ∂e/∂y."""
    a = fill(case, fractions)
    return a.with_arrays(dy=fractions("dy", np.shape(operator(a)), np.random.default_rng(2), False))


def holds(row, operator, a):
    """Return True if the other operator computes the derivative and ⟨dy, J v⟩ = ⟨Jᵀ dy, v⟩."""
    by_other = np.asarray(row.call(a))
    (derivative,) = [result[row.array] for result in (d(a) for d in operator.derivatives) if row.array in result]
    if by_other.shape != derivative.shape or not np.all(by_other == derivative):
        return False
    v = fractions("v", a.arrays[row.array].shape, np.random.default_rng(3), False)
    moved = rates(operator(a.with_arrays(**{row.array: dual_array(a.arrays[row.array], v)})))
    forward, backward = inner(a.dy, moved), inner(by_other, v)
    assert isinstance(forward, Fraction | int)
    assert isinstance(backward, Fraction | int)
    return forward == backward


@pytest.mark.parametrize(("row", "operator"), ROWS, ids=[f"{operator.name}-{row.array}" for row, operator in ROWS])
def test_a_derivative_equals_the_other_operator(row, operator):
    with refconv.config(engine="reference"):
        cases = [a for a in (filled(operator, case) for case in operator.fixed) if row.applies(a)]
        assert cases
        assert all(holds(row, operator, a) for a in cases)


@pytest.mark.parametrize(
    ("name", "array", "wrong"),
    [
        ("conv2d", "w", lambda a: 2 * a.w),
        ("dense", "x", lambda a: refconv.dense(a.dy, a.w.T) + 1),
        ("pad", "x", lambda a: a.x),
        ("dense", "x", lambda a: refconv.dense(a.dy, a.w.T)[:1]),
    ],
)
def test_a_wrong_identity_is_refused(name, array, wrong):
    operator = CATALOGUE[name]
    with refconv.config(engine="reference"):
        assert not holds(Adjoint((name,), array, "", wrong), operator, filled(operator, operator.fixed[0]))


def test_only_four_operators_have_conditional_identities():
    conditional = {name for row in ADJOINTS for name in row.operators if row.applies is not Adjoint.applies}
    assert conditional == {"convolve1d", "cross_correlate1d", "pad", "upsample2d"}


def test_identities_are_false_if_their_condition_is_not_met():
    for row, operator in ROWS:
        if row.operators[0] in ("pad", "upsample2d"):
            with refconv.config(engine="reference"):
                others = [a for a in (filled(operator, case) for case in operator.fixed) if not row.applies(a)]
                assert others
                assert not any(holds(replace(row, applies=Adjoint.applies), operator, a) for a in others)
