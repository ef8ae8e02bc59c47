"""Tables that choose the algorithm of a convolution, one for each pass.

winograd     3×3 kernels with stride 1 and many channels; needs at most half of the multiplications (winograd.pyx)
one_channel  y of images with one channel, if the stride along rows is 1 (one_channel.pyx)
depthwise    groups with one, two or four inputs and the same number of outputs; a vector spans several groups (depthwise.pyx)
columns      ∂e/∂x of inputs with few channels (columns.pyx)
direct       any convolution, as the sum in the formula (direct.pyx)

A table is read from the top, and the first algorithm whose condition holds computes the result. If it returns None, because
numbers are non-finite or because this instruction set has no such kernel, the next algorithm whose condition holds is tried.
Times are never measured when the program runs, so the same call always returns the same bits.
``python -m benchmarks.choose`` measures the two algorithms on both sides of each threshold.
"""

from collections.abc import Callable
from typing import NamedTuple

from refconv.geometry import Window
from refconv.typing import Shape

__all__ = ["BACKWARD_DW", "BACKWARD_DX", "FORWARD", "Layer", "first_algorithm", "tile_side"]

WINOGRAD_LEAST_CHANNELS = 32  # input and output channels; below this, transforming costs more than the saved multiplications
WINOGRAD_LEAST_CHANNELS_DW = 32  # channels in ∂e/∂w, which transforms both x and ∂e/∂y and uses each only once
WINOGRAD_LEAST_PIXELS = 150  # input pixels of all images; below this, transforming the kernels costs more than it saves
LARGE_TILES_LEAST_PIXELS = 1024  # output pixels of all images; the kernels of larger tiles take twice as long to transform
DEPTHWISE_GROUP_SIZES = (1, 2, 4)  # channels of a group for which depthwise.h has loops
COLUMNS_MOST_BYTES = 24  # bytes of one input pixel, all channels; larger pixels fill the vectors of direct.pyx
COLUMNS_MOST_PRODUCTS = 1 << 19  # elements of the shortest band of products; a larger band does not fit into the L2 cache


class Layer(NamedTuple):
    """Sizes of a convolution, which its forward pass and its derivatives share."""

    window: Window
    images: int
    input_size: tuple[int, int]
    C: int  # input channels of all groups together
    O: int
    groups: int
    itemsize: int  # bytes of an element
    side: int | None = None  # of Winograd's tiles in the forward pass, 0 for another algorithm; None is the usual side

    @property
    def output_size(self) -> Shape:
        return self.window.output_size(self.input_size)


def suits_winograd(layer: Layer, least_channels: int = WINOGRAD_LEAST_CHANNELS) -> bool:
    """Return True if Winograd's algorithm applies and is worth its transforms.

    It applies to a 3×3 kernel with stride 1, dilation 1 and one group; it needs enough channels and pixels to be worth it.
    """
    window = layer.window
    return (
        (window.kernel, window.stride, window.dilation, layer.groups) == ((3, 3), (1, 1), (1, 1), 1)
        and layer.side != 0
        and min(layer.C, layer.O) >= least_channels
        and layer.images * layer.input_size[0] * layer.input_size[1] >= WINOGRAD_LEAST_PIXELS
    )


def suits_winograd_dw(layer: Layer) -> bool:
    """Return True if Winograd's algorithm is worth its transforms in ∂e/∂w.

    That needs more channels than the forward pass.
    """
    return suits_winograd(layer, WINOGRAD_LEAST_CHANNELS_DW)


def suits_one_channel(layer: Layer) -> bool:
    """Return True for one input channel and stride 1 along rows."""
    return layer.C == 1 and layer.images > 0 and layer.window.stride[1] == 1


def suits_depthwise(layer: Layer) -> bool:
    """Return True for several groups of G inputs and G outputs, where G is 1, 2 or 4."""
    return layer.groups > 1 and layer.O == layer.C and layer.C // layer.groups in DEPTHWISE_GROUP_SIZES


def suits_columns(layer: Layer) -> bool:
    """Return True for few input channels if the products of a band fit into the L2 cache."""
    if layer.groups > 1 or layer.C * layer.itemsize > COLUMNS_MOST_BYTES or layer.window.kernel == (1, 1):
        return False
    (kh, kw), (S_h, _), (D_h, _) = layer.window.kernel, layer.window.stride, layer.window.dilation
    rows = 2 * (kh - 1) * D_h // S_h + 1  # output rows that contribute to the shortest band of input rows
    return rows * layer.output_size[1] * kh * kw * layer.C <= COLUMNS_MOST_PRODUCTS


def suits_direct(layer: Layer) -> bool:
    """Return True: the plain sum computes every convolution."""
    return True


def first_algorithm(table: tuple[tuple[str, Callable[[Layer], bool]], ...], layer: Layer) -> str:
    """Return the name of the first algorithm in a table that suits a layer."""
    return next(name for name, suits in table if suits(layer))


def tile_side(pixels: int, wanted: int) -> int:
    """Return the side of Winograd's tiles: `wanted` if there are enough output pixels, else 2."""
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
