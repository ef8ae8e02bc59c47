"""Atomic writing of files."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

__all__ = ["clear_unfinished", "keep_as", "link_target", "write_atomically"]


def write_atomically(path: str | os.PathLike[str], content: bytes | Iterable[bytes]) -> None:
    """Write a file atomically: either completely or not at all.

    The content is written to a temporary file in the same folder, which then replaces `path`. Missing folders are created. If
    writing fails, an existing file keeps its content. If `path` is a symbolic link, the file that it points to is replaced.

    Parameters
    ----------
    path : path
    content : bytes or iterable of bytes
        The content, or its consecutive parts, so that a large file need not be in memory all at once.

    Raises
    ------
    OSError
        If the file cannot be written, or `path` is a link that points to no file. Its ``filename`` is not the temporary file,
        but `path`, or the link.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomically(Path(folder) / "new" / "file", b"content")
    ...     (Path(folder) / "new" / "file").read_bytes()
    b'content'
    """
    path = Path(path)
    target = link_target(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle, unfinished = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise _with_name(error, path) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines((content,) if isinstance(content, bytes) else content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(unfinished, 0o666 & ~_umask())  # mkstemp lets only the owner read the file
        os.replace(unfinished, target)
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
    source, other = link_target(path), link_target(other)
    unfinished = other.with_name(f".{other.name}.link")
    unfinished.unlink(missing_ok=True)
    try:
        os.link(source, unfinished)
    except OSError:  # some file systems have no links
        write_atomically(other, path.read_bytes())
    else:
        os.replace(unfinished, other)


def clear_unfinished(path: str | os.PathLike[str]) -> None:
    """Remove temporary files next to `path` that a killed :func:`write_atomically` left behind."""
    target = link_target(path)
    for unfinished in target.parent.glob(f".{target.name}.*"):
        unfinished.unlink(missing_ok=True)


def link_target(path: str | os.PathLike[str]) -> Path:
    """Return the file that a symbolic link points to, or the path itself if it is no link.

    Programs call it before a long computation to check that they will be able to write the file.

    Raises
    ------
    OSError
        If the path, or a folder in it, is a link that points to nothing or back to itself, or if the path is a device or a
        pipe, which a file must not replace.
    """
    path = Path(path)
    for part in (path, *path.parents):
        if part.is_symlink():
            _check_link(part)
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _check_link(link: Path) -> None:
    """Raise ``OSError`` for a symbolic link that points to nothing or back to itself."""
    try:
        link.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        reason = f"Symbolic link to {os.readlink(link)}, which does not exist"
        raise FileNotFoundError(error.errno, reason, str(link)) from error


def _with_name(error: OSError, path: Path) -> OSError:
    """Return the error with this path instead of the path of the temporary file."""
    return type(error)(error.errno, error.strerror, str(path))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
