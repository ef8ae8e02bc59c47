"""Tests that published figures equal the counted ones, or that a reason is given."""

import pytest

from refconv.models.published import FAMILIES, agrees, tables
from refconv.models.published.claim import count_weights, stages
from refconv.nn import BatchNorm, Conv2D, Dense, Flatten, Sequential

TABLES = [table for table in tables() if table.beside == "counted"]


@pytest.mark.parametrize("table", TABLES, ids=[table.title for table in TABLES])
def test_each_figure_is_equal_or_its_difference_has_a_reason(table):
    wrong = {claim.what: (claim.printed, claim.counted) for claim in table.claims if _is_unexplained(claim, table.kilo)}
    assert not wrong


def _is_unexplained(claim, kilo):
    return agrees(claim.printed, claim.counted, kilo) == bool(claim.reason)  # a reason for an equal figure is also wrong


def test_most_figures_are_equal():
    equal = [agrees(c.printed, c.counted, table.kilo) for table in TABLES for c in table.claims]
    assert len(equal) > 350
    assert equal.count(False) < 0.1 * len(equal)


@pytest.mark.parametrize(
    ("printed", "counted", "verdict"),
    [
        ("159K", 159_499, True),
        ("159K", 159_999, True),  # truncated
        ("159K", 158_500, True),  # rounded
        ("159K", 160_000, False),
        ("159K", 158_499, False),
        ("3.8×10⁹", 3_899_999_999, True),
        ("3.8×10⁹", 3_900_000_000, False),
        ("0.27M", 269_722, True),
        ("0.27M", 264_000, False),
        ("61,100,840", 61_100_840, True),
        ("61,100,840", 61_100_841, False),
        ("~4.1×10⁹", 4_304_000_000, True),
        ("~4.1×10⁹", 4_310_000_000, False),
        ("1×1×1024", (1024,), True),
        ("28×28×256", (28, 28, 256), True),
        ("28×28×256", (28, 256, 28), False),
        ("5×1", (5,), True),
    ],
)
def test_figures_agree_if_all_printed_digits_do(printed, counted, verdict):
    assert agrees(printed, counted) == verdict


def test_k_can_mean_1024_in_a_table():
    assert agrees("112K", 112 * 1024, kilo=1024)
    assert not agrees("112K", 112 * 1024)
    assert agrees("34M", 34_000_000, kilo=1024)  # M means a million in any table


@pytest.mark.parametrize("printed", ["many", "1.8 billion", "-3", "K"])
def test_texts_that_are_not_figures_are_refused(printed):
    with pytest.raises(ValueError, match="printed must be a size"):
        agrees(printed, 5)


def test_mistakes_in_papers_are_quoted_unchanged():
    """Check the table of BN-Inception, which halves its sizes a row too late.

    Printed figures must not be corrected to make them agree.
    """
    (figure,) = (table for table in TABLES if table.title.startswith("BN-Inception"))
    printed = {claim.what: (claim.printed, claim.counted) for claim in figure.claims}
    assert printed["inception3c, size"] == ("28×28×576", (14, 14, 576))
    assert printed["inception4e, size"] == ("14×14×1024", (7, 7, 1024))
    assert printed["inception4c, projection"] == ("128", 96)


def test_stages_count_shapes_weights_and_multiply_adds():
    model = Sequential(a=Conv2D(4, (3, 2)), n=BatchNorm(), f=Flatten(), d=Dense(5))
    at = stages(model, (5, 4, 3))
    assert (at["a"].input, at["a"].output, at["d"].input) == ((5, 4, 3), (3, 3, 4), (36,))
    assert at["a"].weights == 3 * 2 * 3 * 4
    assert at["a"].multiply_adds == 3 * 3 * 4 * 3 * 2 * 3
    assert count_weights(model, (5, 4, 3)) == 72 + 36 * 5


def test_an_unknown_family_is_refused():
    assert [t.title for t in tables(["vgg"])] == [t.title for t in FAMILIES["vgg"].tables()]
    with pytest.raises(ValueError, match=r"family must be one of lenet, .*, got 'vgg16'"):
        tables(["vgg16"])
