"""Convolution layers."""

from __future__ import annotations

import math
from typing import Any

from refconv._arguments import divisor, flag, initializer_or_none, integer, known_format, per_axis
from refconv.geometry import Window
from refconv.nn.description import Span, window_caption
from refconv.nn.initializers import Initializer, he_normal, zeros
from refconv.nn.layer import Layer, Spec
from refconv.nn.layout import join_shape, split_shape
from refconv.ops import conv
from refconv.typing import Array, Backward, DataFormat, Padding, Shape, Size

__all__ = ["Conv1D", "Conv2D"]


class _Conv(Layer):
    """Base class of convolution layers, plain and transposed, with ``ndim`` spatial axes."""

    category = "conv"
    ndim: int
    _conv: staticmethod[..., Array]
    _conv_dx: staticmethod[..., Array]
    _conv_dw: staticmethod[..., Array]
    _conv_db: staticmethod[..., Array]

    def __init__(
        self,
        filters: int,
        kernel_size: Size,
        *,
        stride: Size = 1,
        padding: Padding = "valid",
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        initializer: Initializer | None = he_normal,
        data_format: DataFormat = "channels_last",
    ) -> None:
        self.filters = integer("filters", filters)
        self.window = Window(per_axis("kernel_size", kernel_size, self.ndim), stride, padding, dilation)
        self.groups = divisor("groups", groups, filters=self.filters)
        self.bias = flag("bias", bias)
        self.initializer = initializer_or_none(initializer)
        self.data_format = known_format(data_format)
        self.arguments: dict[str, Any] = {
            "stride": self.window.stride,
            "padding": self.window.padding,
            "dilation": self.window.dilation,
            "groups": self.groups,
            "data_format": data_format,
        }

    def output_shape(self, shape: Shape) -> Shape:
        size, channels = split_shape(self, shape)
        divisor("groups", self.groups, inputs=channels)
        return join_shape(self.window.output_size(size), self.filters, self.data_format)

    def specs(self, shape: Shape) -> dict[str, Spec]:
        _, channels = split_shape(self, shape)
        w = Spec((*self.window.kernel, channels // self.groups, self.filters), self.initializer or he_normal)
        return {"w": w, "b": Spec((self.filters,), zeros)} if self.bias else {"w": w}

    def multiply_adds(self, shape: Shape) -> int:
        size, channels = split_shape(self, shape)
        per_output = math.prod(self.window.kernel) * (channels // self.groups)
        return math.prod(self.window.output_size(size)) * self.filters * per_output

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        w, b = self.parameters["w"], self.parameters["b"] if self.bias else None
        y = self._conv(x, w.value, None if b is None else b.value, **self.arguments)

        def backward(dy: Array, want_dx: bool = True) -> Array | None:
            size, _ = split_shape(self, x.shape[1:])
            w.grad += self._conv_dw(x, dy, self.window.kernel, **self.arguments)
            if b is not None:
                b.grad += self._conv_db(dy, data_format=self.data_format)
            return self._conv_dx(dy, w.value, size, **self.arguments) if want_dx else None

        return y, backward

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        return self.window.input_span(split_shape(self, shape)[0], span)

    def caption(self) -> str:
        groups = [f"{self.groups} groups"] if self.groups > 1 else []
        return ", ".join([window_caption(self.window, "conv", str(self.filters)), *groups])

    def _settings(self) -> list[str]:
        """Return the settings that differ from their defaults, as text."""
        differs = [f"stride {'×'.join(map(str, self.window.stride))}"] if set(self.window.stride) != {1} else []
        differs += [f"padding {self.window.padding}"] if self.window.padding != "valid" else []
        differs += [f"dilation {'×'.join(map(str, self.window.dilation))}"] if set(self.window.dilation) != {1} else []
        return differs + ([f"groups {self.groups}"] if self.groups > 1 else [])

    def __repr__(self) -> str:
        kernel = "×".join(map(str, self.window.kernel))
        return ", ".join([f"{type(self).__name__}({self.filters}, {kernel}", *self._settings()]) + ")"


class Conv2D(_Conv):
    r"""Convolution layer on images: ``filters`` kernels of size ``kernel_size``, and a bias.

    .. math:: y_{i,j,o} = \mathrm{bias}_o + \sum_{m,n,c} x_{i S + m D,\; j S + n D,\; c} \; w_{m,n,c,o}

    Parameters
    ----------
    filters : int
        Number of output channels O.
    kernel_size : int or (int, int)
        kh and kw, in pixels.
    stride, padding, dilation, groups, data_format
        As in :func:`refconv.conv2d`.
    bias : bool
        If True, there is a bias b. A batch normalisation directly after the layer cancels it (lecture row A17).
    initializer : callable
        ``initializer(rng, shape)`` returns the initial w.

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid, when the layer is constructed; if the input does not fit, when its shape is known.

    Examples
    --------
    >>> layer = Conv2D(16, (3, 5), stride=2, padding="same")
    >>> layer.output_shape((28, 31, 6)), layer.count_parameters((28, 31, 6)), layer.multiply_adds((28, 31, 6))
    ((14, 16, 16), 1456, 322560)

    Source: lecture rows A5–A10, C4 and C5 (SOURCES.md).
    """

    ndim = 2
    _conv = staticmethod(conv.conv2d)
    _conv_dx = staticmethod(conv.conv2d_dx)
    _conv_dw = staticmethod(conv.conv2d_dw)
    _conv_db = staticmethod(conv.conv2d_db)


class Conv1D(_Conv):
    r"""Convolution layer on signals: :class:`Conv2D` with one spatial axis.

    .. math:: y_{i,o} = \mathrm{bias}_o + \sum_{m,c} x_{i S + m D,\; c} \; w_{m,c,o}

    The parameters are the same as for :class:`Conv2D`, with one number instead of two.

    >>> Conv1D(4, 3, stride=2).output_shape((16, 2))
    (7, 4)

    Source: lecture rows A7 and C8 (SOURCES.md).
    """

    ndim = 1
    _conv = staticmethod(conv.conv1d)
    _conv_dx = staticmethod(conv.conv1d_dx)
    _conv_dw = staticmethod(conv.conv1d_dw)
    _conv_db = staticmethod(conv.conv1d_db)
