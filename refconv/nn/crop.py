"""The middle of an image as a layer."""

from refconv._arguments import known_format
from refconv._errors import ArgumentValueError
from refconv.nn.description import Span
from refconv.nn.layer import Layer
from refconv.nn.layout import join_shape, split_shape
from refconv.ops.resize import frame, pad, pad_dx
from refconv.typing import Array, Backward, DataFormat, Padding, Shape

__all__ = ["Crop2D"]


class Crop2D(Layer):
    r"""Each image without a margin: what :class:`Pad2D` with zeros puts around, this takes away.

    .. math:: y_{i,j,c} = x_{i + \mathrm{top},\; j + \mathrm{left},\; c}

    The one is the other's derivative: the way back of a crop puts zeros around, that of a frame of zeros crops.

    Parameters
    ----------
    margin : int, (int, int) or ((top, bottom), (left, right))
        Width of what goes, in pixels.
    data_format : str
        "channels_last" or "channels_first".

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit, when the layer is made; if the margin leaves nothing of the image, when its shape is seen.

    Examples
    --------
    >>> Crop2D(((1, 0), (2, 3))).output_shape((28, 31, 6))
    (27, 26, 6)

    Source: lecture row M16 (SOURCES.md); Ronneberger, Fischer and Brox, "U-Net: convolutional networks for biomedical image
    segmentation", 2015.
    """

    ndim = 2

    def __init__(self, margin: Padding, *, data_format: DataFormat = "channels_last") -> None:
        self.window = frame(margin, self.ndim, "zeros")
        self.margin = self.window.pads((1,) * self.ndim)  # the same for images of every size
        self.data_format = known_format(data_format)

    def output_shape(self, shape: Shape) -> Shape:
        size, channels = split_shape(self, shape)
        left = tuple(n - before - after for n, (before, after) in zip(size, self.margin, strict=True))
        if min(left) < 1:
            raise ArgumentValueError(f"{self!r} leaves nothing of an input of shape {tuple(shape)}")
        return join_shape(left, channels, self.data_format)

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        self.output_shape(x.shape[1:])
        margin, options = self.margin, {"data_format": self.data_format}
        return pad_dx(x, margin, **options), lambda dy, want_dx=True: pad(dy, margin, **options) if want_dx else None

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        return self.window.transposed_input_span(split_shape(self, self.output_shape(shape))[0], span)

    def caption(self) -> str:
        return "crop"

    def __repr__(self) -> str:
        (top, bottom), (left, right) = self.margin
        return f"Crop2D({top} + {bottom} × {left} + {right})"
