r"""LeNet-5, which read the digits on cheques: 32 → 28 → 14 → 10 → 5, then 120, 84 and 10 units.

Two readings of one figure. The *paper's*, of 1998: tanh; sub-sampling, which averages four pixels, scales them by a trained
coefficient and adds a trained bias; and a third layer whose maps see only some of the maps before them. And the *modern*
one: ReLU, max pooling, every map sees every map. The paper's output layer measured distances to ten fixed drawings; both
readings here end in ten scores for a softmax, as everybody's do today. Its squashing function was 1.7159 tanh(2x / 3); ours is
the plain tanh.
"""

from refconv._arguments import choice
from refconv._errors import ArgumentValueError
from refconv.models.blocks import scaled, score_layer
from refconv.nn import (
    AvgPool2D,
    Concat,
    Conv2D,
    Dense,
    Flatten,
    MaxPool2D,
    ReLU,
    Select,
    Sequential,
    Tanh,
    glorot_uniform,
)

__all__ = ["INPUT_SHAPE", "lenet"]

INPUT_SHAPE = (32, 32, 1)

# Table I of the paper: the maps of S2 that each of the 16 maps of C3 sees.
SEEN_BY_C3 = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    (0, 1, 2, 3, 4, 5),
)


def lenet(style: str = "modern", classes: int = 10, width: float = 1) -> Sequential:
    """LeNet-5 for digits in 32 × 32 pixels.

    Parameters
    ----------
    style : str
        "modern": ReLU, max pooling, full connections, 61,706 parameters. "paper": tanh, trained sub-sampling, the
        connections of the paper's Table I; 60,000 parameters, and 850 in the softmax layer instead of fixed drawings.
    classes : int
        Number of scores at the end.
    width : float
        Factor for the number of filters and units of the modern style; the paper's connections have no other.

    Returns
    -------
    Sequential
        Not built yet: ``lenet().build(INPUT_SHAPE, rng=seed)`` makes the weights.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit; if width is other than 1 for the paper's style.

    Examples
    --------
    >>> lenet().output_shape((32, 32, 1)), lenet().count_parameters((32, 32, 1))
    ((10,), 61706)
    >>> lenet("paper").count_parameters((32, 32, 1)) - (84 + 1) * 10
    60000

    Source: lecture row M2 (SOURCES.md); LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document
    recognition", 1998, Figure 2.
    """
    styles = {"modern": modern, "paper": paper}
    return styles[choice("style", style, styles)](classes, width)


def modern(classes: int, width: float) -> Sequential:
    """ReLU and max pooling; every map sees every map."""
    return Sequential(
        conv1=Conv2D(scaled(6, width), 5),  # 28 × 28
        relu1=ReLU(),
        pool1=MaxPool2D(2),  # 14 × 14
        conv2=Conv2D(scaled(16, width), 5),  # 10 × 10
        relu2=ReLU(),
        pool2=MaxPool2D(2),  # 5 × 5
        flatten=Flatten(),
        dense1=Dense(scaled(120, width)),
        relu3=ReLU(),
        dense2=Dense(scaled(84, width)),
        relu4=ReLU(),
        scores=score_layer(classes),
    )


def paper(classes: int, width: float) -> Sequential:
    """tanh and trained sub-sampling; each map of C3 sees those of S2 that Table I says."""
    if width != 1:
        raise ArgumentValueError(f"width must be 1 for the paper's style, got {width!r}")
    return Sequential(
        c1=Conv2D(6, 5, initializer=glorot_uniform),  # 28 × 28
        tanh1=Tanh(),
        s2=subsampling(6),  # 14 × 14
        c3=Concat(*(Sequential(Select(maps), Conv2D(1, 5, initializer=glorot_uniform)) for maps in SEEN_BY_C3)),  # 10 × 10
        tanh3=Tanh(),
        s4=subsampling(16),  # 5 × 5
        c5=Conv2D(120, 5, initializer=glorot_uniform),  # 1 × 1: a convolution, as in the paper, and so dense
        tanh5=Tanh(),
        flatten=Flatten(),
        f6=Dense(84, initializer=glorot_uniform),
        tanh6=Tanh(),
        scores=score_layer(classes, initializer=glorot_uniform),
    )


def subsampling(maps: int) -> Sequential:
    """The paper's S layers: the mean of 2 × 2 pixels, times a coefficient, plus a bias, one of each for every map; then tanh.

    A 1 × 1 kernel with as many groups as maps is a coefficient a map. The paper adds the four pixels where this takes
    their mean, so the coefficient here is four times the paper's.

    >>> subsampling(6).count_parameters((28, 28, 6))
    12

    Source: lecture row M2 (SOURCES.md).
    """
    return Sequential(mean=AvgPool2D(2), coefficient=Conv2D(maps, 1, groups=maps), squash=Tanh())
