"""Rules that join nodes of a graph, so that fewer arrays are written and read.

Each rule looks at one node and its neighbours. A rule may only join two nodes if no other node reads the array between them.
"""

from __future__ import annotations

from collections.abc import Callable

from refconv.geometry import Window
from refconv.inference.graph import (
    Affine,
    Convolution,
    Graph,
    Limited,
    Limits,
    Node,
    PooledConvolution,
    Pooling,
    Total,
    Weighted,
)
from refconv.ops.dispatch import kernels
from refconv.ops.fused import pools_with

__all__ = ["rewrite"]


def rewrite(graph: Graph) -> Graph:
    """Apply all rules to all nodes, in the order of the network; return the graph.

    >>> from refconv import nn
    >>> from refconv.inference.lowering import lower
    >>> block = nn.Sum(nn.Identity(), nn.Sequential(conv=nn.Conv2D(6, 1), norm=nn.BatchNorm()))
    >>> model = nn.Sequential(block=block, relu=nn.ReLU())
    >>> model.build((28, 28, 6))
    (28, 28, 6)
    >>> [(node.name, node.layers, node.inputs) for node in rewrite(lower(model, (28, 28, 6))).nodes.values()]
    [('relu', ['block.1.conv', 'block.1.norm', 'block', 'relu'], ['input', 'input'])]
    """
    for rule in RULES:
        for node in [*graph.nodes.values()]:
            if graph.nodes.get(node.name) is node:  # not joined with another node meanwhile
                rule(graph, node)
    return graph


def fold_scale(graph: Graph, node: Node) -> None:
    """Fold an affine function into the weights of the convolution or dense layer before it."""
    if not isinstance(node, Affine) or node.scale is None or not graph.is_read_once(node.inputs[0]):
        return
    before = graph.read(node.inputs[0], Weighted)
    if before is not None and not before.limits.are_set():
        before.fold(node.scale, node.shift)
        before.limits = node.limits
        graph.absorb(node, before)


def fold_scales(graph: Graph, node: Node) -> None:
    """Combine two affine functions that follow each other.

    For example, the scale of a branch precedes a normalisation.
    """
    before = graph.read(node.inputs[0], Affine)
    if not isinstance(node, Affine) or node.scale is None or before is None or not graph.is_read_once(before.name):
        return
    if before.scale is not None and not before.limits.are_set():
        before.scale, before.shift = before.scale * node.scale, before.shift * node.scale + node.shift
        before.limits = node.limits
        graph.absorb(node, before)


def limit_output(graph: Graph, node: Node) -> None:
    """Let a node limit its output instead of a ReLU after it."""
    if isinstance(node, Affine) and node.scale is None and graph.is_read_once(node.inputs[0]):
        before = graph.read(node.inputs[0], Limited)
        if before is not None and not before.limits.are_set():
            before.limits = node.limits
            graph.absorb(node, before)


def add_to_sums(graph: Graph, node: Node) -> None:
    """Let the last of two summed nodes, if it is a convolution, add the other one to its sums."""
    if not isinstance(node, Total) or node.scale is not None or len(node.inputs) != 2:
        return
    order = [*graph.nodes]
    other, last = sorted(node.inputs, key=lambda name: order.index(name) if name in order else -1)
    conv = graph.read(last, Convolution)
    if conv is not None and len(conv.inputs) == 1 and not conv.limits.are_set() and graph.is_read_once(last):
        conv.inputs.append(other)
        conv.limits = node.limits
        graph.absorb(node, conv)


def scale_total(graph: Graph, node: Node) -> None:
    """Let a sum also compute the affine function after it, such as the division of a mean."""
    total = graph.read(node.inputs[0], Total) if node.inputs else None
    if not isinstance(node, Affine) or node.scale is None or total is None or not graph.is_read_once(total.name):
        return
    if total.scale is None and not total.limits.are_set():
        total.scale, total.shift, total.limits = node.scale, node.shift, node.limits
        graph.absorb(node, total)


def apply_before(graph: Graph, node: Node) -> None:
    """Let a convolution normalise and rectify its input while it reads it, if its kernel can."""
    if not isinstance(node, Affine) or node.scale is None or node.limits != Limits(low=0) or not graph.is_read_once(node.name):
        return
    (conv,) = graph.users(node.name)
    if not isinstance(conv, Convolution) or conv.prologue is not None or conv.inputs[0] != node.name:
        return
    if kernels().conv.applies_prologue(graph.layer_of(conv)):
        conv.prologue = node.scale, node.shift
        conv.layers = [*node.layers, *conv.layers]
        graph.bypass(node, node.inputs[0])


def pool_sums(graph: Graph, node: Node) -> None:
    """Let a kernel compute a convolution of few channels, its ReLU and 2×2 max pooling together."""
    if not isinstance(node, Pooling) or node.statistic != "max" or not _is_2x2(node.window):
        return
    conv = graph.read(node.inputs[0], Convolution)
    if conv is None or not graph.is_read_once(conv.name) or conv.limits != Limits(low=0) or len(conv.inputs) > 1:
        return
    if conv.prologue is None and pools_with(conv.window, conv.w.shape[2], conv.groups):
        pooled = PooledConvolution(conv.name, conv.inputs, node.shape, conv.layers, conv=conv)
        graph.nodes[conv.name] = pooled
        graph.absorb(node, pooled)


def _is_2x2(window: Window) -> bool:
    settings = (window.kernel, window.stride, window.dilation, window.padding, window.ceil_mode)
    return settings == ((2, 2), (2, 2), (1, 1), "valid", False)


RULES: tuple[Callable[[Graph, Node], None], ...] = (
    fold_scale,
    fold_scales,
    limit_output,
    add_to_sums,
    scale_total,
    limit_output,
    pool_sums,
    apply_before,
)
