"""Tests that the checks of the exercises accept worked answers and explain wrong ones."""

import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import refconv
from refconv import nn

FOLDER = Path(refconv.__file__).parents[1] / "tutorials"
EXERCISES = sorted(module.stem for module in (FOLDER / "exercises").glob("[a-z]*.py"))
CHECKS = [
    (module, int(number))
    for module in EXERCISES
    for number in re.findall(r"def check_(\d)", (FOLDER / "exercises" / f"{module}.py").read_text(encoding="utf-8"))
]

# Exercises whose answer is a function of arrays, then those whose answer is a function of numbers only.
OF_ARRAYS = [
    *(("one_sum", 3), ("one_sum", 4), ("the_layer", 5), ("derivatives", 4), ("pooling_and_norm", 1), ("architectures", 4)),
    *(("lenet", 4), ("lenet", 5), ("more_convolutions", 4), ("pixels_out", 1), ("pixels_out", 5), ("residual", 1)),
    *(("new_task", 3), ("new_task", 4), ("training", 1), ("training", 4), ("your_own_layer", 1)),
]
OF_NUMBERS = [
    *(("architectures", 3), ("lenet", 1), ("pixels_out", 2), ("pixels_out", 4), ("residual", 2), ("residual", 3)),
    ("your_own_layer", 3),
]

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="an installed package has no tutorials")


@pytest.fixture(scope="module", autouse=True)
def exercises_find_their_neighbours():
    """Let tests import exercises and solutions, as notebooks do, which run in their folder."""
    sys.path.insert(0, str(FOLDER))
    yield
    sys.path.remove(str(FOLDER))


@pytest.fixture
def feedback(capsys):
    """Check an answer and return what the check of an exercise printed."""

    def check(module, number, answer):
        assert getattr(importlib.import_module(f"exercises.{module}"), f"check_{number}")(answer) is None
        return capsys.readouterr().out

    return check


def solution(kind, module, number):
    return getattr(importlib.import_module(f"solutions.{module}"), f"{kind}_{number}")


def test_every_notebook_has_three_to_five_exercises():
    counts = {module: sum(other == module for other, _ in CHECKS) for module in EXERCISES}
    assert set(counts.values()) <= {3, 4, 5}
    assert len(counts) == 13


@pytest.mark.slow
@pytest.mark.parametrize(("module", "number"), CHECKS)
def test_an_exercise_distinguishes_the_answer_from_a_mistake_and_from_no_answer(module, number, feedback):
    assert feedback(module, number, solution("answer", module, number)).endswith("Right.\n")
    assert feedback(module, number, ...) == OPEN
    assert "Not yet: " in feedback(module, number, solution("mistake", module, number))


def empty(*arguments): ...


def nothing(*arguments):
    return None


def broken(*arguments):
    return 1 / len(arguments[:0])


def scalar(*arguments):
    return 3


def rows(*arguments):
    return [[1.0, 2.0], [3.0]]


def word(*arguments):
    return "seven"


def cube(*arguments):
    return np.ones((2, 3, 5))


def leaves(*arguments):
    raise SystemExit


def without_parameters():
    return np.ones(3)


def with_too_many(a, b, c, d, e, f, g, h, i):
    return np.ones(3)


class Unprintable:
    def __repr__(self):
        raise ValueError


WRONG = {
    "None": None,
    "a number": 17,
    "a word": "seven",
    "an array": np.ones((2, 3, 5)),
    "a pair of words": ("a", "b"),
    "lists": [[1], [2, 3], "x"],
    "a dict": {"a": 1},
    "a type": dict,
    "a layer": nn.ReLU(),
    "an object": Unprintable(),
    "not a number": float("nan"),
    **{f.__name__: f for f in (nothing, broken, scalar, rows, word, cube, leaves, without_parameters, with_too_many)},
}


@pytest.mark.parametrize(
    ("module", "number"),
    [pytest.param(module, number, marks=() if number == 1 else pytest.mark.slow) for module, number in CHECKS],
)
def test_no_answer_makes_a_check_raise(module, number, feedback, monkeypatch):
    monkeypatch.setattr(importlib.import_module(f"exercises.{module}"), "verify", Impatient(), raising=False)
    assert feedback(module, number, empty) == OPEN
    for name, answer in WRONG.items():
        verdict = feedback(module, number, answer)
        assert re.search(r"^Not yet: .{10}", verdict, re.M), (name, verdict)
        assert "Traceback" not in verdict, (name, verdict)


class Impatient:
    """Replacement for `refconv.verify` with a short time for each comparison.

    A few cases are enough to refute a wrong answer.
    """

    @staticmethod
    def check(function, name, seconds):
        return refconv.verify.check(function, name, seconds=0.05)


OPEN = "Still open: put your answer in place of the dots, and run the cell again.\n"


@pytest.mark.parametrize(
    ("module", "number", "answer", "verdict"),
    [
        ("one_sum", 3, nothing, "your function returns None; does it end with a return statement?"),
        ("one_sum", 3, broken, "your function raises ZeroDivisionError: division by zero, in line "),
        ("one_sum", 3, 5, "the answer must be a function of a and b that returns an array, got 5"),
        (
            "derivatives",
            4,
            without_parameters,
            "the answer must be a function of dy, w and input_size that returns an array, got ",
        ),
        ("one_sum", 1, 17, "the answer must be two lists of numbers, the correlation and the convolution, got 17"),
        ("residual", 2, scalar, "the answer must be a function of n and m that returns two numbers, got one that returned 3"),
        (
            "architectures",
            1,
            np.ones((2, 3)),
            "the answer must be two numbers: layers and share, got an array of shape (2, 3)",
        ),
    ],
)
def test_the_verdict_names_the_expected_and_the_given_answer(module, number, answer, verdict, feedback):
    assert f"Not yet: {verdict}" in feedback(module, number, answer)


def test_the_verdict_on_a_function_without_parameters_names_the_missing_one(feedback):
    first, last = feedback("the_layer", 3, without_parameters).splitlines()
    assert first == "conv2d: not tried: function must accept x as refconv.conv2d does, got one that accepts no argument."
    assert last == "Not yet: what is wrong is shown above"


def test_an_endless_loop_is_stopped(feedback, monkeypatch):
    monkeypatch.setattr(importlib.import_module("checking"), "SECONDS", 0.1)

    def endless(a, b):
        while True:
            pass

    assert feedback("one_sum", 3, endless) == "Not yet: the check was stopped after 0.1 s. Does a loop never end?\n"


def test_a_changed_argument_is_named(feedback):
    def both(a, b):
        b[:] = 0
        return a

    assert feedback("one_sum", 3, both) == "Not yet: your function must not change its argument number 2; change a copy\n"


def test_a_lambda_that_returns_dots_is_open_and_one_that_returns_none_is_not(feedback):
    assert feedback("one_sum", 3, lambda a, b: ...) == OPEN
    assert "returns None" in feedback("one_sum", 3, lambda a, b: None)


class OpenLayer(nn.Layer):
    def forward(self, x, train=True): ...


class StartedLayer(nn.Layer):
    def specs(self, shape):
        return {}

    def forward(self, x, train=True): ...


def test_an_empty_answer_is_open_and_any_other_is_not():
    is_open = importlib.import_module("checking")._is_open

    def started(x, w=3): ...

    def described(x):
        """Return the answer."""

    def wrong(x, w=3):
        return None if x else w

    assert is_open(...)
    assert is_open(started)
    assert is_open(described)
    assert is_open(OpenLayer)
    assert not is_open(StartedLayer)
    assert not is_open(nn.ReLU)
    assert not is_open(dict)
    assert is_open((1, ...))
    assert is_open([[0, ...], [1, 2]])
    assert not is_open(wrong)
    assert not is_open(nothing)
    assert not is_open((1, 2))
    assert not is_open(0)


def adds_up(answer, state):
    """Return a function whose first result is the answer and whose later results are larger."""

    def stateful(*arguments):
        state["calls"] = state.get("calls", -1) + 1
        return moved(answer(*arguments), state["calls"])

    return stateful


def moved(result, by):
    if result is None:
        return None
    return tuple(part + by for part in result) if isinstance(result, tuple) else np.asarray(result) + by


def cached(answer, state):
    """Return a function that caches the answer by the shapes of arrays and the other arguments."""

    def stateful(*arguments):
        key = str([a.shape if isinstance(a, np.ndarray) else a for a in arguments])
        return state.setdefault(key, answer(*arguments))

    return stateful


def buffered(answer, state):
    """Return a function that gives the answer in a buffer that the next call overwrites."""

    def stateful(*arguments):
        results = answer(*arguments)
        parts = [np.asarray(part) for part in (results if isinstance(results, tuple) else (results,))]
        buffers = [state.setdefault((k, part.shape, part.dtype), part.copy()) for k, part in enumerate(parts)]
        for buffer, part in zip(buffers, parts, strict=True):
            buffer[...] = part
        return tuple(buffers) if isinstance(results, tuple) else buffers[0]

    return stateful


@pytest.mark.parametrize(
    ("version", "module", "number"),
    [
        *((version, *check) for version in (adds_up, cached, buffered) for check in OF_ARRAYS),
        *((adds_up, *check) for check in OF_NUMBERS),
    ],
)
def test_an_answer_that_keeps_state_between_calls_is_refused(version, module, number, capsys):
    exercises = importlib.import_module(f"exercises.{module}")
    solutions = importlib.import_module(f"solutions.{module}")
    getattr(exercises, f"check_{number}")(version(getattr(solutions, f"answer_{number}"), {}))
    assert "Not yet: " in capsys.readouterr().out
