"""Places of the outputs of a graph in one block of memory, the arena.

Outputs that are not needed at the same time share memory. The inputs of a concatenation are computed in their channels of its
output, so they need not be copied: in a dense block, all layers write to one buffer. The last convolution of a residual block
adds its sums to the shortcut in place, so all blocks of one size share a buffer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from refconv._core.conv import choose
from refconv.inference.graph import Concatenation, Convolution, Graph, Node, PooledConvolution, Reshape, Run
from refconv.typing import Shape

__all__ = ["Arena", "Buffer", "Place", "plan_memory"]

ALLOCATE_THEMSELVES = (PooledConvolution, Reshape, Run)  # their output is a new array, or a view of their input
ALIGNED = 16  # elements; each buffer begins at a cache line


class Place(NamedTuple):
    """Channels of a buffer that contain an output."""

    buffer: int
    channel: int  # the first one


@dataclass
class Buffer:
    """Memory of one or several outputs, for one example.

    Parameters
    ----------
    shape : tuple of int
    first, last : int
        Numbers of the first node that writes it and of the last node that reads it.
    offset : int
        Elements before it in the arena.
    """

    shape: Shape
    first: int
    last: int
    offset: int = -1

    @property
    def size(self) -> int:
        """Number of elements, rounded up to whole cache lines."""
        return -(-math.prod(self.shape) // ALIGNED) * ALIGNED

    def overlaps(self, other: Buffer) -> bool:
        """Return True if both are needed at the same time."""
        return self.first <= other.last and other.first <= self.last


class Arena(NamedTuple):
    """Buffers and the places of the outputs in them.

    ``size`` is the size of the arena for one example, in elements.
    """

    buffers: list[Buffer]
    places: dict[str, Place]
    size: int


def plan_memory(graph: Graph) -> Arena:
    """Return the place of each output that a plan computes itself.

    A layer that the plan only calls allocates its own output.

    >>> from refconv import nn
    >>> from refconv.inference.lowering import lower
    >>> branches = nn.Concat(a=nn.Conv2D(3, 1), b=nn.Conv2D(5, 1))
    >>> model = nn.Sequential(conv=nn.Conv2D(4, 1), both=branches, last=nn.Conv2D(2, 1))
    >>> model.build((7, 9, 1))
    (7, 9, 2)
    >>> arena = plan_memory(lower(model, (7, 9, 1)))
    >>> [arena.places[name] for name in ("conv", "both", "both.a", "both.b")]
    [Place(buffer=2, channel=0), Place(buffer=1, channel=0), Place(buffer=1, channel=0), Place(buffer=1, channel=3)]
    >>> [buffer.offset for buffer in arena.buffers]
    [512, 0, 512]
    """
    numbers = {name: k for k, name in enumerate(graph.nodes)}
    last_reads = {name: max((numbers[user.name] for user in graph.users(name)), default=numbers[name]) for name in numbers}
    last_reads[graph.output] = len(numbers)
    places: dict[str, Place] = {}
    buffers: list[Buffer] = []
    for name, node in reversed(graph.nodes.items()):  # a concatenation comes before its inputs
        if isinstance(node, ALLOCATE_THEMSELVES):
            continue
        if name not in places:
            places[name] = Place(len(buffers), 0)
            buffers.append(Buffer(node.shape, numbers[name], last_reads[name]))
        buffer = buffers[places[name].buffer]
        buffer.first = min(buffer.first, numbers[name])
        buffer.last = max(buffer.last, _last_read(graph, name, last_reads))
        if isinstance(node, Concatenation):
            _place_inputs(graph, node, places)
        if _adds_in_place(graph, node) and buffer.shape == node.shape:
            other = node.inputs[1]
            if other not in places and _last_read(graph, other, last_reads) == numbers[name]:
                places[other] = places[name]
    return Arena(buffers, places, _set_offsets(buffers))


def _place_inputs(graph: Graph, node: Concatenation, places: dict[str, Place]) -> None:
    """Place the inputs of a concatenation in its output, if they can be computed there.

    The others will be copied.
    """
    buffer, first = places[node.name]
    channel = 0
    for k, name in enumerate(node.inputs):
        producer = graph.nodes.get(name)
        if producer is not None and not isinstance(producer, ALLOCATE_THEMSELVES) and name not in places:
            places[name] = Place(buffer, first + channel)
        else:
            node.copied.append((k, channel))
        channel += graph.shape(name)[-1]


def _adds_in_place(graph: Graph, node: Node) -> bool:
    """Return True if a convolution may overwrite the array that it adds to its sums.

    Only the plain sum reads each element of that array before it writes it, and never computes outputs a second time.
    """
    if not isinstance(node, Convolution) or len(node.inputs) < 2 or node.inputs[0] == node.inputs[1]:
        return False
    x, other = map(graph.nodes.get, node.inputs)
    if other is None or isinstance(other, ALLOCATE_THEMSELVES) or isinstance(x, Reshape):  # x may be a view of the other array
        return False
    return choose.first_algorithm(choose.FORWARD, graph.layer_of(node)) == "direct"


def _last_read(graph: Graph, name: str, last_reads: dict[str, int]) -> int:
    """Return the number of the last node that reads an output or a reshaped view of it."""
    views = [user.name for user in graph.users(name) if isinstance(user, Reshape)]
    return max([last_reads[name], *(_last_read(graph, view, last_reads) for view in views)])


def _set_offsets(buffers: list[Buffer]) -> int:
    """Set the offset of each buffer; return the size of the arena.

    The largest buffer comes first; each is placed at the lowest offset where it overlaps no buffer that is needed at the same
    time.
    """
    placed: list[Buffer] = []
    for buffer in sorted(buffers, key=lambda buffer: -buffer.size):
        offset = 0
        for other in sorted(placed, key=lambda other: other.offset):
            if other.overlaps(buffer) and other.offset < offset + buffer.size:
                offset = max(offset, other.offset + other.size)
        buffer.offset = offset
        placed.append(buffer)
    return max((buffer.offset + buffer.size for buffer in buffers), default=0)
