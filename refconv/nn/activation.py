"""Activation layers; they have no parameters and keep the shape of the input."""

from refconv._arguments import real_or_exact
from refconv.nn.description import Span
from refconv.nn.layer import Layer
from refconv.ops import activation, loss
from refconv.typing import Array, Backward, Shape

__all__ = ["ELU", "LeakyReLU", "ReLU", "ReLU6", "Sigmoid", "Softmax", "Tanh"]


class _Elementwise(Layer):
    category = "activation"

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        return span


class ReLU(_Elementwise):
    """Rectified linear unit: y = max(0, x) for each element; the derivative at 0 is 0.

    Source: lecture row B6 (SOURCES.md).
    """

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        return activation.relu(x), lambda dy, want_dx=True: activation.relu_dx(dy, x=x)


class ReLU6(_Elementwise):
    """Rectified linear unit up to 6: y = min(max(0, x), 6); the derivatives at 0 and 6 are 0.

    Source: lecture row M15 (SOURCES.md).
    """

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        return activation.relu6(x), lambda dy, want_dx=True: activation.relu6_dx(dy, x=x)


class LeakyReLU(_Elementwise):
    """Leaky rectified linear unit: y = x where x > 0, and slope·x elsewhere.

    Source: lecture row B6 (SOURCES.md).
    """

    def __init__(self, slope: float = 0.1) -> None:
        self.slope = real_or_exact("slope", slope)

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        y = activation.leaky_relu(x, self.slope)
        return y, lambda dy, want_dx=True: activation.leaky_relu_dx(dy, x=x, slope=self.slope)

    def caption(self) -> str:
        return "leaky ReLU"

    def __repr__(self) -> str:
        return f"LeakyReLU({self.slope})"


class ELU(_Elementwise):
    """Exponential linear unit: y = x where x > 0, and α(eˣ − 1) elsewhere.

    Source: lecture row B6 (SOURCES.md).
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = real_or_exact("alpha", alpha)

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        y = activation.elu(x, self.alpha)
        return y, lambda dy, want_dx=True: activation.elu_dx(dy, x=x, alpha=self.alpha)

    def __repr__(self) -> str:
        return f"ELU({self.alpha})"


class Sigmoid(_Elementwise):
    """Logistic sigmoid: y = 1 / (1 + e⁻ˣ).

    Source: lecture row B6 (SOURCES.md).
    """

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        y = activation.sigmoid(x)
        return y, lambda dy, want_dx=True: activation.sigmoid_dx(dy, y=y)


class Tanh(_Elementwise):
    """Hyperbolic tangent: y = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ).

    Source: lecture rows B6 and M2 (SOURCES.md).
    """

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        y = activation.tanh(x)
        return y, lambda dy, want_dx=True: activation.tanh_dx(dy, y=y)


class Softmax(_Elementwise):
    """Softmax along the last axis: converts scores to probabilities.

    Training does not need this layer, because the cross-entropy loss includes softmax.

    Source: lecture row A19 (SOURCES.md).
    """

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        y = loss.softmax(x)
        return y, lambda dy, want_dx=True: loss.softmax_dx(dy, y=y)
