"""Running averages of batch normalisation: recompute them, and check them after training."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from refconv._errors import ArgumentValueError
from refconv.nn import BatchNorm
from refconv.nn.layer import all_layers, call_backward
from refconv.training.generators import generators
from refconv.training.pairs import each_pair, pairs

if TYPE_CHECKING:
    from refconv.nn import Layer
    from refconv.typing import Array

__all__ = ["disagreement", "recompute_averages", "warn_if_averages_lag"]

LARGEST_DISAGREEMENT = 1.0  # in units of the outputs' variance; a constant output would differ by 1
FEWEST_UPDATES = 10  # in shorter runs, which only try out a program, the weights change too fast for the averages


def recompute_averages(model: Layer, batches: Any) -> None:
    r"""Replace the running averages of all batch normalisations by their means over batches.

    .. math:: \hat\mu = \frac{1}{T} \sum_{t=1}^{T} \mu_t, \qquad \hat\sigma^2 = \frac{1}{T} \sum_{t=1}^{T} \sigma_t^2

    During training the averages follow weights that change; here the weights stay the same ("precise batch normalisation").
    Use batches of the same size as in training. Each batch passes forward through the network in training mode, and backward
    with a derivative of zero, so gradients and weights do not change. If a pass fails, the old averages are restored.

    Parameters
    ----------
    model : Layer
        A built network.
    batches : iterable of (x, targets)
        Training data, as for :func:`fit`; a few thousand examples suffice. Targets are ignored.

    Raises
    ------
    ValueError
        If ``batches`` is empty.

    Examples
    --------
    >>> from refconv import nn
    >>> model = nn.Sequential(nn.BatchNorm())
    >>> _ = model.build((1,), rng=0, dtype=np.float64)
    >>> recompute_averages(model, [(np.array([[1.0], [5.0]]), None), (np.array([[4.0], [6.0]]), None)])
    >>> model[0].parameters["mean"].value, model[0].parameters["var"].value
    (array([4.]), array([2.5]))

    Source: lecture row A15 (SOURCES.md); Wu and Johnson, "Rethinking 'Batch' in BatchNorm", 2021, section 3.
    """
    norms = _batch_norms(model)
    settings = [(norm.averages, norm.momentum) for norm in norms]
    states = [p for norm in norms for p in norm.parameters.values() if p.grad is None]
    before = [p.value.copy() for p in states]
    steps = 0
    try:
        for norm in norms:
            norm.averages, norm.momentum = "corrected", 1.0  # with a momentum of 1, the average is the mean over all updates
            norm.parameters["updates"].value = 0
        for x, _ in each_pair(pairs(batches, shuffle=False)):
            outputs, backward = model.forward(x, train=True)
            zeros = tuple(map(np.zeros_like, outputs)) if isinstance(outputs, tuple) else np.zeros_like(outputs)
            call_backward(backward, zeros, want_dx=False)
            steps += 1
        if not steps:
            raise ArgumentValueError("batches yielded nothing; is it an exhausted iterator?")
    except BaseException:
        for parameter, value in zip(states, before, strict=True):
            parameter.value = value
        raise
    finally:
        for norm, (averages, momentum) in zip(norms, settings, strict=True):
            norm.averages, norm.momentum = averages, momentum


def warn_if_averages_lag(model: Layer, x: Array, scores: Array) -> None:
    """Warn if batch normalisation gives other outputs in inference than in training.

    Networks with random layers such as dropout are not checked, because their outputs in training differ for other reasons.
    Runs of fewer than ten steps are not checked, because their weights change too fast.

    Parameters
    ----------
    model : Layer
        The network after its last step.
    x : array (N, …)
        The last training batch.
    scores : array (N, …)
        Output of the network for x in training mode.
    """
    norms = _batch_norms(model)
    if not norms or norms[0].parameters["updates"].value < FEWEST_UPDATES or generators(model):
        return
    if (distance := disagreement(model(x), scores)) <= LARGEST_DISAGREEMENT:
        return
    warnings.warn(
        f"model outputs differ between inference and training, by {distance:.1f} times their variance on the last batch. "
        "The running averages of batch normalisation lag behind the weights: call "
        "training.recompute_averages(model, batches), use a smaller momentum (bn_momentum=0.9), or train longer",
        stacklevel=4,
    )


def disagreement(inference: Array, training: Array) -> float:
    r"""Return the mean squared difference of two outputs, divided by the variance of the second.

    .. math:: \frac{\sum (a_{n,k} - b_{n,k})^2}{\sum (b_{n,k} - \bar b_k)^2}

    The result is 0 if the variance is negligible, as it is for a single example or a constant output.

    >>> disagreement(np.array([[2.0], [3.0], [7.0]]), np.array([[1.0], [3.0], [5.0]]))
    0.625
    """
    a, b = (np.asarray(y, np.float64).reshape(-1, y.shape[-1]) for y in (inference, training))
    spread, size = ((b - b.mean(0)) ** 2).sum(), (b**2).sum()
    return float(((a - b) ** 2).sum() / spread) if spread > 1e-6 * size else 0.0


def _batch_norms(model: Layer) -> list[BatchNorm]:
    """Return each batch normalisation of a network once, except frozen ones."""
    norms = dict.fromkeys(layer for layer in all_layers(model) if isinstance(layer, BatchNorm))
    return [norm for norm in norms if not norm.frozen]
