"""One library's implementation of a problem."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["Side"]


def _arrays(result):
    return [np.asarray(array) for array in (result if isinstance(result, tuple) else [result])]


@dataclass(frozen=True)
class Side:
    """A library's side of a comparison: a function that is timed, and one that reads its result.

    Reading converts the result to arrays in refconv's layout. It is not timed.
    """

    run: Callable[[], object]
    read: Callable[[object], list[np.ndarray]] = _arrays
