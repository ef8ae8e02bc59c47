"""What ``refconv train`` shows during a run, and the signals that stop it."""

import contextlib
import signal
import threading

from refconv._optional import need
from refconv.cli.console import say

__all__ = ["ProgressBars", "stop_signals"]


class ProgressBars:
    """A progress bar for the current epoch, and a printed line for each completed one."""

    def __init__(self, images):
        self.images, self.bar = images, None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.bar is not None:
            self.bar.close()

    def step(self, progress):
        if self.bar is None:
            tqdm = need("tqdm", "train", "refconv train").tqdm
            name = f"epoch {progress.epoch}/{progress.epochs}"
            self.bar = tqdm(total=self.images, desc=name, unit=" images", leave=False)
        self.bar.update(progress.images - self.bar.n)
        self.bar.set_postfix_str(f"loss {progress.loss:.4f}, accuracy {100 * progress.accuracy:.2f} %", refresh=False)

    def epoch(self, line):
        if self.bar is not None:  # None if the run was resumed after the last step of the epoch
            self.bar.close()
        self.bar = None
        validated = ""
        if line.validation_loss is not None:
            validated = f"validation: loss {line.validation_loss:.4f}, accuracy {100 * line.validation_accuracy:.2f} %  |  "
        say(
            f"epoch {line.epoch}: loss {line.train_loss:.4f}, accuracy {100 * line.train_accuracy:.2f} %  |  {validated}"
            f"test: loss {line.test_loss:.4f}, accuracy {100 * line.test_accuracy:.2f} %  |  "
            f"{line.seconds:.1f} s, {line.images_per_second:,.0f} images/s"
        )


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
