"""Zeiler and Fergus's network: AlexNet after they had looked into it.

Its first filters are smaller and closer together, 7 × 7 every two pixels, since those of AlexNet's 11 × 11 that missed the
middle frequencies were seen to be dead. Pooling comes before the contrast normalisation.
"""

from refconv.models.alexnet import Convolution, convolutions, dense_head
from refconv.models.blocks import choice
from refconv.nn import Sequential

__all__ = ["zfnet"]

# Figure 3. With one pixel of padding in front of the first layer and pools that may hang over the end, the sizes are its own.
SIZES = {
    "paper": (
        Convolution(96, 7, stride=2, padding=1, then=("pool", "norm")),
        Convolution(256, 5, stride=2, then=("pool", "norm")),
        Convolution(384, 3, padding=1),
        Convolution(384, 3, padding=1),
        Convolution(256, 3, padding=1, then=("pool",)),
    ),
    "small": (
        Convolution(96, 5, padding=2, then=("pool", "norm")),
        Convolution(256, 5, padding=2, then=("pool", "norm")),
        Convolution(384, 3, padding=1),
        Convolution(384, 3, padding=1),
        Convolution(256, 3, padding=1, then=("pool",)),
    ),
}


def zfnet(size="paper", classes=1000, width=1):
    """Zeiler and Fergus's network for images of 224 × 224 pixels.

    Parameters
    ----------
    size : str
        "paper", or "small" for 32 × 32 pixels.
    classes, width
        As in :func:`alexnet`.

    Returns
    -------
    Sequential

    Raises
    ------
    ValueError
        If there is no such size, or width is not above 0.

    Examples
    --------
    >>> shapes = [layer.output_shape(shape) for name, layer, shape in zfnet().children((224, 224, 3)) if name == "flatten"]
    >>> shapes == [(6 * 6 * 256,)]
    True

    Source: M4; Zeiler and Fergus, "Visualizing and understanding convolutional networks", 2014, Figure 3.
    """
    table = choice("size", size, SIZES)
    return Sequential(**convolutions(table, width), **dense_head(len(table), classes, width))
