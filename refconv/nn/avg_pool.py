"""Average pooling layers."""

from refconv.nn.pool import Pool
from refconv.nn.space import split
from refconv.ops import avg_pool

__all__ = ["AvgPool1D", "AvgPool2D"]


class _AvgPool(Pool):
    def __init__(self, window, *, count_include_pad=False, **arguments):
        if "dilation" in arguments:
            raise TypeError(f"{type(self).__name__} has no dilation, but got {arguments['dilation']!r}")
        super().__init__(window, **arguments)
        self.arguments["count_include_pad"] = count_include_pad

    def forward(self, x, train=True):
        y = self._operator("")(x, self.window.kernel, **self.arguments)

        def backward(dy, want_dx=True):
            size, _ = split(self, x.shape[1:])
            return self._operator("_dx")(dy, self.window.kernel, size, **self.arguments) if want_dx else None

        return y, backward

    def _operator(self, suffix):
        return getattr(avg_pool, f"avg_pool{self.ndim}d{suffix}")


class AvgPool2D(_AvgPool):
    r"""The mean under each window, channel by channel.

    .. math:: y_{i,j,c} = \frac{1}{\mathrm{count}_{i,j}} \sum_{m,n} x_{i S + m,\; j S + n,\; c}

    Parameters
    ----------
    window : int or (int, int)
        Size of the window in pixels.
    stride : int, (int, int) or None
        Step between windows; None means the window's own size.
    padding, ceil_mode, count_include_pad, data_format
        As in :func:`refconv.avg_pool2d`.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.

    Examples
    --------
    >>> AvgPool2D(2).output_shape((28, 30, 6))
    (14, 15, 6)

    Source: A11.
    """

    ndim = 2


class AvgPool1D(_AvgPool):
    """:class:`AvgPool2D` on signals.

    >>> AvgPool1D(4).output_shape((16, 3))
    (4, 3)

    Source: A11, C8.
    """

    ndim = 1
