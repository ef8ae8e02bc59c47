"""Cropping layer."""

from refconv._arguments import known_format
from refconv._errors import ArgumentValueError
from refconv.nn.description import Span
from refconv.nn.layer import Layer
from refconv.nn.layout import join_shape, split_shape
from refconv.ops.resize import frame, pad, pad_dx
from refconv.typing import Array, Backward, DataFormat, Padding, Shape

__all__ = ["Crop2D"]


class Crop2D(Layer):
    r"""Layer that removes a margin from each image, the opposite of :class:`Pad2D`.

    .. math:: y_{i,j,c} = x_{i + \mathrm{top},\; j + \mathrm{left},\; c}

    The backward function of a crop pads with zeros, and the backward function of a padding with zeros crops.

    Parameters
    ----------
    margin : int, (int, int) or ((top, bottom), (left, right))
        Width of the removed margin, in pixels.
    data_format : str
        "channels_last" or "channels_first".

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid, when the layer is constructed; if the image is not larger than its margins, when its shape
        is known.

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
        cropped = tuple(n - before - after for n, (before, after) in zip(size, self.margin, strict=True))
        if min(cropped) < 1:
            raise ArgumentValueError(f"the input of {self!r} must be larger than its margins, got shape {tuple(shape)}")
        return join_shape(cropped, channels, self.data_format)

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
