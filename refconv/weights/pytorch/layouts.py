"""Names, shapes and element order of a layer's parameters in PyTorch.

Both libraries compute the same sums, but store their numbers in another order::

    convolution               ours (kh, kw, C, O)     PyTorch's (O, C, kh, kw)
    transposed convolution    ours (kh, kw, O, C)     PyTorch's (C, O, kh, kw)
    depthwise convolution     ours (kh, kw, C, Q)     PyTorch's (C·Q, 1, kh, kw)
    dense                     ours (C, O)             PyTorch's (O, C)
    dense after a flattening  ours (H·W·C, O)         PyTorch's (O, C·H·W)

A layout is a view of our array with the elements in PyTorch's order. One definition serves both directions: copying to the
view reads PyTorch's array, and copying from the view writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

import refconv.nn as nn
from refconv._errors import ArgumentValueError
from refconv.nn.layer import is_channels_first
from refconv.typing import Array, Shape
from refconv.weights.element_order import State, element_order

__all__ = ["Entry", "Layout", "entries_of"]

Layout = Callable[[Array], tuple[Array, Shape]]  # returns the view, and the shape of PyTorch's array


class Entry(NamedTuple):
    """Parameter of a network and its counterpart in PyTorch.

    ``layer`` and ``name`` are the dotted name of the layer and the name of its parameter; ``suffix`` is PyTorch's name of the
    parameter, and ``shape`` its shape in PyTorch.
    """

    layer: str
    name: str
    suffix: str
    shape: Shape
    layout: Layout
    spec: nn.Spec

    @property
    def parameter(self) -> str:
        """Dotted name of the parameter."""
        return f"{self.layer}.{self.name}".lstrip(".")


def unchanged(a: Array) -> tuple[Array, Shape]:
    """Return an array with the same order in both libraries."""
    return a, a.shape


def kernel(w: Array) -> tuple[Array, Shape]:
    """Return a kernel (…, C, O) as (O, C, …).

    >>> kernel(np.zeros((3, 5, 2, 7)))[1]
    (7, 2, 3, 5)
    """
    view = w.transpose(-1, -2, *range(w.ndim - 2))
    return view, view.shape


def depthwise_kernel(w: Array) -> tuple[Array, Shape]:
    """Return a depthwise kernel (kh, kw, C, Q) as (C, Q, kh, kw); PyTorch's is (C·Q, 1, kh, kw)."""
    height, width, channels, multiplier = w.shape
    return w.transpose(2, 3, 0, 1), (channels * multiplier, 1, height, width)


def after_flatten(a: Array, image: Shape) -> tuple[Array, Shape]:
    """Return an array whose first axis is a flattened image (…, C), in PyTorch's order C, ….

    ``image`` is the shape of the image. A matrix is also transposed.

    >>> after_flatten(np.arange(6), (3, 2))[0].ravel(), after_flatten(np.zeros((6, 5)), (3, 2))[1]
    (array([0, 2, 4, 1, 3, 5]), (5, 6))
    """
    rest = a.shape[1:]
    view = np.moveaxis(a.reshape(*image, *rest), len(image) - 1, 0)
    return np.moveaxis(view, -1, 0) if rest else view, (*rest, len(a))


CONVOLUTION: dict[str, tuple[str, Layout]] = {"w": ("weight", kernel), "b": ("bias", unchanged)}
SCALE_AND_SHIFT: dict[str, tuple[str, Layout]] = {"gamma": ("weight", unchanged), "beta": ("bias", unchanged)}

# PyTorch's name of each parameter, and its layout. A layer of another class keeps its names and its order.
LAYOUTS: dict[type[nn.Layer], dict[str, tuple[str, Layout]]] = {
    nn.Conv1D: CONVOLUTION,
    nn.Conv2D: CONVOLUTION,
    nn.ConvTranspose1D: CONVOLUTION,
    nn.ConvTranspose2D: CONVOLUTION,
    nn.Dense: CONVOLUTION,
    nn.DepthwiseConv2D: {**CONVOLUTION, "w": ("weight", depthwise_kernel)},
    nn.SeparableConv2D: {  # two modules in PyTorch
        "depthwise": ("depthwise.weight", depthwise_kernel),
        "pointwise": ("pointwise.weight", kernel),
        "b": ("pointwise.bias", unchanged),
    },
    nn.BatchNorm: {
        **SCALE_AND_SHIFT,
        "mean": ("running_mean", unchanged),
        "var": ("running_var", unchanged),
        "updates": ("num_batches_tracked", unchanged),
    },
    nn.GroupNorm: SCALE_AND_SHIFT,
    nn.InstanceNorm: SCALE_AND_SHIFT,
    nn.LayerNorm: SCALE_AND_SHIFT,
}


def entries_of(model: nn.Layer, shape: Shape) -> list[Entry]:
    """Return all parameters of a network, each once, with their counterparts in PyTorch.

    The network need not be built. Raises ``ValueError`` if a layer between ``Flatten`` and a dense layer may change the order
    of the inputs, such as a ``Concat``.

    >>> layers = nn.Flatten(), nn.Dense(7)
    >>> [(entry.parameter, entry.suffix, entry.shape) for entry in entries_of(nn.Sequential(layers), (3, 5, 2))]
    [('1.w', 'weight', (7, 30)), ('1.b', 'bias', (7,))]
    """
    images = {} if is_channels_first(model) else element_order(model, tuple(shape)).images
    _, *inner = model.distinct_layers(shape)
    layers = [("", model, shape), *inner]
    return [entry for name, layer, reaching in layers for entry in _own_entries(name, layer, reaching, images.get(name))]


def _own_entries(layer_name: str, layer: nn.Layer, shape: Shape, image: State | None) -> Iterator[Entry]:
    """Yield the parameters of one layer.

    Its input is a flattened image of shape ``image``, of unknown order, or not flattened (None).
    """
    known = next((LAYOUTS[cls] for cls in type(layer).__mro__ if cls in LAYOUTS), {})
    for name, spec in layer.specs(shape).items():
        suffix, layout = known.get(name, (name, unchanged))
        one_for_each_input = spec.shape[:1] == tuple(shape) and not (isinstance(layer, nn.Dense) and name == "b")
        if image is not None and one_for_each_input:
            if not isinstance(image, tuple):
                raise ArgumentValueError(
                    f"the layers between images and {layer_name} must be a Flatten and layers that keep the order of the "
                    "elements, got one that may change it: the order in PyTorch is unknown; if the network comes from an ONNX "
                    "file of PyTorch, load it with data_format='channels_last'"
                )
            layout = partial(after_flatten, image=image)
        yield Entry(layer_name, name, suffix, layout(np.empty(spec.shape))[1], layout, spec)
