"""Tests that gather the evidence of ``refconv verify``, one for each row and kind."""

from dataclasses import replace

import pytest

from gathering import gathered
from refconv.verify.catalogue import CATALOGUE, OPERATORS
from refconv.verify.evidence.kinds import KINDS


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("operator", CATALOGUE.values(), ids=CATALOGUE)
def test_evidence(operator, kind, gather_evidence, record_property):
    outcome, report = gather_evidence(operator, kind)
    record_property("evidence", outcome)  # ../../../conftest.py prints a table of all outcomes
    if outcome.refuted is not None:
        pytest.fail(report, pytrace=False)


def test_a_refutation_prints_formula_code_and_lecture_instead_of_a_traceback(monkeypatch):
    (dx,) = OPERATORS["relu"].derivatives
    wrong = replace(OPERATORS["relu"], derivatives=(replace(dx, call=lambda function, a: -function(a.dy, a.x)),))
    monkeypatch.setitem(CATALOGUE, "relu", wrong)
    with pytest.raises(pytest.fail.Exception) as failure:
        test_evidence(wrong, "numeric", lambda operator, kind: gathered(operator.name, kind, True), lambda *properties: None)
    printed = str(failure.value)
    assert printed.startswith("relu, numeric: refuted\n")
    for line in ("case       x (", "formula    relu_dx: ∂e/∂x = ", "code       refconv/reference/", "lectures   B6 "):
        assert f"\n  {line}" in printed
    assert not failure.value.pytrace
