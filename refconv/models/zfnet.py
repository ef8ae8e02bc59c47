"""Zeiler and Fergus's network: AlexNet after they had looked into it.

Its first filters are smaller and closer together, 7 × 7 every two pixels: AlexNet's, 11 × 11 every four, were seen to miss the
middle frequencies, and to leave traces of their large steps in the second layer. Pooling comes before the contrast
normalisation.
"""

from refconv.models.alexnet import Convolution, convolutions, dense_head, for_small_images
from refconv.nn import Sequential

__all__ = ["zfnet"]

# Figure 3. With one pixel of padding in front of the first layer and pools that may hang over the end, the sizes are its own.
LAYERS = (
    Convolution(96, 7, stride=2, padding=1, then=("pool", "norm")),
    Convolution(256, 5, stride=2, then=("pool", "norm")),
    Convolution(384, 3, padding=1),
    Convolution(384, 3, padding=1),
    Convolution(256, 3, padding=1, then=("pool",)),
)


def zfnet(classes: int = 1000, width: float = 1, *, small_images: bool = False) -> Sequential:
    """Zeiler and Fergus's network for images of 224 × 224 pixels.

    Parameters
    ----------
    classes, width
        As in :func:`alexnet`.
    small_images : bool
        First two layers for 32 × 32 pixels; all else stays.

    Returns
    -------
    Sequential

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.

    Examples
    --------
    >>> shapes = [layer.output_shape(shape) for name, layer, shape in zfnet().children((224, 224, 3)) if name == "flatten"]
    >>> shapes == [(6 * 6 * 256,)]
    True

    Source: lecture row M4 (SOURCES.md); Zeiler and Fergus, "Visualizing and understanding convolutional networks", 2014,
    Figure 3.
    """
    table = for_small_images(LAYERS) if small_images else LAYERS
    return Sequential(**convolutions(table, width), **dense_head(len(table), classes, width))
