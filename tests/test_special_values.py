"""Tests that all engines agree on special values, as the published table promises."""

from pathlib import Path

import numpy as np
import pytest

import special_values
from special_values import COLUMNS, FOOTNOTES, ROWS, VALUES, Different, assert_agree, cell, line, unaligned

PAGE = Path(__file__).parents[1] / "docs" / "special_values.md"
each_operator = pytest.mark.parametrize("name", ROWS)


def published():
    """Return the lines of the published table with its footnotes."""
    if not PAGE.exists():
        pytest.skip("an installed package has no docs")
    return PAGE.read_text("utf-8").partition("<!-- python -m tests.special_values -->\n")[2].partition("<!-- end -->")[0]


@each_operator
def test_all_engines_keep_the_promises_of_the_published_row(name):
    row = line(f"`{name}`", [cell(ROWS[name], column, thorough=False) for column in COLUMNS])
    assert row in published().splitlines(), (
        "run python -m tests.special_values and copy its output into docs/special_values.md"
    )


@pytest.mark.slow
@each_operator
def test_all_engines_keep_the_promises_in_every_case_and_type(name):
    for column in (*COLUMNS, *(VALUES.keys() - set(COLUMNS))):
        cell(ROWS[name], column, thorough=True)


def test_the_published_table_has_each_operator_and_footnote_once(monkeypatch):
    monkeypatch.setattr(special_values, "cells", lambda operator: ["same"] * len(COLUMNS))
    generated = "\n".join(special_values.table()) + "\n"
    names = [[row.split(" | ")[0] for row in text.splitlines() if row.startswith("|")] for text in (generated, published())]
    assert names[0] == names[1]
    assert published().partition("\n\n")[2] == generated.partition("\n\n")[2]


def test_footnotes_belong_to_cells():
    assert all(
        name in ROWS and set(columns) <= set(COLUMNS) for note in FOOTNOTES.values() for name, columns in note.cells.items()
    )


@pytest.mark.parametrize(
    ("actual", "differ"),
    [
        ([np.nan, 1, 0], ""),
        ([-np.inf, 1, 0], ""),
        ([np.inf, 1.001, 0], "overflow"),
        ([2, 1, 0], "infinities"),
    ],
)
def test_a_wrong_result_is_found(actual, differ):
    usual, expected = np.float32([1, 1, 0]), np.float32([np.inf, 1, 0])
    assert_agree(ROWS["relu"], [usual], [expected], [expected])
    with pytest.raises(Different):
        assert_agree(ROWS["relu"], [usual], [expected], [np.float32(actual)], differ)


def test_a_denormal_number_that_becomes_zero_is_found():
    expected = np.float32([1e-40])
    with pytest.raises(Different):
        assert_agree(ROWS["relu"], [expected], [expected], [np.zeros(1, np.float32)])


def test_a_footnote_allows_what_it_describes():
    usual, expected = np.float32([1, 1]), np.float32([np.inf, 1])
    assert_agree(ROWS["relu"], [usual], [expected], [np.float32([np.nan, 1])], "infinities")
    assert_agree(ROWS["relu"], [usual], [expected], [np.float32([5, 1])], "overflow")


def test_a_refusal_on_one_engine_only_is_found():
    with pytest.raises(Different, match="one engine refuses"):
        assert_agree(ROWS["relu"], [np.ones(1)], "x must be finite, got inf", [np.ones(1)])


def test_a_refusal_must_name_the_argument():
    with pytest.raises(Different, match="a refusal must read"):
        special_values.attempted(lambda: np.zeros(2).reshape(3), "reference")


def test_layouts_keep_the_numbers():
    a = np.arange(6.0, dtype=np.float32).reshape(2, 3)
    for convert in special_values.LAYOUTS.values():
        np.testing.assert_array_equal(convert(a), a)
    assert not unaligned(a).flags.aligned
    assert not special_values.non_contiguous(a).flags.c_contiguous
