"""Read the files of a data set: the good copies on this computer, or else a download from a mirror."""

from __future__ import annotations

import os
import tempfile
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from refconv._optional import need
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

PATIENCE = 30  # seconds without a byte before a mirror counts as unreachable


def read_data_file(
    data_set: DataSet, file: DataFile, root: str | os.PathLike[str] | None = None, download: bool = True
) -> bytes:
    """Return the decompressed content of one file of a data set; see `read_data_files`."""
    return read_data_files(data_set, (file,), root, download)[0]


def read_data_files(
    data_set: DataSet, wanted: tuple[DataFile, ...], root: str | os.PathLike[str] | None = None, download: bool = True
) -> list[bytes]:
    """Return the decompressed contents of files that belong together, from disk or else from a mirror.

    The first verified copy of each of those that `find` names is used. Copies that are recognised but cannot be verified are
    used where there is none, all from the same place: the first that has the most of the files. What is missing is downloaded,
    if `download` allows. A bad copy is never used. It is an error if its file is found nowhere else, and it is never replaced
    except in the user's cache, where refconv put it.

    Parameters
    ----------
    data_set : DataSet
        The data set.
    wanted : tuple of DataFile
        Some of its files, such as those of a split.
    root : path, optional
        The folder to look in and to download into; by default the `data_folders`.
    download : bool
        Whether to download what is missing.

    Returns
    -------
    list of bytes
        The decompressed contents.

    Warns
    -----
    UserWarning
        If a content is not verified, because the table holds no sum of the decompressed bytes.

    Raises
    ------
    BadDataFile
        If no copy on disk is what its name says, and no mirror has replaced it.
    DataNotFound
        If there is no copy, and `download` is False or every mirror failed.
    """
    copies = {file: _read_copies(data_set, file, root) for file in wanted}

    def missing(place: Path) -> int:
        return sum(found.verified is None and place not in found.unverified for found in copies.values())

    place = min(places(data_set, root), key=missing)
    contents = []
    for file, found in copies.items():
        if found.verified is not None:
            contents.append(found.verified)
        elif place in found.unverified:
            path, content = found.unverified[place]
            reason = f"no SHA-256 sum of the unpacked {data_set.title} is known; it is recognised by its shape and counts"
            # The warning points at the call of load_fashion_mnist and the like.
            warnings.warn(f"{path} is not verified: {reason}", stacklevel=4)
            contents.append(content)
        else:
            contents.append(_download_missing(data_set, file, found, root, download))
    return contents


@dataclass
class _Copies:
    """The copies of a file on this computer: the first verified content, paths and contents by place, and what is wrong."""

    verified: bytes | None = None
    unverified: dict[Path, tuple[Path, bytes]] = field(default_factory=dict)
    bad: list[BadDataFile] = field(default_factory=list)


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
    """Download a file of which no good copy was found, or raise an error that names the bad ones."""
    folder = data_folders(root)[0] / data_set.folder
    target = folder / f"{file.name}.gz"
    try:
        if not download:
            raise DataNotFound("Downloading is off (download=False).")
        if target.exists() and not _is_in_cache(target):
            raise DataNotFound(f"{target} is there and is not overwritten.")
        return _download(data_set, file, folder)
    except DataNotFound as reason:
        for bad in copies.bad:
            if not (download and _is_in_cache(bad.source)):
                raise BadDataFile(bad.source, f"{bad.problem}. {ADVICE}") from reason
        apart = [
            f"{path} is not used: it is not verified, and not all files are in its folder."
            for path, _ in copies.unverified.values()
        ]
        message = _not_found(data_set, file, root, [*map(str, copies.bad), *apart, str(reason)])
        raise DataNotFound(message) from reason.__cause__


def _is_in_cache(path: str | os.PathLike[str]) -> bool:
    return Path(path).is_relative_to(files.cache_folder())


def _not_found(data_set: DataSet, file: DataFile, root: str | os.PathLike[str] | None, reasons: list[str]) -> str:
    """Say where a file was looked for, why it could not be downloaded, and what to do now."""
    return "\n".join(
        [
            f"{data_set.title}: no usable {file.name}.gz (nor {file.name}) in",
            *(f"  {place}" for place in places(data_set, root)),
            *reasons,
            f"By hand: get the files of {' or '.join(data_set.mirrors)}, put them into a folder,",
            f"and pass that folder as root=, or set {FOLDER_VARIABLE} to it.",
            "Without a network: use the digits embedded in refconv.",
        ]
    )


def _download(data_set: DataSet, file: DataFile, folder: Path) -> bytes:
    """Download a file into a folder from the first mirror that serves the right one; return its content."""
    try:
        need("pooch", "train", f"downloading {data_set.title}")
        need("tqdm", "train", f"downloading {data_set.title} (its progress bar)")
        # A folder that cannot be written is no mirror's fault: find out before asking them.
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (ImportError, OSError) as error:
        raise DataNotFound(f"It cannot be downloaded into {folder}: {error}") from error
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


def _download_from(url: str, file: DataFile, folder: Path) -> bytes:
    """Download a file from one URL: under a temporary name until its content and its sum are right."""
    import pooch

    fetch = pooch.HTTPDownloader(progressbar=True, timeout=PATIENCE)

    def fetch_and_look(url: str, output_file: str, caller: Any) -> None:
        fetch(url, output_file, caller)
        # pooch itself would only say that the sum is wrong; this says what came instead.
        file.read(Path(output_file).read_bytes(), url)

    path = pooch.retrieve(url, file.gz_sha256, f"{file.name}.gz", folder, downloader=fetch_and_look)
    return file.read(Path(path).read_bytes(), path)[0]
