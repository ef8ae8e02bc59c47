"""Dropout layer with its own random generator."""

from typing import Any

import numpy as np

from refconv._arguments import generator
from refconv._errors import ArgumentTypeError
from refconv.nn.description import Span
from refconv.nn.layer import Layer
from refconv.ops.check import as_float
from refconv.ops.dropout import dropout, dropout_dx, dropout_rate
from refconv.typing import Array, Backward, Shape

__all__ = ["Dropout"]


class Dropout(Layer):
    r"""Dropout layer: sets random elements to zero in training and scales up the others.

    In inference the layer returns its input.

    .. math:: y = x \cdot \mathrm{mask}, \qquad \mathrm{mask} = \begin{cases} 0 & \text{with probability rate} \\
              1 / (1 - \mathrm{rate}) & \text{else} \end{cases}

    Each forward pass draws a new mask.

    Parameters
    ----------
    rate : float
        Probability of dropping an element, 0 ≤ rate < 1.
    seed : int, optional
        Seed of the layer's random generator. By default, ``build`` seeds it, so the seed of a network determines the random
        numbers of its layers.

    Raises
    ------
    TypeError, ValueError
        If rate or seed is not valid.

    Examples
    --------
    >>> import numpy as np
    >>> layer = Dropout(0.75, seed=4)
    >>> layer.forward(np.array([[1.0, 2, 3, 4, 5]]))[0], layer(np.array([[1.0, 2, 3, 4, 5]]))
    (array([[ 4.,  0., 12.,  0.,  0.]]), array([[1., 2., 3., 4., 5.]]))

    Source: lecture row A18 (SOURCES.md); Srivastava et al., "Dropout: a simple way to prevent neural networks from
    overfitting", 2014.
    """

    category = "dropout"

    def __init__(self, rate: float, seed: int | None = None) -> None:
        if isinstance(seed, np.random.Generator):
            raise ArgumentTypeError("seed must be an integer, got a Generator: two builds would share its state")
        self.rate = dropout_rate(rate, np.empty(0))
        self.seed = seed
        self.rng = None if seed is None else generator("seed", seed)

    def make(self, shape: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> None:
        super().make(shape, rng, dtype)
        self.rng = np.random.default_rng(rng.integers(2**63)) if self.seed is None else generator("seed", self.seed)

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        if not train or self.frozen:
            x = as_float("x", x)
            return x, lambda dy, want_dx=True: dy
        if self.rng is None:
            raise RuntimeError(f"{self!r} has no random generator yet: call build(input_shape) first, or give it a seed")
        y, mask = dropout(x, self.rate, self.rng)
        return y, lambda dy, want_dx=True: dropout_dx(dy, mask=mask) if want_dx else None

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        return span

    def own_activations(self, shape: Shape) -> int:
        return 0

    def caption(self) -> str:
        return f"dropout {self.rate:g}"

    def __repr__(self) -> str:
        return f"Dropout({self.rate})" if self.seed is None else f"Dropout({self.rate}, seed {self.seed})"
