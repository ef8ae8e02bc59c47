"""FractalNet: as deep as a residual network, but without shortcuts.

Each block has short and long parallel paths. It applies the expansion rule of :class:`refconv.nn.Fractal` to a convolution
with normalisation and ReLU. The network has five blocks, each followed by a pooling, which reduce 32 × 32 pixels to one.
"""

from refconv.models.batch_norm import takes_batch_norm_options
from refconv.models.blocks import conv_bn_relu, scaled, score_layer
from refconv.nn import Dropout, DropPath, Flatten, Fractal, MaxPool2D, Sequential
from refconv.nn.layer import Layer

__all__ = ["fractalnet"]

FILTERS = (64, 128, 256, 512, 512)
DROPOUT = (0.0, 0.1, 0.2, 0.3, 0.4)  # rate at the end of each block


@takes_batch_norm_options
def fractalnet(columns: int = 3, classes: int = 10, width: float = 1, *, drop: float = 0.15, share: float = 0.5) -> DropPath:
    """Create a FractalNet for images of 32 × 32 pixels.

    Parameters
    ----------
    columns : int
        C, number of columns. The deepest column has 5 · 2^(C−1) layers, 20 with three columns.
    classes : int
        Number of classes.
    width : float
        Factor for the number of filters; one quarter in Table 4 of the paper, its study of depth.
    drop : float
        Probability that a join drops an input, in mini-batches with local drop-path.
    share : float
        Fraction of mini-batches with global drop-path, in which only one column is used.
    bn_momentum, bn_eps, bn_averages : optional
        Arguments ``momentum``, ``eps`` and ``averages`` of all batch normalisations; see :class:`refconv.nn.BatchNorm`.

    Returns
    -------
    DropPath

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid.

    Examples
    --------
    >>> [round(fractalnet(C, 100, 0.25).count_parameters((32, 32, 3), True) / 1e6, 1) for C in (1, 2, 3, 4, 5, 6)]
    [0.3, 0.8, 2.1, 4.8, 10.2, 21.1]

    Source: lecture row M13 (SOURCES.md); Larsson, Maire and Shakhnarovich, "FractalNet: ultra-deep neural networks without
    residuals", 2016.
    """
    layers: dict[str, Layer] = {}
    for k, (filters, rate) in enumerate(zip(FILTERS, DROPOUT, strict=True), 1):
        layers[f"block{k}"] = Fractal(conv_bn_relu(scaled(filters, width), 3, padding=1), columns, drop=drop)
        layers |= {f"dropout{k}": Dropout(rate)} if rate else {}
        layers[f"pool{k}"] = MaxPool2D(2)
    return DropPath(Sequential(**layers, flatten=Flatten(), scores=score_layer(classes)), share)
