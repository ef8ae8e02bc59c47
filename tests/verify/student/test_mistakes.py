"""Tests that each common mistake is recognised from its results, and correct code is not."""

import dataclasses
import functools

import numpy as np
import pytest

import refconv
from evidence import threads
from refconv.verify.case import floats, integers
from refconv.verify.catalogue import OPERATORS, find
from refconv.verify.evidence.parity import several
from refconv.verify.student.drawn import drawn
from refconv.verify.student.mistakes import MISTAKES, Given, Mistake, explanation
from refconv.verify.student.mistakes.mistake import layout
from refconv.verify.student.signature import read
from refconv.verify.student.trial import Finding, close, tried

NAMES = [name for name in MISTAKES if name in {f for operator in OPERATORS.values() for f in operator.functions}]
DIFFERENT = Finding("numbers", "the numbers are wrong")


@pytest.fixture(autouse=True)
def one_thread():
    """Use one thread, since a second one would slow these small cases on a busy machine."""
    with threads(1):
        yield


@functools.cache
def right_trials(name):
    """Return the trials of the correct function in its cases, and in every third case of images."""
    operator, function = find(name), getattr(refconv, name)
    signature = read(function, name, operator)
    makes = (floats, integers)
    cases = drawn(operator, name, signature)
    cases = enumerate(cases[:: 3 if "2d" in name else 1])
    return [tried(function, signature, operator, name, case, makes[number % 2], 10) for number, case in cases]


def with_mistake(name, way, trial):
    """Return the trial as it would be for a function with the mistake."""
    try:
        with np.errstate(all="ignore"):
            results = several(way(Given(name, trial.given)))
    except (ValueError, IndexError, TypeError):
        return dataclasses.replace(trial, found=None, finding=Finding("raises", "raises"))
    results = tuple(layout(name, trial.given, np.asarray(array)) for array in results)
    same = all(a.shape == b.shape and close(a, b).all() for a, b in zip(results, trial.expected, strict=False))
    return dataclasses.replace(trial, found=results, finding=None if same else DIFFERENT)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", NAMES)
def test_each_form_of_a_mistake_is_wrong_and_recognised(name):
    for mistake in MISTAKES[name]:
        for way in mistake.ways:
            trials = [with_mistake(name, way, trial) for trial in right_trials(name)]
            assert any(trial.finding is DIFFERENT for trial in trials), f"{mistake} is correct in all cases"
            assert explanation(name, trials) == mistake.words


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_no_mistake_explains_correct_results(name):
    assert all(trial.finding is None for trial in right_trials(name))
    assert explanation(name, right_trials(name)) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_no_mistake_explains_random_numbers(name):
    rng = np.random.default_rng(0)

    def random(trial):
        return dataclasses.replace(
            trial, found=tuple(rng.standard_normal(np.shape(y)) for y in trial.expected), finding=DIFFERENT
        )

    assert explanation(name, [random(trial) for trial in right_trials(name)]) is None


def test_one_contradiction_is_enough_to_withhold_a_hint():
    (mistake,) = [mistake for mistake in MISTAKES["conv2d"] if mistake.words == "the bias is forgotten"]
    trials = [with_mistake("conv2d", mistake.ways[0], trial) for trial in right_trials("conv2d")]
    assert explanation("conv2d", trials) == mistake.words
    last = trials[-1]
    trials[-1] = dataclasses.replace(last, found=(last.found[0] + 1e-3,), finding=DIFFERENT)
    assert explanation("conv2d", trials) is None


def test_no_mistake_explains_findings_that_do_not_concern_the_numbers():
    trials = [dataclasses.replace(trial, finding=Finding("modifies", "changes x")) for trial in right_trials("relu")]
    assert explanation("relu", trials) is None


def test_every_function_with_mistakes_exists():
    assert set(MISTAKES) == set(NAMES)
    for name, mistakes in MISTAKES.items():
        assert all(isinstance(mistake, Mistake) and mistake.ways for mistake in mistakes), name
        texts = [mistake.words for mistake in mistakes]
        assert len(set(texts)) == len(texts), name
        assert not any(text.endswith(".") or "{" in text for text in texts), name


def test_given_moves_channels_to_the_end_and_layout_moves_them_back():
    x = np.arange(24.0).reshape(1, 2, 3, 4)
    given = {"x": x, "w": np.ones((2, 2, 2, 5)), "data_format": "channels_first"}
    a = Given("conv2d", given)
    assert a.x.shape == (1, 3, 4, 2)
    np.testing.assert_array_equal(layout("conv2d", given, a()), refconv.conv2d(**given))
    with pytest.raises(AttributeError, match="conv2d has no argument 'nothing'"):
        _ = a.nothing
