"""Transfer of a file from a web server that may be slow, or may never end.

A thread receives the file, and its caller counts bytes and seconds. So a server that sends a byte a second is given up even if
it does not finish its headers.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Full, Queue
from typing import Any, BinaryIO

from refconv._progress import bars_visible, tqdm
from refconv.data.files import BadDataFile, kind_of_other_data

__all__ = ["Limits", "transfer"]

BLOCK = 2**13  # bytes that are received at once
WAITING = 64  # blocks that are received before they are written


@dataclass(frozen=True)
class Limits:
    """Limits at which a transfer is given up.

    Parameters
    ----------
    seconds : float
        Total time.
    rate : float
        Least mean rate, in bytes per second.
    window : float
        Time over which the rate is measured, in seconds; it is longer than `silence`.
    silence : float
        Time without a byte after which a server counts as unreachable, in seconds.
    """

    seconds: float = 6 * 3600
    rate: float = 1000
    window: float = 60
    silence: float = 30


def transfer(url: str, path: Path, most: int, limits: Limits) -> None:
    """Download a URL into a file, with a progress bar if bars are visible.

    Parameters
    ----------
    url : str
    path : Path
        The file, which is replaced. It is incomplete after an error.
    most : int
        Largest number of bytes.
    limits : Limits

    Raises
    ------
    BadDataFile
        If the server sends more bytes.
    OSError
        If the server cannot be reached, answers with an error, or is too slow, which is a ``TimeoutError``; if the file cannot
        be written.
    """
    sender = _Sender(url, limits.silence)
    try:
        with path.open("wb") as file:
            _receive(sender, file, most, limits)
    finally:
        sender.stop()


def _receive(sender: _Sender, file: BinaryIO, most: int, limits: Limits) -> None:
    """Write all blocks of a sender; raise an error at a limit."""
    start = measured = time.monotonic()
    size, size_before = 0, 0
    with contextlib.ExitStack() as stack:
        bar = None
        while (block := sender.next(min(measured + limits.window, start + limits.seconds) - time.monotonic())) is not None:
            if bar is None and sender.length is not None and bars_visible():
                bar = stack.enter_context(_bar(sender.length))
            size += len(block)
            if size > most:
                raise _too_long(sender.url, most, block if size == len(block) else b"")
            file.write(block)
            if bar is not None:
                bar.update(len(block))
            now = time.monotonic()
            if now - start >= limits.seconds:
                raise TimeoutError(f"the server sent {size} bytes in {limits.seconds:g} seconds, and more are missing")
            if now - measured >= limits.window:
                if size - size_before < limits.rate * (now - measured):
                    slow = f"fewer than {limits.rate:g} bytes per second for {limits.window:g} seconds"
                    raise TimeoutError(f"the server sent {slow}")
                measured, size_before = now, size


def _too_long(url: str, most: int, start: bytes) -> BadDataFile:
    """Return the error about too many bytes; a page in place of a small file is called a page."""
    kind = kind_of_other_data(start)
    is_other = kind is not None and not url.endswith(".zip")
    return BadDataFile(url, f"is {kind}, not data" if is_other else f"must have at most {most} bytes, got more")


def _bar(length: int) -> Any:
    form = dict(unit="B", unit_scale=True, ncols=79, ascii=sys.platform == "win32")
    return tqdm()(total=length or None, **form)


class _Sender:
    """Thread that receives the blocks of a URL.

    Attributes
    ----------
    url : str
    length : int or None
        The number of bytes that the server announces, 0 if it announces none; None before its answer.
    """

    def __init__(self, url: str, silence: float) -> None:
        self.url = url
        self.length: int | None = None
        self._silence = silence
        self._blocks: Queue[bytes | Exception | None] = Queue(WAITING)
        self._stopped = threading.Event()
        self._response: Any = None
        threading.Thread(target=self._run, daemon=True).start()

    def next(self, seconds: float) -> bytes | None:
        """Return the next block, an empty one if none comes in this time, or None at the end.

        An error of the thread is raised here.
        """
        try:
            block = self._blocks.get(timeout=max(0.0, seconds))
        except Empty:
            return b""
        if isinstance(block, Exception):
            raise block
        return block

    def stop(self) -> None:
        """End the thread, and close the connection."""
        self._stopped.set()
        with contextlib.suppress(Exception):  # the connection may be closed, and before urllib3 2.3 it cannot be shut down
            self._response.raw.shutdown()

    def _run(self) -> None:
        try:
            self._send()
        except Exception as error:
            self._put(error)
        else:
            self._put(None)

    def _send(self) -> None:
        import requests

        with requests.get(self.url, stream=True, timeout=self._silence) as response:
            self._response = response
            response.raise_for_status()
            self.length = int(response.headers.get("content-length", 0))
            for block in response.iter_content(BLOCK):
                if not self._put(block):
                    return

    def _put(self, block: bytes | Exception | None) -> bool:
        """Pass a block to the caller; return False if it has stopped."""
        while not self._stopped.is_set():
            with contextlib.suppress(Full):
                self._blocks.put(block, timeout=0.1)
                return True
        return False
