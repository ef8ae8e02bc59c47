"""Random generators of a network's layers, on which the result of training depends."""

from __future__ import annotations

import numpy as np

from refconv.nn import Layer

__all__ = ["generators"]


def generators(model: Layer) -> dict[str, np.random.Generator]:
    """Return the random generators of all layers, such as dropout, by their dotted names.

    >>> from refconv import nn
    >>> model = nn.Sequential(nn.Dense(3), nn.Dropout(0.5))
    >>> _ = model.build((4,), rng=0)
    >>> [*generators(model)]
    ['1.rng']
    """
    of_layers: dict[str, np.random.Generator] = {}
    for name, layer in model.named_layers():
        of_layers |= {f"{name}.{inner}": rng for inner, rng in generators(layer).items()}
    own = {name: value for name, value in vars(model).items() if isinstance(value, np.random.Generator)}
    return {**own, **of_layers}
