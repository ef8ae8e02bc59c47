"""The files of a data set: where they are, and whether they are the right ones. `refconv.data.retrieve` reads them.

A data set is a table, a `DataSet`: its mirrors, its files and their SHA-256 sums. Everything here reads that
table, so another data set is another table and no more code.

A file is verified if its content has the sum of the table, wherever it came from. The sum is that of the
*decompressed* bytes: two gzip files of the same content may differ in their headers. Where only the sum of the mirrors'
``.gz`` file is known, an unpacked or repacked file is recognised by its shape instead, with a warning that it is not verified.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from refconv._errors import ArgumentValueError

FOLDER_VARIABLE = "REFCONV_DATA_DIR"
ADVICE = f"It stays as it is; to load or download another copy, name another folder by root= or {FOLDER_VARIABLE}."

# What arrives in place of data when a download goes wrong: the pages of proxies and of storage services,
# and the pointer files of a repository. The first bytes, in lower case.
_NOT_DATA = {
    b"<!doctype html": "an HTML page",
    b"<html": "an HTML page",
    b"<?xml": "an XML document",
    b"version https://git-lfs": "a Git LFS pointer",
    b"pk\x03\x04": "a zip archive",
}


class DataNotFound(FileNotFoundError):  # noqa: N818
    """A file of a data set is on no disk and could not be, or was not to be, downloaded."""


class BadDataFile(ArgumentValueError):  # noqa: N818
    """A file is there, but it is not what its name says.

    Attributes
    ----------
    source : str
        The path or the URL of the file.
    problem : str
        What it is instead, as the rest of a sentence: ``"is an HTML page, not gzip data"``.
    """

    def __init__(self, source: str | os.PathLike[str], problem: str) -> None:
        super().__init__(source, problem)
        self.source = str(source)
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.source} {self.problem}"


@dataclass(frozen=True)
class DataFile:
    """One file of a data set.

    Parameters
    ----------
    name : str
        Its name once decompressed, without ``.gz``.
    sha256 : str or None
        The SHA-256 sum of its content, that is, of the decompressed bytes, in hexadecimal; None if it is not known.
    gz_sha256 : str
        The SHA-256 sum of the ``.gz`` file that the mirrors serve.
    recognise : callable, optional
        ``recognise(raw, content, source)`` raises `BadDataFile` if a file whose sums do not match cannot be this one. It says
        more exactly than the sums what is wrong, and without ``sha256`` it decides.
    """

    name: str
    sha256: str | None
    gz_sha256: str
    recognise: Callable[[bytes, bytes, str | os.PathLike[str]], None] | None = None

    @property
    def names(self) -> list[str]:
        """Names of the file on disk, preferred first: 7-Zip and Kaggle write ``images.idx3`` for ``images-idx3``.

        >>> DataFile("t10k-labels-idx1-ubyte", None, "").names[:3]
        ['t10k-labels-idx1-ubyte.gz', 't10k-labels-idx1-ubyte', 't10k-labels.idx1-ubyte.gz']
        """
        dotted = self.name.replace("-idx", ".idx")
        return list(dict.fromkeys(f"{name}{end}" for name in (self.name, dotted) for end in (".gz", "")))

    def read(self, raw: bytes, source: str | os.PathLike[str]) -> tuple[bytes, bool]:
        """Return the decompressed content and whether a sum verifies it; `BadDataFile` if it is not this file."""
        content = unpack(raw, source)
        found = hashlib.sha256(content).hexdigest()
        if found == self.sha256 or (gz_found := hashlib.sha256(raw).hexdigest()) == self.gz_sha256:
            return content, True
        if self.recognise is not None:
            self.recognise(raw, content, source)
        if self.sha256 is not None:
            raise BadDataFile(source, f"has another content: {len(content)} bytes, sha256 {found}, expected {self.sha256}")
        if self.recognise is None:
            raise BadDataFile(source, f"is not the .gz file of the mirrors: sha256 {gz_found}, expected {self.gz_sha256}")
        return content, False


@dataclass(frozen=True)
class DataSet:
    """A data set as a table: what it is called, who serves it, and which files each split is made of.

    Parameters
    ----------
    title : str
        Its name in messages: ``"MNIST"``.
    folder : str
        The folder that holds its files, inside the folder of all data sets: ``"mnist"``.
    mirrors : tuple of str
        The URLs of the folders that serve its files, in the order in which to try them.
    splits : mapping of str to tuple of DataFile
        The files of each split, in the order in which its loader wants them.
    other_folders : tuple of str
        Where other programs put its files, inside the folder of all data sets: ``"MNIST/raw"``. Where that folder is itself
        called ``MNIST``, its folder ``raw`` is meant too.
    """

    title: str
    folder: str
    mirrors: tuple[str, ...]
    splits: Mapping[str, tuple[DataFile, ...]]
    other_folders: tuple[str, ...] = ()

    def files(self, split: str) -> tuple[DataFile, ...]:
        """Return the files of a split, or raise ``ValueError`` naming the splits there are."""
        if split not in self.splits:
            raise ArgumentValueError(f"split must be {' or '.join(map(repr, self.splits))} of {self.title}, got {split!r}")
        return self.splits[split]


def cache_folder() -> Path:
    """Return the folder for refconv in the user's cache.

    It is the one that ``pooch.os_cache("refconv")`` names, worked out here because what was downloaded with
    pooch must also be found without it.
    """
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        return Path(local) / "refconv" / "refconv" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "refconv"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "refconv"


def data_folders(root: str | os.PathLike[str] | None = None) -> list[Path]:
    """Return the folders in which data sets are looked for; the first is the one they are downloaded into.

    That is `root` alone where it is given; otherwise the folder named by the environment variable
    ``REFCONV_DATA_DIR``, if it is set, and then the user's cache.

    Examples
    --------
    >>> [folder.as_posix() for folder in data_folders("my/data")]
    ['my/data']
    """
    if root is not None:
        return [Path(root).expanduser()]
    variable = os.environ.get(FOLDER_VARIABLE)
    return ([Path(variable).expanduser()] if variable else []) + [cache_folder()]


def find(data_set: DataSet, file: DataFile, root: str | os.PathLike[str] | None = None) -> list[Path]:
    """Return the copies of a file on this computer, in the order in which they are preferred.

    In each of the `data_folders` come first the folder of the set, ``<folder>/<set>``, then its `other_folders`, then
    ``<folder>`` itself. In each of these, `DataFile.names` are tried in order, and then the same names in a folder that is
    called like the file, as some programs unpack it. Nothing is opened: whether a copy is good is known when it is read.
    """
    return [path for _, path in candidates(data_set, file, root)]


def available(data_set: DataSet, root: str | os.PathLike[str] | None = None) -> bool:
    """Say whether every file of a data set is on this computer, so that loading it needs no network.

    Parameters
    ----------
    data_set : DataSet
        The data set, such as ``refconv.data.mnist.MNIST``.
    root : path, optional
        The folder to look in; by default the `data_folders`.

    Returns
    -------
    bool
        True if every file was found, whether good or not: nothing is opened.

    Examples
    --------
    >>> import tempfile
    >>> from refconv.data.mnist import MNIST
    >>> with tempfile.TemporaryDirectory() as empty:
    ...     available(MNIST, root=empty)
    False
    """
    return all(find(data_set, file, root) for files in data_set.splits.values() for file in files)


def unpack(raw: bytes, source: str | os.PathLike[str]) -> bytes:
    """Return the content of a file that may be gzip data, and refuse what is no data.

    Gzip is told by the first bytes, not by the name: browsers like to decompress a file and keep its ``.gz``.

    Parameters
    ----------
    raw : bytes
        The bytes of the file.
    source : path or str
        The path or URL they came from, for messages.

    Returns
    -------
    bytes
        The decompressed bytes, or `raw` itself where it is not compressed.

    Raises
    ------
    BadDataFile
        If the file is empty, something else (such as an HTML page), cut short or damaged.

    Examples
    --------
    >>> import gzip
    >>> unpack(gzip.compress(b"seven"), "digits.gz")
    b'seven'
    >>> unpack(b"<html><title>Sign in</title></html>", "digits.gz")
    Traceback (most recent call last):
        ...
    refconv.data.files.BadDataFile: digits.gz is an HTML page, not gzip data
    """
    if not raw:
        raise BadDataFile(source, "is empty")
    start = raw[:64].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for signature, thing in _NOT_DATA.items():
        if start.startswith(signature):
            expected = "gzip data" if str(source).endswith(".gz") else "data"
            raise BadDataFile(source, f"is {thing}, not {expected}")
    try:
        content = gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw
    except EOFError:
        raise BadDataFile(source, f"ends early: its gzip data break off after {len(raw)} bytes") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise BadDataFile(source, f"is damaged gzip data: {error}") from error
    return content


def places(data_set: DataSet, root: str | os.PathLike[str] | None) -> list[Path]:
    """Folders that may hold files of a data set, in the order in which they are preferred."""
    found = []
    for folder in data_folders(root):
        inside = [data_set.folder, *data_set.other_folders]
        # The folder may itself be the one that another program made for this set.
        own_name = Path(os.path.abspath(folder)).name
        inside += [inner for outer, _, inner in (other.partition("/") for other in inside) if inner and outer == own_name]
        found += [folder / name for name in (*inside, ".")]
    return found


def candidates(data_set: DataSet, file: DataFile, root: str | os.PathLike[str] | None) -> Iterator[tuple[Path, Path]]:
    """Yield the path of each copy of a file with its place, one of `places`."""
    for place in places(data_set, root):
        for inner in (place, place / file.name):
            yield from ((place, path) for name in file.names if (path := inner / name).is_file())
