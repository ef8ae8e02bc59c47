"""Tests of ``refconv formulas``, from the command line to the printed index."""

import pytest


@pytest.mark.slow
def test_formulas_prints_the_selected_entries(printed):
    assert printed("formulas", "B3").startswith("B3   ∂e/∂w_ij")
    assert printed("formulas", "conv2d_dx", "--format", "markdown").splitlines()[2].startswith("| B4 | ")
    assert "A7   " in printed("formulas")
    assert "names must be ids" in printed("formulas", "Z1", status=1)


def test_adjoints_prints_the_table_of_adjoints(printed):
    head, *lines = printed("formulas", "--adjoints").splitlines()
    assert head.split()[0] == "operator"
    assert [line.split()[-1] for line in lines if line.startswith(("im2col", "col2im"))] == ["col2im", "im2col"]
    assert printed("formulas", "--adjoints", "--format", "markdown").startswith("| operator | its derivative |")
    assert "NAME must be left out with --adjoints, got B3" in printed("formulas", "B3", "--adjoints", status=1)
