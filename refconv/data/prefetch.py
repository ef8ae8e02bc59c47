"""Preparation of batches in another thread, ahead of their use."""

from __future__ import annotations

import contextlib
import contextvars
import queue
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from refconv._arguments import integer
from refconv._errors import ArgumentTypeError

if TYPE_CHECKING:
    from refconv.typing import Array

__all__ = ["Prefetch"]

END = object()  # follows the last batch of a pass in the queue


class Prefetch:
    """Iterable of batches that another thread prepares while the network computes.

    It yields the same batches in the same order. The thread uses the settings of the code that iterates, such as the engine of
    :func:`refconv.config`.

    Parameters
    ----------
    batches : Batches or another iterable of (x, targets)
        The batches. Do not use them elsewhere during a pass.
    ahead : int
        Largest number of prepared batches in the queue.

    Examples
    --------
    >>> import numpy as np
    >>> from refconv.data import Batches
    >>> batches = Prefetch(Batches(np.arange(5) * 10, np.arange(5), 2, prepare=lambda x: x / 10, shuffle=False))
    >>> [x.tolist() for x, _ in batches]
    [[0.0, 1.0], [2.0, 3.0], [4.0]]

    Attributes
    ----------
    waited : float
        Seconds for which the training has waited for batches, in all passes so far. If it is a large part of the training
        time, the preparation of the batches is slower than the network.

    Raises
    ------
    TypeError, ValueError
        If batches is not iterable, or ahead is not a positive integer.

    Source: lecture row A21 (SOURCES.md).
    """

    def __init__(self, batches: Any, ahead: int = 4) -> None:
        if not isinstance(batches, Iterable):
            raise ArgumentTypeError(f"batches must be Batches or another iterable of (x, targets), got {batches!r}")
        self.batches: Any = batches
        self.ahead = integer("ahead", ahead)
        self.waited = 0.0

    @property
    def labels(self) -> Array:
        """Labels of all batches, as in :attr:`Batches.labels`.

        Raises ``AttributeError`` if the batches have no labels.
        """
        labels: Array = self.batches.labels
        return labels

    def settings(self) -> dict[str, Any]:
        """Return the settings of the batches, as :meth:`Batches.settings`, and their type."""
        return {"type": type(self.batches).__name__, **(self.batches.settings() if hasattr(self.batches, "settings") else {})}

    def __getattr__(self, name: str) -> Any:
        """Return ``state``, ``resume``, ``every``, ``sharded`` or some settings of the batches.

        They are looked up dynamically, because iterables other than :class:`Batches` may not have them.
        """
        if name in ("state", "resume", "batch_size", "drop_last"):
            return getattr(self.batches, name)
        if name in ("every", "sharded"):
            parts = getattr(self.batches, name)
            return lambda *arguments: self._ahead(parts(*arguments))
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        return self._ahead(self.batches)

    def _ahead(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Yield the elements of an iterable, which another thread computes."""
        batch_queue: queue.Queue[Any] = queue.Queue(self.ahead)
        cancelled = threading.Event()
        context = contextvars.copy_context()  # a new thread would start with default settings
        worker = threading.Thread(target=context.run, args=(self._work, batches, batch_queue, cancelled), daemon=True)
        worker.start()
        try:
            while (item := self._next(batch_queue)) is not END:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:  # the pass has ended, or the caller stopped iterating
            cancelled.set()
            with contextlib.suppress(queue.Empty):
                while True:
                    batch_queue.get_nowait()
            worker.join()

    def _next(self, batch_queue: queue.Queue[Any]) -> Any:
        start = time.perf_counter()
        item = batch_queue.get()
        self.waited += time.perf_counter() - start
        return item

    def _work(self, batches: Iterable[Any], batch_queue: queue.Queue[Any], cancelled: threading.Event) -> None:
        try:
            for batch in batches:
                self._put(batch, batch_queue, cancelled)
                if cancelled.is_set():
                    return
            self._put(END, batch_queue, cancelled)
        except BaseException as error:  # raised again in the thread that iterates
            self._put(error, batch_queue, cancelled)

    def _put(self, item: Any, batch_queue: queue.Queue[Any], cancelled: threading.Event) -> None:
        while not cancelled.is_set():
            try:
                batch_queue.put(item, timeout=0.1)
                return
            except queue.Full:  # the usual case: the network is slower
                continue
