"""Tests that functions which are wrong only when called again are found and explained."""

import re
import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest

import refconv
from refconv.verify import check
from refconv.verify.student import trial
from refconv.verify.student.repeated import CALLS, CHANCE, chance_of_detection
from verify.student.unsteady_versions import (
    STEADY,
    UNSTEADY,
    adds_to_a_kept_buffer,
    alternates_between_right_and_wrong,
    caches_by_shape,
    caches_by_the_array_object,
    hangs_when_called_again,
    is_wrong_from_its_second_call_on,
    keeps_state_with_a_stride_only,
    sleeps_on_a_shape_seen_before,
    wrong_by_chance,
)

needs_alarm = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer signals on this system")


@pytest.mark.parametrize("version", UNSTEADY, ids=str)
def test_a_function_that_depends_on_more_than_its_arguments_is_wrong(version):
    verdict = check(version.make(), version.name)
    assert not verdict
    assert verdict.finding.kind == version.kind, verdict
    assert version.message in verdict.report, verdict
    assert "but the result depends on more than the arguments" in verdict.report
    assert verdict.failed >= 1
    assert verdict.hint is None


@pytest.mark.parametrize(("make", "name"), STEADY, ids=[make.__name__ for make, _ in STEADY])
def test_state_that_changes_no_result_is_accepted(make, name):
    verdict = check(make(), name)
    assert verdict, verdict


@pytest.mark.parametrize("seed", range(20))
def test_an_error_in_2_percent_of_the_calls_is_found(seed):
    verdict = check(wrong_by_chance(seed), "relu")
    assert verdict.finding.kind == "chance", verdict
    assert "of 342 calls, and right in others with the same input" in verdict.report


def test_the_number_of_calls_follows_from_the_probability_of_an_error():
    assert (CHANCE, CALLS) == (0.02, 342)
    assert chance_of_detection(CALLS) >= 0.999 > chance_of_detection(CALLS - 1)


def test_the_number_of_wrong_calls_is_reported():
    report = check(alternates_between_right_and_wrong(), "relu").report
    assert "The result is wrong in 171 of 342 calls, and right in others with the same input" in report


def test_a_correct_function_is_called_often_enough():
    calls = []

    def relu(x):
        calls.append(x.shape)
        return np.maximum(x, 0)

    verdict = check(relu, "relu")
    assert verdict
    assert len(calls) >= CALLS
    assert "Called" not in verdict.report
    assert "were stopped" not in verdict.report


def test_the_report_of_a_slow_function_states_the_probability(monkeypatch):
    calls = []

    def relu(x):
        calls.append(x.shape)
        return np.maximum(x, 0)

    # On this clock a call takes 30 s, so the numbers of calls do not depend on the load of the machine.
    monkeypatch.setattr(trial, "time", SimpleNamespace(perf_counter=lambda: 30.0 * len(calls)))
    verdict = check(relu, "relu", seconds=100)
    assert verdict
    assert 3 <= len(calls) <= 9  # 100 s for the cases, and half of it for repeated calls
    assert "There was no time for all repeated calls: the function may still keep state between calls." in verdict.report
    probability = f"{1 - 0.98 ** len(calls):.1%}"
    condition = f"Called {len(calls)} times: if 2% of the calls were wrong"
    expected = f"{condition}, this would be detected with a probability of {probability}."
    assert expected in verdict.report


def test_the_arguments_of_the_verdict_show_the_state_in_two_calls():
    verdict = check(adds_to_a_kept_buffer(), "conv2d")
    conv2d = adds_to_a_kept_buffer()
    first = conv2d(**verdict.arguments).copy()
    assert not np.array_equal(first, conv2d(**verdict.arguments))
    np.testing.assert_array_equal(first, adds_to_a_kept_buffer()(**verdict.arguments))
    first, second = first[verdict.finding.index], 2 * first[verdict.finding.index]
    index = re.escape(str(list(verdict.finding.index)))
    printed = re.search(rf"at {index}: first call (\S+), second call (\S+)\)", verdict.report)
    assert [float(number) for number in printed.groups()] == pytest.approx([first, second], rel=1e-3)


def test_the_verdict_has_the_arguments_of_the_second_call():
    verdict = check(caches_by_shape(), "conv2d")
    conv2d = caches_by_shape()
    first = conv2d(**verdict.arguments)
    assert verdict.finding.then.keys() == {"x"}
    second = conv2d(**{**verdict.arguments, **verdict.finding.then})
    np.testing.assert_array_equal(first, second)
    assert "    second call: x = np.array(" in verdict.report
    right = caches_by_shape()(**{**verdict.arguments, **verdict.finding.then})
    assert (verdict.finding.expected, verdict.finding.got) == pytest.approx((right[verdict.finding.index], first[0, 0, 0, 0]))


@needs_alarm
@pytest.mark.parametrize(
    ("make", "name"),
    [(hangs_when_called_again, "relu"), (sleeps_on_a_shape_seen_before, "conv2d")],
    ids=["relu", "conv2d"],
)
def test_a_repeated_call_that_does_not_return_is_wrong(make, name):
    verdict = check(make(), name, seconds=1)
    assert not verdict
    assert verdict.finding.kind == "time"
    assert re.search(
        r"A further call with the same arguments did not return within 0\.\d s; the first took \S+ s\.", str(verdict)
    )
    assert verdict.cases == check(getattr(refconv, name) if name == "relu" else lambda x, w: refconv.conv2d(x, w), name).cases
    assert f"{name}: wrong in 1 of {verdict.cases} cases. One case:\n" in verdict.report
    assert verdict.hint is None
    np.testing.assert_allclose(make()(**verdict.arguments), getattr(refconv, name)(**verdict.arguments), rtol=1e-14)


@needs_alarm
def test_a_repeated_call_that_was_stopped_early_is_not_wrong():
    """Check that a slower second call is no mistake if the first one uses most of the time."""
    calls = []

    def relu(x):
        calls.append(x.shape)
        time.sleep(0.6 if len(calls) == 1 else 1.2)
        return np.maximum(x, 0)

    verdict = check(relu, "relu", seconds=1)
    assert verdict.cases == 1
    assert verdict, verdict
    assert "There was no time for all repeated calls" in verdict.report


@pytest.mark.parametrize("make", [caches_by_the_array_object, is_wrong_from_its_second_call_on])
def test_the_report_and_the_representation_state_the_same_number_of_wrong_cases(make):
    verdict = check(make(), "relu")
    text = f"relu: wrong in {verdict.failed} of {verdict.cases} cases"
    assert repr(verdict) == f"<{text}>"
    assert verdict.report.startswith(text)


def test_a_case_that_was_not_shrunk_is_not_called_the_smallest():
    calls = []

    def relu(x):
        calls.append(x.shape)
        return np.maximum(x, 0) + (len(calls) > 40)

    report = check(relu, "relu").report
    assert ": right when called once, but the result depends on more than the arguments. One case:\n" in report


def test_the_smallest_case_has_the_option_that_causes_the_state():
    assert check(keeps_state_with_a_stride_only(), "conv2d").arguments["stride"] != 1


def test_a_function_that_is_wrong_for_other_numbers_has_no_state():
    """Check a function that is wrong for 0.05, which occurs only in the repeated calls."""

    def relu(x):
        return np.maximum(x, 0) + (x == 0.05)

    verdict = check(relu, "relu")
    assert verdict.finding.kind == "numbers"
    assert "depends on more" not in verdict.report


def test_a_result_that_shares_memory_with_an_argument_causes_a_remark_and_no_failure():
    verdict = check(lambda x: x if x.min() >= 0 else np.maximum(x, 0), "relu")
    assert verdict
    assert "the result can share memory with x" in verdict.report
    assert "share memory" not in check(lambda x: np.maximum(x, 0), "relu").report
