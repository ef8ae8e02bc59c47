"""Reading of nodes that move, select, pad or resize."""

from __future__ import annotations

import math

from refconv.nn import Crop2D, Pad2D, PadChannels, Select
from refconv.nn.reshape import Pad, Slice
from refconv.onnx.reading.errors import require
from refconv.onnx.reading.node import BATCH, Node
from refconv.onnx.reading.reader import Reader, Value, channels_last, identity, reads
from refconv.typing import Shape

__all__: list[str] = []

MODES = {"constant": "zeros", "edge": "edge", "reflect": "reflect"}
IMAGE = channels_last(3)


@reads("Transpose")
def read_transpose(reader: Reader, node: Node) -> Value:
    x = node.value()
    rank = len(x.shape) + 1
    perm = node.integers("perm", [*reversed(range(rank))])
    require(sorted(perm) == [*range(rank)], f"must permute {rank} axes, got {perm}")
    require(perm[0] == 0, "must keep the batch first")
    axes = [axis - 1 for axis in perm[1:]]
    return Value(x.key, tuple(x.shape[axis] for axis in axes), tuple(axes.index(axis) for axis in x.order))


@reads("Flatten")
def read_flatten(reader: Reader, node: Node) -> Value:
    x = node.value()
    axis = node.integer("axis", 1)
    rank = len(x.shape) + 1
    axis = axis + rank if axis < 0 else axis
    require(axis == 1 or (1 < axis <= rank and math.prod(x.shape[: axis - 1]) == 1), "must keep the batch as its first axis")
    return reader.reshaped(x, (math.prod(x.shape),), node)


@reads("Reshape")
def read_reshape(reader: Reader, node: Node) -> Value:
    x = node.value()
    target = node.numbers("shape", 1) or []
    full = [BATCH, *x.shape]
    if not node.flag("allowzero"):
        require(all(k < len(full) for k, n in enumerate(target) if n == 0), "must not copy sizes that the input does not have")
        target = [full[k] if n == 0 else n for k, n in enumerate(target)]
    require(target, "must keep the batch as its first axis")
    first, *rest = target
    elements = math.prod(x.shape)
    require(all(n == -1 or n > 0 for n in rest) and rest.count(-1) <= 1, f"must have a shape of positive sizes, got {target}")
    if -1 in rest:
        known = -math.prod(rest)
        require(known > 0 and elements % known == 0, f"must keep the {elements} elements of an example, got {target}")
        rest[rest.index(-1)] = elements // known
    is_batch = first == BATCH or (first == -1 and math.prod(rest) == elements) or first == reader.batch
    require(is_batch, f"must keep the batch as its first axis, got {target}")
    return reader.reshaped(x, tuple(rest), node)


@reads("Squeeze")
def read_squeeze(reader: Reader, node: Node) -> Value:
    x = node.value()
    rank = len(x.shape) + 1
    given = node.numbers("axes", 1)
    axes = {node.checked_axis(axis, rank) - 1 for axis in given} if given else {k for k, n in enumerate(x.shape) if n == 1}
    require(-1 not in axes and all(x.shape[axis] == 1 for axis in axes), "must remove axes of length 1, and not the batch")
    return reader.reshaped(x, tuple(n for axis, n in enumerate(x.shape) if axis not in axes), node)


@reads("Unsqueeze")
def read_unsqueeze(reader: Reader, node: Node) -> Value:
    x = node.value()
    given = node.numbers("axes", 1) or []
    rank = len(x.shape) + 1 + len(given)
    axes = {node.checked_axis(axis, rank) - 1 for axis in given}
    require(-1 not in axes and len(axes) == len(given), "must keep the batch first")
    sizes = iter(x.shape)
    return reader.reshaped(x, tuple(1 if axis in axes else next(sizes) for axis in range(rank - 1)), node)


@reads("Gather")
def read_gather(reader: Reader, node: Node) -> Value:
    x = node.value()
    axis = node.axis("axis", 0, len(x.shape) + 1) - 1
    indices = node.constant(1)
    require(axis >= 0 and indices is not None and indices.ndim == 1, "must select elements of an axis other than the batch")
    assert indices is not None
    reader.allocate(indices.size)
    channels = [int(k) + x.shape[axis] * (k < 0) for k in indices]
    x = reader.ordered(x, (*(k for k in x.order if k != axis), axis) if axis in x.order else identity(len(x.shape)))
    require(x.order and x.order[-1] == axis, "must select elements of an axis with several elements")
    shape = tuple(len(channels) if k == axis else n for k, n in enumerate(x.shape))
    return reader.apply(Select(channels), x, shape, x.order, node)


@reads("Slice")
def read_slice(reader: Reader, node: Node) -> Value:
    x = node.value()
    starts, ends = node.numbers("starts", 1) or [], node.numbers("ends", 2) or []
    axes = node.numbers("axes", 3) or [*range(len(starts))]
    steps = node.numbers("steps", 4) or [1] * len(starts)
    require(len(starts) == len(ends) == len(axes) == len(steps), "must have a start, an end and a step for each axis")
    ranges = {axis: (0, n, 1) for axis, n in enumerate(x.shape)}
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        k = node.checked_axis(axis, len(x.shape) + 1) - 1
        if k < 0:
            require((start, step) == (0, 1) and end >= 2**31 - 1, "must not select examples of the batch")
            continue
        require(step != 0, "must have a step other than 0")
        selected = range(x.shape[k])[start:end:step]
        require(len(selected) > 0, "must select at least one element")
        ranges[k] = (selected[0], len(selected), selected.step)
    shape = tuple(count for _, count, _ in ranges.values())
    if shape == x.shape and all(step == 1 for _, _, step in ranges.values()):
        return x
    x = x if len(x.order) == len(x.shape) else reader.ordered(x, identity(len(x.shape)))
    margins = {axis: (first, x.shape[axis] - first - count) for axis, (first, count, _) in ranges.items()}
    if x.order == IMAGE and margins[0] == (0, 0) and all(step == 1 for _, _, step in ranges.values()):
        return reader.apply(Crop2D((margins[1], margins[2])), x, shape, x.order, node)
    return reader.apply(Slice([ranges[axis] for axis in x.order]), x, shape, x.order, node)


@reads("Pad")
def read_pad(reader: Reader, node: Node) -> Value:
    x = node.value()
    rank = len(x.shape) + 1
    pads = node.numbers("pads", 1) or []
    axes = [node.checked_axis(axis, rank) for axis in node.numbers("axes", 3) or range(rank)]
    require(len(pads) == 2 * len(axes), f"must have {2 * len(axes)} pads, got {len(pads)}")
    widths: dict[int, tuple[int, int]] = dict.fromkeys(range(rank), (0, 0))
    widths |= dict(zip(axes, zip(pads[: len(axes)], pads[len(axes) :], strict=True), strict=True))
    require(widths.pop(0) == (0, 0), "must not pad the batch")
    require(all(min(width) >= 0 for width in widths.values()), "must not have negative pads")
    mode, value = node.word("mode", "constant"), node.number("value", 2, 0.0)
    require(mode in MODES, f"must have a mode among {', '.join(MODES)}, got {mode!r}")
    if not any(map(any, widths.values())):
        return x
    x = x if len(x.order) == len(x.shape) else reader.ordered(x, identity(len(x.shape)))
    sides = [widths[axis + 1] for axis in x.order]
    shape = tuple(n + sum(widths[axis + 1]) for axis, n in enumerate(x.shape))
    if value == 0 and x.order == IMAGE and not any(sides[-1]):
        return reader.apply(Pad2D(tuple(sides[:-1]), mode=MODES[mode]), x, shape, x.order, node)
    if value == 0 and mode == "constant" and not any(map(any, sides[:-1])) and not sides[-1][0]:
        return reader.apply(PadChannels(_last(shape, x.order)), x, shape, x.order, node)
    return reader.apply(Pad(sides, mode, value if mode == "constant" else 0.0), x, shape, x.order, node)


def _last(shape: Shape, order: tuple[int, ...]) -> int:
    return shape[order[-1]]
