"""Pooling layers."""

from refconv.geometry import Window, per_axis
from refconv.nn.layer import Layer
from refconv.nn.space import join, split
from refconv.ops import pool
from refconv.ops.check import known_format

__all__ = ["AvgPool1D", "AvgPool2D", "MaxPool1D", "MaxPool2D"]


class _Pool(Layer):
    ndim: int

    def __init__(self, window, *, stride=None, padding="valid", dilation=1, ceil_mode=False, data_format="channels_last"):
        kernel = per_axis("window", window, self.ndim)
        self.window = Window(kernel, kernel if stride is None else stride, padding, dilation, ceil_mode)
        self.data_format = known_format(data_format)
        self.arguments = {
            "stride": self.window.stride,
            "padding": self.window.padding,
            "ceil_mode": ceil_mode,
            "data_format": data_format,
        }

    def output_shape(self, shape):
        size, channels = split(self, shape)
        return join(self.window.output_size(size), channels, self.data_format)

    def __repr__(self):
        kernel, stride = ("×".join(map(str, axes)) for axes in (self.window.kernel, self.window.stride))
        differs = [f"stride {stride}"] if stride != kernel else []
        differs += [f"padding {self.window.padding}"] if self.window.padding != "valid" else []
        differs += [f"dilation {'×'.join(map(str, self.window.dilation))}"] if set(self.window.dilation) != {1} else []
        differs += ["ceil mode"] if self.window.ceil_mode else []
        return ", ".join([f"{type(self).__name__}({kernel}", *differs]) + ")"


class _MaxPool(_Pool):
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
        return getattr(pool, f"max_pool{self.ndim}d{suffix}")


class _AvgPool(_Pool):
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
        return getattr(pool, f"avg_pool{self.ndim}d{suffix}")


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


class MaxPool1D(_MaxPool):
    """:class:`MaxPool2D` on signals.

    >>> MaxPool1D(3, stride=2).output_shape((16, 4))
    (7, 4)

    Source: A11, C8.
    """

    ndim = 1


class AvgPool1D(_AvgPool):
    """:class:`AvgPool2D` on signals.

    >>> AvgPool1D(4).output_shape((16, 3))
    (4, 3)

    Source: A11, C8.
    """

    ndim = 1
