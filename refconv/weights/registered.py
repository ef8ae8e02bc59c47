"""Models in files of format 1, which name an architecture of ``refconv.models`` and the arguments of its builder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import refconv.models as models
from refconv.nn import Layer

__all__ = ["registered_input_shape", "registered_model"]


def registered_model(description: Mapping[str, Any]) -> Layer:
    """Return the network, not built, of the name and arguments in a description."""
    model: Layer = models.create(description["name"], **description["arguments"])
    return model


def registered_input_shape(description: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the recorded input shape; that of the paper if there is none, as in the first files of format 1."""
    return tuple(description.get("input_shape") or models.input_shape(description["name"]))
