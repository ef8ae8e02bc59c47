"""Find where the first non-finite number of a network comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from refconv.nn import Layer
    from refconv.typing import Array

__all__ = ["ADVICE", "cause_of_divergence"]

ADVICE = "; try a smaller lr"


def cause_of_divergence(model: Layer, x: Array) -> str:
    """Return a phrase that names the origin of non-finite scores for this batch, if it is known, and what to do."""
    if not np.isfinite(x).all():
        return ", with a batch that holds numbers that are not finite; clean the data"
    layer = first_not_finite(model, x)
    return (f", in layer {layer}" if layer else "") + ADVICE


def first_not_finite(layer: Layer, x: Array, name: str = "") -> str:
    """Return the dotted name of the first innermost layer with a non-finite output for a finite input; "" if none."""
    for inner_name, inner in layer.named_layers():
        try:
            with np.errstate(all="ignore"):
                reached = layer.reaching(x, inner_name)
                finite = np.isfinite(inner(reached)).all()
        except (TypeError, ValueError):  # the inner layers of a user's layer may get another input
            return name
        if not finite:
            return first_not_finite(inner, reached, f"{name}.{inner_name}" if name else inner_name)
    return name
