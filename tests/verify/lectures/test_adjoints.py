"""Tests that the table of adjoints has a line for each identity and its page is up to date."""

import re

import pytest

from refconv.verify.catalogue.adjoints import ADJOINTS
from refconv.verify.lectures.adjoints import markdown, text
from refconv.verify.lectures.index import root


def test_each_identity_has_a_line_with_the_operator_its_derivative_and_the_other_operator():
    head, *lines = text().splitlines()
    assert re.split(r"  +", head) == ["operator", "its derivative", "equivalent operator"]
    cells = [re.split(r"  +", line) for line in lines]
    assert [(line[0], line[-1]) for line in cells] == [(row.operators[0], row.other) for row in ADJOINTS]
    assert all(line[1].startswith("∂e/∂") and len(line) == 3 for line in cells)
    assert [cells[5][0], cells[5][2]] == ["im2col", "col2im"]


@pytest.mark.skipif(root() is None, reason="refconv is installed without its tests")
def test_the_page_of_adjoints_is_up_to_date():
    begin = "<!-- refconv formulas --adjoints --format markdown -->\n"
    written = (root() / "docs" / "adjoints.md").read_text(encoding="utf-8").partition(begin)[2].partition("<!-- end -->")[0]
    assert written == f"{markdown()}\n", (
        "run refconv formulas --adjoints --format markdown and copy its output into docs/adjoints.md"
    )
