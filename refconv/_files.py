"""Atomic writing of files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

__all__ = ["clear_unfinished", "keep_as", "write_atomically"]


def write_atomically(path: str | os.PathLike[str], content: bytes | Iterable[bytes]) -> None:
    """Write a file atomically: either completely or not at all.

    The content is written to a temporary file in the same folder, which then replaces `path`. Missing folders are created. If
    writing fails, an existing file keeps its content.

    Parameters
    ----------
    path : path
    content : bytes or iterable of bytes
        The content, or its consecutive parts, so that a large file need not be in memory all at once.

    Raises
    ------
    OSError
        If the file cannot be written. Its ``filename`` is `path`, not the temporary file.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomically(Path(folder) / "new" / "file", b"content")
    ...     (Path(folder) / "new" / "file").read_bytes()
    b'content'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle, unfinished = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise _with_name(error, path) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines((content,) if isinstance(content, bytes) else content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(unfinished, 0o666 & ~_umask())  # mkstemp lets only the owner read the file
        os.replace(unfinished, path)
    except BaseException as error:
        Path(unfinished).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None and error.filename in (None, unfinished):
            raise _with_name(error, path) from error
        raise


def keep_as(path: Path, other: Path) -> None:
    """Let another name keep the content of a file that will be replaced.

    The file itself remains, so at any time both names have a complete file. If there is no file, nothing happens.
    """
    if not path.exists():
        return
    unfinished = other.with_name(f".{other.name}.link")
    unfinished.unlink(missing_ok=True)
    try:
        os.link(path, unfinished)
    except OSError:  # some file systems have no links
        write_atomically(other, path.read_bytes())
    else:
        os.replace(unfinished, other)


def clear_unfinished(path: str | os.PathLike[str]) -> None:
    """Remove temporary files next to `path` that a killed :func:`write_atomically` left behind."""
    path = Path(path)
    for unfinished in path.parent.glob(f".{path.name}.*"):
        unfinished.unlink(missing_ok=True)


def _with_name(error: OSError, path: Path) -> OSError:
    """Return the error with this path instead of the path of the temporary file."""
    return type(error)(error.errno, error.strerror, str(path))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
