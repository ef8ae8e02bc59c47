"""Tests that the geometry and the definitions agree with each row of the convention tables."""

import numpy as np
import pytest

from refconv.geometry import Window, mode_window
from refconv.verify.case import Arguments, Case, fill, integers
from refconv.verify.catalogue import OPERATORS, find
from refconv.verify.catalogue.axis import axes_of, pairs, transposed_axes, window_axis
from refconv.verify.evidence import oracle
from refconv.verify.evidence.kinds import gather
from refconv.verify.evidence.oracles import convention_cases, conventions
from refconv.verify.evidence.oracles.tables import INFERRED, MODES, POOLS, TRANSPOSED, WINDOWS

WINDOW_ROWS = [(padding, *row) for padding, rows in WINDOWS.items() for row in rows]
POOL_ROWS = [(*named, *row) for named, rows in POOLS.items() for row in rows]
TRANSPOSED_ROWS = [(padding, *row) for table in (TRANSPOSED, INFERRED) for padding, rows in table.items() for row in rows]
MODE_ROWS = [(mode, *row) for mode, rows in MODES.items() for row in rows]


def padding_option(padding, before, after):
    return ((before, after),) if padding == "numbers" else padding


@pytest.mark.parametrize(("padding", "size", "k", "S", "D", "before", "after", "outputs"), WINDOW_ROWS)
def test_padding_and_output_size_of_a_window_match_the_table(padding, size, k, S, D, before, after, outputs):
    padding = padding_option(padding, before, after)
    window, (axis,) = Window((k,), S, padding, D), axes_of((size,), k, S, padding, D)
    assert (window.pads((size,)), window.output_size((size,))) == (((before, after),), (outputs,))
    assert (axis.before, axis.after, axis.outputs) == (before, after, outputs)


@pytest.mark.parametrize(
    ("padding", "ceil_mode", "size", "k", "S", "D", "before", "after", "outputs", "divisors", "with_padding"), POOL_ROWS
)
def test_output_size_and_divisors_of_a_pool_match_the_table(
    padding, ceil_mode, size, k, S, D, before, after, outputs, divisors, with_padding
):
    padding = padding_option(padding, before, after)
    window, (axis,) = Window((k,), S, padding, D, ceil_mode), axes_of((size,), k, S, padding, D, ceil_mode)
    assert (window.pads((size,)), window.pooled_size((size,))) == (((before, after),), (outputs,))
    assert (axis.before, axis.after, axis.outputs, axis.refusal) == (before, after, outputs, "")
    if divisors:
        assert (tuple(axis.divisor(False)), tuple(axis.divisor(True))) == (divisors, with_padding)


@pytest.mark.parametrize(("padding", "inputs", "k", "S", "D", "extra", "cut", "cut_after", "outputs"), TRANSPOSED_ROWS)
def test_output_size_and_cut_of_a_transposed_window_match_the_table(padding, inputs, k, S, D, extra, cut, cut_after, outputs):
    padding = padding_option(padding, cut, cut_after)
    window, (axis,) = Window((k,), S, padding, D), transposed_axes((inputs,), k, S, padding, D, extra)
    assert window.transposed_output_size((inputs,), extra) == (outputs,)
    assert window.pads((outputs,)) == ((cut, cut_after),)
    assert (axis.size, axis.before, axis.after, axis.outputs) == (outputs, cut, cut_after, inputs)


@pytest.mark.parametrize(("mode", "size", "k", "before", "after", "outputs"), MODE_ROWS)
def test_padding_and_output_size_of_a_mode_match_the_table(mode, size, k, before, after, outputs):
    window = mode_window((k,), mode)
    assert (window.pads((size,)), window.output_size((size,))) == (((before, after),), (outputs,))


@pytest.mark.parametrize("padding", ["same", "same_lower"])
def test_tables_include_odd_padding_strides_dilation_and_kernels_larger_than_the_input(padding):
    rows = WINDOWS[padding]
    assert {(before + after) % 2 for *_, before, after, _ in rows} == {0, 1}
    assert max(row[2] for row in rows) > 1
    assert max(row[3] for row in rows) > 1
    assert any(k > size for size, k, *_ in rows)


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        ((4, 5, 1, "valid"), "the window does not fit"),
        ((4, 5, 2, "valid", 1, True), ""),  # fewer elements are missing than the stride
        ((4, 2, 1, (2, 0)), "a window contains only padding"),
        ((4, 2, 2, (0, 2)), "a window contains only padding"),
        ((1, 2, 1, (1, 1), 2), "a window contains only padding"),  # its taps are on both sides of the only element
        ((4, 2, 1, (1, 1)), ""),
    ],
)
def test_invalid_pools_are_recognised_without_the_geometry(arguments, refusal):
    size, k, S, padding, *more = arguments
    assert window_axis(*arguments).refusal == refusal
    window = Window((k,), S, padding if isinstance(padding, str) else (padding,), *more)
    if refusal:
        message = "only padding" if "padding" in refusal else "at least as large as the kernel"
        with pytest.raises(ValueError, match=message):
            window.pooled_size((size,))
    else:
        assert window.pooled_size((size,)) == (window_axis(*arguments).outputs,)


def test_each_form_of_padding_becomes_one_entry_per_axis():
    assert pairs("full", 2) == ("full", "full")
    assert pairs(2, 1) == ((2, 2),)
    assert pairs((1, 3), 2) == ((1, 1), (3, 3))
    assert pairs(((0, 1), (2, 0)), 2) == ((0, 1), (2, 0))


@pytest.mark.parametrize("name", convention_cases.CASES)
def test_the_definitions_agree_with_each_case_of_the_tables(name):
    """Check the definitions, which are the reference for drawn cases, against the tables."""
    operator = find(name)
    for case, literal in convention_cases.cases(name):
        a = fill(case, integers)
        a = a.with_arrays(dy=np.random.default_rng(1).standard_normal(np.shape(operator(a))))
        by_table, by_definition = (conventions.evaluate(name, a, choice) for choice in (literal, None))
        assert by_table.keys() == by_definition.keys()
        for key, expected in by_table.items():
            np.testing.assert_array_equal(by_definition[key], expected, err_msg=f"{key} in {case}")


def test_only_the_output_is_computed_without_dy_or_with_dy_of_another_shape():
    a = Arguments({"x": np.arange(5.0).reshape(1, 5, 1)}, {"stride": 1}, {"kernel_size": 2})
    assert set(conventions.evaluate("max_pool1d", a)) == {"y"}
    assert set(conventions.evaluate("max_pool1d", a.with_arrays(dy=np.ones((1, 5, 1))))) == {"y"}
    assert set(conventions.evaluate("max_pool1d", a.with_arrays(dy=np.ones((1, 4, 1))))) == {"y", "argmax", "x"}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, operator in OPERATORS.items() if name in convention_cases.CASES])
def test_each_operator_with_conventions_has_an_oracle_without_other_libraries(name, monkeypatch):
    monkeypatch.setattr(oracle, "importable", lambda library: False)
    outcome = gather(OPERATORS[name], "oracle", quick=True)
    assert outcome.refuted is None
    assert outcome.cases > len(list(convention_cases.cases(name)))


def test_an_operator_that_raises_is_refuted_with_the_case(monkeypatch):
    case = Case({"x": (1, 3, 2)}, {"stride": 2}, {"kernel_size": 4})
    monkeypatch.setattr(convention_cases, "cases", lambda name: iter([(case, None)]))
    refuted = gather(OPERATORS["max_pool1d"], "oracle", quick=True).refuted
    assert refuted.startswith("max_pool1d raises ArgumentValueError: the padded input must be at least as large as the kernel")
    assert "in the case x (1, 3, 2)" in refuted
