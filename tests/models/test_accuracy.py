"""Tests of the error rates on the slides: repeated figures agree, or differ for a reason."""

import pytest

from refconv.models.published import accuracy, tables
from refconv.models.published.accuracy import REASONS, RESULTS, STEPS, Figure

FIGURES = [figure for table in tables(["accuracy"]) if table.beside == "elsewhere" for figure in table.claims]


def test_every_difference_has_a_reason():
    assert [figure.what for figure in FIGURES if figure.verdict() == "DIFFERS"] == []


def test_every_reason_explains_a_difference():
    explained = {figure.reason for figure in FIGURES if figure.verdict().startswith("differs")}
    assert explained == set(REASONS.values())


def test_the_differences_between_the_slides():
    """D6: the decks disagree in four errors; all other repeated figures agree."""
    differing = {
        (figure.printed, *(other for _, other in figure.elsewhere)) for figure in FIGURES if "differs" in figure.verdict()
    }
    assert {frozenset(group) for group in differing} == {
        frozenset({"10.07", "9.2"}),
        frozenset({"6.8", "7.1"}),
        frozenset({"5.82", "5.81"}),
        frozenset({"6.66", "6.67", "6.7"}),
    }


def test_a_repeated_figure_lists_all_other_sources_and_not_its_own():
    (figure,) = (figure for figure in FIGURES if figure.what == "VGG (v5), top-1 val")
    assert figure.elsewhere == (("A, VGG paper, comparison", "24.4"), ("A, Inception-v3 paper, Table 4", "24.4"))
    assert figure.beside == "24.4 (A, VGG paper, comparison); 24.4 (A, Inception-v3 paper, Table 4)"
    once = next(figure for figure in FIGURES if figure.what == "ResNet-152, top-5 val")
    assert (once.printed, once.beside, once.verdict()) == ("4.49", "", "printed once")


def test_every_name_of_a_measurement_is_used_at_least_twice():
    names = [row.same for results in RESULTS for row in results.rows if row.same]
    assert [name for name in names if names.count(name) == 1] == []


def test_errors_are_percentages_and_top_5_is_at_most_top_1():
    for results in RESULTS:
        for row in results.rows:
            errors = {c: float(p) for c, p in zip(results.columns, row.printed, strict=True) if p and c != STEPS}
            assert all(0 < error < 50 for error in errors.values())
            assert list(errors.values()) == sorted(errors.values(), reverse=True) or "top-5 test" in errors


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("6.7", "6.67", True), ("6.66", "6.67", False), ("22", "21.99", True), ("7.3", "7.32", True), ("4.60", "4.6", True)],
)
def test_figures_are_compared_to_the_last_digit_of_the_shorter_one(one, other, same):
    assert Figure("", one, (("", other),)).verdict() == ("equal" if same else "DIFFERS")
    assert Figure("", other, (("", one),)).verdict() == ("equal" if same else "DIFFERS")


def test_costs_are_products_of_models_and_crops_and_one_gain_is_a_slip():
    """D6: GoogLeNet's Table 3."""
    costs = accuracy.tables()[-1]
    assert [claim.counted for claim in costs.claims[:6]] == [1, 10, 144, 7, 70, 1008]
    verdicts = [claim.verdict() for claim in costs.claims]
    assert verdicts.count("equal") == len(verdicts) - 1
    assert verdicts[-1] == "differs: the paper's slip: 10.07 − 6.67 = 3.40"
