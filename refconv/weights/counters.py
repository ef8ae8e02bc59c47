"""Default values for counters that are missing in a file.

Files of earlier versions have no counter of the updates of batch normalisation's running averages.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from refconv.nn import Layer
from refconv.nn.parameter import MANY
from refconv.typing import Array
from refconv.weights.specs import named_specs

__all__ = ["with_counters"]


def with_counters(model: Layer, shape: tuple[int, ...], tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Return the tensors, with :data:`MANY` added for each missing counter.

    A counter is missing if the tensors contain other parameters of its layer, but not the counter. With :data:`MANY`, further
    training treats the running averages as averages over many batches.

    >>> from refconv import nn
    >>> float(with_counters(nn.BatchNorm(), (5,), {"mean": np.zeros(5, np.float32)})["updates"])
    16777216.0
    """
    dtype = next((array.dtype for array in tensors.values()), np.dtype(np.float32))
    present = {name.rpartition(".")[0] for name in tensors}  # names of layers
    missing = {
        name: np.full(spec.shape, MANY, dtype)
        for name, spec in named_specs(model, shape).items()
        if spec.counter and name.rpartition(".")[0] in present
    }
    return {**missing, **tensors}
