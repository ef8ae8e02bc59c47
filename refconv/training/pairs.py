"""What :func:`fit` and :func:`evaluate` accept as data: Batches, other iterables, or a pair of arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from typing import Any

from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.data.batches import Batches
from refconv.training.arguments import found

__all__ = ["is_exhausted_after_one_pass", "pairs", "x_and_targets"]

BATCH_SIZE = 32  # of arrays that come without one


def pairs(batches: Any, *, shuffle: bool, name: str = "batches") -> Iterable[Any]:
    """Return an iterable of (x, targets): a pair of arrays becomes :class:`Batches` of 32 examples.

    >>> import numpy as np
    >>> [x.shape for x, _ in pairs((np.ones((40, 3)), np.arange(40)), shuffle=False)]
    [(32, 3), (8, 3)]
    """
    if isinstance(batches, tuple) and len(batches) == 2 and all(hasattr(part, "dtype") for part in batches):
        return Batches(*batches, BATCH_SIZE, shuffle=shuffle)
    parts = batches if isinstance(batches, tuple | list) else ()
    if hasattr(batches, "dtype") or any(hasattr(part, "dtype") for part in parts):
        given = " and ".join(map(found, parts)) if parts else found(batches)
        raise ArgumentTypeError(f"{name} must be Batches, an iterable of (x, targets) or a pair of arrays, got {given}")
    if not isinstance(batches, Iterable):
        raise ArgumentTypeError(f"{name} must be Batches, an iterable of (x, targets) or a pair of arrays, got {batches!r}")
    if isinstance(batches, Sized) and not len(batches):
        raise ArgumentValueError(f"{name} must not be empty, got none")
    return batches


def x_and_targets(batch: Any) -> tuple[Any, Any]:
    """Return the two parts of a batch; raise ``TypeError`` if it has others, or x is no array.

    >>> x_and_targets(("x", "targets", "weights"))
    Traceback (most recent call last):
    refconv.ArgumentTypeError: batches must yield pairs (x, targets), got a tuple of 3
    """
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        parts = f"a {type(batch).__name__} of {len(batch)}" if isinstance(batch, Sized) else found(batch)
        raise ArgumentTypeError(f"batches must yield pairs (x, targets), got {parts}")
    x, targets = batch
    if not hasattr(x, "shape"):
        raise ArgumentTypeError(f"x of batches must be an array, got {type(x).__name__}")
    return x, targets


def is_exhausted_after_one_pass(batches: Iterable[Any]) -> bool:
    """True for generators and other iterators: iterating over them again yields nothing.

    >>> is_exhausted_after_one_pass([1, 2]), is_exhausted_after_one_pass(k for k in [1, 2])
    (False, True)
    """
    return hasattr(batches, "__next__")
