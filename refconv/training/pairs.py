"""Conversion of the data of :func:`fit` and :func:`evaluate` to an iterable of (x, targets)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.data.batches import Batches
from refconv.data.prefetch import Prefetch
from refconv.training.arguments import found

__all__ = ["can_read_parts", "each_pair", "is_exhausted_after_one_pass", "length", "pairs"]

BATCH_SIZE = 32  # examples; used for a pair of arrays, which has no batch size


def pairs(batches: Any, *, shuffle: bool, name: str = "batches") -> Iterable[Any]:
    """Return an iterable of (x, targets); convert a pair of arrays to :class:`Batches`.

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
    if length(batches) == 0:
        raise ArgumentValueError(f"{name} must contain at least one batch, got none")
    return batches


def each_pair(batches: Iterable[Any], name: str = "batches") -> Iterator[tuple[Any, Any]]:
    """Yield the pairs (x, targets) of an iterable; raise ``TypeError`` for anything else.

    >>> import numpy as np
    >>> next(each_pair([(np.ones((4, 3)), np.arange(4), np.ones(4))]))
    Traceback (most recent call last):
    refconv.ArgumentTypeError: batches must yield pairs of arrays (x, targets), got a tuple of 3 elements
    """
    for batch in batches:
        if not isinstance(batch, tuple | list):
            raise ArgumentTypeError(f"{name} must yield pairs of arrays (x, targets), got {found(batch)}")
        if len(batch) != 2:
            given = f"a {type(batch).__name__} of {len(batch)} elements"
            raise ArgumentTypeError(f"{name} must yield pairs of arrays (x, targets), got {given}")
        if not hasattr(batch[0], "shape"):
            raise ArgumentTypeError(f"x in {name} must be an array, got {type(batch[0]).__name__}")
        yield batch[0], batch[1]


def is_exhausted_after_one_pass(batches: Iterable[Any]) -> bool:
    """Return True for generators and other iterators, which yield nothing in a second pass.

    >>> is_exhausted_after_one_pass([1, 2]), is_exhausted_after_one_pass(k for k in [1, 2])
    (False, True)
    """
    if isinstance(batches, Prefetch):
        return is_exhausted_after_one_pass(batches.batches)
    return hasattr(batches, "__next__")


def can_read_parts(batches: Iterable[Any]) -> bool:
    """Return True for batches of which a part can be read alone.

    It is False for subclasses of :class:`Batches` that yield something else.

    >>> import numpy as np
    >>> can_read_parts(Batches(np.ones((4, 3)), np.arange(4), 2)), can_read_parts([1, 2])
    (True, False)
    """
    inner = batches.batches if isinstance(batches, Prefetch) else batches
    return isinstance(inner, Batches) and type(inner).__iter__ is Batches.__iter__


def length(batches: Iterable[Any]) -> int | None:
    """Return the number of batches; None if it is unknown.

    It is also unknown for a :class:`Prefetch` of batches without a length.

    >>> length([1, 2]), length(k for k in [1, 2])
    (2, None)
    """
    try:
        return len(batches)  # type: ignore[arg-type]  # an iterable may have no length
    except TypeError:
        return None
