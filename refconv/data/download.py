"""Download of a data set's files and archives.

A file has its final name only after it is verified.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from refconv._optional import need
from refconv._progress import is_quiet
from refconv.data.archive import check_download
from refconv.data.files import LARGEST_FILE, Archive, BadDataFile, DataFile, DataNotFound, DataSet
from refconv.data.transfer import Limits, transfer

__all__ = ["download_archive", "download_file"]

LIMITS = Limits()


def download_file(data_set: DataSet, file: DataFile, folder: Path) -> Path:
    """Download a ``.gz`` file from the first mirror that has the correct one."""
    name = f"{file.name}.gz"
    urls = [f"{mirror.rstrip('/')}/{name}" for mirror in data_set.mirrors]
    published = _Published(name, file.gz_sha256, file.gz_size or LARGEST_FILE)
    return _download(data_set.title, urls, published, folder, file.check_download)


def download_archive(data_set: DataSet, archive: Archive, folder: Path) -> Path:
    """Download the archive of a data set; return its path."""

    def check(path: Path, url: str) -> None:
        check_download(archive, path, url)

    published = _Published(archive.name, archive.sha256, archive.size)
    return _download(data_set.title, [archive.url], published, folder, check)


class _Published(NamedTuple):
    """Published properties of a file: its name, its SHA-256 sum and its largest size in bytes."""

    name: str
    sha256: str
    size: int


def _download(
    title: str, urls: Iterable[str], published: _Published, folder: Path, check: Callable[[Path, str], None]
) -> Path:
    """Download a file from the first address that serves one with this sum.

    ``check(path, url)`` raises `BadDataFile` with a precise description of a wrong file.
    """
    try:
        need("pooch", "train", f"downloading {title}")
        need("tqdm", "train", f"downloading {title} (its progress bar)")
        # Check first that the folder is writable; otherwise every mirror would seem to fail.
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (ImportError, OSError) as error:
        raise DataNotFound(f"The file cannot be downloaded into {folder}: {error}") from error
    failures, reasons = [], []
    for url in urls:
        try:
            return _download_from(url, published, folder, check)
        except BadDataFile as bad:
            failures.append(f"  {url} {bad.problem}")
            reasons.append(f"{url} {bad.problem}")
        except (OSError, ValueError) as error:  # every exception of requests is an OSError
            failures.append(f"  {url}: {error}")
            reasons.append(f"{url}: {_reason(error)}")
    raise DataNotFound("\n".join(["Every mirror failed:", *failures]), "; ".join(reasons))


def _download_from(url: str, published: _Published, folder: Path, check: Callable[[Path, str], None]) -> Path:
    """Download a file from one URL; return its path.

    It has a temporary name until its content and its sum are verified.
    """
    import pooch

    pooch.get_logger().addFilter(_is_printed)

    def fetch_and_check(url: str, output_file: str, caller: Any) -> None:
        transfer(url, Path(output_file), published.size, LIMITS)
        # pooch would only report a wrong sum; this error describes what was downloaded instead.
        check(Path(output_file), url)

    return Path(pooch.retrieve(url, published.sha256, published.name, folder, downloader=fetch_and_check))


def _is_printed(record: logging.LogRecord) -> bool:
    """Return True for the messages of pooch that are printed, which depend on ``quiet``."""
    return record.levelno >= logging.WARNING or not is_quiet()


def _reason(error: Exception) -> str:
    """Return the reason of a failed download in one line, without urllib3's wrapping."""
    nested = error.args[0] if error.args else None
    text = str(getattr(nested, "reason", error))
    return (text.partition("): ")[2] or text).partition("\n")[0]
