"""Reading of Resize and Upsample, with the nearest pixel or linear interpolation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from refconv.nn import Upsample2D
from refconv.onnx.layers import Resize
from refconv.onnx.reading.errors import require
from refconv.onnx.reading.node import BATCH, Node
from refconv.onnx.reading.reader import Reader, Value, channels_last, identity, reads
from refconv.typing import Array

__all__: list[str] = []

MAX_MATRIX = 2**24  # elements of the weights of one axis
# Attributes with which integer scales sample like Upsample2D: mode, coordinates, and for the nearest pixel the rounding.
SAME_SAMPLING = {
    ("linear", "half_pixel", ""),
    ("linear", "half_pixel_symmetric", ""),
    ("linear", "pytorch_half_pixel", ""),
    ("nearest", "half_pixel", "round_prefer_floor"),
    ("nearest", "half_pixel", "round_prefer_ceil"),
    ("nearest", "asymmetric", "floor"),
}


@reads("Resize", "Upsample")
def read_resize(reader: Reader, node: Node) -> Value:
    x = node.value()
    mode, transformation, rounding = _sampling(reader, node)
    scales, sizes = _scales(node, x.shape)
    resized = [axis for axis, n in enumerate(x.shape) if sizes[axis] != n or scales[axis] != 1]
    if not resized:
        return x
    x = x if len(x.order) == len(x.shape) else reader.ordered(x, identity(len(x.shape)))
    factors = [sizes[axis] // x.shape[axis] for axis in (1, 2)] if len(x.shape) == 3 else []
    is_whole = all(scales[axis] == factor for axis, factor in zip((1, 2), factors, strict=False))
    shape = tuple(sizes)
    if factors and is_whole and min(factors) > 0 and resized[0] > 0 and (mode, transformation, rounding) in SAME_SAMPLING:
        x = reader.ordered(x, channels_last(3))
        layer: Any = Upsample2D(tuple(factors), mode={"nearest": "nearest", "linear": "bilinear"}[mode])
        return reader.apply(layer, x, shape, x.order, node)
    is_exact = all(math.isclose(scales[axis] * x.shape[axis], sizes[axis], rel_tol=1e-6) for axis in resized)
    require(transformation != "align_corners" or is_exact, "must have a whole output size: programs disagree about others")
    reader.allocate(sum(x.shape[axis] * sizes[axis] for axis in resized))
    matrices = [
        _matrix(x.shape[axis], sizes[axis], scales[axis], transformation, rounding) if axis in resized else None
        for axis in x.order
    ]
    return reader.apply(Resize(matrices), x, shape, x.order, node)


def _sampling(reader: Reader, node: Node) -> tuple[str, str, str]:
    """Return mode, coordinate transformation, and rounding of the nearest pixel ("" for linear)."""
    mode = node.word("mode", "nearest")
    old = node.op == "Upsample" or reader.opset < 11
    transformation = node.word("coordinate_transformation_mode", "asymmetric" if old else "half_pixel")
    rounding = node.word("nearest_mode", "floor" if old else "round_prefer_floor") if mode == "nearest" else ""
    require(mode in ("nearest", "linear"), f"must have the mode nearest or linear, got {mode!r}")
    require(transformation in COORDINATES, f"must have coordinates among {', '.join(COORDINATES)}, got {transformation!r}")
    require(rounding in ROUNDINGS, f"must have a rounding among {', '.join(ROUNDINGS)}, got {rounding!r}")
    require(not node.flag("antialias"), "must not use antialiasing")
    require(node.word("keep_aspect_ratio_policy", "stretch") == "stretch", "must stretch to the given sizes")
    return mode, transformation, rounding


def _scales(node: Node, shape: tuple[int, ...]) -> tuple[list[float], list[int]]:
    """Return the scale and the new size of each axis of an example."""
    rank = len(shape) + 1
    axes = [node.checked_axis(axis, rank) for axis in node.integers("axes", [*range(rank)])]
    old = [1, *shape]
    if node.op == "Upsample" and node.has("scales"):
        given: Any = [float(n) for n in node._attribute("scales", "FLOATS", "floats", [])]
    else:
        position = 1 if node.op == "Upsample" or len(node.inputs) == 2 else 2
        given = node.constant(position)
        given = None if given is None or not given.size else [float(n) for n in given.reshape(-1)]
    scales, sizes = [1.0] * rank, [*old]
    targets = node.constant(3) if given is None else None
    require(given is not None or targets is not None, "must have constant scales or sizes")
    numbers = given if targets is None else [int(n) for n in targets.reshape(-1)]
    require(len(numbers) == len(axes), f"must have a scale or size for each of {len(axes)} axes")
    for axis, number in zip(axes, numbers, strict=True):
        if axis == 0:
            require(
                number == 1 or (targets is not None and number in (BATCH, node._reader.batch)), "must not resize the batch"
            )
            continue
        require(0 < number < 2**31, f"must have positive scales and sizes, got {number}")
        # In float32, as in other programs: 10 · 0.9 is 9, but the float32 0.9 times 10 is less than 9 in float64.
        sizes[axis] = math.floor(np.float32(old[axis]) * np.float32(number)) if targets is None else number
        scales[axis] = number if targets is None else number / old[axis]
        require(sizes[axis] > 0 and sizes[axis] * old[axis] <= MAX_MATRIX, "must have an output of a practical size")
    return scales[1:], sizes[1:]


def _matrix(inputs: int, outputs: int, scale: float, transformation: str, rounding: str) -> Array:
    """Return the weights (outputs, inputs) of one axis."""
    # The nearest pixel is selected in float32, as in other programs. In float64, the float32 scale 0.7 is no longer 7/10, so a
    # position halfway between two pixels may be rounded to the other one.
    dtype = np.float32 if rounding else np.float64
    i = np.arange(outputs, dtype=dtype)
    x = COORDINATES[transformation](i, dtype(scale), inputs, outputs)
    a = np.zeros((outputs, inputs))
    if rounding:
        a[np.arange(outputs), np.clip(ROUNDINGS[rounding](x).astype(int), 0, inputs - 1)] = 1
        return a
    lower = np.floor(x)
    for neighbour, weight in ((lower, 1 - (x - lower)), (lower + 1, x - lower)):
        np.add.at(a, (np.arange(outputs), np.clip(neighbour.astype(int), 0, inputs - 1)), weight)
    return a


def _symmetric(i: Array, scale: float, inputs: int, outputs: int) -> Array:
    centre = inputs / 2 * (1 - outputs / (scale * inputs))
    return centre + (i + 0.5) / scale - 0.5


# Position in the input of output i along one axis.
COORDINATES: dict[str, Any] = {
    "half_pixel": lambda i, scale, inputs, outputs: (i + 0.5) / scale - 0.5,
    "half_pixel_symmetric": _symmetric,
    "pytorch_half_pixel": lambda i, scale, inputs, outputs: (i + 0.5) / scale - 0.5 if outputs > 1 else i * 0.0,
    "align_corners": lambda i, scale, inputs, outputs: i * (inputs - 1) / max(outputs - 1, 1),
    "asymmetric": lambda i, scale, inputs, outputs: i / scale,
}
ROUNDINGS: dict[str, Any] = {
    "": None,
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}
