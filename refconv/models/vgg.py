"""VGG: deep networks of 3 × 3 convolutions.

The paper's networks have no batch normalisation, which was published a year later. torchvision also has networks with a batch
normalisation after each convolution: ``batch_norm=True``. Unlike in other networks, their convolutions keep the biases.
"""

from refconv._arguments import choice, flag
from refconv.models.alexnet import dense_head
from refconv.models.batch_norm import batch_norm as norm_layer
from refconv.models.batch_norm import takes_batch_norm_options
from refconv.models.blocks import scaled
from refconv.nn import AdaptiveAvgPool2D, Conv2D, LocalResponseNorm, MaxPool2D, ReLU, Sequential
from refconv.nn.layer import Layer

__all__ = ["vgg"]

# Table 1, one entry for each column. A bar is a max pooling, and "conv3-64" has 64 filters of 3 × 3.
CONFIGURATIONS = {
    "A": "conv3-64 | conv3-128 | conv3-256 conv3-256 | conv3-512 conv3-512 | conv3-512 conv3-512",
    "A-LRN": "conv3-64 LRN | conv3-128 | conv3-256 conv3-256 | conv3-512 conv3-512 | conv3-512 conv3-512",
    "B": "conv3-64 conv3-64 | conv3-128 conv3-128 | conv3-256 conv3-256 | conv3-512 conv3-512 | conv3-512 conv3-512",
    "C": (
        "conv3-64 conv3-64 | conv3-128 conv3-128 | conv3-256 conv3-256 conv1-256 | "
        "conv3-512 conv3-512 conv1-512 | conv3-512 conv3-512 conv1-512"
    ),
    "D": (
        "conv3-64 conv3-64 | conv3-128 conv3-128 | conv3-256 conv3-256 conv3-256 | "
        "conv3-512 conv3-512 conv3-512 | conv3-512 conv3-512 conv3-512"
    ),
    "E": (
        "conv3-64 conv3-64 | conv3-128 conv3-128 | conv3-256 conv3-256 conv3-256 conv3-256 | "
        "conv3-512 conv3-512 conv3-512 conv3-512 | conv3-512 conv3-512 conv3-512 conv3-512"
    ),
}


@takes_batch_norm_options
def vgg(
    configuration: str = "D",
    classes: int = 1000,
    width: float = 1,
    *,
    batch_norm: bool = False,
    adaptive_pool: bool = False,
) -> Sequential:
    """Create a VGG network for images of 224 × 224 pixels.

    Images of 32 × 32 pixels are just large enough for the five poolings. torchvision's vgg11, vgg13, vgg16 and vgg19 are A, B,
    D and E.

    Parameters
    ----------
    configuration : str
        A column of the paper's Table 1: "A", "A-LRN", "B", "C", "D" or "E".
    classes : int
        Number of classes.
    width : float
        Factor for the numbers of filters and units of all layers but the last.
    batch_norm : bool
        True for a batch normalisation after each convolution, as in torchvision's vgg11_bn to vgg19_bn.
    adaptive_pool : bool
        True for an adaptive average pooling to 7 × 7 pixels before the dense layers, as in torchvision. Images may then have
        any size of at least 32 pixels; at 224 pixels, it changes nothing.
    bn_momentum, bn_eps, bn_averages : optional
        Arguments ``momentum``, ``eps`` and ``averages`` of all batch normalisations; see :class:`refconv.nn.BatchNorm`.

    Returns
    -------
    Sequential

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid.

    Examples
    --------
    >>> vgg("D").count_parameters((224, 224, 3)), vgg("D").output_shape((224, 224, 3))
    (138357544, (1000,))

    Source: lecture rows M5 and B7 (SOURCES.md); Simonyan and Zisserman, "Very deep convolutional networks for large-scale
    image recognition", 2014.
    """
    layers: dict[str, Layer] = {}
    flag("batch_norm", batch_norm)
    for block, entries in enumerate(CONFIGURATIONS[choice("configuration", configuration, CONFIGURATIONS)].split(" | "), 1):
        for k, entry in enumerate(entries.split(), 1):
            layers |= _layers(entry, f"{block}_{k}", width, batch_norm)
        layers[f"pool{block}"] = MaxPool2D(2)
    pooling = {"adaptive_pool": AdaptiveAvgPool2D(7)} if flag("adaptive_pool", adaptive_pool) else {}
    return Sequential(**layers, **pooling, **dense_head(5, classes, width))


def _layers(entry: str, number: str, width: float, batch_norm: bool) -> dict[str, Layer]:
    """Return the layers for one entry of the table, such as "conv3-64" or "LRN"."""
    if entry == "LRN":
        return {f"norm{number}": LocalResponseNorm()}
    kernel, filters = map(int, entry.removeprefix("conv").split("-"))
    conv = Conv2D(scaled(filters, width), kernel, padding="same")
    norm = {f"norm{number}": norm_layer()} if batch_norm else {}
    return {f"conv{number}": conv, **norm, f"relu{number}": ReLU()}
