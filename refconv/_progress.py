"""Progress bars with the time left, and the setting that hides them."""

from __future__ import annotations

import builtins
import contextlib
import sys
import warnings
from collections.abc import Iterator
from contextvars import ContextVar
from types import TracebackType
from typing import Any
from weakref import WeakSet

from refconv._optional import MissingPackage, need

__all__ = ["Bar", "bar", "bars_cleared", "bars_visible", "is_quiet", "quiet", "tqdm"]

_quiet: ContextVar[bool] = ContextVar("quiet", default=False)
_on_screen: WeakSet[Bar] = WeakSet()  # bars to clear before a line is printed


@contextlib.contextmanager
def quiet(enabled: bool = True) -> Iterator[None]:
    """Hide progress bars and progress messages inside a ``with`` block.

    >>> with quiet():
    ...     is_quiet()
    True
    >>> is_quiet()
    False
    """
    token = _quiet.set(enabled)
    try:
        yield
    finally:
        _quiet.reset(token)


def is_quiet() -> bool:
    """Return True inside :func:`quiet`."""
    return _quiet.get()


def bars_visible() -> bool:
    """Return True in a terminal or a notebook, except inside :func:`quiet`.

    A bar is written to the standard error. It is also hidden if the standard output is a file or a pipe.
    """
    if is_quiet():
        return False
    return hasattr(builtins, "__IPYTHON__") or all(
        stream is not None and stream.isatty() for stream in (sys.stdout, sys.stderr)
    )


def tqdm() -> Any:
    """Return tqdm's class of bars for a terminal or for a notebook.

    ``MissingPackage`` is raised if tqdm is not installed.
    """
    need("tqdm", "train", "a progress bar")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # in a notebook without widgets, tqdm uses plain text and warns about it
        return need("tqdm.autonotebook", "train", "a progress bar").tqdm


class Bar:
    """Progress bar with the time left.

    Nothing is shown if bars are not visible, or if tqdm is not installed. Use it in a ``with`` block, or call ``close``, which
    removes the bar.

    Parameters
    ----------
    name : str
        Name of the activity, on the left of the bar.
    total : int or None
        Number of units; None if it is unknown, and then no time left is shown.
    unit : str
        Plural of what is counted.
    """

    def __init__(self, name: str, total: int | None, unit: str) -> None:
        self.count = 0
        self._bar: Any = None
        with contextlib.suppress(MissingPackage):
            if bars_visible():
                self._bar = tqdm()(total=total, desc=name, unit=f" {unit}", leave=False, file=sys.stderr, dynamic_ncols=True)
                _on_screen.add(self)

    def __call__(self, count: int = 1, current: str = "") -> None:
        """Add to the count, and show the current item; a count of 0 announces an item that begins."""
        self.count += count
        if self._bar is not None:
            if current:  # tqdm limits how often it redraws the bar, but a new item may take minutes
                self._bar.set_postfix_str(current, refresh=not count)
            self._bar.update(count)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
        self._bar = None

    def clear(self) -> None:
        """Clear the bar's line until it is drawn again."""
        if self._bar is not None:
            self._bar.clear()

    def refresh(self) -> None:
        """Draw the bar."""
        if self._bar is not None:
            self._bar.refresh()

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def bar(name: str, total: int | None, unit: str) -> Bar:
    """Return a progress bar: ``with bar(…) as advance`` gives a function that adds to it."""
    return Bar(name, total, unit)


@contextlib.contextmanager
def bars_cleared() -> Iterator[None]:
    """Remove the progress bars while lines are printed, and draw them again afterwards.

    Without it, a line would begin at the end of the bar. The lines must be flushed inside the ``with`` block.
    """
    for shown in [*_on_screen]:
        shown.clear()
    try:
        yield
    finally:
        for shown in [*_on_screen]:
            shown.refresh()
