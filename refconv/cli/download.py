"""Command ``refconv download``: download data sets and verify their files."""

from __future__ import annotations

import warnings
from argparse import Namespace
from typing import TYPE_CHECKING

from refconv.cli.arguments import one_of
from refconv.cli.command import Command, Failure
from refconv.cli.console import say
from refconv.cli.parser import Parser

if TYPE_CHECKING:
    from refconv.data.retrieve import Copy
    from refconv.data.sources import Source

__all__ = ["COMMAND"]

DESCRIPTION = """\
Download data sets and print where their files are. Files that are already on this computer are verified and not downloaded
again. `refconv list` prints the names and the sizes of the data sets.

The files are stored in --root, or else in the folder named by the environment variable REFCONV_DATA_DIR, or else in the user's
cache. Archives are not unpacked; refconv reads them as they are. All selections of EMNIST are in one archive.
"""


def add_arguments(parser: Parser) -> None:
    from refconv.data.sources import SOURCES

    names = [name for name, source in SOURCES.items() if source.data_set]
    parser.add_argument("names", nargs="+", **{**one_of(*names), "metavar": "NAME"}, help=f"any of: {', '.join(names)}")
    parser.add_argument("--root", metavar="DIR", help="folder to search and to download into (default: see above)")


def run(options: Namespace) -> None:
    from refconv.data.sources import SOURCES

    for name in options.names:
        _download(SOURCES[name], options.root)


def _download(source: Source, root: str | None) -> None:
    from refconv.data.files import DataNotFound
    from refconv.data.retrieve import fetch

    assert source.data_set is not None  # the names on the command line have files
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the line that is printed says whether the files are verified
        try:
            copies = fetch(source.data_set, root)
        except DataNotFound as error:
            raise Failure(f"{source.title} was not downloaded: {error.summary}") from error
    say(f"{source.name}: {_summary(copies)}")


def _summary(copies: list[Copy]) -> str:
    """Return what was done with the files, where they are, and whether they are verified."""
    paths = list(dict.fromkeys(copy.path for copy in copies))
    folders = list(dict.fromkeys(path.parent for path in paths))
    where = str(paths[0]) if len(paths) == 1 else f"{len(paths)} files in {', '.join(map(str, folders))}"
    downloaded = len({copy.path for copy in copies if copy.downloaded})
    action = "already there" if not downloaded else "downloaded"
    if 0 < downloaded < len(paths):
        action = f"{downloaded} downloaded, {len(paths) - downloaded} already there"
    verified = all(copy.verified for copy in copies)
    state = "SHA-256 verified" if verified else "not verified: only shape and counts were checked"
    return f"{action}: {where} ({state})"


COMMAND = Command("download", "download data sets and verify their files", DESCRIPTION, add_arguments, run, can_be_quiet=True)
