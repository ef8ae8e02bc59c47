"""Counters that a file lacks, such as the updates of batch normalisation's averages in files of earlier versions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from refconv.nn import Layer
from refconv.nn.parameter import MANY

__all__ = ["with_counters"]


def with_counters(model: Layer, shape: tuple[int, ...], tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the tensors, and :data:`MANY` for each counter that they lack although they have others of its layer.

    The averages that a counter belongs to are then complete: training goes on from them as after many batches.

    >>> from refconv import nn
    >>> with_counters(nn.BatchNorm(), (5,), {"mean": np.zeros(5, np.float32)})["updates"]
    array(1.6777216e+07, dtype=float32)
    """
    dtype = next((array.dtype for array in tensors.values()), np.float32)
    layers = [("", model, shape), *((f"{name}.", *rest) for name, *rest in [*model.distinct_layers(shape)][1:])]
    counters = {}
    for name, layer, inner in layers:
        specs = layer.specs(inner)
        if any(f"{name}{key}" in tensors for key in specs):
            counters.update({f"{name}{key}": np.full(spec.shape, MANY, dtype) for key, spec in specs.items() if spec.counter})
    return {**counters, **tensors}
