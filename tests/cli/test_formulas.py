"""``refconv formulas``: from the command line to the printed index."""


def test_formulas_prints_what_is_asked_for(printed):
    assert printed("formulas", "B3").startswith("B3   ∂e/∂w_ij")
    assert printed("formulas", "conv2d_dx", "--format", "markdown").splitlines()[2].startswith("| B4 | ")
    assert "A7   " in printed("formulas")
    assert "names must be ids" in printed("formulas", "Z1", status=1)
