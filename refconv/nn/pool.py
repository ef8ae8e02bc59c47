"""Base classes of max and average pooling layers, with a window or over the whole input."""

from typing import Any

from refconv._arguments import known_format, per_axis
from refconv.geometry import Window
from refconv.nn.description import Span, window_caption
from refconv.nn.layer import Layer
from refconv.nn.layout import join_shape, split_shape
from refconv.typing import DataFormat, Padding, Shape, Size

__all__ = ["GlobalPool", "Pool"]

ELEMENTS = {1: "sample", 2: "pixel"}


class Pool(Layer):
    """Base class of max and average pooling layers."""

    category = "pool"
    statistic: str  # name in diagrams
    ndim: int

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None,
        padding: Padding,
        dilation: Size,
        ceil_mode: bool,
        data_format: DataFormat,
    ) -> None:
        kernel = per_axis("kernel_size", kernel_size, self.ndim)
        self.window = Window(kernel, kernel if stride is None else stride, padding, dilation, ceil_mode)
        self.data_format = known_format(data_format)
        self.arguments: dict[str, Any] = {
            "stride": self.window.stride,
            "padding": self.window.padding,
            "ceil_mode": ceil_mode,
            "data_format": data_format,
        }

    def output_shape(self, shape: Shape) -> Shape:
        size, channels = split_shape(self, shape)
        return join_shape(self.window.pooled_size(size), channels, self.data_format)

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        return self.window.input_span(split_shape(self, shape)[0], span)

    def caption(self) -> str:
        window = self.window
        if set(window.kernel) == {1} != set(window.stride):
            return f"every {' × '.join(map(_ordinal, dict.fromkeys(window.stride)))} {ELEMENTS[self.ndim]}"
        return window_caption(window, f"{self.statistic} pool")

    def __repr__(self) -> str:
        kernel, stride = ("×".join(map(str, axes)) for axes in (self.window.kernel, self.window.stride))
        differs = [f"stride {stride}"] if stride != kernel else []
        differs += [f"padding {self.window.padding}"] if self.window.padding != "valid" else []
        differs += [f"dilation {'×'.join(map(str, self.window.dilation))}"] if set(self.window.dilation) != {1} else []
        differs += ["ceil mode"] if self.window.ceil_mode else []
        return ", ".join([f"{type(self).__name__}({kernel}", *differs]) + ")"


class GlobalPool(Layer):
    """Base class of layers that pool all positions of each channel."""

    category = "pool"
    statistic: str
    ndim: int

    def __init__(self, *, data_format: DataFormat = "channels_last") -> None:
        self.data_format = known_format(data_format)

    def output_shape(self, shape: Shape) -> Shape:
        size, channels = split_shape(self, shape)
        per_axis("input_size", size, self.ndim)
        return (channels,)

    def caption(self) -> str:
        return f"{self.statistic} of all {ELEMENTS[self.ndim]}s"


def _ordinal(n: int) -> str:
    """Return a positive integer as an ordinal number.

    >>> [_ordinal(n) for n in (1, 2, 3, 4, 11, 22, 113)]
    ['1st', '2nd', '3rd', '4th', '11th', '22nd', '113th']
    """
    is_teen = n % 100 in (11, 12, 13)
    return f"{n}{'th' if is_teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th')}"
