"""The neocognitron of 1980, from which all convolutional networks come: S-cells that look, C-cells that forgive shifts.

Three pairs of layers with 24 planes each, and at the end one C-cell a plane, which answers wherever the pattern stood. The
paper's layers shrink by steps that are no whole numbers, 16 → 10 → 8 → 6 → 2 → 1; ours by strides, 16 → 8 → 4 → 2 → 1.
"""

from refconv.models.blocks import scaled
from refconv.nn import CCells, Flatten, SCells, Sequential

__all__ = ["INPUT_SHAPE", "neocognitron"]

INPUT_SHAPE = (16, 16, 1)

# S-cells' window, their selectivity (the paper's), the C-cells' window and stride.
STAGES = (
    ((5, "same"), 4.0, (5, 2)),
    ((5, "same"), 1.5, (5, 2)),
    ((3, "valid"), 1.5, (2, 1)),
)


def neocognitron(planes=24, width=1):
    """A neocognitron for patterns of 16 × 16 pixels, bright on dark; one output for each plane of its last layer.

    Parameters
    ----------
    planes : int
        Cell planes of each layer.
    width : float
        Factor for the number of planes.

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
    [(16, 16), (8, 8), (8, 8), (4, 4), (2, 2), (1, 1)]

    Source: M1; Fukushima, "Neocognitron: a self-organizing neural network model for a mechanism of pattern recognition
    unaffected by shift in position", 1980.
    """
    layers = {}
    for k, ((window, padding), selectivity, (pool, stride)) in enumerate(STAGES, 1):
        layers[f"s{k}"] = SCells(scaled(planes, width), window, selectivity=selectivity, padding=padding)
        layers[f"c{k}"] = CCells(pool, stride=stride, padding="same" if stride > 1 else "valid")
    return Sequential(**layers, flatten=Flatten())
