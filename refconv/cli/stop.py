"""Stop ``refconv train`` with Ctrl-C or SIGTERM."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

from refconv.training import Callback, Run

__all__ = ["StopOnSignal", "stop_signals"]


class StopOnSignal(Callback):
    """End the run after the current step once Ctrl-C or SIGTERM was received; see :func:`stop_signals`."""

    def __init__(self, received: Callable[[], bool]) -> None:
        self.received = received

    def on_step_end(self, run: Run) -> None:
        if self.received():
            run.stop = True


@contextlib.contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Yield a function that returns True once Ctrl-C or SIGTERM was received; a second signal has its usual effect.

    Only the main thread can handle signals; in other threads the function always returns False.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    received: list[int] = []
    usual: dict[int, Any] = {}

    def restore() -> None:
        for number, handler in usual.items():
            signal.signal(number, handler)

    def note(number: int, frame: object) -> None:
        received.append(number)
        restore()

    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not None:  # None: installed by other code than Python, which could not restore it
            usual[number] = signal.signal(number, note)
    try:
        yield lambda: bool(received)
    finally:
        restore()
