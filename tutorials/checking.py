"""Checks of the exercises: each prints whether an answer is right, wrong or still missing.

A check is a function that raises ``AssertionError`` for a wrong answer. :func:`checked` turns it into a function that prints
the verdict and never raises, since a traceback through a check would show the check's code instead of the mistake.
"""

import ast
import contextlib
import functools
import inspect
import textwrap
import traceback

import numpy as np

from refconv.verify.student.trial import TimeUp, time_limit

__all__ = ["SHOWN_ABOVE", "checked", "checked_function"]

SECONDS = 20  # time limit of a check; right answers take at most a few seconds
LONGEST_SHOWN = 60  # characters of an answer in a message

OPEN = "Still open: put your answer in place of the dots, and run the cell again."
SHOWN_ABOVE = "what is wrong is shown above"


class Open(BaseException):  # not an Exception: a comparison with a loop would catch it and report an error
    """Exception for a function that returns the dots of an unanswered exercise."""


def checked(expected):
    """Decorate a function that raises for a wrong answer, so that it prints the verdict instead.

    Parameters
    ----------
    expected : str
        The form of an answer, such as "two lists of numbers", for messages about answers that the check cannot use.
    """

    def decorate(check):
        @functools.wraps(check)
        def run(answer):
            print(_verdict(check, answer, expected))

        return run

    return decorate


def checked_function(expected, *, none=False):
    """Decorate a check like :func:`checked`, for an answer that is a function of arrays.

    The answer is a function of numbers and arrays that must depend only on its arguments and must not change them.

    Parameters
    ----------
    expected : str
        The parameters and the result of the function.
    none : bool
        True if None is a valid result.
    """

    def decorate(check):
        @checked(f"a function {expected}")
        @functools.wraps(check)
        def run(answer):
            assert callable(answer), f"the answer must be a function {expected}, got {_shown(answer)}"
            check(_stateless(answer, none))

        return run

    return decorate


def _verdict(check, answer, expected):
    if _is_open(answer):
        return OPEN
    if inspect.isroutine(answer) and not expected.startswith("a function"):
        return f"Not yet: the answer must be {expected}, got a function"
    answer, calls = _recorded(answer) if inspect.isroutine(answer) else (answer, [])
    try:
        with time_limit(SECONDS):
            check(answer)
    except Open:
        return OPEN
    except TimeUp:
        return f"Not yet: the check was stopped after {SECONDS} s. Does a loop never end?"
    except (Exception, SystemExit) as error:  # a student's function may raise any of these
        return f"Not yet: {_explained(error, check, answer, calls, expected)}"
    return "Right."


def _explained(error, check, answer, calls, expected):
    """Describe an error: the check's message, the line that raised, or the wrong result."""
    frames = traceback.extract_tb(error.__traceback__)
    code = getattr(inspect.unwrap(answer), "__code__", None) if callable(answer) else None
    own = [frame for frame in frames if code and frame.filename == code.co_filename]
    if own:
        line = f", in line {own[-1].lineno}: {own[-1].line}" if own[-1].line else ""
        return f"your function raises {type(error).__name__}: {error}{line}"
    if isinstance(error, AssertionError):
        return str(error) or "the answer is wrong"
    if not callable(answer):
        return f"the answer must be {expected}, got {_shown(answer)}"
    if calls:
        return f"the answer must be {expected}, got one that returned {_shown(calls[-1])}"
    return f"the answer must be {expected}, got one that raises {type(error).__name__}: {error}"


def _recorded(function):
    """Return the function, and a list with the result of its last call."""
    calls = []

    @functools.wraps(function)
    def run(*arguments, **options):
        result = function(*arguments, **options)
        if result is ...:
            raise Open
        calls[:] = [result]
        return result

    return run, calls


def _shown(value):
    """Return a short description of a value: its repr if that is short, else its type or shape."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    try:
        text = " ".join(repr(value).split())
    except Exception:  # the repr of a student's class may be wrong
        text = ""
    return text if 0 < len(text) <= LONGEST_SHOWN else f"a {type(value).__name__}"


def _stateless(function, none):
    """Wrap a function so that a call raises if it keeps state or changes an argument.

    A call also raises if the function returns None, unless `none` is True. Each call makes further calls to test this. The
    first of them has other numbers, so a function that caches results by the arguments' shapes returns a wrong result.
    """

    @functools.wraps(function)
    def run(*arguments):
        _call_with_others(function, arguments)
        passed = _copies(arguments)
        first = function(*passed)
        assert none or first is not None, "your function returns None; does it end with a return statement?"
        for place, (before, after) in enumerate(zip(arguments, passed, strict=True), 1):
            assert _same([before], [after]), f"your function must not change its argument number {place}; change a copy"
        before = _copies(_parts(first))
        second = _copies(_parts(function(*_copies(arguments))))
        assert _same(before, second), "a second call with the same arguments returns something else: keep no state"
        _call_with_others(function, arguments)
        assert _same(before, _parts(first)), "a later call changes the result of an earlier one: return a new array each time"
        return first

    return run


def _call_with_others(function, arguments):
    # These numbers may be invalid for the exercise, so only errors of the call with the given numbers count.
    with contextlib.suppress(Exception, SystemExit):
        function(*_others(arguments))


def _parts(result):
    return result if isinstance(result, tuple | list) else (result,)


def _copies(values):
    """Return the values, with copies of the arrays."""
    return [value.copy() if isinstance(value, np.ndarray) else value for value in values]


def _others(values):
    """Return the values, with each array's numbers reordered, and halved if they are floats."""
    return [_other(value, k) if isinstance(value, np.ndarray) else value for k, value in enumerate(values)]


def _other(array, shift):
    turned = np.roll(np.flip(array), shift)
    return turned * 0.5 if array.dtype.kind == "f" else turned


def _same(results, others):
    """Return True if two calls returned the same numbers up to rounding; ignore other results."""
    pairs = [(_array(one), _array(other)) for one, other in zip(results, others, strict=False)]
    numbers = [(one, other) for one, other in pairs if one.dtype.kind in "biuf" and other.dtype.kind in "biuf"]
    same = [one.shape == other.shape and np.allclose(one, other, rtol=1e-9, equal_nan=True) for one, other in numbers]
    return len(results) == len(others) and all(same)


def _array(value):
    try:
        return np.asarray(value)
    except ValueError:  # rows of unequal length
        return np.empty(0, object)


def _is_open(answer):
    """Return True for ``...``, a sequence with ``...``, and functions or classes without a body."""
    if inspect.isfunction(answer):
        return _has_no_body(answer)
    if inspect.isclass(answer):
        methods = [
            f for f in vars(answer).values() if inspect.isfunction(f) and f.__qualname__.startswith(answer.__qualname__)
        ]
        return bool(methods) and all(map(_has_no_body, methods))
    return answer is ... or (isinstance(answer, (tuple, list)) and any(_is_open(part) for part in answer))


def _has_no_body(function):
    """Return True if a function has only ``...``, ``pass`` or a docstring, but no return."""
    try:
        definition = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    except (OSError, SyntaxError, TypeError):  # no source, or a lambda inside an expression
        return False
    return isinstance(definition, ast.FunctionDef) and all(map(_is_empty, definition.body))


def _is_empty(statement):
    constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return constant or isinstance(statement, ast.Pass)
