"""Residual networks for CIFAR with 6n + 2 layers, and the same networks without shortcuts.

They have three stages of n blocks for images of 32 × 32 pixels. The networks without shortcuts are called plain networks. A
plain network with 20 layers learns, but with 56 layers it is worse, while a residual network is better with 56 layers.
"""

from refconv._arguments import integer
from refconv._errors import ArgumentValueError
from refconv.models.batch_norm import takes_batch_norm_options
from refconv.models.blocks import conv_bn_relu, scaled, score_layer, stack
from refconv.models.resnet import basic, stages
from refconv.nn import GlobalAvgPool2D, Sequential

__all__ = ["cifar_resnet"]

FILTERS = (16, 32, 64)  # in the stages with 32 × 32, 16 × 16 and 8 × 8 pixels


@takes_batch_norm_options
def cifar_resnet(
    depth: int = 20, classes: int = 10, width: float = 1, *, shortcut: str = "A", plain: bool = False, survival: float = 1
) -> Sequential:
    """Create a residual network for 32 × 32 pixels, or the same network without shortcuts.

    Parameters
    ----------
    depth : int
        Number of layers, 6n + 2: 20, 32, 44, 56, 110 in the paper.
    classes : int
        Number of classes.
    width : float
        Factor for the number of filters.
    shortcut : str
        "A" as in the paper, so that residual and plain networks have the same number of parameters, or "B" or "C" as for
        :func:`resnet`.
    plain : bool
        True for a network without shortcuts.
    survival : float
        As for :func:`resnet`; 0.5 in the paper on stochastic depth. It must be 1 in a plain network, whose blocks cannot be
        skipped.
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
    >>> [round(cifar_resnet(depth).count_parameters((32, 32, 3), trainable_only=True) / 1e6, 2) for depth in (20, 56, 110)]
    [0.27, 0.85, 1.73]

    Source: lecture rows M9, M12, A23 and B8 (SOURCES.md); He et al., "Deep residual learning for image recognition", 2015,
    section 4.2; Huang et al., "Deep networks with stochastic depth", 2016.
    """
    depth = integer("depth", depth)
    if depth < 8 or depth % 6 != 2:
        raise ArgumentValueError(f"depth must be 6n + 2 with n at least 1, such as 20, got {depth}")
    if plain and survival != 1:
        raise ArgumentValueError(f"survival must be 1 in a plain network, got {survival!r}")
    n, stem = (depth - 2) // 6, scaled(16, width)
    sizes = [(scaled(f, width),) * 2 for f in FILTERS]
    layers = stages(basic, sizes, (n, n, n), stem, shortcut=shortcut, survival=survival, plain=plain)
    return Sequential(
        conv1=conv_bn_relu(stem, 3, padding=1),
        **stack("stage", layers),
        mean=GlobalAvgPool2D(),
        scores=score_layer(classes),
    )
