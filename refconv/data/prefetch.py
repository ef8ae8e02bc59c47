"""Batches made ahead of time, by a thread of their own."""

import contextlib
import queue
import threading

from refconv._arguments import integer

__all__ = ["Prefetch"]

OVER = object()


class Prefetch:
    """The same batches in the same order, each made while the network is still busy with those before.

    Parameters
    ----------
    batches : Batches
        What to make ahead; while a pass goes on it belongs to the thread.
    ahead : int
        How many batches may wait.

    Examples
    --------
    >>> import numpy as np
    >>> from refconv.data import Batches
    >>> batches = Prefetch(Batches(np.arange(5) * 10, np.arange(5), 2, prepare=lambda x: x / 10, shuffle=False))
    >>> [x.tolist() for x, _ in batches]
    [[0.0, 1.0], [2.0, 3.0], [4.0]]

    Source: A21.
    """

    def __init__(self, batches, ahead=4):
        self.batches = batches
        self.ahead = integer("ahead", ahead)

    @property
    def labels(self):
        """Labels of all batches, as :attr:`Batches.labels`; an ``AttributeError`` if what is prefetched has none."""
        return self.batches.labels

    def settings(self):
        """As :meth:`Batches.settings`: the thread does not change the batches."""
        return {"type": type(self.batches).__name__, **self.batches.settings()}

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        waiting, left = queue.Queue(self.ahead), threading.Event()
        worker = threading.Thread(target=self._work, args=(waiting, left), daemon=True)
        worker.start()
        try:
            while (found := waiting.get()) is not OVER:
                if isinstance(found, BaseException):
                    raise found
                yield found
        finally:  # the pass is over, or nobody wants the rest
            left.set()
            with contextlib.suppress(queue.Empty):
                while True:
                    waiting.get_nowait()
            worker.join()

    def _work(self, waiting, left):
        try:
            for batch in self.batches:
                self._put(batch, waiting, left)
                if left.is_set():
                    return
            self._put(OVER, waiting, left)
        except BaseException as error:  # it is raised where the batch is wanted
            self._put(error, waiting, left)

    def _put(self, thing, waiting, left):
        while not left.is_set():
            try:
                waiting.put(thing, timeout=0.1)
                return
            except queue.Full:  # as it mostly is: the network is the slower one
                continue

    def state(self):
        """As :meth:`Batches.state`."""
        return self.batches.state()

    def resume(self, state, done) -> None:
        """As :meth:`Batches.resume`."""
        self.batches.resume(state, done)
