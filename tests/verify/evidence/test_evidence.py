"""The evidence itself: what ``refconv verify`` prints, as tests; one for each row and kind."""

import pytest

from refconv.verify.catalogue import CATALOGUE
from refconv.verify.evidence.kinds import KINDS, gather


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("operator", CATALOGUE.values(), ids=CATALOGUE)
def test_evidence(operator, kind):
    outcome = gather(operator, kind)
    assert outcome.refuted is None, outcome.refuted
