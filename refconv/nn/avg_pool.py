"""Average pooling layers."""

from __future__ import annotations

from refconv._arguments import flag
from refconv.nn.layout import split_shape
from refconv.nn.pool import GlobalPool, Pool
from refconv.ops import avg_pool
from refconv.typing import Array, Backward, DataFormat, Padding, Size

__all__ = ["AvgPool1D", "AvgPool2D", "GlobalAvgPool1D", "GlobalAvgPool2D"]


class _AvgPool(Pool):
    statistic = "mean"
    _pool: staticmethod[..., Array]
    _pool_dx: staticmethod[..., Array]

    def __init__(
        self,
        kernel_size: Size,
        *,
        stride: Size | None = None,
        padding: Padding = "valid",
        dilation: Size = 1,
        ceil_mode: bool = False,
        count_include_pad: bool = False,
        data_format: DataFormat = "channels_last",
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode, data_format)
        self.arguments["dilation"] = self.window.dilation
        self.arguments["count_include_pad"] = flag("count_include_pad", count_include_pad)

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        y = self._pool(x, self.window.kernel, **self.arguments)

        def backward(dy: Array, want_dx: bool = True) -> Array | None:
            size, _ = split_shape(self, x.shape[1:])
            return self._pool_dx(dy, self.window.kernel, size, **self.arguments) if want_dx else None

        return y, backward

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}{', padding counted' if self.arguments['count_include_pad'] else ''})"


class _GlobalAvgPool(GlobalPool):
    statistic = "mean"
    _pool: staticmethod[..., Array]
    _pool_dx: staticmethod[..., Array]

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        size, _ = split_shape(self, x.shape[1:])
        y = self._pool(x, data_format=self.data_format)

        def backward(dy: Array, want_dx: bool = True) -> Array | None:
            return self._pool_dx(dy, size, data_format=self.data_format) if want_dx else None

        return y, backward


class AvgPool2D(_AvgPool):
    r"""Average pooling layer on images: the mean of each window, channel by channel.

    .. math:: y_{i,j,c} = \frac{1}{\mathrm{count}_{i,j}} \sum_{m,n} x_{i S + m D,\; j S + n D,\; c}

    Parameters
    ----------
    kernel_size : int or (int, int)
        Size of the window in pixels.
    stride : int, (int, int) or None
        Step between windows, in pixels; None means the size of the window.
    padding, dilation, ceil_mode, count_include_pad, data_format
        As in :func:`refconv.avg_pool2d`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid.

    Examples
    --------
    >>> AvgPool2D(2).output_shape((28, 30, 6))
    (14, 15, 6)

    Source: lecture row A11 (SOURCES.md).
    """

    ndim = 2
    _pool = staticmethod(avg_pool.avg_pool2d)
    _pool_dx = staticmethod(avg_pool.avg_pool2d_dx)


class AvgPool1D(_AvgPool):
    """Average pooling layer on signals: :class:`AvgPool2D` with one spatial axis.

    >>> AvgPool1D(4).output_shape((16, 3))
    (4, 3)

    Source: lecture rows A11 and C8 (SOURCES.md).
    """

    ndim = 1
    _pool = staticmethod(avg_pool.avg_pool1d)
    _pool_dx = staticmethod(avg_pool.avg_pool1d_dx)


class GlobalAvgPool2D(_GlobalAvgPool):
    r"""Global average pooling layer: the mean of each channel over the whole image.

    The output has one number per channel for images of any size.

    .. math:: y_c = \frac{1}{H W} \sum_{u,v} x_{u,v,c}

    Parameters
    ----------
    data_format : str
        "channels_last" or "channels_first".

    Raises
    ------
    ValueError
        If data_format is unknown, or an input is not an image.

    Examples
    --------
    >>> GlobalAvgPool2D().output_shape((7, 9, 1024))
    (1024,)

    Source: lecture rows A11 and M6 (SOURCES.md); Lin, Chen and Yan, "Network in network", 2014.
    """

    ndim = 2
    _pool = staticmethod(avg_pool.global_avg_pool2d)
    _pool_dx = staticmethod(avg_pool.global_avg_pool2d_dx)


class GlobalAvgPool1D(_GlobalAvgPool):
    """Global average pooling layer on signals: :class:`GlobalAvgPool2D` with one axis.

    >>> GlobalAvgPool1D().output_shape((16, 3))
    (3,)

    Source: lecture rows A11 and C8 (SOURCES.md).
    """

    ndim = 1
    _pool = staticmethod(avg_pool.global_avg_pool1d)
    _pool_dx = staticmethod(avg_pool.global_avg_pool1d_dx)
