"""Reading of a data set's files from this computer, or from a mirror if they are missing."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from refconv.data import files
from refconv.data.archive import is_verified, read_members
from refconv.data.download import download_archive, download_file
from refconv.data.files import (
    ADVICE,
    FOLDER_VARIABLE,
    BadDataFile,
    DataFile,
    DataNotFound,
    DataSet,
    candidates,
    data_folders,
    places,
)

__all__ = ["Copy", "fetch", "read_data_file", "read_data_files"]


@dataclass(frozen=True)
class Copy:
    """A usable copy of a file of a data set.

    Parameters
    ----------
    path : Path
        The file, or the archive that contains it.
    content : bytes
        The decompressed content.
    verified : bool
        True if a SHA-256 sum was compared.
    downloaded : bool
        True if the file was missing and has been downloaded.
    """

    path: Path
    content: bytes
    verified: bool
    downloaded: bool = False


def read_data_file(
    data_set: DataSet, file: DataFile, root: str | os.PathLike[str] | None = None, download: bool = True
) -> bytes:
    """Return the decompressed content of one file of a data set; see `read_data_files`."""
    return read_data_files(data_set, (file,), root, download)[0]


def read_data_files(
    data_set: DataSet, wanted: tuple[DataFile, ...], root: str | os.PathLike[str] | None = None, download: bool = True
) -> list[bytes]:
    """Return the decompressed contents of files of one data set, from disk or from a mirror.

    The copies of a file are tried in the order of `find`, and the first verified one is used. If no copy is verified, a copy
    that is recognised but cannot be verified is used. All such copies come from the same folder: the first one with the
    largest number of the files. Missing files are downloaded if `download` is True. A bad copy is never used. It is an error
    if no other copy of its file is found. A bad copy is replaced only in the user's cache, where refconv itself stored it.

    Parameters
    ----------
    data_set : DataSet
        The data set.
    wanted : tuple of DataFile
        Some of its files, such as the files of a split.
    root : path, optional
        The folder to search and to download into; by default the `data_folders`.
    download : bool
        If True, download missing files.

    Returns
    -------
    list of bytes
        The decompressed contents.

    Warns
    -----
    UserWarning
        If a content is not verified, because the table contains no sum of the decompressed bytes or another sum.

    Raises
    ------
    BadDataFile
        If all copies of a file on disk are bad, and no mirror provided a good one.
    DataNotFound
        If a file has no copy, and `download` is False or every mirror failed.
    """
    contents, warned = [], set()
    for file, copy in zip(wanted, _read(data_set, wanted, root, download), strict=True):
        if not copy.verified and copy.path not in warned:
            # The warning refers to the line that calls load_fashion_mnist or a similar function.
            warnings.warn(_warning(data_set, file, copy), stacklevel=4)
            warned.add(copy.path)
        contents.append(copy.content)
    return contents


def fetch(data_set: DataSet, root: str | os.PathLike[str] | None = None) -> list[Copy]:
    """Download the files of a data set that are missing, and verify the others.

    If the set is published as an archive and one of its files is missing or bad, the archive is downloaded.

    Parameters
    ----------
    data_set : DataSet
    root : path, optional
        The folder to search and to download into; by default the `data_folders`.

    Returns
    -------
    list of Copy
        The copies of all files, or one copy of the archive, whose content is empty.

    Raises
    ------
    BadDataFile, DataNotFound
        The same as for `read_data_files`.
    """
    wanted = tuple(file for split in data_set.splits.values() for file in split)
    archive = data_set.archive
    if archive is None:
        return [*_read(data_set, wanted, root, download=True)]
    for place in places(data_set, root):
        if (path := place / archive.name).is_file() and is_verified(archive, path):
            return [Copy(path, b"", verified=True)]
    try:
        return [*_read(data_set, wanted, root, download=False)]
    except DataNotFound:
        folder = _target(data_set, archive.name, root).parent
    except BadDataFile as bad:
        try:
            folder = _target(data_set, archive.name, root).parent
        except DataNotFound:
            raise bad from None
    return [Copy(download_archive(data_set, archive, folder), b"", verified=True, downloaded=True)]


def _read(
    data_set: DataSet, wanted: tuple[DataFile, ...], root: str | os.PathLike[str] | None, download: bool
) -> Iterator[Copy]:
    """Yield a copy of each file; missing files are downloaded if `download` is True."""
    reader = _Reader(data_set, wanted)
    found = {file: _read_all(reader, file, root) for file in wanted}

    def missing(place: Path) -> int:
        return sum(copies.verified is None and place not in copies.unverified for copies in found.values())

    place = min(places(data_set, root), key=missing)

    def usable(copies: _Copies) -> Copy | None:
        return copies.verified or (None if reader.downloaded else copies.unverified.get(place))

    if data_set.archive and (lacking := next((file for file in wanted if not usable(found[file])), None)):
        # First of all, because the downloaded archive replaces all copies that are not verified.
        _download_missing(reader, lacking, found[lacking], root, download)
    for file, copies in found.items():
        yield usable(copies) or _download_missing(reader, file, copies, root, download)


class _Reader:
    """Reader of copies of a data set's files; it reads an archive once for all of them."""

    def __init__(self, data_set: DataSet, wanted: tuple[DataFile, ...]) -> None:
        self.data_set = data_set
        self.wanted = wanted
        self.members: dict[Path, dict[DataFile, bytes]] = {}
        self.downloaded: Path | None = None  # the archive, once an earlier file of the same call has downloaded it

    def read(self, file: DataFile, path: Path) -> Copy:
        """Return a copy of a file from its path or archive; raise `BadDataFile` for another file."""
        archive = self.data_set.archive
        if archive is None or path.name != archive.name:
            return Copy(path, *file.read_copy(path))
        if path not in self.members:
            self.members[path] = read_members(archive, path, self.wanted)
        if file not in self.members[path]:
            raise BadDataFile(path, f"must contain {file.name}, which is missing")
        content, verified = file.read(self.members[path][file], path / file.name)
        return Copy(path, content, verified or is_verified(archive, path))

    def download(self, file: DataFile, root: str | os.PathLike[str] | None) -> Copy:
        """Download a file, or the archive that contains it; return the copy."""
        archive = self.data_set.archive
        if archive is None:
            path = download_file(self.data_set, file, _target(self.data_set, f"{file.name}.gz", root).parent)
        else:
            folder = _target(self.data_set, archive.name, root).parent
            path = self.downloaded = download_archive(self.data_set, archive, folder)
            self.members.pop(path, None)  # contents of a bad archive that has just been replaced
        return replace(self.read(file, path), downloaded=True)


@dataclass
class _Copies:
    """Copies of a file on this computer."""

    verified: Copy | None = None
    unverified: dict[Path, Copy] = field(default_factory=dict)  # by place
    bad: list[BadDataFile] = field(default_factory=list)  # one error for each bad copy


def _read_all(reader: _Reader, file: DataFile, root: str | os.PathLike[str] | None) -> _Copies:
    copies = _Copies()
    for place, path in candidates(reader.data_set, file, root):
        try:
            copy = reader.read(file, path)
        except BadDataFile as error:
            copies.bad.append(error)
        except OSError as error:
            copies.bad.append(BadDataFile(path, f"cannot be read: {error.strerror or error}"))
        else:
            if copy.verified:
                copies.verified = copy
                break
            copies.unverified.setdefault(place, copy)
    return copies


def _warning(data_set: DataSet, file: DataFile, copy: Copy) -> str:
    """Return the text of the warning about a copy that is not verified."""
    reason = f"no SHA-256 sum of the unpacked {data_set.title} is known"
    if data_set.archive and copy.path.name == data_set.archive.name:
        reason = f"its SHA-256 sum differs from the sum of {data_set.archive.url}"
    elif file.sha256:
        reason = "its SHA-256 sum differs from the known one"
    return f"{copy.path} is not verified: {reason}; it is recognised by its shape and counts"


def _target(data_set: DataSet, name: str, root: str | os.PathLike[str] | None) -> Path:
    """Return the path of a download; raise `DataNotFound` if it would overwrite a file."""
    target = data_folders(root)[0] / data_set.folder / name
    if target.exists() and not _is_in_cache(target):
        raise DataNotFound(f"{target} exists and is not overwritten.")
    return target


def _download_missing(
    reader: _Reader, file: DataFile, copies: _Copies, root: str | os.PathLike[str] | None, download: bool
) -> Copy:
    """Download a file that has no good copy, or raise an error that names the bad copies."""
    if reader.downloaded:
        return reader.read(file, reader.downloaded)
    try:
        if not download:
            raise DataNotFound("Downloads are disabled (download=False).")
        return reader.download(file, root)
    except DataNotFound as reason:
        for bad in copies.bad:
            if not (download and _is_in_cache(bad.source)):
                raise BadDataFile(bad.source, f"{bad.problem}. {ADVICE}") from reason
        unused = [
            f"{copy.path} is not used: it is not verified, and other files are missing in its folder."
            for copy in copies.unverified.values()
        ]
        message = _not_found(reader.data_set, file, root, [*map(str, copies.bad), *unused, str(reason)])
        raise DataNotFound(message, reason.summary) from reason.__cause__


def _is_in_cache(path: str | os.PathLike[str]) -> bool:
    return Path(path).is_relative_to(files.cache_folder())


def _not_found(data_set: DataSet, file: DataFile, root: str | os.PathLike[str] | None, reasons: list[str]) -> str:
    """Return a message: the searched places, why the download failed, and what to do."""
    archive = data_set.archive
    if archive:
        missing = f"no usable {archive.name} (nor {file.name}) in"
        by_hand = f"By hand: download {archive.url}, put it into a folder without unpacking it,"
    else:
        missing = f"no usable {file.name}.gz (nor {file.name}) in"
        by_hand = f"By hand: download the files from {' or '.join(data_set.mirrors)}, put them into a folder,"
    return "\n".join(
        [
            f"{data_set.title}: {missing}",
            *(f"  {place}" for place in places(data_set, root)),
            *reasons,
            by_hand,
            f"and pass that folder as root=, or set {FOLDER_VARIABLE} to it.",
            "Without a network: use the drawn digits of refconv.data.draw_digits.",
        ]
    )
