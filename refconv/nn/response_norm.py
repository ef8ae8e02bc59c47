"""Local response normalisation layer."""

from typing import Any

from refconv._arguments import flag, integer, known_format, real_or_exact
from refconv.nn.description import Span
from refconv.nn.layer import Layer
from refconv.ops.response_norm import local_response_norm, local_response_norm_dx
from refconv.typing import Array, Backward, DataFormat, Shape

__all__ = ["LocalResponseNorm"]


class LocalResponseNorm(Layer):
    r"""Local response normalisation layer, which normalises over neighbouring channels.

    It has no parameters and keeps the shape of the input.

    .. math:: y_c = x_c \left(k + \alpha \sum_{j \text{ near } c} x_j^2\right)^{-\beta}

    Parameters
    ----------
    size, alpha, beta, k, divide_by_size, data_format
        As in :func:`refconv.local_response_norm`. The defaults are AlexNet's. PyTorch's ``alpha`` corresponds to
        ``divide_by_size=True``.

    Raises
    ------
    TypeError, ValueError
        If size is not a positive integer, alpha is negative, or k is not positive.

    Examples
    --------
    >>> LocalResponseNorm().output_shape((55, 55, 96))
    (55, 55, 96)

    Source: lecture rows M3 and M5 (SOURCES.md); Krizhevsky, Sutskever and Hinton, 2012, section 3.3.
    """

    category = "norm"

    def __init__(
        self,
        size: int = 5,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 2,
        *,
        divide_by_size: bool = False,
        data_format: DataFormat = "channels_last",
    ) -> None:
        self.size = integer("size", size)
        self.alpha, self.beta = real_or_exact("alpha", alpha, least=0), real_or_exact("beta", beta)
        self.k = real_or_exact("k", k, above=0)
        self.divide_by_size = flag("divide_by_size", divide_by_size)
        self.data_format = known_format(data_format)

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        numbers = self.size, self.alpha, self.beta, self.k
        options: dict[str, Any] = {"divide_by_size": self.divide_by_size, "data_format": self.data_format}

        def backward(dy: Array, want_dx: bool = True) -> Array | None:
            return local_response_norm_dx(dy, *numbers, x=x, **options) if want_dx else None

        return local_response_norm(x, *numbers, **options), backward

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        return span

    def caption(self) -> str:
        return "response norm"

    def __repr__(self) -> str:
        defaults = {"alpha": 1e-4, "beta": 0.75, "k": 2}
        differs = [f"{name} {getattr(self, name)}" for name, number in defaults.items() if getattr(self, name) != number]
        differs += ["divided by size"] if self.divide_by_size else []
        return ", ".join([f"LocalResponseNorm({self.size}", *differs]) + ")"
