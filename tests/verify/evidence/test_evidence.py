"""Tests that gather the evidence of ``refconv verify``, one for each row and kind."""

import pickle
from dataclasses import replace

import pytest

from refconv.verify.catalogue import CATALOGUE, OPERATORS
from refconv.verify.evidence.kinds import KINDS, gather
from refconv.verify.evidence.report import report

DRAWN = ("numeric", "parity")  # kinds whose cases are drawn at random, so that more cases are stronger evidence


def needs_fewer_cases(operator, kind, config):
    """Return whether to try fewer cases.

    Each operator is proved completely in both lanes. A layer calls operators, so two of its cases are enough in the fast lane.
    """
    fewer = kind in DRAWN or (kind == "symbolic" and operator.name.startswith("nn."))
    return fewer and not config.getoption("all")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("operator", CATALOGUE.values(), ids=CATALOGUE)
def test_evidence(operator, kind, pytestconfig, record_property):
    outcome = gather(operator, kind, quick=needs_fewer_cases(operator, kind, pytestconfig))
    # ../../../conftest.py prints a table of all outcomes. A case may contain a function, which no process can send to another.
    record_property("evidence", replace(outcome, case=None))
    if outcome.refuted is not None:
        pytest.fail(report(outcome), pytrace=False)


def test_a_refutation_prints_formula_code_and_lecture_instead_of_a_traceback(pytestconfig, monkeypatch):
    (dx,) = OPERATORS["relu"].derivatives
    wrong = replace(OPERATORS["relu"], derivatives=(replace(dx, call=lambda function, a: -function(a.dy, a.x)),))
    monkeypatch.setitem(CATALOGUE, "relu", wrong)
    with pytest.raises(pytest.fail.Exception) as failure:
        test_evidence(wrong, "numeric", pytestconfig, lambda *properties: None)
    printed = str(failure.value)
    assert printed.startswith("relu, numeric: refuted\n")
    for line in ("case       x (", "formula    relu_dx: ∂e/∂x = ", "code       refconv/reference/", "lectures   B6 "):
        assert f"\n  {line}" in printed
    assert not failure.value.pytrace


def test_the_recorded_outcome_of_a_wrong_layer_can_be_sent_although_its_case_cannot(pytestconfig):
    row = CATALOGUE["nn.Concat"]
    wrong = replace(row, definition=lambda a: {name: 2 * result for name, result in row.definition(a).items()})
    recorded = {}
    with pytest.raises(pytest.fail.Exception, match=r"case +x \("):
        test_evidence(wrong, "symbolic", pytestconfig, recorded.__setitem__)
    assert "y at " in pickle.loads(pickle.dumps(recorded["evidence"])).refuted
