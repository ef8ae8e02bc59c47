"""Tests that the trace of a loop lists its products and that they sum to the output."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from refconv.reference import conv
from refconv.verify.case import fill, integers
from refconv.verify.catalogue import OPERATORS
from refconv.verify.tracing.recorded import Recorded, name_of, recorded_array, terms
from refconv.verify.tracing.settings import SETTINGS
from refconv.verify.tracing.trace import trace
from strategies import max_examples

KNOWN = [name for name in SETTINGS if name in OPERATORS]
LOOPS = list(dict.fromkeys(function for name in KNOWN for function in OPERATORS[name].functions))


def lines(trace):
    """Return the printed lines, with one space between words."""
    return [" ".join(line.split()) for line in str(trace).splitlines()]


def test_every_setting_is_an_operator_of_the_catalogue():
    assert list(SETTINGS) == KNOWN


@pytest.mark.parametrize("name", LOOPS)
def test_every_loop_has_a_trace_without_arguments(name):
    traced = trace(name)
    assert traced.steps
    assert traced.formula.partition("[")[0] == traced.element.partition("[")[0]
    total = sum(step.value for step in traced.steps)
    if traced.winner is None:
        assert total / (traced.divisor or 1) == traced.value == traced.plain
        assert [step.total for step in traced.steps][-1] == total
    assert str(traced).endswith(f"(the loop on plain numbers: {traced.plain:g})")


def test_the_trace_of_a_convolution_matches_the_computation_by_hand():
    x, w = np.array([[1, 2, 3], [4, 5, 6]]).reshape(1, 2, 3, 1), np.array([[1, 10], [100, 1000]]).reshape(2, 2, 1, 1)
    traced = trace("conv2d", (0, 0, 1, 0), arrays={"x": x, "w": w, "b": [7]}, padding="valid")
    assert lines(traced)[3:] == [
        "m n c x w product sum so far",
        "bias[0] 7 7 7",
        "0 0 0 x[0,0,1,0] 2 × 1 w[0,0,0,0] 2 9",
        "0 1 0 x[0,0,2,0] 3 × 10 w[0,1,0,0] 30 39",
        "1 0 0 x[0,1,1,0] 5 × 100 w[1,0,0,0] 500 539",
        "1 1 0 x[0,1,2,0] 6 × 1000 w[1,1,0,0] 6000 6539",
        "",
        "y[0,0,1,0] = 6539 (the loop on plain numbers: 6539)",
    ]


def test_the_traces_of_both_derivatives_match_the_computation_by_hand():
    x, w, dy = [[[1], [2], [3]]], [[[10]], [[100]]], [[[5], [7]]]
    arrays = {"x": x, "w": w, "b": [0], "dy": dy}
    dw = trace("conv1d_dw", (1, 0, 0), arrays=arrays, padding="valid")
    dx = trace("conv1d_dx", (0, 1, 0), arrays=arrays, padding="valid")
    assert [step.indices for step in dw.steps] == [{"b": 0, "i": 0}, {"b": 0, "i": 1}]
    assert [step.factors for step in dw.steps] == [
        (("x[0,1,0]", 2), ("∂e/∂y[0,0,0]", 5)),
        (("x[0,2,0]", 3), ("∂e/∂y[0,1,0]", 7)),
    ]
    assert [step.indices for step in dx.steps] == [{"i": 0, "o": 0, "m": 1}, {"i": 1, "o": 0, "m": 0}]
    assert (dw.element, dw.value, dx.element, dx.value) == ("∂e/∂w[1,0,0]", 31, "∂e/∂x[0,1,0]", 570)


def test_a_tap_in_the_padding_is_a_zero_outside_the_input():
    traced = trace("conv2d", (0, 0, 0, 0), input=(2, 3), kernel=(2, 2), channels=1, padding=((1, 0), (0, 1)))
    assert [step.outside for step in traced.steps] == [False, True, True, False, False]  # first the bias
    assert all(step.value == 0 for step in traced.steps if step.outside)
    assert [line.split()[3] for line in lines(traced) if "×" in line] == ["outside", "outside", "x[0,0,0,0]", "x[0,0,1,0]"]
    assert "edge of the padding" in str(traced)
    assert "edge of the padding" not in str(trace("conv2d", padding="valid"))


def test_each_group_reads_its_own_channels():
    traced = trace("conv1d", (0, 0, 3), input=(1, 5, 4), filters=6, groups=2, padding="valid", kernel=2)
    assert [name for step in traced.steps[1:] for name, _ in step.factors] == [
        *("x[0,0,2]", "w[0,0,3]", "x[0,0,3]", "w[0,1,3]"),
        *("x[0,1,2]", "w[1,0,3]", "x[0,1,3]", "w[1,1,3]"),
    ]


def test_the_trace_of_a_maximum_lists_the_elements_and_marks_the_winner():
    x = np.array([[1, 7, 3], [4, 5, 7]]).reshape(1, 2, 3, 1)
    traced = trace("max_pool2d", (0, 0, 1, 0), arrays={"x": x}, kernel=2, stride=1)
    names = ["x[0,0,1,0]", "x[0,0,2,0]", "x[0,1,1,0]", "x[0,1,2,0]"]
    assert [step.factors for step in traced.steps] == [
        ((name, value),) for name, value in zip(names, [7, 3, 5, 7], strict=True)
    ]
    assert traced.winner == "x[0,0,1,0]"
    assert [line.endswith("←") for line in lines(traced)[4:8]] == [True, False, False, False]


@pytest.mark.parametrize("values", [np.zeros((1, 3, 3, 1)), np.full((1, 3, 3, 1), -np.inf), np.full((1, 3, 3, 1), np.nan)])
def test_the_listed_elements_do_not_depend_on_their_values(values):
    traced = trace("max_pool2d", (0, 0, 0, 0), arrays={"x": values}, kernel=(2, 3), stride=1, padding=((1, 0), (0, 1)))
    assert [step.factors[0][0] for step in traced.steps] == ["x[0,0,0,0]", "x[0,0,1,0]", "x[0,0,2,0]"]


def test_the_trace_of_the_derivative_lists_the_windows_that_the_element_won():
    x, dy = np.array([1, 9, 2]).reshape(1, 3, 1), np.array([10, 100]).reshape(1, 2, 1)
    won, lost = (trace("max_pool1d_dx", (0, u, 0), arrays={"x": x, "dy": dy}, kernel=2, stride=1) for u in (1, 0))
    assert [(step.indices, step.value) for step in won.steps] == [({"i": 0}, 10), ({"i": 1}, 100)]
    assert not lost.steps
    assert "∂e/∂x[0,0,0] = 0; no term contributes to this element" in str(lost)


def test_an_average_is_divided_by_the_number_of_counted_elements():
    x = np.array([1, 2, 4]).reshape(1, 3, 1)
    traced = trace("avg_pool1d", (0, 0, 0), arrays={"x": x}, kernel=3, stride=1, padding=1)
    assert (traced.value, traced.divisor) == (Fraction(3, 2), 2)
    assert "y[0,0,0] = 3 ÷ 2 = 3/2" in str(traced)
    share = trace("avg_pool1d_dx", (0, 0, 0), arrays={"x": x, "dy": [[[6], [9], [8]]]}, kernel=3, stride=1, padding=1)
    assert [(step.operation, step.value) for step in share.steps] == [("÷", 3), ("÷", 3)]
    assert not any(step.outside for step in share.steps)


def test_image_and_kernel_have_the_letters_of_the_slides():
    traced = trace("convolve2d", (1, 1), input=(2, 2), kernel=(2, 2))
    assert traced.element == "(K * I)[1,1]"
    assert [step.factors[0][0] for step in traced.steps] == ["I[1,1]", "I[1,0]", "I[0,1]", "I[0,0]"]
    assert [step.indices for step in traced.steps][1] == {"m": 0, "n": 1}


def test_the_trace_of_a_transposed_convolution_lists_overlapping_windows():
    x, w = np.array([1, 10]).reshape(1, 2, 1), np.array([1, 2, 3]).reshape(3, 1, 1)
    traced = trace("conv_transpose1d", (0, 2, 0), arrays={"x": x, "w": w, "b": [0]}, stride=2)
    assert [(step.indices, step.value) for step in traced.steps[1:]] == [
        ({"i": 0, "c": 0, "m": 2}, 3),
        ({"i": 1, "c": 0, "m": 0}, 10),
    ]


@pytest.mark.parametrize("name", KNOWN)
def test_the_trace_sums_to_the_output_for_any_case_and_element(name):
    operator = OPERATORS[name]

    @max_examples(12)
    @given(operator.cases(), st.data())
    def check(case, data):
        assume(case.options.get("data_format") != "channels_first")
        a = fill(case, integers)
        y = operator(a)
        index = data.draw(st.tuples(*[st.integers(0, size - 1) for size in y.shape]))
        options = {option: value for option, value in case.options.items() if option != "data_format"}
        kernel = {"kernel": case.given["kernel_size"]} if "kernel_size" in case.given else {}
        traced = trace(name, index, arrays=a.arrays, **kernel, **options)
        np.testing.assert_allclose(float(traced.value), y[index], rtol=1e-12)
        assert all(step.value == 0 for step in traced.steps if step.outside)
        for step in traced.steps:
            for factor, value in step.factors:
                array, _, place = factor.rstrip("]").partition("[")
                known = {"bias": "b", "I": "x", "K": "w"}.get(array, array)
                assert not factor or a.arrays[known][tuple(map(int, place.split(",")))] == value

    check()


def test_the_numbers_contain_no_zero_and_depend_on_the_seed_only():
    first, again, other = (trace("conv2d", padding="valid", seed=seed) for seed in (3, 3, 4))
    assert all(value != 0 for step in first.steps for _, value in step.factors)
    assert (str(first), first.steps) == (str(again), again.steps)
    assert first.steps != other.steps


def test_given_arrays_with_decimal_numbers_are_used_unchanged():
    traced = trace("conv1d", (0, 0, 0), arrays={"x": [[[0.5]]], "w": [[[0.25]]], "b": [1.0]})
    assert traced.value == traced.plain == 1.125
    assert "0.5  ×  0.25" in str(traced)


def test_arguments_are_not_changed():
    x = np.ones((1, 2, 2, 1))
    trace("max_pool2d", arrays={"x": x}, kernel=2)
    np.testing.assert_array_equal(x, np.ones((1, 2, 2, 1)))


def test_a_loop_with_another_result_on_plain_numbers_is_refused(monkeypatch):
    def inconsistent(x, w, bias, window, groups):
        return conv1d(x, w, bias, window, groups) * (1 if x.dtype == object else 2)

    conv1d = conv.conv1d
    inconsistent.__doc__ = conv1d.__doc__
    monkeypatch.setattr(conv, "conv1d", inconsistent)
    with pytest.raises(RuntimeError, match="the record of conv1d gives"):
        trace("conv1d")


@pytest.mark.parametrize(
    ("name", "arguments", "error", "message"),
    [
        ("conv3d", {}, ValueError, "operator must be a name that .refconv verify. lists, got 'conv3d'; did you mean conv2d"),
        ("relu", {}, ValueError, "operator must be one of .*, got 'relu'"),
        (
            "conv2d",
            {"output": (0, 9, 0, 0)},
            ValueError,
            r"output must contain one index for each axis, at most \(0, 3, 4, 2\)",
        ),
        ("conv2d", {"output": (0, 4, 0, 0)}, ValueError, "output must contain one index"),
        ("conv2d", {"output": (0, -1, 0, 0)}, ValueError, "output must be at least 0"),
        ("conv2d", {"output": (0, 1, 2)}, ValueError, "output must be an integer or 4"),
        ("conv2d", {"input": (3,)}, ValueError, r"input must contain 2 sizes, or 4 .*, got \(3,\)"),
        ("conv2d", {"input": (1, 3, 4, 2), "channels": 2}, ValueError, "input must contain 2 sizes"),
        ("conv2d", {"input": (0, 3)}, ValueError, "input must be at least 1"),
        ("dense", {"input": 5}, ValueError, "input must contain 0 sizes, or 2"),
        ("conv2d", {"kernel": (1, 2, 3)}, ValueError, "kernel must be an integer or 2"),
        ("conv2d", {"filters": 0}, ValueError, "filters must be at least 1"),
        ("conv2d", {"channels": 1.5}, TypeError, "channels must be an integer"),
        ("conv2d", {"groups": 0}, ValueError, "groups must be at least 1"),
        ("conv2d", {"groups": 2, "filters": 3}, ValueError, "groups must divide the 3 outputs"),
        ("conv2d", {"mode": "same"}, TypeError, "options of conv2d must be among stride, padding, dilation, groups, got mode"),
        ("dense", {"kernel": 3}, ValueError, "sizes of dense must be among input, channels, filters, got kernel"),
        ("conv2d", {"arrays": {"q": [1]}}, ValueError, "arrays for conv2d must be among x, w, b, got 'q'"),
        ("conv2d", {"arrays": {"dy": [1]}}, ValueError, "arrays for conv2d must be among"),
        ("conv2d", {"arrays": {"x": [1]}}, ValueError, r"x must have 4 axes, got shape \(1,\)"),
        (
            "conv2d",
            {"arrays": {"x": np.ones((1, 3, 3, 2))}, "input": 3},
            ValueError,
            "input must be left out if .* x is given",
        ),
        (
            "conv2d",
            {"arrays": {"w": np.ones((2, 2, 2, 1))}, "filters": 3},
            ValueError,
            "filters must be left out if .* w is given",
        ),
        ("conv2d", {"arrays": {"x": np.ones((0, 3, 3, 2))}}, ValueError, "x must contain at least one example"),
        ("conv2d", {"input": (200, 300)}, ValueError, r"x must have at most 20000 elements.* \(1, 200, 300, 2\)"),
        ("conv2d", {"arrays": {"x": "image"}}, TypeError, "x must be an array of float32, float64 or integers"),
        ("conv2d_dx", {"arrays": {"dy": np.ones((1, 4, 5, 2))}}, ValueError, "dy .* must have shape"),
    ],
)
def test_invalid_arguments_are_refused_by_name(name, arguments, error, message):
    with pytest.raises(error, match=message):
        trace(name, **arguments)


def test_recorded_numbers_compute_compare_and_record_their_expression():
    (a, b), half = recorded_array("a", [3, 2]), Recorded(0.5, "h")
    assert name_of("a", (1,)) == b.name == "a[1]"
    for number, value, expression in (
        (a + b, 5, "(a[0] + a[1])"),
        (1 + a, 4, "(1 + a[0])"),
        (a - b, 1, "(a[0] − a[1])"),
        (1 - a, -2, "(1 − a[0])"),
        (a * 2, 6, "(a[0] × 2)"),
        (2 * a, 6, "(2 × a[0])"),
        (a / b, Fraction(3, 2), "(a[0] ÷ a[1])"),
        (1 / a, Fraction(1, 3), "(1 ÷ a[0])"),
        (half * half, 0.25, "(h × h)"),
    ):
        assert (number.value, repr(number)) == (value, expression)
    assert a > b
    assert b < a
    assert a >= 3
    assert a <= 3
    assert a == 3
    assert a != b
    assert not a != 3  # noqa: SIM202 max pooling evaluates this expression
    assert [repr(term) for term, _ in terms(0 + a * b - a)] == ["((0 + (a[0] × a[1])) − a[0])"]


def test_a_sum_of_many_terms_does_not_exhaust_the_stack():
    total = 0
    for number in recorded_array("a", np.ones(5000)):
        total = total + number
    assert len(terms(total)) == 5000


@pytest.mark.parametrize(
    ("name", "options", "remark"),
    [
        ("convolve1d", {"mode": "valid"}, "Output 0 of mode 'valid' is the formula's t = 2."),
        ("cross_correlate1d", {"mode": "full"}, "Output 0 of mode 'full' is the formula's t = -2."),
        ("convolve2d", {"mode": "valid"}, "Output 0, 0 of mode 'valid' is the formula's i, j = 2, 1."),
        ("conv2d", {"groups": 2}, "With groups, c is the index within its group."),
        ("conv_transpose2d", {"groups": 2}, "With groups, o is the index within its group."),
        (
            "max_pool2d",
            {"padding": "same", "output": (0, 0, 2, 0)},
            "2 of the 4 positions of the window are outside the input.",
        ),
        (
            "avg_pool2d",
            {"padding": "same", "output": (0, 0, 2, 0), "count_include_pad": True},
            "The divisor counts 4 positions: 2 in the input, 2 in its padding.",
        ),
    ],
)
def test_remarks_complete_the_formula(name, options, remark):
    pooled = {"input": (4, 5), "stride": 2} if "pool" in name else {}
    assert remark in lines(trace(name, **pooled, **options))


@pytest.mark.parametrize("name", ["convolve1d", "cross_correlate1d", "convolve2d", "cross_correlate2d"])
def test_the_mode_of_the_formula_needs_no_remark(name):
    assert "formula's" not in str(trace(name))


def test_the_heading_has_the_names_of_the_first_step_with_names():
    traced = trace("conv2d", (0, 0, 0, 0), input=(2, 3), kernel=(2, 2), channels=1, padding=((1, 0), (0, 1)))
    assert "m n c x w product sum so far" in lines(traced)
