r"""LeNet-5, which read digits on cheques: 32 → 28 → 14 → 10 → 5, then 120, 84 and 10 units.

There are two styles of the same architecture. The *paper* style of 1998 has tanh and a trained sub-sampling, which averages
four pixels, scales the mean by a coefficient and adds a bias. Each map of the third layer sees only some of the previous maps.
The *modern* style has ReLU, max pooling and full connections between the maps.

The output layer in the paper measured distances to ten fixed drawings. Both styles here end in ten scores for a softmax, as
is usual today. The activation in the paper was 1.7159 tanh(2x / 3); here it is tanh(x).
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

# Table I of the paper: the maps of S2 that are inputs of each of the 16 maps of C3.
SEEN_BY_C3 = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    (0, 1, 2, 3, 4, 5),
)


def lenet(style: str = "modern", classes: int = 10, width: float = 1) -> Sequential:
    """Create LeNet-5 for digits of 32 × 32 pixels.

    Parameters
    ----------
    style : str
        "modern" for ReLU, max pooling and full connections, with 61,706 parameters. "paper" for tanh, trained sub-sampling and
        the connections of the paper's Table I, with 60,000 parameters, plus 850 in the softmax layer, which replaces the fixed
        drawings.
    classes : int
        Number of classes.
    width : float
        Factor for the number of filters and units in the modern style. It must be 1 in the paper's style, whose table of
        connections is fixed.

    Returns
    -------
    Sequential
        A network without weights; ``build(INPUT_SHAPE, rng=seed)`` creates them.

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid, or if width is not 1 for the paper's style.

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
    """Create the modern style: ReLU, max pooling and full connections between the maps."""
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
    """Create the paper's style: tanh, trained sub-sampling, and the connections of Table I."""
    if width != 1:
        raise ArgumentValueError(f"width must be 1 for the paper's style, got {width!r}")
    return Sequential(
        c1=Conv2D(6, 5, initializer=glorot_uniform),  # 28 × 28
        tanh1=Tanh(),
        s2=subsampling(6),  # 14 × 14
        c3=Concat(*(Sequential(Select(maps), Conv2D(1, 5, initializer=glorot_uniform)) for maps in SEEN_BY_C3)),  # 10 × 10
        tanh3=Tanh(),
        s4=subsampling(16),  # 5 × 5
        c5=Conv2D(120, 5, initializer=glorot_uniform),  # 1 × 1; a convolution as in the paper, equivalent to a dense layer
        tanh5=Tanh(),
        flatten=Flatten(),
        f6=Dense(84, initializer=glorot_uniform),
        tanh6=Tanh(),
        scores=score_layer(classes, initializer=glorot_uniform),
    )


def subsampling(maps: int) -> Sequential:
    """Create a sub-sampling layer of the paper (S2 and S4).

    It consists of average pooling, a coefficient and a bias for each map, and tanh. A 1 × 1 convolution with one group per map
    multiplies each map by a coefficient. The paper adds the four pixels and this function computes their mean, so the
    coefficient here is four times the paper's.

    >>> subsampling(6).count_parameters((28, 28, 6))
    12

    Source: lecture row M2 (SOURCES.md).
    """
    return Sequential(mean=AvgPool2D(2), coefficient=Conv2D(maps, 1, groups=maps), squash=Tanh())
