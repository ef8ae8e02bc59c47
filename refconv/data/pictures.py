"""Reading of picture files in one form: upright, on white, with 8 bits per channel."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from refconv._optional import need
from refconv.data.files import BadDataFile

__all__ = ["FAINTEST_INK", "PictureFile", "check_pixels", "is_sideways", "on_white", "open_picture", "unreadable"]

FAINTEST_INK = 20  # grey levels of 255; a smaller contrast counts as noise of the paper
STRAY_SHARE = 0.03  # fraction of the opaque area; fewer dark pixels do not count as writing
ORIENTATION = 0x0112  # the EXIF tag
STRIP = 2**20  # pixels that are composited at once: their intermediate images take 30 bytes for each
PNG_DEPTH = 24  # byte of the bit depth in a PNG file: after signature, length and name of the chunk, width and height
# Transpositions that undo the orientations 2 to 8; orientation 1 is upright.
UNDO = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}


def open_picture(path: str | os.PathLike[str] | BinaryIO, mode: str = "RGB") -> Any:
    """Open a picture file upright and composited on white.

    Parameters
    ----------
    path : path or binary file
        A file of any format that Pillow reads, or an open one. The first frame of an animation is used.
    mode : {"RGB", "L"}
        Pillow's name for the pixel format of the result: colour or grey.

    Returns
    -------
    PIL.Image.Image
        The picture in mode `mode`, rotated according to the orientation stored by the camera. An unreadable orientation
        counts as upright.

    Raises
    ------
    BadDataFile
        If Pillow cannot read the file; if it has more pixels than ``PIL.Image.MAX_IMAGE_PIXELS``, 89 million unless a program
        changes it; or if its pixels have more than 8 bits per channel: such formats do not define which numbers are black and
        white. A PNG file of 16-bit colours is accepted unless one of the colours is transparent; Pillow reads the upper 8
        bits. `BadDataFile` is a ``ValueError``.
    OSError
        If the file cannot be opened, for example ``FileNotFoundError``.
    ImportError
        If Pillow is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from PIL import Image
    >>> picture = Image.new("LA", (3, 2), (0, 255))  # black and opaque
    >>> picture.putpixel((2, 1), (0, 0))  # black and transparent
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     picture.save(Path(folder) / "corner.png")
    ...     np.asarray(open_picture(Path(folder) / "corner.png", "L"))
    array([[  0,   0,   0],
           [  0,   0, 255]], dtype=uint8)

    Source: lecture row B10 (SOURCES.md); EXIF 2.32 (CIPA DC-008), tag Orientation.
    """
    image = need("PIL.Image", "train", "reading pictures")
    if not isinstance(path, str | os.PathLike):
        return _opened(image, path, "the input", mode)
    with PictureFile(path) as file:  # not by name: Pillow 13 maps a named TIFF into memory and mixes up its rotated rows
        return _opened(image, file, path, mode)


class PictureFile(io.BufferedReader):
    """Open file that never allocates more memory than it has bytes.

    A damaged picture may announce any size of a part, and Pillow reads this size at once.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(io.FileIO(path))

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > io.DEFAULT_BUFFER_SIZE:
            size = min(size, max(0, os.fstat(self.fileno()).st_size - self.tell()))
        return super().read(size)


def on_white(picture: Any, mode: str = "RGB") -> Any:
    """Convert a Pillow image to "RGB" or "L", with transparent pixels composited on white.

    White ink on a transparent background is invisible on white. If an image is mostly transparent, and blank on white
    except for stray pixels, its ink is in the alpha channel. The result then shows the alpha channel, dark on white.
    """
    image = need("PIL.Image", "train", "reading pictures")
    flat, alpha = image.new(mode, picture.size), image.new("L", picture.size)
    for box in _strips(picture.size):
        rgba = picture.crop(box).convert("RGBA")  # also applies transparent colours and palette entries of PNG and GIF
        flat.paste(image.alpha_composite(image.new("RGBA", rgba.size, "white"), rgba).convert(mode), box)
        alpha.paste(rgba.getchannel("A"), box)
    if _ink_is_in_alpha(flat, alpha):
        return alpha.point(lambda level: 255 - level).convert(mode)
    return flat


def check_pixels(picture: Any, name: str | os.PathLike[str]) -> None:
    """Raise `BadDataFile` if a picture that is not read yet has more pixels than Pillow's limit.

    Pillow itself only warns of more pixels, up to twice the limit. A picture of one colour with any size is a small file.
    """
    image = need("PIL.Image", "train", "reading pictures")
    if (limit := image.MAX_IMAGE_PIXELS) is not None and picture.width * picture.height > limit:
        raise _too_large(name, f"{picture.width} × {picture.height}")


def unreadable(name: str | os.PathLike[str], error: Exception) -> BadDataFile:
    """Return the error about a picture file that Pillow could not read."""
    image = need("PIL.Image", "train", "reading pictures")
    if isinstance(error, image.UnidentifiedImageError):
        return BadDataFile(name, "is not a readable picture: Pillow does not recognise the file format")
    if isinstance(error, image.DecompressionBombError):
        return _too_large(name, f"more than {2 * image.MAX_IMAGE_PIXELS:,}")
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return BadDataFile(name, f"is not a readable picture: {reason}")


def is_sideways(picture: Any) -> bool:
    """Return True if an unread Pillow image is turned by 90 degrees when it is displayed."""
    try:
        return UNDO.get(picture.getexif().get(ORIENTATION, 1)) in ("TRANSPOSE", "ROTATE_270", "TRANSVERSE", "ROTATE_90")
    except MemoryError:
        raise
    except Exception:  # metadata that Pillow cannot parse count as upright, as in `open_picture`
        return False


def _opened(image: Any, file: BinaryIO, name: str | os.PathLike[str], mode: str) -> Any:
    """Read a picture from an open file; raise `BadDataFile` with its name if that is impossible."""
    try:
        return _read(image, file, name, mode)
    except (BadDataFile, MemoryError):
        raise
    except Exception as error:  # Pillow's plugins raise nearly any type on a damaged file
        raise unreadable(name, error) from error


def _read(image: Any, file: BinaryIO, name: str | os.PathLike[str], mode: str) -> Any:
    """Read a picture from an open file, upright and in this mode."""
    header = file.read(PNG_DEPTH + 1)
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of invalid metadata, which is not used, without naming the file
        with image.open(file) as picture:
            check_pixels(picture, name)
            if picture.mode.startswith(("I", "F")):  # Pillow would cut off everything above 255
                problem = f"has pixels of more than 8 bits (mode {picture.mode}); save it with 8 bits per channel"
                raise BadDataFile(name, problem)
            picture.load()  # must precede reading the orientation, which PNG may store at the end of the file
            if picture.format == "PNG":
                _scale_transparency(picture, header[PNG_DEPTH], name)
            turn = _turn(image, picture)
            flat = on_white(picture, mode)
    del picture  # its pixels need not be in memory at the same time as a turned copy
    return flat if turn is None else flat.transpose(turn)


def _turn(image: Any, picture: Any) -> Any:
    """Return the transposition that turns a picture upright; None if none is needed.

    None also means that the orientation cannot be read. ImageOps.exif_transpose is not used because it rewrites all tags, and
    fails on tags that do not concern the orientation.
    """
    if picture.format == "TIFF":
        return None  # loading a TIFF has applied its orientation
    try:
        return image.Transpose[UNDO[picture.getexif().get(ORIENTATION, 1)]]
    except MemoryError:
        raise
    except Exception:  # orientation outside 2 to 8, or metadata that Pillow cannot parse
        return None


def _scale_transparency(picture: Any, bits: int, path: str | os.PathLike[str]) -> None:
    """Scale the transparent grey level of a 2-bit or 4-bit PNG picture to 8 bits.

    Pillow scales the pixels, but not the transparent level.
    """
    transparent = picture.info.get("transparency")
    if bits in (2, 4) and isinstance(transparent, int) and picture.mode == "L":
        largest = 2**bits - 1
        picture.info["transparency"] = (transparent & largest) * 255 // largest
    elif bits == 16 and transparent is not None:  # opaque colours may have the same upper 8 bits
        problem = "has 16 bits per channel and a transparent colour; save it with 8 bits per channel or an alpha channel"
        raise BadDataFile(path, problem)


def _ink_is_in_alpha(flat: Any, alpha: Any) -> bool:
    """Return True if most of an image is transparent and the rest is white.

    A few stray pixels may be dark.
    """
    lowest, highest = alpha.getextrema()
    if highest - lowest < FAINTEST_INK:
        return False
    opaque = sum(level * count for level, count in enumerate(alpha.histogram())) / 255  # sum of the opacities, in pixels
    if opaque >= 0.5 * alpha.width * alpha.height:
        return False
    dark = sum(_dark_pixels(flat.crop(box)) for box in _strips(flat.size))
    return dark < STRAY_SHARE * opaque


def _dark_pixels(flat: Any) -> int:
    """Return the number of pixels with a visible contrast to white in one channel."""
    pixels = np.asarray(flat).reshape(flat.width * flat.height, -1)
    return int((pixels.min(-1) <= 255 - FAINTEST_INK).sum())


def _strips(size: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    """Yield boxes of whole rows that cover a picture: left, top, right and bottom."""
    width, height = size
    rows = max(1, STRIP // max(1, width))
    for top in range(0, height, rows):
        yield 0, top, width, min(top + rows, height)


def _too_large(name: str | os.PathLike[str], pixels: str) -> BadDataFile:
    image = need("PIL.Image", "train", "reading pictures")
    return BadDataFile(name, f"must have at most {image.MAX_IMAGE_PIXELS:,} pixels, got {pixels}; reduce its size")
