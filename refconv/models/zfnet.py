"""Zeiler and Fergus's network, an improvement of AlexNet after visualising its filters.

The filters of the first layer are smaller and have a smaller stride, 7 × 7 with stride 2. The visualisation showed that
AlexNet's filters, 11 × 11 with stride 4, miss the middle frequencies and cause aliasing artefacts in the second layer. Pooling
comes before the contrast normalisation.
"""

from refconv.models.alexnet import Convolution, convolutions, dense_head, for_small_images
from refconv.nn import Sequential

__all__ = ["zfnet"]

# Figure 3. The sizes agree with the figure if the first layer has one pixel of padding and the poolings use ceil_mode.
LAYERS = (
    Convolution(96, 7, stride=2, padding=1, then=("pool", "norm")),
    Convolution(256, 5, stride=2, then=("pool", "norm")),
    Convolution(384, 3, padding=1),
    Convolution(384, 3, padding=1),
    Convolution(256, 3, padding=1, then=("pool",)),
)


def zfnet(classes: int = 1000, width: float = 1, *, small_images: bool = False) -> Sequential:
    """Create Zeiler and Fergus's network for images of 224 × 224 pixels.

    Parameters
    ----------
    classes, width
        As in :func:`alexnet`.
    small_images : bool
        True for two first layers that suit images of 32 × 32 pixels; the other layers do not change.

    Returns
    -------
    Sequential

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid.

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
