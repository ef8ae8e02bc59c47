"""Stop ``refconv train`` with Ctrl-C or SIGTERM."""

import contextlib
import signal
import threading

from refconv.training import Callback

__all__ = ["StopOnSignal", "stop_signals"]


class StopOnSignal(Callback):
    """End the run after the current step once Ctrl-C or SIGTERM was received; see :func:`stop_signals`."""

    def __init__(self, received):
        self.received = received

    def on_step_end(self, run):
        if self.received():
            run.stop = True


@contextlib.contextmanager
def stop_signals():
    """Yield a function that returns True once Ctrl-C or SIGTERM was received; a second signal has its usual effect.

    Only the main thread can handle signals; in other threads the function always returns False.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    received, usual = [], {}

    def restore():
        for number, handler in usual.items():
            signal.signal(number, handler)

    def note(number, frame):
        received.append(number)
        restore()

    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not None:  # None: installed by other code than Python, which could not restore it
            usual[number] = signal.signal(number, note)
    try:
        yield lambda: bool(received)
    finally:
        restore()
