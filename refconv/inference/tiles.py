"""Choice of Winograd's tiles within a limit of the memory of a plan.

Larger tiles need fewer multiplications, but the transformed kernels take more memory than the weights: 16/9 of it for tiles of
2×2 outputs, and 36/9 for 4×4. So the layers with the most pixels, where the weights are a small part of the data, get the
larger tiles.
"""

from __future__ import annotations

import math

from refconv._config import get_config
from refconv._core.conv import choose
from refconv.inference.graph import Convolution, Graph, Weighted

__all__ = ["MOST_ACTIVATIONS", "MOST_WEIGHTS", "choose_tiles"]

# The most memory of packed weights and outputs, relative to the memory of the weights and of the two largest outputs.
MOST_WEIGHTS = 1.2
MOST_ACTIVATIONS = 1.1
RESERVED = 1 << 22  # bytes of this for buffers of the kernels and for the steps themselves
ALWAYS_SPARE = 1 << 21  # bytes that small networks may use for tiles beyond this limit

MULTIPLICATIONS = {0: 9.0, 2: 4.0, 4: 2.25}  # for one output, by the side of the tiles; 0 is the plain sum
MEMORY = {0: 1.0, 2: 16 / 9, 4: 36 / 9}  # of the packed kernels, relative to the weights


def choose_tiles(graph: Graph, arena_size: int, weights: int) -> None:
    """Set the side of the tiles of each convolution for which Winograd's algorithm is an option.

    Parameters
    ----------
    graph : Graph
    arena_size : int
        Elements of the arena for one image.
    weights : int
        Elements of all parameters of the network.
    """
    nodes = [node for node in graph.nodes.values() if isinstance(node, Convolution)]
    suited = [node for node in nodes if choose.suits_winograd(graph.layer_of(node))]
    spare = _spare_elements(graph, suited, arena_size, weights)
    options = []
    for node in suited:
        node.side = 0
        options += [(*option, node) for option in _options(node, graph.images)]
    # A layer's tiles of 2×2 come before its tiles of 4×4, because they save more for each element.
    for _, elements, side, node in sorted(options, key=lambda option: -option[0]):
        if elements <= spare:
            node.side = side
            spare -= elements


def _spare_elements(graph: Graph, suited: list[Convolution], arena_size: int, weights: int) -> float:
    """Return the elements that tiles may take beyond the packed weights of plain sums.

    Networks that consist mostly of 3×3 convolutions may exceed the limit: the larger the share of these layers in the weights,
    the more of them get tiles of 2×2.
    """
    nodes = [node for node in graph.nodes.values() if isinstance(node, Convolution)]
    packed = sum(node.w.size for node in graph.nodes.values() if isinstance(node, Weighted))
    largest = sum(sorted(math.prod(node.shape) for node in graph.nodes.values())[-2:])
    limit = MOST_WEIGHTS * weights + graph.images * MOST_ACTIVATIONS * largest - RESERVED // graph.itemsize
    three = sum(node.w.size for node in nodes if node.window.kernel == (3, 3))
    excess = (MEMORY[2] - 1) * sum(node.w.size for node in suited) * (three / packed if packed else 0)
    return max(limit - packed - graph.images * arena_size, excess, ALWAYS_SPARE // graph.itemsize)


def _options(node: Convolution, images: int) -> list[tuple[float, float, int]]:
    """Return the options of a convolution.

    An option is the multiplications that it saves per additional element, these elements, and the side of the tiles.
    """
    pixels = images * math.prod(node.shape[:2])
    largest = choose.tile_side(pixels, 4 if get_config().precision == "fast" else 2)
    options, before = [], 0
    for side in (2, 4):
        if side <= largest:
            elements = (MEMORY[side] - MEMORY[before]) * node.w.size
            saved = (MULTIPLICATIONS[before] - MULTIPLICATIONS[side]) * pixels * math.prod(node.w.shape[2:])
            options.append((saved / elements, elements, side))
            before = side
    return options
