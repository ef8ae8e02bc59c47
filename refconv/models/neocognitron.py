"""Neocognitron of 1980, the ancestor of all convolutional networks.

S-cells detect patterns, and C-cells tolerate shifts. The network has three pairs of layers. In the last layer, each plane has
one C-cell, which responds wherever the pattern is. The paper has layer sizes 16 → 10 → 8 → 6 → 2 → 1, which no integer strides
give; this network uses strides, 16 → 8 → 4 → 1.
"""

from collections.abc import Sequence

import numpy as np

from refconv._arguments import class_labels, per_axis
from refconv._errors import ArgumentValueError
from refconv.models.blocks import scaled
from refconv.models.cells import CCells, SCells
from refconv.nn import Flatten, Sequential
from refconv.nn.layer import Layer
from refconv.typing import Array, Size

__all__ = ["INPUT_SHAPE", "labels_of_planes", "neocognitron", "organise"]

INPUT_SHAPE = (16, 16, 1)

# Kernel size and padding of the S-cells, kernel size and stride of the C-cells.
STAGES = (
    ((5, "same"), (3, 2)),
    ((3, "same"), (3, 2)),
    ((4, "valid"), (1, 1)),
)


def neocognitron(planes: Size = 24, width: float = 1, *, selectivity: Sequence[float] = (1.0, 2.0, 10.0)) -> Sequential:
    """Create a neocognitron for patterns of 16 × 16 pixels, bright on a dark background.

    It has one output for each plane of its last layer.

    Parameters
    ----------
    planes : int or (int, int, int)
        Number of cell planes of each pair of layers; 24 in the paper. The last pair needs at least one plane for each class.
    width : float
        Factor for the number of planes.
    selectivity : three floats
        r of each S-layer. The paper's values 4, 1.5 and 1.5 were chosen for five patterns. For the handwriting of many people,
        the first layer must be tolerant and the last layer selective.

    Returns
    -------
    Sequential

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid.

    Examples
    --------
    >>> [layer.output_shape(shape)[:2] for name, layer, shape in neocognitron().children(INPUT_SHAPE) if name != "flatten"]
    [(16, 16), (8, 8), (8, 8), (4, 4), (1, 1), (1, 1)]

    Source: lecture row M1 (SOURCES.md); Fukushima, "Neocognitron: a self-organizing neural network model for a mechanism of
    pattern recognition unaffected by shift in position", 1980.
    """
    numbers = [scaled(n, width) for n in per_axis("planes", planes, len(STAGES))]
    if np.shape(selectivity) != (len(STAGES),):
        raise ArgumentValueError(f"selectivity must be {len(STAGES)} numbers, one for each S-layer, got {selectivity!r}")
    layers: dict[str, Layer] = {}
    for k, (n, r, ((window, padding), (pool, stride))) in enumerate(zip(numbers, selectivity, STAGES, strict=True), 1):
        layers[f"s{k}"] = SCells(n, window, selectivity=r, padding=padding)
        layers[f"c{k}"] = CCells(pool, stride=stride, padding="same" if stride > 1 else "valid")
    return Sequential(**layers, flatten=Flatten())


def organise(model: Sequential, images: Array, *, passes: int = 1, rate: float = 100.0, apart: int = 1) -> None:
    """Train a neocognitron without labels.

    The S-layers learn one after the other, starting with the first, so that each learns from the final outputs of the layers
    before it. In the paper, all layers learn at the same time.

    Parameters
    ----------
    model : Sequential
        A built network from :func:`neocognitron`.
    images : array (N, 16, 16, 1)
        The patterns, from 0 (dark) to 1.
    passes : int
        Number of times that each pattern is shown to each layer.
    rate : float
        Learning rate q.
    apart : int
        As in :meth:`refconv.models.SCells.learn`.

    Source: lecture row M1 (SOURCES.md); Fukushima, 1980, section 3.
    """
    layers = [*model.layers.values()]
    for k, layer in enumerate(layers):
        if isinstance(layer, SCells):
            before = Sequential(*layers[:k]) if k else None
            inputs = images if before is None else before(images)
            for _ in range(passes):
                for x in inputs:
                    layer.learn(x[None], rate, apart)


def labels_of_planes(model: Layer, images: Array, labels: Array, classes: int = 10) -> Array:
    """Return the label that each plane of the last layer represents.

    A pattern belongs to the plane with the strongest response to it. The label of a plane is the most frequent label of its
    patterns.

    Returns
    -------
    integer array (planes,)
        The labels; −1 for a plane without patterns.

    Raises
    ------
    TypeError, ValueError
        If labels are not integers of shape (N,) from 0 to classes − 1.

    Source: lecture row M1 (SOURCES.md).
    """
    labels = class_labels(labels, len(images), classes)
    winners = model(images).argmax(-1)
    votes = np.zeros((model.output_shape(images.shape[1:])[0], classes), int)
    np.add.at(votes, (winners, labels), 1)
    return np.where(votes.any(-1), votes.argmax(-1), -1)
