"""Picture files in one form: upright, composited on white, 8 bits a channel, whatever the file format."""

from __future__ import annotations

import os
import warnings
from typing import Any, BinaryIO

import numpy as np

from refconv._optional import need
from refconv.data.files import BadDataFile

__all__ = ["FAINTEST_INK", "on_white", "open_picture"]

FAINTEST_INK = 20  # grey levels of 255; a smaller contrast is noise of the paper
STRAY_SHARE = 0.03  # of the opaque area; fewer dark pixels are no writing
ORIENTATION = 0x0112  # the EXIF tag
PNG_DEPTH = 24  # place of the bit depth in a PNG file: after the signature, the chunk's length and name, width and height
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


def open_picture(path: str | os.PathLike[str], mode: str = "RGB") -> Any:
    """Open a picture file upright and composited on white.

    Parameters
    ----------
    path : path
        A file of any format that Pillow reads. The first frame of an animation is used.
    mode : {"RGB", "L"}
        Pillow's name of the result's pixel format: colour or grey.

    Returns
    -------
    PIL.Image.Image
        Of mode `mode`, rotated according to the orientation that the camera stored. An unreadable orientation counts as
        upright.

    Raises
    ------
    BadDataFile
        If Pillow cannot read the file, or its pixels have more than 8 bits a channel: such formats do not define which
        numbers are black and white. A PNG file of 16-bit colours, of which Pillow reads the upper 8 bits, is accepted unless
        one of the colours is transparent. `BadDataFile` is a ``ValueError``.
    OSError
        If the file system refuses the file, such as ``FileNotFoundError``.
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
    with open(path, "rb") as file:  # not by name: Pillow 13 maps a named TIFF into memory and mixes up its rotated rows
        try:
            return _read(image, file, mode)
        except (BadDataFile, MemoryError):
            raise
        except image.UnidentifiedImageError as error:
            raise BadDataFile(path, "is not a readable picture: Pillow does not know the file format") from error
        except Exception as error:  # Pillow's plugins raise nearly any type on a damaged file
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise BadDataFile(path, f"is not a readable picture: {reason}") from error


def on_white(picture: Any, mode: str = "RGB") -> Any:
    """Convert a Pillow image to "RGB" or "L", with transparent pixels composited on white.

    An image that is blank on white, apart from stray pixels, and transparent for the most part, such as white ink on a
    transparent background, has its ink in the alpha channel. The alpha channel is then shown instead, dark on white.
    """
    image = need("PIL.Image", "train", "reading pictures")
    rgba = picture.convert("RGBA")  # also applies the transparent colour or palette entries of PNG and GIF
    flat = image.alpha_composite(image.new("RGBA", rgba.size, "white"), rgba).convert(mode)
    alpha = rgba.getchannel("A")
    if _ink_is_in_alpha(flat, alpha):
        return alpha.point(lambda level: 255 - level).convert(mode)
    return flat


def _read(image: Any, file: BinaryIO, mode: str) -> Any:
    """The pixels of a picture in an open file, upright and of the mode."""
    header = file.read(PNG_DEPTH + 1)
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata, which is not used, and does not name the file
        with image.open(file) as picture:
            if picture.mode.startswith(("I", "F")):  # Pillow would cut off everything above 255
                problem = f"has pixels of more than 8 bits (mode {picture.mode}); save it with 8 bits a channel"
                raise BadDataFile(file.name, problem)
            picture.load()  # before the orientation is read: PNG may store it at the end of the file
            if picture.format == "PNG":
                _scale_transparency(picture, header[PNG_DEPTH], file.name)
            turn = _turn(image, picture)
            flat = on_white(picture, mode)
    return flat if turn is None else flat.transpose(turn)


def _turn(image: Any, picture: Any) -> Any:
    """The transposition that puts a picture upright, or None if it is upright or its orientation cannot be read.

    ImageOps.exif_transpose is not used: it writes all tags anew, and fails on tags that do not concern the orientation.
    """
    if picture.format == "TIFF":
        return None  # loading a TIFF has applied its orientation
    try:
        return image.Transpose[UNDO[picture.getexif().get(ORIENTATION, 1)]]
    except MemoryError:
        raise
    except Exception:  # no orientation from 2 to 8, or metadata that Pillow cannot parse
        return None


def _scale_transparency(picture: Any, bits: int, path: str) -> None:
    """Scale the transparent grey level of a PNG picture of 2 or 4 bits to 8 bits, as Pillow does with the pixels alone."""
    transparent = picture.info.get("transparency")
    if bits in (2, 4) and isinstance(transparent, int) and picture.mode == "L":
        most = 2**bits - 1
        picture.info["transparency"] = (transparent & most) * 255 // most
    elif bits == 16 and transparent is not None:  # its upper 8 bits may be those of other, opaque colours
        problem = "has 16 bits a channel and a transparent colour; save it with 8 bits a channel or with an alpha channel"
        raise BadDataFile(path, problem)


def _ink_is_in_alpha(flat: Any, alpha: Any) -> bool:
    """Whether most of an image is transparent, and the rest of it is white except for stray pixels."""
    lowest, highest = alpha.getextrema()
    if highest - lowest < FAINTEST_INK:
        return False
    opacity = np.asarray(alpha, np.float64) / 255
    dark = np.asarray(flat).reshape(*opacity.shape, -1).min(-1) <= 255 - FAINTEST_INK
    return bool(opacity.mean() < 0.5 and dark.sum() < STRAY_SHARE * opacity.sum())
