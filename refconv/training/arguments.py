"""Checks of the arguments of :func:`fit`.

They detect a name, a class or a factory function where an object or a function is expected.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from numbers import Real
from typing import Any

from refconv._errors import ArgumentError, ArgumentTypeError, ArgumentValueError
from refconv.training.losses import Loss

__all__ = ["check_arguments", "check_loss", "check_optimizer", "check_schedule", "found", "lr_factor"]


def check_optimizer(optimizer: Any) -> None:
    """Raise ``TypeError`` unless an argument is an optimiser.

    >>> check_optimizer("sgd")
    Traceback (most recent call last):
    refconv.ArgumentTypeError: optimizer must be an optimizer, as in optim.SGD(model, lr=0.01), got 'sgd'
    """
    if isinstance(optimizer, type) or not hasattr(optimizer, "check_model"):
        advice = ": pass the data as one pair, (x, y)" if hasattr(optimizer, "dtype") else ""
        raise ArgumentTypeError(
            f"optimizer must be an optimizer, as in optim.SGD(model, lr=0.01), got {found(optimizer)}{advice}"
        )


def check_loss(loss: Any) -> None:
    """Raise ``TypeError`` unless an argument is a loss.

    >>> check_loss("cross_entropy")
    Traceback (most recent call last):
    refconv.ArgumentTypeError: loss must be a function of scores and targets, such as CrossEntropy(), got 'cross_entropy'
    """
    if isinstance(loss, type) or not callable(loss):
        raise ArgumentTypeError(f"loss must be a function of scores and targets, such as CrossEntropy(), got {found(loss)}")
    if type(loss).__call__ is not Loss.__call__:  # the signature of a Loss is known, and inspecting it takes time
        check_arguments("loss", loss, "scores and targets", 2)


def check_arguments(name: str, function: Callable[..., Any], expected: str, count: int) -> None:
    """Raise ``TypeError`` if a function cannot be called with ``count`` arguments.

    A common cause is passing a factory such as ``top_k_accuracy`` instead of the function that it returns.

    >>> from refconv.training import top_k_accuracy
    >>> check_arguments("metric", top_k_accuracy, "scores and targets", 2)
    Traceback (most recent call last):
    refconv.ArgumentTypeError: metric must be a function of scores and targets, got the function top_k_accuracy: did you mean \
to call it, as in top_k_accuracy(…)?
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some functions of other libraries have no signature
        return
    try:
        signature.bind(*range(count))
    except TypeError:
        called = getattr(function, "__name__", type(function).__name__)
        advice = f"did you mean to call it, as in {called}(…)?"
        raise ArgumentTypeError(f"{name} must be a function of {expected}, got {found(function)}: {advice}") from None


def check_schedule(schedule: Any) -> None:
    """Raise ``TypeError`` unless an argument is callable and not a class.

    :func:`lr_factor` checks the result of each call.

    >>> check_schedule("cosine")
    Traceback (most recent call last):
    refconv.ArgumentTypeError: schedule must be a function of the progress from 0 to 1, such as optim.cosine, got 'cosine'
    """
    if isinstance(schedule, type) or not callable(schedule):
        raise ArgumentTypeError(_not_a_schedule(schedule))


def lr_factor(schedule: Callable[[float], Any], progress: float) -> Any:
    """Return the factor of the learning rate; raise an error if it is not valid.

    >>> from refconv import optim
    >>> lr_factor(optim.step_down, 0.0)
    Traceback (most recent call last):
    refconv.ArgumentTypeError: schedule must be a function of the progress from 0 to 1, such as optim.cosine, got the \
function step_down: did you mean to call it, as in step_down(…)?
    """
    try:
        factor = schedule(progress)
    except (TypeError, ArgumentError) as error:
        raise ArgumentTypeError(_not_a_schedule(schedule)) from error
    if not isinstance(factor, Real):
        raise ArgumentTypeError(_not_a_schedule(schedule))
    if not 0 <= float(factor) < math.inf:
        raise ArgumentValueError(f"schedule must return a finite factor of at least 0, got {factor} at progress {progress:g}")
    return factor


def _not_a_schedule(schedule: Any) -> str:
    expected = "schedule must be a function of the progress from 0 to 1, such as optim.cosine"
    if not callable(schedule):
        return f"{expected}, got {found(schedule)}"
    name = getattr(schedule, "__name__", type(schedule).__name__)
    return f"{expected}, got {found(schedule)}: did you mean to call it, as in {name}(…)?"


def found(value: Any) -> str:
    """Describe an argument in an error message; arrays are described by their shape.

    >>> import numpy as np
    >>> found(np.ones((3, 5))), found(dict), found(found), found(7)
    ('an array of shape (3, 5)', 'the class dict', 'the function found', '7')
    """
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"an array of shape {tuple(value.shape)}"
    if isinstance(value, tuple | list) and any(hasattr(part, "dtype") for part in value):
        return f"({', '.join(map(found, value))})"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if callable(value) and hasattr(value, "__name__"):
        return f"the function {value.__name__}"
    return repr(value)
