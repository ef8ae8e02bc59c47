"""Tests of the argument checks: results have one type; errors name argument and value."""

import math
from fractions import Fraction

import numpy as np
import pytest

from refconv import nn
from refconv._arguments import (
    LARGEST,
    choice,
    divisor,
    flag,
    generator,
    initializer_or_none,
    integer,
    known_format,
    per_axis,
    real,
    real_or_exact,
    trainable_parameters,
)


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3), np.array(3)])
def test_integers_of_any_type_become_int(value):
    assert integer("n", value) == 3
    assert type(integer("n", value)) is int


@pytest.mark.parametrize("value", [True, np.True_, 3.0, np.float32(3), "3", None, (3,), [3], np.array([3]), Fraction(3)])
def test_other_types_are_refused_as_integers(value):
    with pytest.raises(TypeError, match=r"^n must be an integer, got "):
        integer("n", value)


@pytest.mark.parametrize(
    ("value", "bounds", "message"),
    [
        (0, {}, "n must be at least 1, got 0"),
        (-3, {"least": -2}, "n must be at least -2, got -3"),
        (LARGEST + 1, {}, f"n must be from 1 to {LARGEST}, got {LARGEST + 1}"),
        (6, {"most": 5}, "n must be from 1 to 5, got 6"),
        (0, {"most": 5}, "n must be from 1 to 5, got 0"),
        (-1, {"least": 0, "most": math.inf}, "n must be at least 0, got -1"),
    ],
)
def test_an_integer_out_of_bounds_is_refused_with_the_bounds(value, bounds, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        integer("n", value, **bounds)


def test_the_bounds_of_an_integer_are_inclusive():
    assert [integer("n", n, least=2, most=3) for n in (2, 3)] == [2, 3]
    assert integer("n", LARGEST) == LARGEST
    assert integer("n", 2**70, most=math.inf) == 2**70


def test_per_axis_accepts_integers_of_any_type_and_any_sequence_of_them():
    assert per_axis("n", 3, 2) == (3, 3)
    assert per_axis("n", [3, np.int32(4)], 2) == (3, 4)
    assert per_axis("n", np.array([3, 4]), 2) == (3, 4)
    assert per_axis("n", (k for k in (3, 4)), 2) == (3, 4)
    assert per_axis("n", 0, 1, least=0) == (0,)


def test_per_axis_names_the_argument_in_its_errors():
    with pytest.raises(ValueError, match=r"pool size must be at least 2, got \(2, 1\)$"):
        per_axis("pool size", (2, 1), 2, least=2)
    with pytest.raises(TypeError, match="pool size must be an integer, got 'ab'"):
        per_axis("pool size", "ab", 2)


@pytest.mark.parametrize(
    ("value", "ndim", "error", "message"),
    [
        ((1, 2, 3), 2, ValueError, r"an integer or 2 integers, one for each axis, got \(1, 2, 3\)"),
        ((), 2, ValueError, r"an integer or 2 integers, one for each axis, got \(\)"),
        ((1, 2), 1, ValueError, r"one integer, got \(1, 2\)"),
        ((3, 2.0), 2, TypeError, r"integers, got \(3, 2.0\)"),
        ((3, True), 2, TypeError, r"integers, got \(3, True\)"),
        (2.5, 2, TypeError, r"an integer, got 2.5"),
        ({1, 2}, 2, TypeError, r"an integer, got \{1, 2\}"),
        ((1, LARGEST + 1), 2, ValueError, rf"from 1 to {LARGEST}, got \(1, {LARGEST + 1}\)"),
    ],
)
def test_errors_of_per_axis_show_the_complete_argument(value, ndim, error, message):
    with pytest.raises(error, match=f"^stride must be {message}$"):
        per_axis("stride", value, ndim)


def test_a_divisor_divides_every_count():
    assert divisor("groups", np.int64(3), inputs=6, outputs=9) == 3
    with pytest.raises(ValueError, match=r"^groups must divide the 8 outputs, got 3$"):
        divisor("groups", 3, inputs=6, outputs=8)
    with pytest.raises(ValueError, match=r"^groups must divide the 6 inputs, got 4$"):
        divisor("groups", 4, inputs=6, outputs=8)


@pytest.mark.parametrize(("groups", "error"), [(0, ValueError), (-1, ValueError), (1.0, TypeError), (True, TypeError)])
def test_a_divisor_is_an_integer_of_at_least_one(groups, error):
    with pytest.raises(error, match="groups must be"):
        divisor("groups", groups, inputs=6)


@pytest.mark.parametrize("value", [0.25, np.float32(0.25), Fraction(1, 4)])
def test_real_numbers_become_float(value):
    result = real("share", value, least=0, most=1)
    assert (type(result), result) == (float, 0.25)


@pytest.mark.parametrize("check", [real, real_or_exact])
@pytest.mark.parametrize("value", [True, np.True_, "1", None, np.array([1.0]), (1.0,)])
def test_other_types_are_refused_as_numbers(check, value):
    with pytest.raises(TypeError, match=r"^k must be a number, got "):
        check("k", value)


@pytest.mark.parametrize("check", [real, real_or_exact])
@pytest.mark.parametrize(
    ("value", "bounds", "message"),
    [
        (math.nan, {}, "finite, got nan"),
        (math.inf, {"least": 0}, "finite, got inf"),
        (-0.5, {"least": 0}, "at least 0, got -0.5"),
        (1.5, {"least": 0, "most": 1}, "from 0 to 1, got 1.5"),
        (1, {"least": 0, "below": 1}, "at least 0 and below 1, got 1"),
        (0, {"above": 0}, "above 0, got 0"),
        (0, {"above": 0, "most": 1}, "above 0 and at most 1, got 0"),
        (2, {"most": 1}, "at most 1, got 2"),
    ],
)
def test_a_number_out_of_bounds_is_refused_with_the_bounds(check, value, bounds, message):
    with pytest.raises(ValueError, match=f"^k must be {message}$"):
        check("k", value, **bounds)


def test_least_and_most_are_inclusive_and_above_and_below_are_exclusive():
    assert [real("k", k, least=0, most=1) for k in (0, 1)] == [0, 1]
    assert real("k", 1e-300, above=0, below=1) == 1e-300
    for k in (0, 1):
        with pytest.raises(ValueError, match="k must be above 0 and below 1"):
            real("k", k, above=0, below=1)


def test_real_or_exact_returns_fractions_and_symbols_unchanged():
    sympy = pytest.importorskip("sympy")
    third, k = Fraction(1, 3), sympy.Symbol("k")
    assert real_or_exact("k", third) is third
    assert real_or_exact("k", k, least=0) is k
    assert type(real("k", third)) is float
    with pytest.raises(TypeError, match=r"^k must be a number, got k$"):
        real("k", k)


@pytest.mark.parametrize("value", [True, np.True_])
def test_a_flag_is_true_or_false(value):
    assert flag("ceil_mode", value) is True
    assert flag("ceil_mode", not value) is False


@pytest.mark.parametrize("value", ["no", 1, 0, None, np.array([1, 0]), np.array(True)])
def test_other_values_are_refused_as_flags(value):
    with pytest.raises(TypeError, match=r"^ceil_mode must be True or False, got "):
        flag("ceil_mode", value)


@pytest.mark.parametrize("value", ["ab", "A", "", None, 1, ["a"], np.array(["a"])])
def test_an_invalid_choice_is_refused_with_the_options(value):
    with pytest.raises(ValueError, match=r"^mode must be 'a', 'b' or 'c', got "):
        choice("mode", value, {"a": 1, "b": 2, "c": 3})


def test_a_valid_choice_is_returned_unchanged():
    assert choice("mode", "b", "abc") == "b"
    assert choice("depth", 18, {18: (2, 2)}) == 18
    with pytest.raises(ValueError, match=r"^depth must be 18, got 34$"):
        choice("depth", 34, {18: (2, 2)})


def test_known_format_accepts_both_data_formats_and_no_other():
    assert [known_format(f) for f in ("channels_last", "channels_first")] == ["channels_last", "channels_first"]
    with pytest.raises(ValueError, match=r"^data_format must be 'channels_last' or 'channels_first', got 'NHWC'$"):
        known_format("NHWC")


def test_an_initializer_is_a_function_or_none():
    assert initializer_or_none(None) is None
    assert initializer_or_none(max) is max
    with pytest.raises(TypeError, match=r"^initializer must be a function of rng and shape, got 0.1$"):
        initializer_or_none(0.1)


def test_a_generator_is_used_itself_and_an_integer_seeds_one():
    rng = np.random.default_rng(3)
    assert generator("rng", rng) is rng
    assert generator("rng", np.int64(3)).random() == rng.random()
    assert generator("rng", 2**80).random() == np.random.default_rng(2**80).random()


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (True, TypeError, "rng must be a numpy.random.Generator or an integer, got True"),
        (None, TypeError, "rng must be a numpy.random.Generator or an integer, got None"),
        (1.5, TypeError, "rng must be a numpy.random.Generator or an integer, got 1.5"),
        (-1, ValueError, "rng must be at least 0, got -1"),
    ],
)
def test_other_values_are_refused_as_generators(value, error, message):
    with pytest.raises(error, match=f"^{message}$"):
        generator("rng", value)


def test_trainable_parameters_leaves_frozen_parameters_out():
    w, b = nn.Parameter(np.zeros(2)), nn.Parameter(np.zeros(1))
    b.frozen = True
    assert trainable_parameters({"w": w, "b": b}) == {"w": w}
    model = nn.Sequential(first=nn.Dense(3), norm=nn.BatchNorm())
    model.build((2,), rng=0)
    assert list(trainable_parameters(model)) == ["first.w", "first.b", "norm.gamma", "norm.beta"]
    for wrong in ([w], w, {"w": np.zeros(2)}, None):
        with pytest.raises(TypeError, match=r"^model must be a built layer or a dict of named parameters, got "):
            trainable_parameters(wrong)


def test_a_parameter_under_two_names_would_be_updated_twice_and_is_refused():
    w = nn.Parameter(np.zeros(3))
    with pytest.raises(ValueError, match="model must contain each parameter once, got one as a and as b"):
        trainable_parameters({"a": w, "b": w})
