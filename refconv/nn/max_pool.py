"""Max pooling layers."""

from __future__ import annotations

from refconv.nn.layout import split_shape
from refconv.nn.pool import GlobalPool, Pool
from refconv.ops import max_pool
from refconv.typing import Array, Backward, DataFormat, Padding, Size

__all__ = ["GlobalMaxPool1D", "GlobalMaxPool2D", "MaxPool1D", "MaxPool2D"]


class _MaxPool(Pool):
    statistic = "max"
    _pool: staticmethod[..., Array]
    _pool_with_argmax: staticmethod[..., tuple[Array, Array]]
    _pool_dx: staticmethod[..., Array]

    def __init__(
        self,
        kernel_size: Size,
        *,
        stride: Size | None = None,
        padding: Padding = "valid",
        dilation: Size = 1,
        ceil_mode: bool = False,
        data_format: DataFormat = "channels_last",
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode, data_format)

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        kernel, arguments = self.window.kernel, {**self.arguments, "dilation": self.window.dilation}
        if train:
            y, argmax = self._pool_with_argmax(x, kernel, **arguments)
        else:
            y, argmax = self._pool(x, kernel, **arguments), None

        def backward(dy: Array, want_dx: bool = True) -> Array | None:
            if not want_dx:
                return None
            winners = argmax if train else self._pool_with_argmax(x, kernel, **arguments)[1]
            return self._pool_dx(dy, winners, split_shape(self, x.shape[1:])[0], data_format=self.data_format)

        return y, backward


class MaxPool2D(_MaxPool):
    r"""Max pooling layer on images: the largest value in each window, channel by channel.

    .. math:: y_{i,j,c} = \max_{m,n} x_{i S + m D,\; j S + n D,\; c}

    Parameters
    ----------
    kernel_size : int or (int, int)
        Size of the window in pixels.
    stride : int, (int, int) or None
        Step between windows, in pixels; None means the size of the window.
    padding, dilation, ceil_mode, data_format
        As in :func:`refconv.max_pool2d`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid.

    Examples
    --------
    >>> MaxPool2D((3, 2), stride=2).output_shape((28, 31, 6))
    (13, 15, 6)

    Source: lecture rows A11 and B5 (SOURCES.md).
    """

    ndim = 2
    _pool = staticmethod(max_pool.max_pool2d)
    _pool_with_argmax = staticmethod(max_pool.max_pool2d_with_argmax)
    _pool_dx = staticmethod(max_pool.max_pool2d_dx)


class MaxPool1D(_MaxPool):
    """Max pooling layer on signals: :class:`MaxPool2D` with one spatial axis.

    >>> MaxPool1D(3, stride=2).output_shape((16, 4))
    (7, 4)

    Source: lecture rows A11 and C8 (SOURCES.md).
    """

    ndim = 1
    _pool = staticmethod(max_pool.max_pool1d)
    _pool_with_argmax = staticmethod(max_pool.max_pool1d_with_argmax)
    _pool_dx = staticmethod(max_pool.max_pool1d_dx)


class _GlobalMaxPool(GlobalPool):
    statistic = "max"
    windowed: type[_MaxPool]

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        size, channels = split_shape(self, x.shape[1:])
        y, pool_backward = self.windowed(size, data_format=self.data_format).forward(x, train)
        return y.reshape(len(x), channels), lambda dy, want_dx=True: pool_backward(dy.reshape(y.shape), want_dx)


class GlobalMaxPool2D(_GlobalMaxPool):
    r"""Global max pooling layer: the largest value of each channel in the whole image.

    It is :class:`MaxPool2D` with a window of the size of the image.

    .. math:: y_c = \max_{u,v} x_{u,v,c}

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
    >>> GlobalMaxPool2D().output_shape((7, 9, 1024))
    (1024,)

    Source: lecture rows A11 and B5 (SOURCES.md).
    """

    ndim, windowed = 2, MaxPool2D


class GlobalMaxPool1D(_GlobalMaxPool):
    """Global max pooling layer on signals: :class:`GlobalMaxPool2D` with one axis.

    >>> GlobalMaxPool1D().output_shape((16, 3))
    (3,)

    Source: lecture rows A11 and C8 (SOURCES.md).
    """

    ndim, windowed = 1, MaxPool1D
