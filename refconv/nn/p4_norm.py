"""Batch normalisation of functions on p4."""

from __future__ import annotations

from refconv.nn.norm import BatchNorm
from refconv.nn.p4_conv import p4_shape
from refconv.typing import Array, Backward, Shape

__all__ = ["P4BatchNorm"]


class P4BatchNorm(BatchNorm):
    r"""Batch normalisation layer on p4.

    Each channel is normalised over batch, positions and rotations.

    .. math:: y_{b,i,j,r,c} = \gamma_c \frac{x_{b,i,j,r,c} - \mu_c}{\sqrt{\sigma_c^2 + \varepsilon}} + \beta_c

    All rotations have the same mean, variance, γ and β, so the layer is equivariant to rotations by 90°. It is
    :class:`BatchNorm` of images in which the four rotations of a pixel are neighbouring pixels.

    Parameters
    ----------
    momentum, eps, averages
        As for :class:`BatchNorm`.

    Raises
    ------
    TypeError, ValueError
        As :class:`BatchNorm`; also if an input is not a function on p4.

    Examples
    --------
    >>> import numpy as np
    >>> layer = P4BatchNorm(eps=0)
    >>> _ = layer.build((1, 1, 4, 1), dtype=np.float64)
    >>> y, backward = layer.forward(np.array([1.0, 5, 5, 5]).reshape(1, 1, 1, 4, 1))
    >>> (y.ravel() * 3**0.5).round(12)
    array([-3.,  1.,  1.,  1.])

    Source: lecture rows D9 and A13–A17 (SOURCES.md); Cohen and Welling, "Group equivariant convolutional networks", 2016.
    """

    def __init__(self, *, momentum: float | None = None, eps: float = 1e-3, averages: str = "corrected") -> None:
        super().__init__(momentum=momentum, eps=eps, averages=averages)

    def output_shape(self, shape: Shape) -> Shape:
        p4_shape(self, shape)
        return tuple(shape)

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        (H, W), C = p4_shape(self, x.shape[1:])
        y, back = super().forward(x.reshape(len(x), H, W * 4, C), train)
        return y.reshape(x.shape), lambda dy, want_dx=True: back(dy.reshape(y.shape)).reshape(x.shape)
