"""Folding of transpositions before a flattening into the weights after it.

A file with channels first flattens images in the order C, H, W, and refconv's layers compute them in the order H, W, C. The
reader transposes before it flattens. Where only dense layers and layers for single elements follow, the rows of their weights
can be put in refconv's order instead, and the network flattens as any other network of refconv does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from refconv.nn import BatchNorm, Dense, Dropout, Flatten, Identity
from refconv.nn.reshape import Transpose
from refconv.onnx.layers import Clip, Power, Scale, Shift
from refconv.onnx.reading.reader import Step
from refconv.typing import Shape
from refconv.weights.element_order import ACTIVATIONS

__all__ = ["fold_transpositions"]

# Layers that apply the same function to each element. Softmax also returns the same outputs in another order.
ELEMENTWISE = (*ACTIVATIONS, Clip, Power, Dropout, Identity)
WITH_WEIGHTS = (BatchNorm, Scale, Shift)  # of each element


def fold_transpositions(steps: Mapping[str, Step], output: str) -> None:
    """Remove transpositions before a ``Flatten`` by permuting the weights after it.

    Where this is possible, the function changes the source of the ``Flatten`` and the weights. The transposition stays in
    ``steps``, but the output does not depend on it unless another layer reads it.

    Parameters
    ----------
    steps : dict of Step
        The layers of the network by name, each after its sources.
    output : str
        Name of the layer whose output is the output of the network.
    """
    users: dict[str, list[Step]] = {}
    for step in steps.values():
        for source in step.sources:
            users.setdefault(source, []).append(step)
    for step in steps.values():
        before = steps.get(step.sources[0])
        if not isinstance(step.layer, Flatten) or before is None or not isinstance(before.layer, Transpose):
            continue
        affected = _affected(step, users, output)
        if affected is not None and before.layer.axes == _channels_first(len(before.shape)):
            step.sources = before.sources
            for other in affected:
                _permute(other, before.shape)


def _affected(flatten: Step, users: Mapping[str, list[Step]], output: str) -> list[Step] | None:
    """Return the layers with weights for the flattened elements.

    Returns None if the order of these elements also affects other layers or the output.
    """
    affected, pending = [], [flatten]
    while pending:
        step = pending.pop()
        if step.name == output:
            return None
        for user in users.get(step.name, ()):
            if not isinstance(user.layer, (Dense, *ELEMENTWISE, *WITH_WEIGHTS)):
                return None
            if not isinstance(user.layer, ELEMENTWISE):
                affected.append(user)
            if not isinstance(user.layer, Dense):
                pending.append(user)
    return affected


def _permute(step: Step, image: Shape) -> None:
    """Reorder the weights for flattened images from channels first to channels last.

    ``image`` is the shape (C, H, W) or (C, L) of an image.
    """
    count = math.prod(image)
    rows = np.moveaxis(np.arange(count).reshape(image), 0, -1).reshape(-1)
    for name, array in step.weights.items():
        if array.shape[:1] == (count,) and not (isinstance(step.layer, Dense) and name == "b"):
            step.weights[name] = array[rows]


def _channels_first(rank: int) -> tuple[int, ...]:
    return (rank - 1, *range(rank - 1))
