"""Batch normalisation with the statistics of all shards of a batch."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

from refconv.ops.norm import batch_norm, batch_norm_inference, batch_norm_inference_grads
from refconv.typing import Array

if TYPE_CHECKING:
    from refconv.nn.parameter import Parameter

__all__ = ["SharedStatistics", "add_over_shards"]

Add = Callable[[Array, object], Array]

# While a shard is computed with shared statistics: a function that returns the sum of an array over all shards. Its second
# argument identifies the layer, because all shards must add the arrays of the same layer.
add_over_shards: ContextVar[Add | None] = ContextVar("add_over_shards", default=None)


class SharedStatistics:
    r"""Batch normalisation of one shard by the mean and variance of all shards.

    With n_s elements of a channel in shard s, and N in all shards:

    .. math:: \mu = \frac{1}{N} \sum_s n_s \mu_s, \qquad
              \sigma^2 = \frac{1}{N} \sum_s n_s \left(\sigma_s^2 + (\mu_s - \mu)^2\right)

    .. math:: \frac{\partial e}{\partial x} = \frac{\gamma}{\sqrt{\sigma^2 + \varepsilon}} \left(
              \frac{\partial e}{\partial y} - \frac{1}{N} \sum \frac{\partial e}{\partial y}
              - \frac{\hat x}{N} \sum \frac{\partial e}{\partial y} \hat x \right)

    The sums without index are over all shards.

    Parameters
    ----------
    x : array
        Input of the shard.
    gamma : Parameter
        γ of the layer.
    add : callable
        Function that returns the sum of an array over all shards: the value of ``add_over_shards``.
    eps, data_format
        As in :class:`refconv.nn.BatchNorm`.

    Attributes
    ----------
    mean, var : array (C,)
        μ and σ².
    count : float
        N.

    Source: lecture rows A13–A17 (SOURCES.md).
    """

    def __init__(self, x: Array, gamma: Parameter, add: Add, *, eps: float, data_format: Any) -> None:
        self._add, self._key = add, gamma.offset
        self._x, self._gamma, self._options = x, gamma.value, {"eps": eps, "data_format": data_format}
        _, mean, var = batch_norm(x, np.ones_like(gamma.value), np.zeros_like(gamma.value), **self._options)
        own, mean, var = x.size // mean.size, mean.astype(np.float64), var.astype(np.float64)
        *sums, self.count = self._sum(np.append(own * mean, own))
        shared = np.array(sums) / self.count
        shared_var = self._sum(own * (var + (mean - shared) ** 2)) / self.count
        self.mean, self.var = shared.astype(x.dtype), shared_var.astype(x.dtype)

    def forward(self, beta: Array) -> Array:
        """Return y."""
        return batch_norm_inference(self._x, self._gamma, beta, self.mean, self.var, **self._options)

    def gradients(
        self, dy: Array, *, x: Array, gamma: Array, mean: Array, var: Array, **options: Any
    ) -> tuple[Array, Array, Array]:
        """Return ∂e/∂x, and this shard's terms of ∂e/∂γ and ∂e/∂β."""
        dx, dgamma, dbeta = batch_norm_inference_grads(dy, x=x, gamma=gamma, mean=mean, var=var, **options)
        total_gamma, total_beta = self._sum(np.stack([dgamma, dbeta]).astype(np.float64))
        factor = gamma / np.sqrt(var.astype(np.float64) + self._options["eps"]) / self.count
        slope, shift = (factor * total_gamma).astype(x.dtype), (factor * total_beta).astype(x.dtype)
        dx -= batch_norm_inference(x, slope, shift, mean, var, **options)  # the second and third term are affine in x
        return dx, dgamma, dbeta

    def _sum(self, array: Array) -> Array:
        return self._add(array.ravel(), self._key).reshape(array.shape)
