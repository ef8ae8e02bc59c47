"""Schedules: ``schedule(progress)`` is the share of the learning rate after this share of the run, both from 0 to 1.

Steps down, falls by percent and cosines depend on the progress alone. A :class:`Plateau` waits for the loss, and is told it.
"""

import math
from itertools import pairwise

from refconv._arguments import integer, real
from refconv._errors import ArgumentValueError

__all__ = ["Plateau", "constant", "cosine", "exponential", "step_down", "warm_up"]


def constant(progress: float) -> float:
    """A schedule: the share of the learning rate after this share of the run. Here all of it, always."""
    return 1.0


def cosine(progress: float) -> float:
    r"""A schedule: the learning rate falls from all of it to nothing along half a wave of the cosine.

    .. math:: \tfrac{1}{2} (1 + \cos(\pi \, \mathrm{progress}))

    ``progress`` is the share of the run that is done, from 0 to 1.

    >>> [round(cosine(progress), 3) for progress in (0, 0.25, 0.5, 1)]
    [1.0, 0.854, 0.5, 0.0]

    Source: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2016.
    """
    return 0.5 * (1 + math.cos(math.pi * progress))


def warm_up(share, schedule=cosine):
    r"""A schedule that rises from nothing to all of the learning rate in a straight line, and then follows another one.

    .. math:: \frac{\mathrm{progress}}{\mathrm{share}} \text{ at first, then } \mathrm{schedule} \left(
              \frac{\mathrm{progress} - \mathrm{share}}{1 - \mathrm{share}} \right)

    Parameters
    ----------
    share : float
        How much of the run it rises, above 0 and below 1.
    schedule : callable
        What comes then.

    Examples
    --------
    >>> schedule = warm_up(0.25)
    >>> [round(schedule(progress), 3) for progress in (0, 0.125, 0.25, 0.625, 1)]
    [0.0, 0.5, 1.0, 0.5, 0.0]

    Source: Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", 2017.
    """
    share = real("share", share, above=0, below=1)
    return lambda progress: progress / share if progress < share else schedule((progress - share) / (1 - share))


def step_down(at=(0.25, 0.5, 0.75), factor=0.1):
    """A schedule that multiplies the learning rate by a factor at each of these shares of the run.

    Parameters
    ----------
    at : sequence of float
        In order, from 0 to 1. The lecture's are a quarter, a half and three quarters, or the first two of them.
    factor : float
        The lecture divides by ten.

    Examples
    --------
    >>> schedule = step_down()
    >>> [round(schedule(progress), 4) for progress in (0.24, 0.25, 0.6, 0.75)]
    [1.0, 0.1, 0.01, 0.001]

    Source: A20; Huang et al., "Densely connected convolutional networks", 2017.
    """
    at, factor = [real("at", mark, least=0) for mark in at], real("factor", factor, least=0)
    if any(before > after for before, after in pairwise([*at, 1.0])):
        raise ArgumentValueError(f"at must be in order, up to 1, got {at}")
    return lambda progress: factor ** sum(progress >= mark for mark in at)


def exponential(factor, every, epochs):
    r"""A schedule that multiplies the learning rate by a factor again and again, each time so many epochs have passed.

    .. math:: \mathrm{factor}^{\lfloor \mathrm{progress} \cdot \mathrm{epochs} / \mathrm{every} \rfloor}

    Parameters
    ----------
    factor : float
        0.96 is the lecture's "−4 %", GoogLeNet's, and 0.94 its "−6 %", Inception v3's.
    every : int
        Epochs between two falls: 8 for GoogLeNet, 2 for Inception v3.
    epochs : int
        Epochs of the whole run.

    Examples
    --------
    >>> googlenet = exponential(0.96, every=8, epochs=32)
    >>> [round(googlenet(epoch / 32), 6) for epoch in (0, 7, 8, 31)]
    [1.0, 1.0, 0.96, 0.884736]

    Source: A20; Szegedy et al., "Going deeper with convolutions", 2015; "Rethinking the Inception architecture", 2016.
    """
    factor = real("factor", factor, least=0)
    every, epochs = integer("every", every), integer("epochs", epochs)
    # A share of the run is rounded: 8 epochs of 30 may come back as 7.999…, and are eight all the same.
    return lambda progress: factor ** math.floor(progress * epochs / every + 1e-9)


class Plateau:
    """A schedule that multiplies the learning rate by a factor whenever the loss has not fallen for some epochs.

    :func:`refconv.training.fit` tells it the validation loss of each epoch, by :meth:`watch`.

    Parameters
    ----------
    patience : int
        Epochs without a new lowest loss, after which the learning rate falls.
    factor : float
        The lecture divides by ten.

    Examples
    --------
    >>> schedule = Plateau(patience=2)
    >>> shares = []
    >>> for loss in (3.0, 2.0, 2.5, 2.1, 2.2, 2.3):
    ...     schedule.watch(loss)
    ...     shares.append(round(schedule(0.5), 4))
    >>> shares
    [1.0, 1.0, 1.0, 0.1, 0.1, 0.01]

    Source: A20; Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks", 2012.
    """

    def __init__(self, patience=3, factor=0.1):
        self.patience = integer("patience", patience)
        self.factor = real("factor", factor, least=0)
        self.forget()

    def forget(self) -> None:
        """Begin anew, as for another run."""
        self.share, self.lowest, self.waited = 1.0, math.inf, 0

    def watch(self, loss: float) -> None:
        """Take note of an epoch's loss."""
        self.waited += 1
        if loss < self.lowest:
            self.lowest, self.waited = loss, 0
        if self.waited == self.patience:
            self.share, self.waited = self.share * self.factor, 0

    def __call__(self, progress: float) -> float:
        """The share of the learning rate, whatever the progress."""
        return self.share
