"""Learning-rate range test: measure the loss while the learning rate rises."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from refconv._arguments import integer, real
from refconv._errors import ArgumentValueError
from refconv.training.arguments import check_optimizer
from refconv.training.losses import CrossEntropy
from refconv.training.pairs import pairs
from refconv.training.step import train_step

if TYPE_CHECKING:
    from refconv.nn import Layer
    from refconv.optim import Optimizer
    from refconv.typing import Array

__all__ = ["LearningRates", "lr_range_test"]

FEWEST_STEPS = 3  # ``steepest`` needs a step between the first and the last
DIVERGENCE_RATIO = 4.0  # loss divided by the lowest loss; above it, larger learning rates are not tried


@dataclass(frozen=True)
class LearningRates:
    """Result of :func:`lr_range_test`: learning rates and losses.

    :func:`refconv.drawing.training.lr_range_picture` plots it.

    Parameters
    ----------
    lrs : array (steps,)
        Learning rate of each step.
    losses : array (steps,)
        Running average of the loss before each step.

    Examples
    --------
    >>> rates = LearningRates(np.array([0.001, 0.01, 0.1, 1.0]), np.array([2.3, 2.2, 1.5, 1.3]))
    >>> print(rates.steepest, rates.lowest)
    0.1 1.0
    """

    lrs: Array
    losses: Array

    @property
    def steepest(self) -> float:
        """Learning rate at which the loss falls fastest, measured over a fifth of the steps.

        It is a good choice for training.
        """
        half_window = max(1, len(self.lrs) // 10)  # steps; the change of the loss in one step is mostly noise
        changes = self.losses[2 * half_window :] - self.losses[: -2 * half_window]
        return float(self.lrs[half_window + np.argmin(changes)])

    @property
    def lowest(self) -> float:
        """Learning rate with the lowest loss; a run with this rate is close to divergence."""
        return float(self.lrs[np.argmin(self.losses)])


def lr_range_test(
    model: Layer,
    batches: Any,
    optimizer: Optimizer,
    *,
    lowest: float = 1e-5,
    highest: float = 10.0,
    steps: int = 100,
    loss: Callable[..., Any] = CrossEntropy(),  # noqa: B008  immutable
    clip_norm: float | None = None,
    smooth: float = 0.9,
) -> LearningRates:
    r"""Train copies of model and optimiser with a rising learning rate and record the loss.

    .. math:: \alpha_k = \alpha_{\mathrm{lowest}} \left( \frac{\alpha_{\mathrm{highest}}}{\alpha_{\mathrm{lowest}}}
              \right)^{k / (\mathrm{steps} - 1)}

    The test ends early once the average loss is four times its minimum, or not finite.

    Parameters
    ----------
    model, optimizer
        As for :func:`fit`. They are not changed.
    batches : iterable of (x, targets)
        As for :func:`fit`; repeated if there are fewer than ``steps``. The test does not affect the random order in which
        :class:`refconv.data.Batches` yields its examples afterwards.
    lowest, highest : float
        Learning rates of the first and the last step.
    steps : int
        Number of steps, at least 3.
    loss, clip_norm
        As for :func:`fit`.
    smooth : float
        Weight of the previous value in the running average of the loss. As in Adam, a correction accounts for the average's
        initial value of 0.

    Returns
    -------
    LearningRates

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid (the message names it), or if fewer than 3 steps have a finite loss.

    Examples
    --------
    >>> from refconv import nn, optim
    >>> model = nn.Dense(2)
    >>> _ = model.build((3,), rng=0)
    >>> batches = [(np.array([[1, 0, 2], [0, 3, 1]], np.float32), np.array([1, 0]))]
    >>> rates = lr_range_test(model, batches, optim.SGD(model, lr=0.1), lowest=1e-3, highest=100.0, steps=60)
    >>> len(rates.lrs), float(rates.lrs[0]), 0.01 < rates.steepest < rates.lowest
    (60, 0.001, True)

    Source: lecture row A20 (SOURCES.md); Smith, "Cyclical learning rates for training neural networks", 2017, section 3.3.
    """
    steps, smooth = integer("steps", steps, least=FEWEST_STEPS), real("smooth", smooth, least=0, below=1)
    lowest = real("lowest", lowest, above=0)
    highest = real("highest", highest, above=lowest)
    check_optimizer(optimizer)
    optimizer.check_model(model)
    model, optimizer = copy.deepcopy((model, optimizer))  # in one call, so that the new optimiser updates the new model
    lrs = np.geomspace(lowest, highest, steps)
    averages: list[float] = []
    total = 0.0
    for k, (x, targets) in enumerate(_repeated(batches, steps)):
        optimizer.lr = float(lrs[k])
        value, _ = train_step(model, optimizer, x, targets, loss=loss, clip_norm=clip_norm)
        if not math.isfinite(value):
            break
        total = smooth * total + (1 - smooth) * float(value)
        averages.append(total / (1 - smooth ** (k + 1)))
        if averages[-1] > DIVERGENCE_RATIO * min(averages):
            break
    if len(averages) < FEWEST_STEPS:
        raise ArgumentValueError(
            f"lowest must give a finite loss for at least {FEWEST_STEPS} steps, got {lowest} with {len(averages)} such steps"
        )
    return LearningRates(lrs[: len(averages)], np.array(averages))


def _repeated(batches: Any, steps: int) -> Iterator[Any]:
    """Yield ``steps`` batches, in several passes if necessary, then restore their state."""
    batches = pairs(batches, shuffle=True)
    state = batches.state() if hasattr(batches, "state") else None
    try:
        remaining = steps
        while remaining:
            count = 0
            for batch in itertools.islice(batches, remaining):
                count += 1
                yield batch
            if not count:
                raise ArgumentValueError(
                    f"batches must yield {steps} batches, got {steps - remaining}; is it an exhausted iterator?"
                )
            remaining -= count
    finally:
        if state is not None:
            batches.resume(state, 0)
