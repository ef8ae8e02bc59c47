"""Padding, upsampling and adaptive pooling layers."""

from typing import Any

from refconv._arguments import known_format, per_axis
from refconv.nn.description import Span, once
from refconv.nn.layer import Layer
from refconv.nn.layout import join_shape, split_shape
from refconv.ops.resize import (
    adaptive_avg_pool2d,
    adaptive_avg_pool2d_dx,
    adaptive_size,
    frame,
    framed_size,
    pad,
    pad_dx,
    upsample2d,
    upsample2d_dx,
    upsample_mode,
    upsampled_size,
)
from refconv.typing import Array, Backward, DataFormat, Padding, Shape, Size

__all__ = ["AdaptiveAvgPool2D", "Pad2D", "Upsample2D"]


class Pad2D(Layer):
    r"""Padding layer: surrounds images with zeros, their reflection or repeated edge pixels.

    .. math:: y_{i,j,c} = x_{s(i - \mathrm{top}),\; s(j - \mathrm{left}),\; c}

    Parameters
    ----------
    padding : int, (int, int) or ((top, bottom), (left, right))
        Width of the padding, in pixels.
    mode, data_format
        As in :func:`refconv.pad`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid, when the layer is constructed; if the input is too small to be reflected, when its shape
        is known.

    Examples
    --------
    >>> Pad2D(((1, 0), (2, 3)), mode="reflect").output_shape((28, 31, 6))
    (29, 36, 6)

    Source: lecture rows A9 and M17 (SOURCES.md).
    """

    ndim = 2

    def __init__(self, padding: Padding, *, mode: str = "zeros", data_format: DataFormat = "channels_last") -> None:
        self.window = frame(padding, self.ndim, mode)
        self.margin = self.window.pads((1,) * self.ndim)  # the same for images of every size
        self.mode = mode
        self.data_format = known_format(data_format)
        self.arguments: dict[str, Any] = {"mode": mode, "data_format": data_format}

    def output_shape(self, shape: Shape) -> Shape:
        size, channels = split_shape(self, shape)
        return join_shape(framed_size(self.window, size, self.mode), channels, self.data_format)

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        y = pad(x, self.margin, **self.arguments)
        return y, lambda dy, want_dx=True: pad_dx(dy, self.margin, **self.arguments) if want_dx else None

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        return self.window.input_span(split_shape(self, shape)[0], span)

    def caption(self) -> str:
        return {"zeros": "border of zeros", "reflect": "mirror the border", "edge": "repeat the edge"}[self.mode]

    def __repr__(self) -> str:
        (top, bottom), (left, right) = self.margin
        return f"Pad2D({top} + {bottom} × {left} + {right}, {self.mode})"


class Upsample2D(Layer):
    r"""Upsampling layer: S_h × S_w output pixels for each pixel, copied or interpolated.

    .. math:: y_{i,j,c} = \sum_{u,v} a_{i,u} \, a_{j,v} \; x_{u,v,c}

    The weights a are defined in :func:`refconv.upsample2d`. They are fixed, unlike the weights of a transposed convolution.

    Parameters
    ----------
    scale : int or (int, int)
        S_h and S_w.
    mode : str
        "nearest" or "bilinear".
    data_format : str
        "channels_last" or "channels_first".

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid.

    Examples
    --------
    >>> Upsample2D((2, 3), mode="bilinear").output_shape((7, 5, 6))
    (14, 15, 6)

    Source: lecture rows M16 and M17 (SOURCES.md).
    """

    category = "up"
    ndim = 2

    def __init__(self, scale: Size, *, mode: str = "nearest", data_format: DataFormat = "channels_last") -> None:
        self.scale = per_axis("scale", scale, self.ndim)
        self.mode = upsample_mode(mode)
        self.data_format = known_format(data_format)
        self.arguments: dict[str, Any] = {"mode": mode, "data_format": data_format}

    def output_shape(self, shape: Shape) -> Shape:
        size, channels = split_shape(self, shape)
        return join_shape(upsampled_size(size, self.scale), channels, self.data_format)

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        y = upsample2d(x, self.scale, **self.arguments)
        return y, lambda dy, want_dx=True: upsample2d_dx(dy, self.scale, **self.arguments) if want_dx else None

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        """Return the input pixels that affect a rectangle of output pixels.

        Along each axis, output pixel i depends on the nearest input pixel. With mode "bilinear" it depends on the two input
        pixels next to position (2i + 1 − S) / 2S.
        """
        if self.mode == "nearest":
            return tuple((low // S, high // S) for (low, high), S in zip(span, self.scale, strict=True))
        places = (((2 * low + 1 - S, 2 * high + 1 - S), 2 * S) for (low, high), S in zip(span, self.scale, strict=True))
        return tuple((low // unit, -(-high // unit)) for (low, high), unit in places)

    def caption(self) -> str:
        return f"×{once(self.scale)} {self.mode}"

    def __repr__(self) -> str:
        return f"Upsample2D({self.scale[0]}×{self.scale[1]}, {self.mode})"


class AdaptiveAvgPool2D(Layer):
    r"""Adaptive average pooling layer: images of any size become K × L means.

    .. math:: y_{i,j,c} = \frac{1}{\mathrm{count}_{i,j}} \sum_{u=\lfloor i H / K \rfloor}^{\lceil (i+1) H / K \rceil - 1} \;
              \sum_{v=\lfloor j W / L \rfloor}^{\lceil (j+1) W / L \rceil - 1} x_{u,v,c}

    With it, the dense layers of a network accept images of other sizes. Unlike :class:`GlobalAvgPool2D`, the output is an
    image.

    Parameters
    ----------
    output_size : int or (int, int)
        K and L, height and width of the output.
    data_format : str
        "channels_last" or "channels_first".

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid.

    Examples
    --------
    >>> AdaptiveAvgPool2D(4).output_shape((14, 15, 512))
    (4, 4, 512)

    Source: lecture row A11 (SOURCES.md).
    """

    category = "pool"
    ndim = 2

    def __init__(self, output_size: Size, *, data_format: DataFormat = "channels_last") -> None:
        self.output_size = adaptive_size(output_size)
        self.data_format = known_format(data_format)

    def output_shape(self, shape: Shape) -> Shape:
        _, channels = split_shape(self, shape)
        return join_shape(self.output_size, channels, self.data_format)

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        size, _ = split_shape(self, x.shape[1:])
        y = adaptive_avg_pool2d(x, self.output_size, data_format=self.data_format)

        def backward(dy: Array, want_dx: bool = True) -> Array | None:
            return adaptive_avg_pool2d_dx(dy, size, data_format=self.data_format) if want_dx else None

        return y, backward

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        size, _ = split_shape(self, shape)
        sides = zip(span, size, self.output_size, strict=True)
        return tuple((low * n // k, -(-(high + 1) * n // k) - 1) for (low, high), n, k in sides)

    def caption(self) -> str:
        return f"means of {' × '.join(map(str, self.output_size))} parts"

    def __repr__(self) -> str:
        return f"AdaptiveAvgPool2D({'×'.join(map(str, self.output_size))})"
