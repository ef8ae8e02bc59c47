"""Images that ``refconv predict`` reads from files, folders and the standard input."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np

from refconv._errors import ArgumentError
from refconv.cli.console import bar, in_one_line, print_error

if TYPE_CHECKING:
    from refconv.data import Preprocessing
    from refconv.typing import Array

__all__ = ["Picture", "Pictures"]

TOGETHER = 32  # files
STDIN = "-"


class Picture(NamedTuple):
    """What the network classifies in one image file.

    Attributes
    ----------
    name : str
        The file.
    images : array (n, H, W, C), uint8
        One image, or the digits of a sheet, in the size of the network's input.
    boxes : array (m, 5), int
        Result of ``digits_from_sheet``; empty for photographs. Without --sheet, n is 1, and m may be larger.
    """

    name: str
    images: Array
    boxes: Array


class Pictures:
    """Images of several files, in groups.

    A file that cannot be read, or a folder without images, is named on the standard error and counted in ``failed``.
    """

    def __init__(self, sources: Sequence[str], prepare: Preprocessing, is_sheet: bool) -> None:
        self.paths: list[str] = []
        self.prepare, self.is_sheet, self.failed = prepare, is_sheet, 0
        for source in sources:
            paths = files_of(source)
            self.paths += paths
            if not paths:
                print_error(f"refconv: there is no image in the folder {source}")
                self.failed += 1

    def __iter__(self) -> Iterator[list[Picture]]:
        """Yield the readable images of up to 32 files."""
        with bar("classifying", len(self.paths), "images") as progress:
            for start in range(0, len(self.paths), TOGETHER):
                paths = self.paths[start : start + TOGETHER]
                if group := [picture for path in paths if (picture := self._try_to_read(path)) is not None]:
                    yield group
                progress(len(paths))

    def _try_to_read(self, path: str) -> Picture | None:
        try:
            return self._read(path)
        except (ArgumentError, OSError) as error:
            print_error(f"refconv: {in_one_line(error)}")
            self.failed += 1
            return None

    def _read(self, path: str) -> Picture:
        file: str | BinaryIO = io.BytesIO(sys.stdin.buffer.read()) if path == STDIN else path
        if not self.prepare.ink:
            return Picture(path, self.prepare.read(file)[None], np.zeros((0, 5), int))
        from refconv.data.photo import one_digit, read_ink, several_digits

        ink = read_ink(file)
        digits, boxes = several_digits(ink)
        return Picture(path, self.prepare.fit(digits if self.is_sheet else one_digit(ink)[None]), boxes)


def files_of(source: str) -> list[str]:
    """Return the path itself, or all pictures in a folder and its folders."""
    if source == STDIN or not Path(source).is_dir():
        return [source]
    from refconv.data.folder import pictures_in

    folders = [Path(source), *sorted(path for path in Path(source).rglob("*") if path.is_dir())]
    return [str(path) for folder in folders for path in pictures_in(folder)]
