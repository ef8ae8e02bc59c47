"""Locks that a process holds until it ends, however it ends."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["LOCK", "locked"]

LOCK = ".refconv.lock"  # file in the folder; the system releases its lock when the process ends
HELD_BY_ANOTHER = (errno.EACCES, errno.EAGAIN)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    r"""Hold the lock of a folder, which is created if it is missing.

    On file systems without locks, and on Windows, nothing is locked.

    Raises
    ------
    FileExistsError
        If another process, or another part of this one, holds the lock.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, locked(Path(folder)):
    ...     (Path(folder) / LOCK).read_text("utf-8") == f"{os.getpid()}\n"
    True
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    handle = _opened(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # before the lock is released, so that it is our file
        os.close(handle)


def _opened(path: Path) -> int:
    """Open and lock a file; write the number of this process to it."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if fcntl is None or _lock(handle, path):
                with contextlib.suppress(OSError):  # on a full disk, the lock works without the number
                    os.truncate(handle, 0)
                    os.write(handle, f"{os.getpid()}\n".encode())
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # its process removed it in between


def _lock(handle: int, path: Path) -> bool:
    """Lock a file; return False if the path names another file by now."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in HELD_BY_ANOTHER:  # a file system without locks
            return True
        process = os.pread(handle, 20, 0).decode("ascii", "replace").strip()
        raise FileExistsError(
            f"{path.parent} must not be in use by another run, got the lock of process {process or 'unknown'}"
        ) from None
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(handle), os.stat(path))
    return False
