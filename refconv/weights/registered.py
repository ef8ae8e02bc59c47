"""Models in files of format 1.

These files contain the name of an architecture in ``refconv.models`` and the arguments of its builder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import refconv.models as models
from refconv.nn import Layer

__all__ = ["registered_input_shape", "registered_model"]


def registered_model(description: Mapping[str, Any]) -> Layer:
    """Return the network with the name and arguments of a description, not yet built."""
    model: Layer = models.create(description["name"], **description["arguments"])
    return model


def registered_input_shape(description: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the input shape in a description.

    The first files of format 1 do not contain it; they use the input shape of the paper.
    """
    return tuple(description.get("input_shape") or models.input_shape(description["name"]))
