"""Handling of Ctrl-C, SIGTERM and SIGHUP in ``refconv train`` and ``refconv restore``."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

from refconv.training import Callback, Run

__all__ = ["StopOnSignal", "stop_signals"]

SIGHUP = getattr(signal, "SIGHUP", None)  # Windows has none
STOPPING = [number for number in (signal.SIGINT, signal.SIGTERM, SIGHUP) if number is not None]


class StopOnSignal(Callback):
    """Callback that ends the run after the current step once a signal was received.

    :func:`stop_signals` yields its argument.
    """

    def __init__(self, received: Callable[[], bool]) -> None:
        self.received = received

    def on_step_end(self, run: Run) -> None:
        if self.received():
            run.stop = True


@contextlib.contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Yield a function that returns True once Ctrl-C, SIGTERM or SIGHUP was received.

    SIGHUP, which the system sends when the terminal is closed, is still ignored under nohup. A second signal has its usual
    effect. Only the main thread can handle signals; in other threads the function always returns False.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    received: list[int] = []
    previous_handlers: dict[int, Any] = {}

    def restore() -> None:
        for number, handler in previous_handlers.items():
            signal.signal(number, handler)

    def record(number: int, frame: object) -> None:
        received.append(number)
        restore()

    for number in STOPPING:
        handler = signal.getsignal(number)
        is_ignored = number == SIGHUP and handler == signal.SIG_IGN
        if handler is not None and not is_ignored:  # Python cannot restore a handler that was installed by C code
            previous_handlers[number] = signal.signal(number, record)
    try:
        yield lambda: bool(received)
    finally:
        restore()
