"""Batch normalisation layer with running averages."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from refconv._arguments import choice, known_format, real, real_or_exact
from refconv.nn.description import Span
from refconv.nn.initializers import ones, zeros
from refconv.nn.layer import Layer, Spec
from refconv.nn.layout import channel_count
from refconv.nn.shared_statistics import SharedStatistics, add_over_shards
from refconv.ops.norm import batch_norm, batch_norm_grads, batch_norm_inference, batch_norm_inference_grads
from refconv.typing import Array, Backward, DataFormat, Shape

__all__ = ["BatchNorm"]

Gradients = Callable[[Array], tuple[Array, Array, Array]]

MOMENTUM = {"corrected": 0.9, "lecture": 0.99}  # default of τ for each formula


class BatchNorm(Layer):
    r"""Batch normalisation layer: normalises each channel over the batch and all positions.

    .. math:: y = \gamma \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta, \qquad
              \hat\mu \leftarrow (1 - w_t) \hat\mu + w_t \mu, \quad
              \hat\sigma^2 \leftarrow (1 - w_t) \hat\sigma^2 + w_t \sigma^2

    In training, μ and σ² are the mean and the biased variance of the batch. Inference uses their running averages μ̂ and σ̂²,
    whose initial values are 0 and 1. In the t-th update, the newest batch has the weight

    - "lecture": w_t = 1 − τ. After t updates the initial value still has the weight τᵗ: for τ = 0.99, 67 % after 40 updates.
    - "corrected", the default: w_t = (1 − τ) / (1 − τᵗ), Adam's bias correction. The first batch replaces the initial value,
      so the averages depend on batches only. For large t both formulas are equal. For τ = 1 it is the mean over all batches.

    With τ = 0.99 the averages are over about the last 100 batches. The weights change during these batches, so after a short
    run the averages do not fit the final weights: the network trains well and predicts badly. For example (``python -m
    experiments running-averages``), ResNet-8 after 125 steps on MNIST has a test accuracy of 83 % if the averages are
    recomputed for the final weights. Without this, the accuracy is 33 % (lecture) or 49 % (corrected) with τ = 0.99, and 81 %
    (both) with τ = 0.9. So 0.9 is the default. On CIFAR-10, after 312 steps, the variants differ by less than two points.

    The backward function updates the averages, but only once, even if it is called again. A forward pass alone changes
    nothing. So a batch with a non-finite loss, for which no backward function is called, does not change the averages. To
    compute the averages without training, call :func:`refconv.training.recompute_averages`.

    Parameters
    ----------
    momentum : float, optional
        τ, the weight of the *old* average, as in the lecture and in Keras. PyTorch's ``momentum`` is 1 − τ. Default: 0.9, or
        0.99 with ``averages="lecture"``.
    eps : float
        ε, which is added to the variance.
    averages : {"corrected", "lecture"}
        Formula of the running averages, see above.
    data_format : str
        "channels_last" or "channels_first".

    Raises
    ------
    TypeError, ValueError
        If momentum is not a number from 0 to 1, eps is negative or not finite, or averages is not a known formula.

    Warns
    -----
    UserWarning
        If a training batch has a single element per channel: its variance is 0, and it does not enter the averages.

    Examples
    --------
    >>> import numpy as np
    >>> layers = BatchNorm(momentum=0.75), BatchNorm(momentum=0.75, averages="lecture")
    >>> for layer in layers:
    ...     _ = layer.build((1,), rng=0)
    ...     y, backward = layer.forward(np.array([[3.0], [5.0], [10.0]], np.float32))
    ...     dx = backward(np.zeros_like(y))
    >>> [float(layer.parameters["mean"].value[0]) for layer in layers]
    [6.0, 1.5]

    Source: lecture rows A13–A17 (SOURCES.md); Ioffe and Szegedy, "Batch normalization", 2015; the correction: Kingma and Ba,
    "Adam", 2015, section 3.
    """

    category = "norm"

    def __init__(
        self,
        *,
        momentum: float | None = None,
        eps: float = 1e-3,
        averages: str = "corrected",
        data_format: DataFormat = "channels_last",
    ) -> None:
        self.averages = choice("averages", averages, MOMENTUM)
        self.momentum = MOMENTUM[averages] if momentum is None else real("momentum", momentum, least=0, most=1)
        self.eps = real_or_exact("eps", eps, least=0)
        self.data_format = known_format(data_format)

    def specs(self, shape: Shape) -> dict[str, Spec]:
        channels = (channel_count(self, shape),)
        return {
            "gamma": Spec(channels, ones),
            "beta": Spec(channels, zeros),
            "mean": Spec(channels, zeros, trainable=False),
            "var": Spec(channels, ones, trainable=False),
            "updates": Spec((), zeros, trainable=False, counter=True),
        }

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        gamma, beta = self.parameters["gamma"].value, self.parameters["beta"].value
        options: dict[str, Any] = {"eps": self.eps, "data_format": self.data_format}
        gradients: Callable[..., tuple[Array, Array, Array]]
        if train and not self.frozen and (add := add_over_shards.get()) is not None:
            norm = SharedStatistics(x, self.parameters["gamma"], add, **options)
            y, mean, var = norm.forward(beta), norm.mean, norm.var
            gradients, update = norm.gradients, self.update_of(mean, var, int(norm.count))
        elif train and not self.frozen:
            y, mean, var = batch_norm(x, gamma, beta, **options)
            gradients, update = batch_norm_grads, self.update_of(mean, var, x.size // mean.size)
        else:
            # Copies: training may update the averages before backward is called.
            mean, var = self.parameters["mean"].value.copy(), self.parameters["var"].value.copy()
            y = batch_norm_inference(x, gamma, beta, mean, var, **options)
            gradients, update = batch_norm_inference_grads, None
        return y, self.backward_of(lambda dy: gradients(dy, x=x, gamma=gamma, mean=mean, var=var, **options), update)

    def backward_of(self, gradients: Gradients, update: Callable[[], None] | None) -> Backward:
        """Return a backward function that adds to ∂e/∂γ and ∂e/∂β, and calls ``update`` once.

        ``gradients(dy)`` returns ∂e/∂x, ∂e/∂γ and ∂e/∂β.
        """
        gamma, beta = self.parameters["gamma"], self.parameters["beta"]

        def backward(dy: Array, want_dx: bool = True) -> Array:
            nonlocal update
            dx, dgamma, dbeta = gradients(dy)
            gamma.grad += dgamma
            beta.grad += dbeta
            if update is not None:
                update()
                update = None  # one update for each forward pass
            return dx

        return backward

    def update_of(self, mean: Array, var: Array, elements: int) -> Callable[[], None] | None:
        """Return a function that updates the averages with a batch; None if it is too small."""
        if elements > 1:
            return lambda: self._update_averages(mean, var)
        warnings.warn(
            f"{self!r} normalises over a single element per channel: the variance is 0, the output is beta, and the running "
            "averages skip this batch. Train with larger batches, or leave out a last batch of one example (drop_last=True)",
            stacklevel=4,
        )
        return None

    def _update_averages(self, mean: Array, var: Array) -> None:
        updates = self.parameters["updates"].value
        updates += 1
        weight = self._weight_of_batch(updates.item())
        for name, batch in (("mean", mean), ("var", var)):
            average = self.parameters[name].value
            average *= 1 - weight
            average += weight * batch

    def _weight_of_batch(self, t: float) -> float:
        """Return the weight of the newest batch in the t-th update of the averages."""
        if self.averages == "lecture":
            return 1 - self.momentum
        return (1 - self.momentum) / (1 - self.momentum**t) if self.momentum != 1 else 1 / t

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        return span

    def caption(self) -> str:
        return "BN"

    def __repr__(self) -> str:
        differs = [f"momentum={self.momentum}"] if self.momentum != MOMENTUM[self.averages] else []
        differs += [f"eps={self.eps}"] if self.eps != 1e-3 else []
        differs += [f"averages={self.averages!r}"] if self.averages != "corrected" else []
        differs += ["channels_first"] if self.data_format == "channels_first" else []
        return f"{type(self).__name__}({', '.join(differs)})"
