"""Cells of the neocognitron: S-cells detect a pattern, C-cells tolerate small shifts of it."""

import math
from typing import Any

import numpy as np

from refconv._arguments import integer, per_axis, real
from refconv.geometry import Window
from refconv.nn.description import Span, window_caption
from refconv.nn.layer import Layer, Spec
from refconv.nn.layout import split_shape
from refconv.ops.conv import conv2d, conv2d_dw, conv2d_dx
from refconv.ops.separable import depthwise_conv2d, depthwise_conv2d_dx
from refconv.typing import Array, Backward, Padding, Shape, Size

__all__ = ["CCells", "SCells"]


class SCells(Layer):
    r"""Layer of S-cells, which respond to patterns similar to those that their plane has learnt.

    .. math:: u_{i,j,k} = r \, \varphi\!\left( \frac{1 + \sum_{m,n,c} a_{m,n,c,k} \, x_{i+m,j+n,c}}
              {1 + \frac{2r}{1+r} \, b_k \, v_{i,j}} - 1 \right), \qquad
              v_{i,j} = \sqrt{\textstyle\sum_{m,n,c} \gamma_{m,n} \, x_{i+m,j+n,c}^2}, \qquad \varphi(t) = \max(0, t)

    Excitation with the weights a is compared with inhibition, which is proportional to b v; v is a weighted root mean square
    of the cell's inputs. A pattern that a plane has learnt gives u = 1. Another pattern gives u > 0 if the cosine of the angle
    between the two patterns is above r / (1 + r).

    Parameters
    ----------
    planes : int
        Number of cell planes K; all cells of a plane detect the same pattern.
    kernel_size : int or (int, int)
        Size of the window that a cell sees, in pixels.
    selectivity : float
        r, above 0.
    padding
        As in :func:`refconv.conv2d`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid.

    Examples
    --------
    >>> layer = SCells(24, 5, padding="same")
    >>> layer.output_shape((16, 18, 3)), layer.count_parameters((16, 18, 3))
    ((16, 18, 24), 1824)

    Source: lecture row M1 (SOURCES.md); Fukushima, "Neocognitron: a self-organizing neural network model for a mechanism of
    pattern recognition unaffected by shift in position", 1980.
    """

    category = "conv"
    ndim, data_format = 2, "channels_last"

    def __init__(self, planes: int, kernel_size: Size, *, selectivity: float = 4.0, padding: Padding = "valid") -> None:
        self.planes = integer("planes", planes)
        self.window = Window(per_axis("kernel_size", kernel_size, 2), padding=padding)
        self.selectivity = real("selectivity", selectivity, above=0)

    def output_shape(self, shape: Shape) -> Shape:
        size, _ = split_shape(self, shape)
        return (*self.window.output_size(size), self.planes)

    def specs(self, shape: Shape) -> dict[str, Spec]:
        _, channels = split_shape(self, shape)
        return {"a": Spec((*self.window.kernel, channels, self.planes), _small_random), "b": Spec((self.planes,), _zeros)}

    def multiply_adds(self, shape: Shape) -> int:
        size, channels = split_shape(self, shape)
        return math.prod(self.window.output_size(size)) * math.prod(self.window.kernel) * channels * (self.planes + 1)

    def strength(self, x: Array) -> tuple[Array, Array]:
        """Return v, the root mean square of each cell's inputs, and the weights γ of this mean.

        γ falls with the distance from the middle of the window and adds up to 1.
        """
        gamma = np.repeat(_gaussian_window(self.window.kernel)[:, :, None, None], x.shape[-1], 2) / x.shape[-1]
        gamma = gamma.astype(x.dtype)
        return np.sqrt(conv2d(x * x, gamma, padding=self.window.padding)), gamma

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        a, b, r, padding = self.parameters["a"], self.parameters["b"], self.selectivity, self.window.padding
        v, gamma = self.strength(x)
        excited = 1 + conv2d(x, a.value, padding=padding)
        inhibition = 2 * r / (1 + r) * b.value
        inhibited = 1 + inhibition * v
        ratio = excited / inhibited

        def backward(dy: Array, want_dx: bool = True) -> Array | None:
            dratio = np.where(ratio > 1, r * dy, 0)
            dexcited = dratio / inhibited
            dinhibited = -dexcited * ratio
            a.grad += conv2d_dw(x, dexcited, self.window.kernel, padding=padding)
            b.grad += 2 * r / (1 + r) * (dinhibited * v).sum((0, 1, 2), dtype=np.float64)
            if not want_dx:
                return None
            dv = (dinhibited * inhibition).sum(-1, keepdims=True)
            dsquares = np.divide(dv, 2 * v, out=np.zeros_like(v), where=v > 0)
            dx = conv2d_dx(dexcited, a.value, x.shape[1:3], padding=padding)
            dx += 2 * x * conv2d_dx(dsquares, gamma, x.shape[1:3], padding=padding)
            return dx

        return r * np.maximum(ratio - 1, 0), backward

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        return self.window.input_span(split_shape(self, shape)[0], span)

    def caption(self) -> str:
        return window_caption(self.window, "S-cells")

    def learn(self, x: Array, rate: float, apart: int) -> None:
        r"""Learn from one input without a label: reinforce the cells with the strongest responses.

        .. math:: \Delta a_{m,n,c,k} = q \, \gamma_{m,n} \, x_{i+m,j+n,c}, \qquad \Delta b_k = \tfrac{q}{2} v_{i,j}

        The cell with the strongest response represents its plane, and the plane learns the inputs of this cell. Next is the
        cell with the strongest response in the remaining planes, except cells near the first one, and so on. Planes that have
        learnt nothing respond a little to every input, so a new pattern is learnt by a new plane.

        Parameters
        ----------
        x : array (1, H, W, C)
            One input.
        rate : float
            Learning rate q.
        apart : int
            Two representatives are more than this number of cells from each other along at least one axis.

        Source: lecture row M1 (SOURCES.md); Fukushima, 1980, section 3.
        """
        response = self(x)[0]
        v, gamma = self.strength(x)
        padded = np.pad(x[0], (*self.window.pads(x.shape[1:3]), (0, 0)))
        h, w = self.window.kernel
        while response.max() > 0:
            i, j, k = np.unravel_index(response.argmax(), response.shape)
            self.parameters["a"].value[..., k] += rate * gamma[..., 0] * padded[i : i + h, j : j + w]
            self.parameters["b"].value[k] += rate / 2 * v[0, i, j, 0]
            response[max(0, i - apart) : i + apart + 1, max(0, j - apart) : j + apart + 1] = 0
            response[..., k] = 0

    def __repr__(self) -> str:
        kernel = "×".join(map(str, self.window.kernel))
        return f"SCells({self.planes}, {kernel}, selectivity {self.selectivity:g})"


class CCells(Layer):
    r"""Layer of C-cells, which sum the responses of one plane in a neighbourhood.

    .. math:: u_{i,j,k} = \psi\!\left( \frac{1 + s_{i,j,k}}{1 + \frac{1}{K} \sum_{k'} s_{i,j,k'}} - 1 \right), \qquad
              s_{i,j,k} = \sum_{m,n} \delta_{m,n} \, x_{iS+m,jS+n,k}, \qquad \psi(t) = \frac{\varphi(t)}{\alpha + \varphi(t)}

    The planes inhibit each other. The layer has no parameters; δ falls with the distance from the middle of the window.

    Parameters
    ----------
    kernel_size : int or (int, int)
        Size of the neighbourhood, in cells.
    stride, padding
        As in :func:`refconv.conv2d`.
    saturation : float
        α, above 0; the output is one half where φ(t) = α.

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid.

    Examples
    --------
    >>> CCells(5, stride=2, padding="same").output_shape((16, 18, 24))
    (8, 9, 24)

    Source: lecture row M1 (SOURCES.md); Fukushima, 1980.
    """

    category = "pool"
    ndim, data_format = 2, "channels_last"

    def __init__(self, kernel_size: Size, *, stride: Size = 1, padding: Padding = "valid", saturation: float = 0.5) -> None:
        self.window = Window(per_axis("kernel_size", kernel_size, 2), stride, padding)
        self.saturation = real("saturation", saturation, above=0)

    def output_shape(self, shape: Shape) -> Shape:
        size, channels = split_shape(self, shape)
        return (*self.window.output_size(size), channels)

    def multiply_adds(self, shape: Shape) -> int:
        return math.prod(self.output_shape(shape)) * math.prod(self.window.kernel)

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        options: dict[str, Any] = {"stride": self.window.stride, "padding": self.window.padding}
        delta = np.repeat(_gaussian_window(self.window.kernel)[:, :, None, None], x.shape[-1], 2).astype(x.dtype)
        gathered = depthwise_conv2d(x, delta, **options)
        mean = 1 + gathered.mean(-1, keepdims=True)
        excess = np.maximum((1 + gathered) / mean - 1, 0)

        def backward(dy: Array, want_dx: bool = True) -> Array | None:
            if not want_dx:
                return None
            dexcess = np.where(excess > 0, dy * self.saturation / (self.saturation + excess) ** 2, 0)
            dmean = -(dexcess * (1 + gathered)).sum(-1, keepdims=True) / mean**2
            dgathered = dexcess / mean + dmean / x.shape[-1]
            return depthwise_conv2d_dx(dgathered, delta, x.shape[1:3], **options)

        return excess / (self.saturation + excess), backward

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        return self.window.input_span(split_shape(self, shape)[0], span)

    def caption(self) -> str:
        return window_caption(self.window, "C-cells")

    def __repr__(self) -> str:
        kernel, stride = ("×".join(map(str, axes)) for axes in (self.window.kernel, self.window.stride))
        return f"CCells({kernel}, stride {stride})"


def _gaussian_window(kernel: Shape) -> Array:
    """Return weights that fall with the distance from the middle of a window and add up to 1."""
    h, w = ((np.arange(k) - (k - 1) / 2) / max(k, 2) for k in kernel)
    weights: Array = np.exp(-2 * (h[:, None] ** 2 + w[None, :] ** 2))
    weights /= weights.sum()
    return weights


def _small_random(rng: np.random.Generator, shape: Shape) -> Array:
    """Return small positive initial excitations, so that each plane has a weak preference."""
    return rng.uniform(0, 1e-2, shape)


def _zeros(rng: np.random.Generator, shape: Shape) -> Array:
    return np.zeros(shape)
