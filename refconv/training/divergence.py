"""Diagnosis of divergence: the layer in which the first non-finite number appears."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from refconv.nn import Layer
    from refconv.typing import Array

__all__ = ["ADVICE", "cause_of_divergence"]

ADVICE = "; try a smaller lr"


def cause_of_divergence(model: Layer, x: Array) -> str:
    """Return the end of the error message: the origin of non-finite scores, and what to do."""
    if not np.isfinite(x).all():
        return ", with a batch that contains non-finite numbers; clean the data"
    layer = first_not_finite(model, x)
    return (f", in layer {layer}" if layer else "") + ADVICE


def first_not_finite(layer: Layer, x: Array, name: str = "") -> str:
    """Return the dotted name of the first layer with a finite input and a non-finite output.

    For nested layers, it is the name of the innermost one. Return "" if there is no such layer.
    """
    for inner_name, inner in layer.named_layers():
        try:
            with np.errstate(all="ignore"):
                reached = layer.reaching(x, inner_name)
                finite = np.isfinite(inner(reached)).all()
        except (TypeError, ValueError):  # in a user-defined layer, ``reaching`` may not return the real input of inner layers
            return name
        if not finite:
            return first_not_finite(inner, reached, f"{name}.{inner_name}" if name else inner_name)
    return name
