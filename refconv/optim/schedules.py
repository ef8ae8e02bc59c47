"""Learning-rate schedules.

``schedule(progress)`` returns the factor of the learning rate. ``progress`` is the completed part of the run. Both are from 0
to 1. Most schedules depend only on the progress; a :class:`Plateau` depends on the validation loss of each epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Any

from refconv._arguments import integer, real
from refconv._errors import ArgumentValueError

__all__ = ["Plateau", "Schedule", "constant", "cosine", "exponential", "step_down", "warm_up"]


class Schedule:
    """Function of the progress that stores its settings, so that two runs can be compared.

    Any other function of the progress is also a schedule. It is compared by its qualified name.

    >>> step_down((0.5,), factor=0.25)
    step_down(at=[0.5], factor=0.25)
    """

    def __init__(self, name: str, function: Callable[[float], float], **settings: Any) -> None:
        self._name, self._function, self._settings = name, function, settings

    def __call__(self, progress: float) -> float:
        return self._function(progress)

    def settings(self) -> dict[str, Any]:
        """Return the name and the settings as JSON-serialisable data."""
        return {"name": self._name, **self._settings}

    def __repr__(self) -> str:
        return f"{self._name}({', '.join(f'{name}={value!r}' for name, value in self._settings.items())})"


def described(schedule: Callable[[float], float]) -> dict[str, Any]:
    """Return the settings of a schedule, or the qualified name of any other function.

    >>> described(cosine)
    {'name': 'refconv.optim.schedules.cosine'}
    """
    if hasattr(schedule, "settings"):
        return {"name": type(schedule).__name__, **schedule.settings()}
    kind = schedule if hasattr(schedule, "__qualname__") else type(schedule)
    return {"name": f"{kind.__module__}.{kind.__qualname__}"}


def constant(progress: float) -> float:
    """Return 1: the schedule of a constant learning rate."""
    return 1.0


def cosine(progress: float) -> float:
    r"""Return the factor of a cosine schedule, which falls from 1 to 0 along half a cosine wave.

    .. math:: \tfrac{1}{2} (1 + \cos(\pi \, \mathrm{progress}))

    ``progress`` is the completed part of the run, from 0 to 1.

    >>> [round(cosine(progress), 3) for progress in (0, 0.25, 0.5, 1)]
    [1.0, 0.854, 0.5, 0.0]

    Source: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2016.
    """
    return 0.5 * (1 + math.cos(math.pi * progress))


def warm_up(share: float, schedule: Callable[[float], float] = cosine) -> Schedule:
    r"""Make a schedule that rises linearly from 0 to 1 and then follows another schedule.

    .. math:: \frac{\mathrm{progress}}{\mathrm{share}} \text{ at first, then } \mathrm{schedule} \left(
              \frac{\mathrm{progress} - \mathrm{share}}{1 - \mathrm{share}} \right)

    Parameters
    ----------
    share : float
        Part of the run in which the learning rate rises, above 0 and below 1.
    schedule : callable
        The schedule of the rest of the run. It must depend only on the progress, so a :class:`Plateau` is not accepted.

    Examples
    --------
    >>> schedule = warm_up(0.25)
    >>> [round(schedule(progress), 3) for progress in (0, 0.125, 0.25, 0.625, 1)]
    [0.0, 0.5, 1.0, 0.5, 0.0]

    Source: Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", 2017.
    """
    share = real("share", share, above=0, below=1)
    if hasattr(schedule, "watch"):  # fit calls watch only for its own schedule, not for an inner one
        raise ArgumentValueError(f"schedule of warm_up must depend only on the progress, got {schedule!r}")

    def function(progress: float) -> float:
        return progress / share if progress < share else schedule((progress - share) / (1 - share))

    return Schedule("warm_up", function, share=share, schedule=described(schedule))


def step_down(at: Iterable[float] = (0.25, 0.5, 0.75), factor: float = 0.1) -> Schedule:
    """Make a schedule that multiplies the learning rate by a factor at given points of the run.

    Parameters
    ----------
    at : sequence of float
        Parts of the run after which the factor applies, in ascending order, from 0 to 1. The lecture uses a quarter, a half
        and three quarters, or only the first two.
    factor : float
        Factor of the learning rate at each of these points. The lecture uses 0.1.

    Examples
    --------
    >>> schedule = step_down()
    >>> [round(schedule(progress), 4) for progress in (0.24, 0.25, 0.6, 0.75)]
    [1.0, 0.1, 0.01, 0.001]

    Source: lecture row A20 (SOURCES.md); Huang et al., "Densely connected convolutional networks", 2017.
    """
    at = [real("at", mark, least=0) for mark in at]
    factor = real("factor", factor, least=0)
    if any(before > after for before, after in pairwise([*at, 1.0])):
        raise ArgumentValueError(f"at must be in ascending order, at most 1, got {at}")
    return Schedule("step_down", lambda progress: factor ** sum(progress >= mark for mark in at), at=at, factor=factor)


def exponential(factor: float, every: int, epochs: int) -> Schedule:
    r"""Make a schedule that multiplies the learning rate by a factor every few epochs.

    .. math:: \mathrm{factor}^{\lfloor \mathrm{progress} \cdot \mathrm{epochs} / \mathrm{every} \rfloor}

    Parameters
    ----------
    factor : float
        Factor of the learning rate at each change. In the lecture it is 0.96 ("−4 %") for GoogLeNet and 0.94 ("−6 %") for
        Inception v3.
    every : int
        Epochs between two changes: 8 for GoogLeNet, 2 for Inception v3.
    epochs : int
        Number of epochs of the run.

    Examples
    --------
    >>> googlenet = exponential(0.96, every=8, epochs=32)
    >>> [round(googlenet(epoch / 32), 6) for epoch in (0, 7, 8, 31)]
    [1.0, 1.0, 0.96, 0.884736]

    Source: lecture row A20 (SOURCES.md); Szegedy et al., "Going deeper with convolutions", 2015; "Rethinking the Inception
    architecture", 2016.
    """
    factor = real("factor", factor, least=0)
    every, epochs = integer("every", every), integer("epochs", epochs)

    def function(progress: float) -> float:
        # The progress is rounded, so 8 of 30 epochs may be computed as 7.999… and must still count as 8.
        return factor ** math.floor(progress * epochs / every + 1e-9)

    return Schedule("exponential", function, factor=factor, every=every, epochs=epochs)


class Plateau:
    """Schedule that reduces the learning rate when the loss has not improved for some epochs.

    :func:`refconv.training.fit` calls :meth:`watch` with the validation loss of each epoch.

    Parameters
    ----------
    patience : int
        Number of epochs without a new lowest loss after which the learning rate is reduced.
    factor : float
        Factor of the learning rate at each reduction. The lecture uses 0.1.

    Examples
    --------
    >>> schedule = Plateau(patience=2)
    >>> factors = []
    >>> for loss in (3.0, 2.0, 2.5, 2.1, 2.2, 2.3):
    ...     schedule.watch(loss)
    ...     factors.append(round(schedule(0.5), 4))
    >>> factors
    [1.0, 1.0, 1.0, 0.1, 0.1, 0.01]

    Source: lecture row A20 (SOURCES.md); Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional
    neural networks", 2012.
    """

    def __init__(self, patience: int = 3, factor: float = 0.1) -> None:
        self.patience = integer("patience", patience)
        self.factor = real("factor", factor, least=0)
        self.reset()

    def reset(self) -> None:
        """Reset the state for the start of a run."""
        self.share, self.lowest, self.waited = 1.0, math.inf, 0

    def watch(self, loss: float) -> None:
        """Record the loss of an epoch."""
        self.waited += 1
        if loss < self.lowest:
            self.lowest, self.waited = loss, 0
        if self.waited == self.patience:
            self.share, self.waited = self.share * self.factor, 0

    def __call__(self, progress: float) -> float:
        """Return the current factor of the learning rate, which does not depend on the progress."""
        return self.share

    def settings(self) -> dict[str, Any]:
        """Return patience and factor as JSON-serialisable data."""
        return {"patience": self.patience, "factor": self.factor}

    def state(self) -> dict[str, Any]:
        """Return the state as JSON-serialisable data.

        The lowest loss is None before the first epoch.
        """
        return {"share": self.share, "lowest": None if math.isinf(self.lowest) else self.lowest, "waited": self.waited}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore a state that :meth:`state` returned."""
        lowest = state["lowest"]
        self.share, self.lowest, self.waited = state["share"], math.inf if lowest is None else lowest, state["waited"]

    def __repr__(self) -> str:
        return f"Plateau(patience={self.patience}, factor={self.factor})"
