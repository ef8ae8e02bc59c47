"""Order of the elements of flattened images, and the layout of a network's input.

Images have their channels first in PyTorch, and usually last in refconv. Both have the same channels and pixels, but a
flattened image has another order of its elements. :func:`element_order` follows the images through a network to find the
layers whose parameters are in this order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import refconv.nn as nn
from refconv.nn.joins import Concatenate, Join
from refconv.nn.layer import is_channels_first
from refconv.nn.pool import GlobalPool, Pool
from refconv.nn.reshape import ReduceMean, Reshape, Transpose
from refconv.typing import Shape

__all__ = ["ElementOrder", "Order", "State", "element_order", "input_layout"]

# Layers that do not change the order of the elements of a flattened image.
ACTIVATIONS = (nn.ELU, nn.LeakyReLU, nn.ReLU, nn.ReLU6, nn.Sigmoid, nn.Softmax, nn.Tanh)
KEEP_ORDER = (*ACTIVATIONS, nn.BatchNorm, nn.Dropout, nn.Identity, nn.LayerNorm)
# Layers that read images or signals with their channels last.
CONVOLUTIONS = (nn.Conv1D, nn.Conv2D, nn.ConvTranspose1D, nn.ConvTranspose2D, nn.DepthwiseConv2D, nn.SeparableConv2D)
NORMS = (nn.BatchNorm, nn.GroupNorm, nn.InstanceNorm, nn.LayerNorm, nn.LocalResponseNorm)
CHANNELS = (nn.ChannelAffine, nn.PadChannels, nn.Select)
SIZES = (Pool, GlobalPool, nn.AdaptiveAvgPool2D, nn.Crop2D, nn.Pad2D, nn.Upsample2D)
SPATIAL = (*CONVOLUTIONS, *NORMS, *CHANNELS, *SIZES)


class Order(Enum):
    """Order of the elements of an array that is not a flattened image."""

    INPUT = "the network's input, whose layout no layer has used yet"
    CHANNELS_LAST = "images with their channels last, or vectors that are not flattened images"
    UNKNOWN = "another order than in PyTorch"


State = Order | Shape  # a shape is the shape of a flattened image


@dataclass
class ElementOrder:
    """Result of :func:`element_order`.

    Attributes
    ----------
    images : dict
        By the name of each layer whose input is a flattened image: the shape of this image, or ``Order.UNKNOWN``.
    layouts : set of str or None
        Layouts of the network's input that the layers reading it expect; None for a layer that reshapes any array.
    """

    images: dict[str, State] = field(default_factory=dict)
    layouts: set[str | None] = field(default_factory=set)

    def follow(self, layer: nn.Layer, shape: Any, name: str, state: State) -> State:
        """Record a layer whose input has this shape and order, and return the order of its output."""
        if not _is_plain(state):
            self.images.setdefault(name, state)
        states: dict[str, State] = {}  # of the outputs of inner layers
        reached = state
        for inner_name, inner, inner_shape in layer.children(shape):
            if isinstance(layer, nn.Graph):
                reached = _joined(inner, [states.get(source, state) for source in layer.sources[inner_name]])
            output = self.follow(inner, inner_shape, f"{name}.{inner_name}".lstrip("."), reached)
            states[inner_name] = output
            if isinstance(layer, nn.Sequential):
                reached = output
        if isinstance(layer, nn.Sequential):
            return reached
        if isinstance(layer, nn.Graph):
            return output
        return _joined(layer, [*states.values()]) if states else self._after(layer, shape, state)

    def _after(self, layer: nn.Layer, shape: Any, state: State) -> State:
        """Return the order of the output of a layer without inner layers."""
        is_spatial = isinstance(layer, SPATIAL) and len(shape) > 1
        if isinstance(layer, (Join, *KEEP_ORDER)) and not is_spatial:
            return state
        if isinstance(layer, Transpose):
            return self._transposed(layer, state)
        if isinstance(layer, Reshape):
            return self._reshaped(shape, layer.shape, state)
        if isinstance(layer, nn.Flatten) and (state == Order.UNKNOWN or len(shape) == 1):
            return state
        if state == Order.INPUT and (is_spatial or isinstance(layer, nn.Flatten)):
            self.layouts.add("channels_last")
        if isinstance(layer, nn.Flatten):
            return tuple(shape)
        if isinstance(layer, ReduceMean) and len(shape) - 1 in layer.axes and len(shape) - len(layer.axes) > 1:
            return Order.UNKNOWN  # without channels, but with several axes
        if is_spatial or isinstance(layer, nn.Dense):
            return Order.CHANNELS_LAST
        return state if _is_plain(state) else Order.UNKNOWN

    def _transposed(self, layer: Transpose, state: State) -> State:
        last = len(layer.axes) - 1
        if layer.axes == (*range(last + 1),):
            return state
        if state != Order.INPUT:
            return Order.UNKNOWN
        is_first = layer.axes == (*range(1, last + 1), 0)
        self.layouts.add("channels_first" if is_first else None)
        return Order.CHANNELS_LAST if is_first else Order.UNKNOWN

    def _reshaped(self, old: Shape, new: Shape, state: State) -> State:
        longer, same = ([n for n in shape if n > 1] for shape in (old, new))
        if longer == same and (len(longer) < 2 or old[-1:] == new[-1:]):
            return state  # only axes of length 1 come or go
        if state == Order.INPUT and len(old) > 1:
            self.layouts.add(None)
        return Order.UNKNOWN


def element_order(model: nn.Layer, shape: Shape) -> ElementOrder:
    """Follow the order of the elements through a network whose layers have their channels last.

    >>> layers = nn.Conv2D(4, 3), nn.Flatten(), nn.ReLU(), nn.Dense(7)
    >>> element_order(nn.Sequential(layers), (7, 8, 3)).images
    {'2': (5, 6, 4), '3': (5, 6, 4)}
    """
    order = ElementOrder()
    order.follow(model, shape, "", Order.INPUT)
    return order


def input_layout(model: nn.Layer, shape: Shape) -> str | None:
    """Return the layout of a network's input; None if the network reshapes any array.

    >>> conv = nn.Conv2D(4, 3)
    >>> input_layout(conv, (7, 8, 3)), input_layout(nn.Sequential(Transpose((1, 2, 0)), conv), (3, 7, 8))
    ('channels_last', 'channels_first')
    """
    if is_channels_first(model):
        return "channels_first"
    layouts = element_order(model, shape).layouts or {"channels_last"}
    return layouts.pop() if len(layouts) == 1 else None


def _is_plain(state: State) -> bool:
    return state in (Order.INPUT, Order.CHANNELS_LAST)


def _joined(layer: nn.Layer, states: Sequence[State]) -> State:
    """Return the order of joined arrays."""
    first = states[0]
    if all(map(_is_plain, states)):
        return first if len(set(states)) == 1 else Order.CHANNELS_LAST
    is_equal = len(set(states)) == 1 and (len(states) == 1 or not isinstance(layer, nn.Concat | Concatenate))
    return first if is_equal else Order.UNKNOWN
