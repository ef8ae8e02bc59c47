"""Conversion of stored images, or of picture files, to the input of a network."""

from __future__ import annotations

import functools
import math
import os
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

import numpy as np

from refconv._arguments import flag, integer, per_axis, real
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.data.batches import BACKGROUND, INK
from refconv.data.image_files import read_image, read_scaled
from refconv.data.photo import digit_from_photo
from refconv.data.resample import MAX_PIXELS, centre, rounded_centre, side_lengths
from refconv.data.resample import resize as resize_images
from refconv.data.statistics import channel_statistics
from refconv.typing import Array, ArrayLike, Size

__all__ = ["Preprocessing"]

LUMINANCE = (0.299, 0.587, 0.114)  # weights of red, green and blue, as in Pillow's mode "L"
WIDEST_FRAME = 8  # pixels; images that are smaller by at most this number are framed, and not enlarged


@dataclass(frozen=True, init=False)
class Preprocessing:
    r"""Conversion of 8-bit images to the input of a network: resize, crop and normalise.

    .. math:: x_c = \frac{p_c / 255 - \mu_c}{\sigma_c}

    It is the ``prepare`` function of :class:`Batches`. ``refconv train`` saves it with the network, and ``refconv predict``
    and ``refconv evaluate`` apply it to other images.

    Parameters
    ----------
    size : int or (int, int)
        Height and width of the network's input.
    mean, std : sequences of float
        μ and σ of each channel, as fractions of 255. Their length is the number of channels: 1 for grey, 3 for colour.
    resize : int or (int, int), optional
        Height and width to which an image is resized, without distortion: it is scaled until it covers them, and the rest is
        cut off. The centre is then cropped to ``size``. An image that already has ``size`` is not changed. If None, images
        are not resized; they are placed in the middle of a frame of zeros.
    shorter_side : int, optional
        Length to which the shorter side of an image is scaled in place of ``resize``; the centre is then cropped to ``size``.
        This is the rule of torchvision's weights. An image that already has ``size`` is not changed.
    ink : bool
        True if an image shows ink, 255, on an empty background, 0, as in MNIST. A picture file is then converted to this form.

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid.

    Examples
    --------
    >>> prepare = Preprocessing((2, 3), mean=(0.4,), std=(0.5,), resize=3)
    >>> prepare(np.array([[[0, 51, 102, 255, 255], [0, 0, 0, 0, 0], [9, 9, 9, 9, 9]]], np.uint8))[0, :, :, 0].round(3)
    array([[-0.4,  0. ,  1.2],
           [-0.8, -0.8, -0.8]], dtype=float32)

    Source: lecture rows A21 and M2 (SOURCES.md).
    """

    size: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: tuple[int, ...] | None
    ink: bool
    shorter_side: int | None

    def __init__(
        self,
        size: Size,
        mean: Sequence[float],
        std: Sequence[float],
        resize: Size | None = None,
        ink: bool = False,
        shorter_side: int | None = None,
    ) -> None:
        own = functools.partial(object.__setattr__, self)  # the dataclass is frozen
        own("size", per_axis("size", size, 2))
        own("mean", tuple(real("mean", value) for value in mean))
        own("std", tuple(real("std", value, above=0) for value in std))
        own("resize", None if resize is None else per_axis("resize", resize, 2))
        own("ink", flag("ink", ink))
        own("shorter_side", None if shorter_side is None else integer("shorter_side", shorter_side, least=max(self.size)))
        if self.shorter_side is not None and (self.resize is not None or self.ink):
            raise ArgumentValueError(f"shorter_side must be None with resize or ink, got {shorter_side}")
        if len(self.mean) not in (1, 3) or len(self.mean) != len(self.std):
            raise ArgumentValueError(f"mean and std must be of equal length, 1 or 3, got {len(self.mean)} and {len(self.std)}")
        if self.resize is not None and math.prod(self.resize) > MAX_PIXELS:
            raise ArgumentValueError(f"resize must have at most {MAX_PIXELS} pixels, got {self.resize}")
        if self.resize is not None and any(n < least for n, least in zip(self.resize, self.size, strict=True)):
            raise ArgumentValueError(f"resize must be at least size, {self.size}, got {self.resize}")

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of an input of the network, (H, W, C)."""
        return (*self.size, len(self.mean))

    def __call__(self, images: ArrayLike) -> Array:
        """Convert 8-bit images (N, H, W) or (N, H, W, C) to float32 inputs (N, H, W, C)."""
        pixels = self.fit(images)
        channels = [table[pixels[..., c]] for c, table in enumerate(self._tables)]
        return np.stack(channels, axis=-1) if len(channels) > 1 else channels[0][..., None]

    def fit(self, images: ArrayLike) -> Array:
        """Return 8-bit images with the channels and the size of the network's input, (N, H, W, C)."""
        pixels = _with_channels(_checked(images), len(self.mean))
        if pixels.shape[1:3] == self.size:
            return pixels
        if self.shorter_side is not None:
            size = side_lengths(pixels.shape[1:3], self.shorter_side)
            return rounded_centre(pixels if size == pixels.shape[1:3] else resize_images(pixels, size), self.size)
        if self.resize is None:
            return _framed(pixels, self.size)
        return centre(_covering(pixels, self.resize), self.size)

    def read(self, path: str | os.PathLike[str] | BinaryIO) -> Array:
        """Read a picture file as an 8-bit image (H, W, C) with the shape of the network's input.

        Files of any size are read. They are resized with all pixels taken into account, which a batch of arrays is not.
        Raises ``FileNotFoundError``, :class:`refconv.data.BadDataFile`, or ``ValueError`` if the picture is blank.
        """
        if self.ink:
            image: Array = self.fit(digit_from_photo(path)[None])[0]
            return image
        if self.shorter_side is not None:
            image = read_scaled(path, self.shorter_side, grey=len(self.mean) == 1)
            return rounded_centre(image[None], self.size)[0]
        image = read_image(path, self.resize or self.size, grey=len(self.mean) == 1)
        return centre(image[None], self.size)[0]

    def settings(self) -> dict[str, Any]:
        """Return the arguments as JSON-serialisable data, for :meth:`from_settings`."""
        settings = asdict(self)
        if self.shorter_side is None:  # earlier versions do not know it
            del settings["shorter_side"]
        return settings

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Preprocessing:
        """Create the object from the result of :meth:`settings`; refuse damaged settings."""
        try:
            return cls(**settings)
        except TypeError as error:
            got = reprlib.repr(settings)  # a file may contain anything
            raise ArgumentValueError(f"preprocessing must be the settings of a Preprocessing, got {got}") from error

    @classmethod
    def of_lenet(cls) -> Preprocessing:
        """Create the preprocessing of LeNet-5: 32 × 32 pixels, background −0.1 and ink 1.175.

        >>> from refconv.data import lenet_input
        >>> digits = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
        >>> bool((Preprocessing.of_lenet()(digits) == lenet_input(digits)).all())
        True
        """
        scale = INK - BACKGROUND
        return cls((32, 32), mean=(-BACKGROUND / scale,), std=(1 / scale,), ink=True)

    @classmethod
    def of_images(cls, images: ArrayLike, size: Size, *, channels: int | None = None, ink: bool = False) -> Preprocessing:
        """Create a preprocessing with the channel statistics of training images.

        Images that are up to 8 pixels smaller than the size are placed in a frame; others are resized.

        Parameters
        ----------
        images : array (N, H, W) or (N, H, W, C), uint8
            The training images, or a sample of them.
        size : int or (int, int)
            Height and width of the network's input.
        channels : {1, 3}, optional
            Channels of the network's input (default: the channels of the images).
        ink : bool
            As for the class.
        """
        pixels = _checked(images)
        pixels = pixels if channels is None else _with_channels(pixels, channels)
        mean, std = channel_statistics(pixels if pixels.ndim == 4 else pixels[..., None])
        size = per_axis("size", size, 2)
        framed = all(0 <= n - side <= WIDEST_FRAME for n, side in zip(size, pixels.shape[1:3], strict=True))
        return cls(size, tuple(mean / 255), tuple(np.where(std > 0, std, 255.0) / 255), None if framed else size, ink)

    @functools.cached_property
    def _tables(self) -> list[Array]:
        """The values of the 256 grey levels, one table for each channel."""
        limits = [(-m / s, (1 - m) / s) for m, s in zip(self.mean, self.std, strict=True)]
        return [np.linspace(low, high, 256).astype(np.float32) for low, high in limits]


def _with_channels(images: Array, channels: int) -> Array:
    """Return the images with one or three channels, (N, H, W, channels)."""
    pixels = images[..., None] if images.ndim == 3 else images
    found = pixels.shape[-1]
    if found == channels:
        return pixels
    if found == 1:
        return np.repeat(pixels, channels, axis=-1)
    if found == 3:
        return np.rint(pixels @ np.array(LUMINANCE)).astype(np.uint8)[..., None]
    raise ArgumentValueError(f"images must have 1 or 3 channels, got {found}")


def _checked(images: ArrayLike) -> Array:
    images = np.asarray(images)
    if images.dtype != np.uint8:
        raise ArgumentTypeError(f"images must be uint8, got {images.dtype}")
    if images.ndim not in (3, 4) or not images.size:
        raise ArgumentValueError(f"images must have shape (N, H, W) or (N, H, W, C) and not be empty, got {images.shape}")
    return images


def _framed(pixels: Array, size: tuple[int, ...]) -> Array:
    """Place images in the middle of a frame of zeros."""
    height, width = pixels.shape[1:3]
    if height > size[0] or width > size[1]:
        raise ArgumentValueError(f"images must have at most {size[0]} × {size[1]} pixels, got {height} × {width}")
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    frame = np.zeros((len(pixels), *size, pixels.shape[-1]), np.uint8)
    frame[:, top : top + height, left : left + width] = pixels
    return frame


def _covering(pixels: Array, size: tuple[int, ...]) -> Array:
    """Scale images until they cover the size, and crop the centre."""
    scale = max(n / side for n, side in zip(size, pixels.shape[1:3], strict=True))
    scaled = tuple(max(n, round(side * scale)) for n, side in zip(size, pixels.shape[1:3], strict=True))
    return centre(resize_images(pixels, scaled) if scaled != pixels.shape[1:3] else pixels, size)
