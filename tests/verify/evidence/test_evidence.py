"""The evidence itself: what ``refconv verify`` prints, as tests; one for each row and kind."""

import pytest

from refconv.verify.catalogue import CATALOGUE
from refconv.verify.evidence.kinds import KINDS, gather
from refconv.verify.evidence.report import report

SAMPLED = ("numeric", "parity")  # more cases say more of these; the other kinds run in full in either lane


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("operator", CATALOGUE.values(), ids=CATALOGUE)
def test_evidence(operator, kind, record_property, pytestconfig):
    outcome = gather(operator, kind, quick=kind in SAMPLED and not pytestconfig.getoption("all"))
    record_property("evidence", outcome)  # ../../../conftest.py prints them as a table
    if outcome.refuted is not None:
        pytest.fail(report(outcome), pytrace=False)
