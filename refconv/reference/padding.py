"""Zero padding of images and signals, and its adjoint, cropping."""

import numpy as np

from refconv.geometry import Window
from refconv.typing import Array, Shape

__all__ = ["crop", "zero_pad"]


def zero_pad(x: Array, window: Window) -> Array:
    """Pad images or signals x with the zeros that the padding of ``window`` requires.

    ``x`` (N, H, W, C) or (N, n, C); returns a padded copy.

    >>> from refconv.geometry import Window
    >>> zero_pad(np.array([[[1], [2]]]), Window((3,), padding=((1, 2),)))[0, :, 0]
    array([0, 1, 2, 0, 0])
    """
    size = x.shape[1:-1]
    padded = np.zeros((x.shape[0], *window.padded_size(size), x.shape[-1]), x.dtype)
    crop(padded, window, size)[...] = x
    return padded


def crop(padded: Array, window: Window, input_size: Shape) -> Array:
    """Return a view of padded images or signals without their padding: the adjoint of zero_pad.

    ``input_size`` is (H, W) or (n,), the size without padding.

    >>> from refconv.geometry import Window
    >>> crop(np.array([[[7], [1], [2], [8], [9]]]), Window((3,), padding=((1, 2),)), (2,))[0, :, 0]
    array([1, 2])
    """
    inside = [slice(before, before + n) for n, (before, _) in zip(input_size, window.pads(input_size), strict=True)]
    return padded[(slice(None), *inside)]
