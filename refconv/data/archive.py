"""Reading of the members of an archive, a zip or a tar.gz file, without unpacking it.

Nothing is written to disk, so the names of the members cannot lead outside a folder.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath

from refconv._bounded import ZIP_METHODS, Readable, read_at_most
from refconv.data.files import Archive, BadDataFile, DataFile, kind_of_other_data

__all__ = ["check_download", "is_verified", "read_members"]

LARGEST_UNPACKED = 2**32  # bytes of a tar archive that are decompressed to find the members
MOST_MEMBERS = 10_000  # a small archive may have millions of empty ones, of which each takes a kilobyte of memory
LONGEST_HEADERS = 2**20  # bytes between two members of a tar archive: their names and attributes
SIGNATURES = {"zip archive": b"PK\x03\x04", "tar.gz archive": b"\x1f\x8b"}  # the first bytes
BLOCK = 2**20  # bytes that are read at once to compute a sum

# The modules raise RuntimeError for encrypted members and NotImplementedError for unknown compression methods.
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, RuntimeError, NotImplementedError)


def read_members(archive: Archive, path: Path, wanted: Iterable[DataFile]) -> dict[DataFile, bytes]:
    """Return the contents of the wanted files that an archive contains, in any folder inside it.

    A tar archive is read from its start until all wanted files are found.

    Parameters
    ----------
    archive : Archive
        The table entry of the archive.
    path : Path
        The archive on this computer.
    wanted : iterable of DataFile
        The files; each may have any of its `names`.

    Returns
    -------
    dict of DataFile to bytes
        The contents, which may be compressed with gzip and are not verified.

    Raises
    ------
    BadDataFile
        If the archive is incomplete, damaged, or something else such as an HTML page.
    OSError
        If the archive cannot be read.
    """
    missing = {name: file for file in wanted for name in file.names}
    contents: dict[DataFile, bytes] = {}
    _check_start(archive, path, path)
    try:
        for name, raw in (_zip_members if archive.name.endswith(".zip") else _tar_members)(path, missing):
            file = missing[name]
            contents[file] = raw
            for other in file.names:
                del missing[other]
            if not missing:
                break
    except EOFError:
        raise _ends_early(archive, path, path) from None
    except _DAMAGE as error:
        if path.stat().st_size < archive.size:
            raise _ends_early(archive, path, path) from error
        raise BadDataFile(path, f"is a damaged {_kind(archive)}: {error}") from error
    return contents


def is_verified(archive: Archive, path: Path) -> bool:
    """Return True if a file has the size and the SHA-256 sum of the archive.

    The sum is computed once for each version of the file, because that takes a second for large archives.
    """
    status = path.stat()
    return status.st_size == archive.size and _sum(path, status.st_mtime_ns, status.st_size) == archive.sha256


def check_download(archive: Archive, path: Path, url: str) -> None:
    """Raise `BadDataFile` if a downloaded file is another kind of file or too short."""
    _check_start(archive, path, url)
    if path.stat().st_size < archive.size:
        raise _ends_early(archive, path, url)


@lru_cache(maxsize=16)
def _sum(path: Path, modified: int, size: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _zip_members(path: Path, names: dict[str, DataFile]) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as opened:
        members = opened.infolist()
        _check_number(path, len(members))
        for member in members:
            if (name := _name(member.filename, names)) and not member.is_dir():
                _check_size(path, names[name], member.file_size)
                if member.compress_type not in ZIP_METHODS:
                    raise BadDataFile(path, f"must contain {name} stored or deflated, got method {member.compress_type}")
                with opened.open(member) as stream:
                    yield name, read_at_most(stream, member.file_size)


def _tar_members(path: Path, names: dict[str, DataFile]) -> Iterator[tuple[str, bytes]]:
    with gzip.open(path) as unpacked:
        limited = _Limited(unpacked, path)
        with tarfile.open(fileobj=limited, mode="r|") as opened:  # type: ignore[call-overload]  # only read is needed
            for count in itertools.count(1):
                if (member := opened.next()) is None:
                    break
                _check_number(path, count)
                if (name := _name(member.name, names)) and member.isfile():
                    _check_size(path, names[name], member.size)
                    limited.allow(member.size)
                    stream = opened.extractfile(member)  # a reader; the member is not written to disk
                    assert stream is not None  # it is None only for folders and devices
                    yield name, read_at_most(stream, member.size)
                else:
                    limited.allow(member.size)  # which tarfile skips


class _Limited:
    """Stream of a tar archive with a limit of bytes for each member and the headers after it.

    It raises `BadDataFile` at the limit. tarfile keeps a whole header in memory, and its size is a number in the archive.
    """

    def __init__(self, stream: Readable, path: Path) -> None:
        self.stream, self.path = stream, path
        self.position, self.end = 0, LONGEST_HEADERS

    def allow(self, size: int) -> None:
        """Allow to read a member that starts here, and the headers after it."""
        self.end = self.position + size + LONGEST_HEADERS

    def read(self, size: int) -> bytes:
        block = self.stream.read(size)
        self.position += len(block)
        if self.position > LARGEST_UNPACKED:
            raise BadDataFile(self.path, f"must unpack to at most {LARGEST_UNPACKED} bytes, got more")
        if self.position > self.end:
            raise BadDataFile(self.path, f"must have at most {LONGEST_HEADERS} bytes of headers between its members, got more")
        return block


def _name(member: str, names: dict[str, DataFile]) -> str | None:
    name = PurePosixPath(member).name
    return name if name in names else None


def _check_number(path: Path, count: int) -> None:
    if count > MOST_MEMBERS:
        raise BadDataFile(path, f"must contain at most {MOST_MEMBERS} files, got {count} or more")


def _check_size(path: Path, file: DataFile, size: int) -> None:
    if size > file.largest_copy:
        raise BadDataFile(path, f"must contain {file.name} of at most {file.largest_copy} bytes, got {size} bytes")


def _check_start(archive: Archive, path: Path, source: str | os.PathLike[str]) -> None:
    """Raise `BadDataFile` if a file is empty or starts like another kind of file."""
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        raise BadDataFile(source, "is empty")
    kind = kind_of_other_data(start)
    if not start.startswith(SIGNATURES[_kind(archive)]):
        reason = f"is {kind}, not a" if kind else f"starts with {start[:4].hex(' ')} and is not a"
        raise BadDataFile(source, f"{reason} {_kind(archive)}")


def _ends_early(archive: Archive, path: Path, source: str | os.PathLike[str]) -> BadDataFile:
    return BadDataFile(source, f"ends early: got {path.stat().st_size} bytes, expected {archive.size}")


def _kind(archive: Archive) -> str:
    return "zip archive" if archive.name.endswith(".zip") else "tar.gz archive"
