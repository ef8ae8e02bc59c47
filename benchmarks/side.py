"""One library's way to do a piece of work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["Side"]


def _arrays(result):
    return [np.asarray(array) for array in (result if isinstance(result, tuple) else [result])]


@dataclass(frozen=True)
class Side:
    """What is timed, and how its result is read as arrays in refconv's layout, which is not."""

    run: Callable[[], object]
    read: Callable[[object], list[np.ndarray]] = _arrays
