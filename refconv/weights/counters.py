"""Counters that a file lacks, such as the updates of batch normalisation's averages in files of earlier versions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from refconv.nn import Layer
from refconv.nn.parameter import MANY
from refconv.typing import Array
from refconv.weights.specs import named_specs

__all__ = ["with_counters"]


def with_counters(model: Layer, shape: tuple[int, ...], tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Return the tensors, and :data:`MANY` for each counter that they lack although they have others of its layer.

    The averages that a counter belongs to are then complete: training goes on from them as after many batches.

    >>> from refconv import nn
    >>> with_counters(nn.BatchNorm(), (5,), {"mean": np.zeros(5, np.float32)})["updates"]
    array(1.6777216e+07, dtype=float32)
    """
    dtype = next((array.dtype for array in tensors.values()), np.dtype(np.float32))
    present = {name.rpartition(".")[0] for name in tensors}  # the layers
    missing = {
        name: np.full(spec.shape, MANY, dtype)
        for name, spec in named_specs(model, shape).items()
        if spec.counter and name.rpartition(".")[0] in present
    }
    return {**missing, **tensors}
