"""Location and verification of the files of a data set; `refconv.data.retrieve` reads them.

A data set is a table, a `DataSet`, with its mirrors, its files and their SHA-256 sums. All functions read this
table, so another data set needs another table but no more code. Some data sets are published as one `Archive`, whose
members `refconv.data.archive` reads.

A file is verified if its content has the sum of the table, whatever its source. The sum is computed from the
*decompressed* bytes, because two gzip files of the same content may differ in their headers. If only the sum of the
mirrors' ``.gz`` file is known, an unpacked or repacked file is recognised by its shape instead, with a warning that it is
not verified.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from refconv._bounded import read_at_most
from refconv._errors import ArgumentValueError

FOLDER_VARIABLE = "REFCONV_DATA_DIR"
ADVICE = f"It was not changed; to load or download another copy, pass another folder as root= or set {FOLDER_VARIABLE}."

LARGEST_FILE = 2**30  # bytes of a file whose size is not published, before and after decompression
SMALL_FILE = 2**26  # bytes; files up to this size are read, and described, although another size is expected
GZIP = b"\x1f\x8b"  # first bytes of gzip data

# First bytes, in lower case, of files that a failed download may contain instead of data: pages of proxies and of
# storage services, and pointer files of a repository.
_NOT_DATA = {
    b"<!doctype html": "an HTML page",
    b"<html": "an HTML page",
    b"<?xml": "an XML document",
    b"version https://git-lfs": "a Git LFS pointer",
    b"pk\x03\x04": "a zip archive",
}


class DataNotFound(FileNotFoundError):  # noqa: N818
    """Error for a data set file that is missing and was not downloaded.

    Attributes
    ----------
    summary : str
        The message in one line, for the command line.
    """

    def __init__(self, message: str, summary: str = "") -> None:
        super().__init__(message)
        self.summary = summary or message.partition("\n")[0]


class BadDataFile(ArgumentValueError):  # noqa: N818
    """Error for a file whose content is not what its name indicates.

    Attributes
    ----------
    source : str
        The path or the URL of the file.
    problem : str
        What is wrong, as the end of a sentence: ``"is an HTML page, not gzip data"``.
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
        Its name after decompression, without ``.gz``.
    sha256 : str or None
        The SHA-256 sum of its decompressed bytes, in hexadecimal; None if it is not known.
    gz_sha256 : str
        The SHA-256 sum of the ``.gz`` file that the mirrors serve; empty if there is none.
    recognise : callable, optional
        ``recognise(raw, content, source)`` is called if the sums do not match. It raises `BadDataFile` with a precise reason
        if the file cannot be this one. If ``sha256`` is None, a file that it accepts is used.
    strict : bool
        If False, a file that `recognise` accepts is used although ``sha256`` is known and differs from its sum.
    size, gz_size : int or None
        The sizes in bytes of the decompressed file and of the ``.gz`` file of the mirrors; None if not known. They limit how
        many bytes are decompressed and downloaded.
    """

    name: str
    sha256: str | None
    gz_sha256: str
    recognise: Callable[[bytes, bytes, str | os.PathLike[str]], None] | None = None
    strict: bool = True
    size: int | None = None
    gz_size: int | None = None

    @property
    def largest(self) -> int:
        """Largest number of bytes that are decompressed."""
        return LARGEST_FILE if self.size is None else max(self.size, SMALL_FILE)

    @property
    def largest_copy(self) -> int:
        """Largest number of bytes of a copy on disk, where it may be compressed with any settings."""
        return self.largest + self.largest // 1000 + 2**16  # gzip adds 5 bytes for each block that it cannot compress

    @property
    def names(self) -> list[str]:
        """Names that the file may have on disk, preferred ones first.

        7-Zip and Kaggle write ``images.idx3`` instead of ``images-idx3``.

        >>> DataFile("t10k-labels-idx1-ubyte", None, "").names[:3]
        ['t10k-labels-idx1-ubyte.gz', 't10k-labels-idx1-ubyte', 't10k-labels.idx1-ubyte.gz']
        """
        dotted = self.name.replace("-idx", ".idx")
        return list(dict.fromkeys(f"{name}{end}" for name in (self.name, dotted) for end in (".gz", "")))

    def read(self, raw: bytes, source: str | os.PathLike[str]) -> tuple[bytes, bool]:
        """Return the decompressed content and whether it is verified by a sum.

        Raises `BadDataFile` if the content is not this file's, or has more bytes than this file.
        """
        content = unpack(raw, source, self.largest)
        digest = hashlib.sha256(content).hexdigest()
        if digest == self.sha256 or (gz_digest := hashlib.sha256(raw).hexdigest()) == self.gz_sha256:
            return content, True
        if self.recognise is not None:
            self.recognise(raw, content, source)
        if self.sha256 is not None and self.strict:
            raise BadDataFile(source, f"has another content: {len(content)} bytes, sha256 {digest}, expected {self.sha256}")
        if self.recognise is None:
            raise BadDataFile(source, f"is not the .gz file of the mirrors: sha256 {gz_digest}, expected {self.gz_sha256}")
        return content, False

    def read_copy(self, path: Path) -> tuple[bytes, bool]:
        """Read a copy from its path; return and raise the same as `read`."""
        return self.read(read_file(path, self.largest_copy), path)

    def check_download(self, path: Path, url: str) -> None:
        """Raise `BadDataFile` if a downloaded ``.gz`` file has another sum and is not this file's.

        The sum is compared first, so that the published file is not decompressed. If only the compression differs, nothing is
        raised.
        """
        raw = read_file(path, self.largest_copy, url)
        if hashlib.sha256(raw).hexdigest() != self.gz_sha256:
            self.read(raw, url)


@dataclass(frozen=True)
class Archive:
    """One file that contains all files of a data set: a zip archive or a tar.gz archive.

    Parameters
    ----------
    name : str
        Its name, which ends in ``.zip`` or ``.tar.gz``.
    url : str
        Its address.
    sha256 : str
        Its SHA-256 sum, in hexadecimal.
    size : int
        Its size in bytes.
    """

    name: str
    url: str
    sha256: str
    size: int


@dataclass(frozen=True)
class DataSet:
    """Table that describes a data set: its title, mirrors, splits and folders.

    Parameters
    ----------
    title : str
        Its name in messages: ``"MNIST"``.
    folder : str
        The folder of its files, inside the folder of all data sets: ``"mnist"``.
    mirrors : tuple of str
        The URLs of the folders that serve its files, in the order in which they are tried.
    splits : mapping of str to tuple of DataFile
        The files of each split, in the order that its loader expects.
    other_folders : tuple of str
        Folders in which other programs put its files, inside the folder of all data sets: ``"MNIST/raw"``. If the folder of
        all data sets is itself called ``MNIST``, its folder ``raw`` is also searched.
    archive : Archive, optional
        The archive that contains the files, if the set is published as one. It is downloaded instead of single files.
    """

    title: str
    folder: str
    mirrors: tuple[str, ...]
    splits: Mapping[str, tuple[DataFile, ...]]
    other_folders: tuple[str, ...] = ()
    archive: Archive | None = None

    def files(self, split: str) -> tuple[DataFile, ...]:
        """Return the files of a split; raise ``ValueError`` with all splits if it does not exist."""
        if split not in self.splits:
            raise ArgumentValueError(f"split must be {' or '.join(map(repr, self.splits))} of {self.title}, got {split!r}")
        return self.splits[split]


def cache_folder() -> Path:
    """Return refconv's folder in the user's cache.

    It is the same folder as ``pooch.os_cache("refconv")``. It is computed here because downloaded files must also
    be found if pooch is not installed. Without a home folder, as in some containers, it is in the folder of temporary files.
    """
    try:
        home = Path.home()
    except RuntimeError:
        return Path(tempfile.gettempdir()) / "refconv"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local"
        return Path(local) / "refconv" / "refconv" / "Cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "refconv"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "refconv"


def data_folders(root: str | os.PathLike[str] | None = None) -> list[Path]:
    """Return the folders that are searched for data sets; downloads go into the first one.

    If `root` is given, it is the only folder. Otherwise they are the folder named by the environment variable
    ``REFCONV_DATA_DIR``, if it is set, and the user's cache.

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
    """Return the paths of all copies of a file on this computer, preferred ones first.

    In each of the `data_folders`, the search order is the folder of the set, ``<folder>/<set>``, then its `other_folders`,
    then ``<folder>`` itself. In each of these, the archive of the set is tried first, then `DataFile.names` in order, and then
    the same names in a folder with the name of the file, because some programs unpack it there. No file is opened; a copy is
    verified when it is read.
    """
    return [path for _, path in candidates(data_set, file, root)]


def available(data_set: DataSet, root: str | os.PathLike[str] | None = None) -> bool:
    """Return True if every file of a data set is on this computer.

    Loading it then needs no network.

    Parameters
    ----------
    data_set : DataSet
        The data set, such as ``refconv.data.mnist.MNIST``.
    root : path, optional
        The folder to search; by default the `data_folders`.

    Returns
    -------
    bool
        True if every file exists. The files are not opened, so they may be damaged.

    Examples
    --------
    >>> import tempfile
    >>> from refconv.data.mnist import MNIST
    >>> with tempfile.TemporaryDirectory() as empty:
    ...     available(MNIST, root=empty)
    False
    """
    return all(find(data_set, file, root) for files in data_set.splits.values() for file in files)


def read_file(path: Path, limit: int, source: str | os.PathLike[str] | None = None) -> bytes:
    """Return the bytes of a file; raise `BadDataFile` if there are more than a limit.

    ``source`` is the path or URL for messages, by default the path.
    """
    with path.open("rb") as file:
        raw = read_at_most(file, limit)
    if len(raw) > limit:
        raise BadDataFile(source or path, f"must have at most {limit} bytes, got more")
    return raw


def unpack(raw: bytes, source: str | os.PathLike[str], limit: int = LARGEST_FILE) -> bytes:
    """Return the content of a file that may be compressed with gzip.

    Gzip data are recognised by their first bytes, not by the name, because browsers may decompress a file and keep the
    ``.gz`` in its name.

    Parameters
    ----------
    raw : bytes
        The bytes of the file.
    source : path or str
        The path or URL of the file, for messages.
    limit : int
        Largest number of bytes after decompression. No more are decompressed, since gzip shrinks zeros by a factor of 1000.

    Returns
    -------
    bytes
        The decompressed bytes, or `raw` itself if it is not compressed.

    Raises
    ------
    BadDataFile
        If the file is empty, incomplete, damaged, too long, or something else such as an HTML page.

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
    if kind := kind_of_other_data(raw):
        raise BadDataFile(source, f"is {kind}, not {'gzip data' if str(source).endswith('.gz') else 'data'}")
    content = raw
    if raw.startswith(GZIP):
        with damage_named(source, len(raw)):
            content = read_at_most(gzip.GzipFile(fileobj=io.BytesIO(raw)), limit)
    if len(content) > limit:
        raise BadDataFile(source, f"must contain at most {limit} bytes after decompression, got more")
    return content


@contextlib.contextmanager
def damage_named(source: str | os.PathLike[str], size: int) -> Iterator[None]:
    """Raise the errors of a gzip decompressor as `BadDataFile`.

    ``size`` is the number of compressed bytes.
    """
    try:
        yield
    except EOFError:
        raise BadDataFile(source, f"ends early: its gzip data stop after {size} bytes") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise BadDataFile(source, f"is damaged gzip data: {error}") from error


def kind_of_other_data(raw: bytes) -> str | None:
    """Describe content that a failed download may leave instead of data; None for other content.

    >>> kind_of_other_data(b"<html><title>Sign in</title></html>"), kind_of_other_data(b"seven")
    ('an HTML page', None)
    """
    start = raw[:64].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return next((kind for signature, kind in _NOT_DATA.items() if start.startswith(signature)), None)


def places(data_set: DataSet, root: str | os.PathLike[str] | None) -> list[Path]:
    """Return the folders that may contain files of a data set, preferred ones first."""
    folders = []
    for folder in data_folders(root):
        inside = [data_set.folder, *data_set.other_folders]
        # The folder may itself be a folder that another program created for this set.
        own_name = Path(os.path.abspath(folder)).name
        inside += [inner for outer, _, inner in (other.partition("/") for other in inside) if inner and outer == own_name]
        folders += [folder / name for name in (*inside, ".")]
    return folders


def candidates(data_set: DataSet, file: DataFile, root: str | os.PathLike[str] | None) -> Iterator[tuple[Path, Path]]:
    """Yield the folder and the path of each copy of a file; the folder is one of `places`."""
    for place in places(data_set, root):
        if data_set.archive and (path := place / data_set.archive.name).is_file():
            yield place, path
        for inner in (place, place / file.name):
            yield from ((place, path) for name in file.names if (path := inner / name).is_file())
