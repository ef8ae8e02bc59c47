"""Group, layer and instance normalisation as layers."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from refconv._arguments import divisor, flag, integer, known_format, real_or_exact
from refconv.nn.description import Span
from refconv.nn.initializers import ones, zeros
from refconv.nn.layer import Layer, Spec
from refconv.nn.layout import channel_count
from refconv.ops.group_norm import group_norm, group_norm_grads
from refconv.typing import Array, Backward, DataFormat, Shape

__all__ = ["GroupNorm", "InstanceNorm", "LayerNorm"]


class _ExampleNorm(Layer):
    """Base class of layers that normalise each example by its own means and variances."""

    category = "norm"

    def __init__(self, *, eps: float = 1e-3, data_format: DataFormat = "channels_last") -> None:
        self.eps = real_or_exact("eps", eps, least=0)
        self.data_format = known_format(data_format)

    @abstractmethod
    def _groups(self, channels: int) -> int:
        """Return the number of groups of an input with this number of channels."""

    def output_shape(self, shape: Shape) -> Shape:
        self._groups(channel_count(self, shape))
        return tuple(shape)

    def specs(self, shape: Shape) -> dict[str, Spec]:
        channels = (channel_count(self, shape),)
        return {"gamma": Spec(channels, ones), "beta": Spec(channels, zeros)}

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        return self._normalised(x, self._groups(channel_count(self, x.shape[1:])), self.data_format)

    def _normalised(self, x: Array, groups: int, data_format: DataFormat) -> tuple[Array, Backward]:
        """Return the normalised examples and the backward function."""
        gamma, beta = self.parameters["gamma"], self.parameters["beta"]
        y, mean, var = group_norm(x, gamma.value, beta.value, groups, eps=self.eps, data_format=data_format)

        def backward(dy: Array, want_dx: bool = True) -> Array:
            dx, dgamma, dbeta = group_norm_grads(
                dy, x=x, gamma=gamma.value, mean=mean, var=var, eps=self.eps, data_format=data_format
            )
            gamma.grad += dgamma
            beta.grad += dbeta
            return dx

        return y, backward

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        return None  # the mean is over all positions

    def _settings(self) -> list[str]:
        """Return the arguments that differ from their defaults, as text."""
        differs = [f"eps={self.eps}"] if self.eps != 1e-3 else []
        return differs + (["channels_first"] if self.data_format == "channels_first" else [])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self._settings())})"


class GroupNorm(_ExampleNorm):
    r"""Group normalisation: each group of channels of each example has mean 0 and variance 1.

    .. math:: y_{n,m,c} = \gamma_c \frac{x_{n,m,c} - \mu_{n,g}}{\sqrt{\sigma^2_{n,g} + \varepsilon}} + \beta_c

    Training and inference are the same, and there are no running averages, so the layer suits small batches. See
    :func:`refconv.group_norm`.

    Parameters
    ----------
    groups : int
        Number of groups, a divisor of the number of channels; 32 in the paper.
    eps : float
        ε, which is added to the variance.
    data_format : str
        "channels_last" or "channels_first".

    Raises
    ------
    TypeError, ValueError
        If groups is not a positive integer that divides the number of channels, or eps is negative or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> layer = GroupNorm(2, eps=0)
    >>> layer.build((4,), dtype=np.float64)
    (4,)
    >>> layer(np.array([[1.0, 3, 10, 30]]))
    array([[-1.,  1., -1.,  1.]])

    Source: lecture row D4 (SOURCES.md); Wu and He, "Group normalization", 2018.
    """

    def __init__(self, groups: int, *, eps: float = 1e-3, data_format: DataFormat = "channels_last") -> None:
        super().__init__(eps=eps, data_format=data_format)
        self.groups = integer("groups", groups)

    def _groups(self, channels: int) -> int:
        return divisor("groups", self.groups, channels=channels)

    def caption(self) -> str:
        return f"group norm, {self.groups}"

    def __repr__(self) -> str:
        return f"GroupNorm({', '.join([str(self.groups), *self._settings()])})"


class LayerNorm(_ExampleNorm):
    r"""Layer normalisation: each example has mean 0 and variance 1.

    .. math:: y_{n,m,c} = \gamma_c \frac{x_{n,m,c} - \mu_n}{\sqrt{\sigma^2_n + \varepsilon}} + \beta_c

    γ and β have one number for each channel; see :func:`refconv.layer_norm` for other libraries. With ``each_position=True``,
    each pixel or sample has its own mean and variance, as in Keras and in torchvision's ``LayerNorm2d``:

    .. math:: y_{n,m,c} = \gamma_c \frac{x_{n,m,c} - \mu_{n,m}}{\sqrt{\sigma^2_{n,m} + \varepsilon}} + \beta_c

    Parameters
    ----------
    eps : float
        ε, which is added to the variance.
    each_position : bool
        If True, normalise the channels of each position by themselves, and not the whole example.
    data_format : str
        "channels_last" or "channels_first".

    Raises
    ------
    TypeError, ValueError
        If eps is negative or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> layer = LayerNorm(eps=0)
    >>> layer.build((2,), dtype=np.float64)
    (2,)
    >>> layer(np.array([[1.0, 9], [5, 3]]))
    array([[-1.,  1.],
           [ 1., -1.]])
    >>> layer = LayerNorm(eps=0, each_position=True)
    >>> layer.build((3, 2), dtype=np.float64)
    (3, 2)
    >>> layer(np.array([[[1.0, 9], [5, 3], [70, 90]]]))
    array([[[-1.,  1.],
            [ 1., -1.],
            [-1.,  1.]]])

    Source: lecture row D4 (SOURCES.md); Ba, Kiros and Hinton, "Layer normalization", 2016.
    """

    def __init__(self, *, eps: float = 1e-3, each_position: bool = False, data_format: DataFormat = "channels_last") -> None:
        super().__init__(eps=eps, data_format=data_format)
        self.each_position = flag("each_position", each_position)

    def _groups(self, channels: int) -> int:
        return 1

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        if not self.each_position:
            return super().forward(x, train)
        channels = channel_count(self, x.shape[1:])
        axis = 1 if self.data_format == "channels_first" else -1
        shape = np.moveaxis(x, axis, -1).shape

        def rows(images: Array) -> Array:
            return np.moveaxis(images, axis, -1).reshape(-1, channels)

        def images(rows: Array) -> Array:
            return np.ascontiguousarray(np.moveaxis(rows.reshape(shape), -1, axis))

        y, backward_of_rows = self._normalised(rows(x), 1, "channels_last")
        return images(y), lambda dy, want_dx=True: images(backward_of_rows(rows(dy)))

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        return span if self.each_position else None

    def caption(self) -> str:
        return "layer norm of each position" if self.each_position else "layer norm"

    def _settings(self) -> list[str]:
        return [*super()._settings(), *(["each_position"] if self.each_position else [])]


class InstanceNorm(_ExampleNorm):
    r"""Instance normalisation: each channel of each example has mean 0 and variance 1.

    .. math:: y_{n,m,c} = \gamma_c \frac{x_{n,m,c} - \mu_{n,c}}{\sqrt{\sigma^2_{n,c} + \varepsilon}} + \beta_c

    Parameters
    ----------
    eps : float
        ε, which is added to the variance.
    data_format : str
        "channels_last" or "channels_first".

    Raises
    ------
    TypeError, ValueError
        If eps is negative or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> layer = InstanceNorm(eps=0)
    >>> layer.build((2, 2), dtype=np.float64)
    (2, 2)
    >>> layer(np.array([[[1.0, 5], [3, 13]]]))
    array([[[-1., -1.],
            [ 1.,  1.]]])

    Source: lecture row D4 (SOURCES.md); Ulyanov, Vedaldi and Lempitsky, "Instance normalization", 2016.
    """

    def _groups(self, channels: int) -> int:
        return channels

    def caption(self) -> str:
        return "instance norm"
