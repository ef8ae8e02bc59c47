"""The neocognitron of 1980, from which all convolutional networks come: S-cells that look, C-cells that forgive shifts.

Three pairs of layers, and at the end one C-cell a plane, which answers wherever the pattern stood. The paper's layers shrink
by steps that are no whole numbers, 16 → 10 → 8 → 6 → 2 → 1; ours by strides, 16 → 8 → 4 → 1.
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

# S-cells' window and padding, the C-cells' window and stride.
STAGES = (
    ((5, "same"), (3, 2)),
    ((3, "same"), (3, 2)),
    ((4, "valid"), (1, 1)),
)


def neocognitron(planes: Size = 24, width: float = 1, *, selectivity: Sequence[float] = (1.0, 2.0, 10.0)) -> Sequential:
    """A neocognitron for patterns of 16 × 16 pixels, bright on dark; one output for each plane of its last layer.

    Parameters
    ----------
    planes : int or (int, int, int)
        Cell planes of each pair of layers; 24 in the paper. The last must have one for each kind of pattern at least.
    width : float
        Factor for the number of planes.
    selectivity : three floats
        r of each S-layer. The paper's 4, 1.5 and 1.5 were chosen for five patterns; for many hands, the first cells must
        forgive much and the last little.

    Returns
    -------
    Sequential

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.

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
    """Let a neocognitron learn by itself: it is shown patterns, and nobody tells it which they are.

    The S-layers learn one after the other, the first first, so that each learns from what the one before has settled on; the
    paper's learnt all at once.

    Parameters
    ----------
    model : Sequential
        Built, as :func:`neocognitron` makes it.
    images : array (N, 16, 16, 1)
        The patterns, from 0 (dark) to 1.
    passes : int
        How often each is shown to each layer.
    rate : float
        q, how much a cell learns at once.
    apart : int
        As in :meth:`refconv.models.SCells.learn`.

    Source: lecture row M1 (SOURCES.md); Fukushima, 1980, section 3.
    """
    layers = [*model.layers.values()]
    for k, layer in enumerate(layers):
        if isinstance(layer, SCells):
            before = Sequential(*layers[:k]) if k else None
            seen = images if before is None else before(images)
            for _ in range(passes):
                for x in seen:
                    layer.learn(x[None], rate, apart)


def labels_of_planes(model: Layer, images: Array, labels: Array, classes: int = 10) -> Array:
    """What the planes of the last layer stand for: of each, the label of most patterns to which it answers most.

    Returns
    -------
    integer array (planes,)
        −1 where a plane never answers most.

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
