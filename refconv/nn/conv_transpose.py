"""Transposed convolution layers."""

from __future__ import annotations

import math
from functools import partial

from refconv._arguments import divisor
from refconv.nn.conv import _Conv
from refconv.nn.description import Span, by, once
from refconv.nn.initializers import Initializer, he_normal, zeros
from refconv.nn.layer import Spec
from refconv.nn.layout import join_shape, split_shape
from refconv.ops import conv_transpose
from refconv.typing import Array, Backward, DataFormat, Padding, Shape, Size

__all__ = ["ConvTranspose1D", "ConvTranspose2D"]


class _ConvTranspose(_Conv):
    """Base class of transposed convolution layers; :class:`_Conv` checks the common arguments."""

    category = "up"
    _conv_transpose: staticmethod[..., Array]
    _conv_transpose_dx: staticmethod[..., Array]
    _conv_transpose_dw: staticmethod[..., Array]
    _conv_transpose_db: staticmethod[..., Array]

    def __init__(
        self,
        filters: int,
        kernel_size: Size,
        *,
        stride: Size = 1,
        padding: Padding = "valid",
        output_padding: Size | None = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        initializer: Initializer | None = None,
        data_format: DataFormat = "channels_last",
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
            initializer=initializer,
            data_format=data_format,
        )
        self.output_padding = self.window.output_padding(output_padding)

    def output_shape(self, shape: Shape) -> Shape:
        size, channels = split_shape(self, shape)
        divisor("groups", self.groups, inputs=channels)
        return join_shape(self.window.transposed_output_size(size, self.output_padding), self.filters, self.data_format)

    def specs(self, shape: Shape) -> dict[str, Spec]:
        _, channels = split_shape(self, shape)
        initializer = self.initializer or partial(he_normal, fan_in=self._fan_in(channels))
        w = Spec((*self.window.kernel, self.filters // self.groups, channels), initializer)
        return {"w": w, "b": Spec((self.filters,), zeros)} if self.bias else {"w": w}

    def multiply_adds(self, shape: Shape) -> int:
        size, channels = split_shape(self, shape)
        per_input = math.prod(self.window.kernel) * (self.filters // self.groups)
        return math.prod(size) * channels * per_input

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        w, b = self.parameters["w"], self.parameters["b"] if self.bias else None
        bias = None if b is None else b.value
        y = self._conv_transpose(x, w.value, bias, output_padding=self.output_padding, **self.arguments)

        def backward(dy: Array, want_dx: bool = True) -> Array | None:
            w.grad += self._conv_transpose_dw(x, dy, self.window.kernel, output_padding=self.output_padding, **self.arguments)
            if b is not None:
                b.grad += self._conv_transpose_db(dy, data_format=self.data_format)
            if not want_dx:
                return None
            return self._conv_transpose_dx(dy, w.value, output_padding=self.output_padding, **self.arguments)

        return y, backward

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        return self.window.transposed_input_span(split_shape(self, self.output_shape(shape))[0], span)

    def caption(self) -> str:
        window = self.window
        settings = [f"×{once(window.stride)}"] if window.stride != window.kernel else []
        settings += [f"dilation {once(window.dilation)}"] if set(window.dilation) != {1} else []
        settings += [f"{self.groups} groups"] if self.groups > 1 else []
        return ", ".join([f"{by(window.kernel)} up-conv", str(self.filters), *settings])

    def _fan_in(self, channels: int) -> float:
        """Return the mean number of products in one output.

        Each input pixel adds a copy of the kernel to the output, and neighbouring copies are shifted by S. So of the k taps,
        only those with the same m·D mod S contribute to the same output. This remainder takes S / gcd(S, D) values, or k if
        there are fewer taps. The mean is over the outputs that one copy covers.
        """
        window = self.window
        taps = [k / min(k, S // math.gcd(S, D)) for k, S, D in zip(window.kernel, window.stride, window.dilation, strict=True)]
        return math.prod(taps) * (channels // self.groups)

    def _settings(self) -> list[str]:
        larger = [f"output_padding {'×'.join(map(str, self.output_padding))}"] if any(self.output_padding) else []
        return super()._settings() + larger


class ConvTranspose2D(_ConvTranspose):
    r"""Transposed convolution layer on images, which usually enlarges them.

    Each input pixel adds a copy of the kernel, multiplied by the pixel, to the output.

    .. math:: y_{u,v,o} = \mathrm{bias}_o + \sum_{\substack{i,m:\, i S + m D = u \\ j,n:\, j S + n D = v}}
              \sum_c x_{i,j,c} \; w_{m,n,o,c}

    Parameters
    ----------
    filters : int
        Number of output channels O.
    kernel_size : int or (int, int)
        kh and kw, in pixels.
    stride, padding, output_padding, dilation, groups, data_format
        As in :func:`refconv.conv_transpose2d`.
    bias : bool
        If True, there is a bias b. A batch normalisation directly after the layer cancels it (lecture row A17).
    initializer : callable, optional
        ``initializer(rng, shape)`` returns the initial w, (kh, kw, O / groups, C). The default is :func:`he_normal` with the
        fan-in of this layer. It differs from a convolution's: the last two axes of w are exchanged, and with stride S only
        every S-th tap along an axis contributes to an output pixel.

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid, when the layer is constructed; if the input does not fit, when its shape is known.

    Examples
    --------
    >>> layer = ConvTranspose2D(16, (2, 3), stride=2, padding="same")
    >>> layer.output_shape((14, 16, 6)), layer.count_parameters((14, 16, 6)), layer.multiply_adds((14, 16, 6))
    ((27, 31, 16), 592, 129024)

    With ``output_padding=None`` the output has the size that a user of Keras expects, here 2·14 × 2·16:

    >>> ConvTranspose2D(16, (2, 3), stride=2, padding="same", output_padding=None).output_shape((14, 16, 6))
    (28, 32, 16)

    Source: lecture rows C1–C3, C5, D10 and M16 (SOURCES.md).
    """

    ndim = 2
    _conv_transpose = staticmethod(conv_transpose.conv_transpose2d)
    _conv_transpose_dx = staticmethod(conv_transpose.conv_transpose2d_dx)
    _conv_transpose_dw = staticmethod(conv_transpose.conv_transpose2d_dw)
    _conv_transpose_db = staticmethod(conv_transpose.conv_transpose2d_db)


class ConvTranspose1D(_ConvTranspose):
    r"""Transposed convolution layer on signals: :class:`ConvTranspose2D` with one spatial axis.

    .. math:: y_{u,o} = \mathrm{bias}_o + \sum_{i,m:\, i S + m D = u} \sum_c x_{i,c} \; w_{m,o,c}

    The parameters are the same as for :class:`ConvTranspose2D`, with one number instead of two.

    >>> ConvTranspose1D(4, 3, stride=2, output_padding=1).output_shape((7, 2))
    (16, 4)

    Source: lecture rows C1–C3 and C8 (SOURCES.md).
    """

    ndim = 1
    _conv_transpose = staticmethod(conv_transpose.conv_transpose1d)
    _conv_transpose_dx = staticmethod(conv_transpose.conv_transpose1d_dx)
    _conv_transpose_dw = staticmethod(conv_transpose.conv_transpose1d_dw)
    _conv_transpose_db = staticmethod(conv_transpose.conv_transpose1d_db)
