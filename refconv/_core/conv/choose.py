"""The choice of an algorithm for a convolution: one table for each pass, read from the top.

winograd     3×3 kernels with stride 1 and many channels, with half of the multiplications or fewer (winograd.pyx)
one_channel  y where images have one channel and the stride along rows is 1 (one_channel.pyx)
depthwise    groups of one, two or four inputs and as many outputs, several groups in one vector (depthwise.pyx)
columns      ∂e/∂x where inputs have few channels (columns.pyx)
direct       any convolution, as the sum that the formula states (direct.pyx)

The first algorithm whose condition holds computes the result. If it returns None, because numbers are not finite or because
this instruction set has no such kernel, the next one that holds is tried. Time is never measured at run time, so the same
call gives the same bits. ``python -m benchmarks.choose`` measures both algorithms on either side of each threshold.
"""

from typing import NamedTuple

from refconv.geometry import Window
from refconv.typing import Shape

__all__ = ["BACKWARD_DW", "BACKWARD_DX", "FORWARD", "Layer", "tile_side"]

WINOGRAD_LEAST_CHANNELS = 32  # inputs and outputs: below, the transforms cost more than the saved multiplications
WINOGRAD_LEAST_CHANNELS_DW = 48  # the same in ∂e/∂w, which transforms both x and ∂e/∂y and uses each only once
WINOGRAD_LEAST_PIXELS = 150  # input pixels of all images: below, transforming the kernels costs more than it saves
LARGE_TILES_LEAST_PIXELS = 1024  # output pixels of all images: the kernels of larger tiles take twice as long to transform
DEPTHWISE_GROUP_SIZES = (1, 2, 4)  # channels of a group: depthwise.h has loops for these
COLUMNS_MOST_BYTES = 24  # of one input pixel, all channels; larger pixels fill the vectors of direct.pyx
COLUMNS_MOST_PRODUCTS = 1 << 19  # elements of the shortest band of products: with more, the band leaves the L2 cache


class Layer(NamedTuple):
    """Sizes of a convolution, the same in its forward pass and in its derivatives."""

    window: Window
    images: int
    input_size: tuple[int, int]
    C: int  # input channels of all groups together
    O: int
    groups: int
    itemsize: int  # bytes of an element

    @property
    def output_size(self) -> Shape:
        return self.window.output_size(self.input_size)


def suits_winograd(layer: Layer, least_channels: int = WINOGRAD_LEAST_CHANNELS) -> bool:
    """Return True for a 3×3 kernel, stride 1, dilation 1 and one group, with enough channels and pixels."""
    window = layer.window
    return (
        (window.kernel, window.stride, window.dilation, layer.groups) == ((3, 3), (1, 1), (1, 1), 1)
        and min(layer.C, layer.O) >= least_channels
        and layer.images * layer.input_size[0] * layer.input_size[1] >= WINOGRAD_LEAST_PIXELS
    )


def suits_winograd_dw(layer: Layer) -> bool:
    """Return True if the layer has enough channels for Winograd's ∂e/∂w, which needs more."""
    return suits_winograd(layer, WINOGRAD_LEAST_CHANNELS_DW)


def suits_one_channel(layer: Layer) -> bool:
    """Return True if there is one input channel and neighbouring outputs read neighbouring pixels."""
    return layer.C == 1 and layer.images > 0 and layer.window.stride[1] == 1


def suits_depthwise(layer: Layer) -> bool:
    """Return True if each of several groups has one, two or four inputs and as many outputs."""
    return layer.groups > 1 and layer.O == layer.C and layer.C // layer.groups in DEPTHWISE_GROUP_SIZES


def suits_columns(layer: Layer) -> bool:
    """Return True if inputs have few channels and the products of a band of rows fit into the L2 cache."""
    if layer.groups > 1 or layer.C * layer.itemsize > COLUMNS_MOST_BYTES or layer.window.kernel == (1, 1):
        return False
    (kh, kw), (S_h, _), (D_h, _) = layer.window.kernel, layer.window.stride, layer.window.dilation
    rows = 2 * (kh - 1) * D_h // S_h + 1  # output rows that contribute to the shortest band of input rows
    return rows * layer.output_size[1] * kh * kw * layer.C <= COLUMNS_MOST_PRODUCTS


def suits_direct(layer: Layer) -> bool:
    """Return True: the plain sum computes every convolution."""
    return True


def tile_side(pixels: int, wanted: int) -> int:
    """Return the wanted side of Winograd's tiles if there are enough output pixels, else 2."""
    return wanted if pixels >= LARGE_TILES_LEAST_PIXELS else 2


FORWARD = (
    ("winograd", suits_winograd),
    ("one_channel", suits_one_channel),
    ("depthwise", suits_depthwise),
    ("direct", suits_direct),
)
BACKWARD_DX = (
    ("winograd", suits_winograd),
    ("depthwise", suits_depthwise),
    ("columns", suits_columns),
    ("direct", suits_direct),
)
BACKWARD_DW = (
    ("winograd", suits_winograd_dw),
    ("depthwise", suits_depthwise),
    ("direct", suits_direct),
)
