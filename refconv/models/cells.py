"""The cells of the neocognitron: S-cells, which look for a pattern, and C-cells, which find it a little aside as well."""

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
    r"""S-cells: each answers to a pattern under its window, if it is like enough to what its plane has learnt.

    .. math:: u_{i,j,k} = r \, \varphi\!\left( \frac{1 + \sum_{m,n,c} a_{m,n,c,k} \, x_{i+m,j+n,c}}
              {1 + \frac{2r}{1+r} \, b_k \, v_{i,j}} - 1 \right), \qquad
              v_{i,j} = \sqrt{\textstyle\sum_{m,n,c} \gamma_{m,n} \, x_{i+m,j+n,c}^2}, \qquad \varphi(t) = \max(0, t)

    Excitation a is held against inhibition b, which v, the mean strength of all that is seen, drives. A pattern that a plane
    has learnt gives u = 1; others give more than nothing if their cosine to it is above r / (1 + r).

    Parameters
    ----------
    planes : int
        Number of cell planes K; all cells of a plane look for the same.
    kernel_size : int or (int, int)
        What a cell sees, in pixels.
    selectivity : float
        r, above 0.
    padding
        As in :func:`refconv.conv2d`.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.

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
        return {"a": Spec((*self.window.kernel, channels, self.planes), _faint), "b": Spec((self.planes,), _none)}

    def multiply_adds(self, shape: Shape) -> int:
        size, channels = split_shape(self, shape)
        return math.prod(self.window.output_size(size)) * math.prod(self.window.kernel) * channels * (self.planes + 1)

    def strength(self, x: Array) -> tuple[Array, Array]:
        """v, and the weights under its root: nearer pixels count more, and all weights together are 1."""
        gamma = np.repeat(_nearness(self.window.kernel)[:, :, None, None], x.shape[-1], 2) / x.shape[-1]
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
        r"""Unsupervised: the cells that answer most to an input become better at what they saw, and their planes with them.

        .. math:: \Delta a_{m,n,c,k} = q \, \gamma_{m,n} \, x_{i+m,j+n,c}, \qquad \Delta b_k = \tfrac{q}{2} v_{i,j}

        The strongest cell of all represents its plane; then the strongest of the other planes that is not near it, and so on.
        Planes that have learnt nothing answer a little to everything, so a new pattern finds a plane of its own.

        Parameters
        ----------
        x : array (1, H, W, C)
            One input.
        rate : float
            q.
        apart : int
            Representatives are more than so many cells from each other, along one axis at least.

        Source: lecture row M1 (SOURCES.md); Fukushima, 1980, section 3.
        """
        answer, (v, gamma) = self(x)[0], self.strength(x)
        padded = np.pad(x[0], (*self.window.pads(x.shape[1:3]), (0, 0)))
        h, w = self.window.kernel
        while answer.max() > 0:
            i, j, k = np.unravel_index(answer.argmax(), answer.shape)
            self.parameters["a"].value[..., k] += rate * gamma[..., 0] * padded[i : i + h, j : j + w]
            self.parameters["b"].value[k] += rate / 2 * v[0, i, j, 0]
            answer[max(0, i - apart) : i + apart + 1, max(0, j - apart) : j + apart + 1] = 0
            answer[..., k] = 0

    def __repr__(self) -> str:
        kernel = "×".join(map(str, self.window.kernel))
        return f"SCells({self.planes}, {kernel}, selectivity {self.selectivity:g})"


class CCells(Layer):
    r"""C-cells: each gathers what S-cells of one plane say in a neighbourhood; planes inhibit each other.

    .. math:: u_{i,j,k} = \psi\!\left( \frac{1 + s_{i,j,k}}{1 + \frac{1}{K} \sum_{k'} s_{i,j,k'}} - 1 \right), \qquad
              s_{i,j,k} = \sum_{m,n} \delta_{m,n} \, x_{iS+m,jS+n,k}, \qquad \psi(t) = \frac{\varphi(t)}{\alpha + \varphi(t)}

    Nothing here is learnt: δ falls with the distance from the window's middle.

    Parameters
    ----------
    kernel_size : int or (int, int)
        The neighbourhood, in cells.
    stride, padding
        As in :func:`refconv.conv2d`.
    saturation : float
        α, above 0: the excess at which the answer is a half.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.

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
        delta = np.repeat(_nearness(self.window.kernel)[:, :, None, None], x.shape[-1], 2).astype(x.dtype)
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


def _nearness(kernel: Shape) -> Array:
    """Weights that fall with the distance from the middle of a window and add up to 1."""
    h, w = ((np.arange(k) - (k - 1) / 2) / max(k, 2) for k in kernel)
    weights: Array = np.exp(-2 * (h[:, None] ** 2 + w[None, :] ** 2))
    weights /= weights.sum()
    return weights


def _faint(rng: np.random.Generator, shape: Shape) -> Array:
    """First excitations: positive and small, so that every plane answers a little to something of its own."""
    return rng.uniform(0, 1e-2, shape)


def _none(rng: np.random.Generator, shape: Shape) -> Array:
    return np.zeros(shape)
