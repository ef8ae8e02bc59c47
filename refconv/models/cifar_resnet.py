"""Residual networks for CIFAR's 32 × 32 pixels: 6n + 2 layers, three stages of n blocks; and their plain twins.

A plain twin has the same layers and no shortcut. With 20 layers it learns as well, with 56 worse; its residual sister better.
"""

from refconv.geometry import per_axis
from refconv.models.blocks import conv_bn_relu, scaled, stack
from refconv.models.resnet import basic, residual, shortcut_of, surviving
from refconv.nn import Dense, GlobalAvgPool2D, ReLU, Sequential

__all__ = ["cifar_resnet"]

FILTERS = (16, 32, 64)  # at 32, 16 and 8 pixels


def cifar_resnet(depth=20, classes=10, width=1, *, shortcut="A", plain=False, survival=1):
    """A residual network for images of 32 × 32 pixels, or its plain twin.

    Parameters
    ----------
    depth : int
        6n + 2: 20, 32, 44, 56, 110 in the paper.
    classes : int
        Number of scores at the end.
    width : float
        Factor for the number of filters.
    shortcut : str
        "A" as in the paper, so that the twins have equally many parameters; or "B" or "C" as for :func:`resnet`.
    plain : bool
        Without shortcuts.
    survival : float
        As for :func:`resnet`; 0.5 in the paper on stochastic depth.

    Returns
    -------
    Sequential

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.

    Examples
    --------
    >>> [round(cifar_resnet(depth).count_parameters((32, 32, 3), trainable_only=True) / 1e6, 2) for depth in (20, 56, 110)]
    [0.27, 0.85, 1.73]

    Source: M9, M12, A23, B8; He et al., "Deep residual learning for image recognition", 2015, section 4.2; Huang et al., "Deep
    networks with stochastic depth", 2016.
    """
    (depth,) = per_axis("depth", depth, 1)
    if depth < 8 or depth % 6 != 2:
        raise ValueError(f"depth must be 6n + 2 with n from 1 on, such as 20, but is {depth}")
    n, layers, before = (depth - 2) // 6, {}, scaled(16, width)
    for k, filters in enumerate(scaled(f, width) for f in FILTERS):
        blocks = []
        for j in range(n):
            stride = 2 if k and not j else 1
            main = surviving(basic(filters, stride), (k * n + j + 1) / (3 * n), survival)
            past = shortcut_of(shortcut, before, filters, stride)
            blocks.append(Sequential(main=main, relu=ReLU()) if plain else residual(main, past))
            before = filters
        layers[f"stage{k + 1}"] = Sequential(**stack("block", blocks))
    stem = {"conv1": conv_bn_relu(scaled(16, width), 3, padding=1)}
    return Sequential(**stem, **layers, mean=GlobalAvgPool2D(), scores=Dense(classes))
