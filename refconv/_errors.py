"""Exception classes for invalid arguments.

A caller can catch ``ArgumentError``, or ``ValueError`` and ``TypeError`` as with any other library. The command line prints
an ``ArgumentError`` in one line. Any other exception is a bug in refconv, so the command line prints its traceback.
"""

from collections.abc import Iterable

__all__ = ["ArgumentError", "ArgumentTypeError", "ArgumentValueError", "suggestion"]

MOST_SUGGESTIONS = 3


class ArgumentError(Exception):
    """Error about an argument that refconv does not accept; the message names the argument.

    Each such error is also a ``TypeError`` or a ``ValueError``:

    >>> import refconv
    >>> try:
    ...     refconv.conv2d([[1, 2, 3]], [[1]])
    ... except refconv.ArgumentError as error:
    ...     print(isinstance(error, ValueError), error)
    True x must have 4 axes (batch, height, width, channels), got shape (1, 3)
    """

    __module__ = "refconv"  # tracebacks print the public name


class ArgumentValueError(ArgumentError, ValueError):
    """Error about an argument that has a correct type but a wrong value."""

    __module__ = "refconv"


class ArgumentTypeError(ArgumentError, TypeError):
    """Error about an argument that has a wrong type."""

    __module__ = "refconv"


def suggestion(similar: Iterable[str]) -> str:
    """Return "; did you mean …?" with up to three of the words, or "" if there are none.

    It is meant for the end of an error message.

    >>> suggestion(["summary"]), suggestion(["a", "b", "c", "d"]), suggestion([])
    ('; did you mean summary?', '; did you mean a, b or c?', '')
    """
    *others, last = [*similar][:MOST_SUGGESTIONS] or [""]
    return f"; did you mean {', '.join(others)}{' or ' if others else ''}{last}?" if last else ""
