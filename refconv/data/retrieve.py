"""Reading of a data set's files from this computer, or from a mirror if they are missing."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from refconv._optional import need
from refconv._progress import bars_visible, is_quiet
from refconv.data import files
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

TIMEOUT = 30  # seconds without a byte before a mirror counts as unreachable


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
        If a content is not verified because the table contains no sum of the decompressed bytes.

    Raises
    ------
    BadDataFile
        If all copies of a file on disk are bad, and no mirror provided a good one.
    DataNotFound
        If a file has no copy, and `download` is False or every mirror failed.
    """
    copies = {file: _read_copies(data_set, file, root) for file in wanted}

    def missing(place: Path) -> int:
        return sum(copy.verified is None and place not in copy.unverified for copy in copies.values())

    place = min(places(data_set, root), key=missing)
    contents = []
    for file, copy in copies.items():
        if copy.verified is not None:
            contents.append(copy.verified)
        elif place in copy.unverified:
            path, content = copy.unverified[place]
            reason = f"no SHA-256 sum of the unpacked {data_set.title} is known; it is recognised by its shape and counts"
            # The warning refers to the line that calls load_fashion_mnist or a similar function.
            warnings.warn(f"{path} is not verified: {reason}", stacklevel=4)
            contents.append(content)
        else:
            contents.append(_download_missing(data_set, file, copy, root, download))
    return contents


@dataclass
class _Copies:
    """Copies of a file on this computer."""

    verified: bytes | None = None  # content of the first verified copy
    unverified: dict[Path, tuple[Path, bytes]] = field(default_factory=dict)  # path and content by place
    bad: list[BadDataFile] = field(default_factory=list)  # one error for each bad copy


def _read_copies(data_set: DataSet, file: DataFile, root: str | os.PathLike[str] | None) -> _Copies:
    copies = _Copies()
    for place, path in candidates(data_set, file, root):
        try:
            content, verified = file.read(path.read_bytes(), path)
        except BadDataFile as error:
            copies.bad.append(error)
        except OSError as error:
            copies.bad.append(BadDataFile(path, f"cannot be read: {error.strerror or error}"))
        else:
            if verified:
                copies.verified = content
                break
            copies.unverified.setdefault(place, (path, content))
    return copies


def _download_missing(
    data_set: DataSet, file: DataFile, copies: _Copies, root: str | os.PathLike[str] | None, download: bool
) -> bytes:
    """Download a file that has no good copy, or raise an error that names the bad copies."""
    folder = data_folders(root)[0] / data_set.folder
    target = folder / f"{file.name}.gz"
    try:
        if not download:
            raise DataNotFound("Downloads are disabled (download=False).")
        if target.exists() and not _is_in_cache(target):
            raise DataNotFound(f"{target} exists and is not overwritten.")
        return _download(data_set, file, folder)
    except DataNotFound as reason:
        for bad in copies.bad:
            if not (download and _is_in_cache(bad.source)):
                raise BadDataFile(bad.source, f"{bad.problem}. {ADVICE}") from reason
        unused = [
            f"{path} is not used: it is not verified, and other files are missing in its folder."
            for path, _ in copies.unverified.values()
        ]
        message = _not_found(data_set, file, root, [*map(str, copies.bad), *unused, str(reason)])
        raise DataNotFound(message) from reason.__cause__


def _is_in_cache(path: str | os.PathLike[str]) -> bool:
    return Path(path).is_relative_to(files.cache_folder())


def _not_found(data_set: DataSet, file: DataFile, root: str | os.PathLike[str] | None, reasons: list[str]) -> str:
    """Return a message: the searched places, why the download failed, and what to do."""
    return "\n".join(
        [
            f"{data_set.title}: no usable {file.name}.gz (nor {file.name}) in",
            *(f"  {place}" for place in places(data_set, root)),
            *reasons,
            f"By hand: download the files from {' or '.join(data_set.mirrors)}, put them into a folder,",
            f"and pass that folder as root=, or set {FOLDER_VARIABLE} to it.",
            "Without a network: use the drawn digits of refconv.data.draw_digits.",
        ]
    )


def _download(data_set: DataSet, file: DataFile, folder: Path) -> bytes:
    """Download a file from the first mirror that serves the correct one; return its content."""
    try:
        need("pooch", "train", f"downloading {data_set.title}")
        need("tqdm", "train", f"downloading {data_set.title} (its progress bar)")
        # Check first that the folder is writable; otherwise every mirror would seem to fail.
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (ImportError, OSError) as error:
        raise DataNotFound(f"The file cannot be downloaded into {folder}: {error}") from error
    failures = []
    for mirror in data_set.mirrors:
        url = f"{mirror.rstrip('/')}/{file.name}.gz"
        try:
            return _download_from(url, file, folder)
        except BadDataFile as bad:
            failures.append(f"  {url} {bad.problem}")
        except (OSError, ValueError) as error:  # every exception of requests is an OSError
            failures.append(f"  {url}: {error}")
    raise DataNotFound("\n".join(["Every mirror failed:", *failures]))


def _is_printed(record: logging.LogRecord) -> bool:
    """Return True for the messages of pooch that are printed: warnings, and all if refconv is not quiet."""
    return record.levelno >= logging.WARNING or not is_quiet()


def _download_from(url: str, file: DataFile, folder: Path) -> bytes:
    """Download a file from one URL; return its content.

    It has a temporary name until its content and its sum are verified.
    """
    import pooch

    pooch.get_logger().addFilter(_is_printed)
    fetch = pooch.HTTPDownloader(progressbar=bars_visible(), timeout=TIMEOUT)

    def fetch_and_check(url: str, output_file: str, caller: Any) -> None:
        fetch(url, output_file, caller)
        # pooch would only report a wrong sum; this error describes what was downloaded instead.
        file.read(Path(output_file).read_bytes(), url)

    path = pooch.retrieve(url, file.gz_sha256, f"{file.name}.gz", folder, downloader=fetch_and_check)
    return file.read(Path(path).read_bytes(), path)[0]
