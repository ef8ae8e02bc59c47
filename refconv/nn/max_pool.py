"""Max pooling layers."""

from refconv.nn.pool import Pool
from refconv.nn.space import split
from refconv.ops import max_pool

__all__ = ["MaxPool1D", "MaxPool2D"]


class _MaxPool(Pool):
    def forward(self, x, train=True):
        kernel, arguments = self.window.kernel, {**self.arguments, "dilation": self.window.dilation}
        if train:
            y, argmax = self._operator("_with_argmax")(x, kernel, **arguments)
        else:
            y, argmax = self._operator("")(x, kernel, **arguments), None

        def backward(dy, want_dx=True):
            if not want_dx:
                return None
            winners = argmax if train else self._operator("_with_argmax")(x, kernel, **arguments)[1]
            return self._operator("_dx")(dy, winners, split(self, x.shape[1:])[0], data_format=self.data_format)

        return y, backward

    def _operator(self, suffix):
        return getattr(max_pool, f"max_pool{self.ndim}d{suffix}")


class MaxPool2D(_MaxPool):
    r"""The largest value under each window, channel by channel.

    .. math:: y_{i,j,c} = \max_{m,n} x_{i S + m D,\; j S + n D,\; c}

    Parameters
    ----------
    window : int or (int, int)
        Size of the window in pixels.
    stride : int, (int, int) or None
        Step between windows; None means the window's own size.
    padding, dilation, ceil_mode, data_format
        As in :func:`refconv.max_pool2d`.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.

    Examples
    --------
    >>> MaxPool2D((3, 2), stride=2).output_shape((28, 31, 6))
    (13, 15, 6)

    Source: A11, B5.
    """

    ndim = 2


class MaxPool1D(_MaxPool):
    """:class:`MaxPool2D` on signals.

    >>> MaxPool1D(3, stride=2).output_shape((16, 4))
    (7, 4)

    Source: A11, C8.
    """

    ndim = 1
