"""Similarity of an input to the training data, for warnings about inputs of no class."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from refconv._arguments import real
from refconv._errors import ArgumentValueError
from refconv.inference.automatic import for_inference
from refconv.typing import Array

__all__ = ["familiarity", "least_familiarity"]


def familiarity(scores: Array) -> Array:
    """Return the highest score of each example minus the mean of its scores.

    A classifier has no class for "none of these", and softmax divides by the sum, so even noise may have a high probability.
    But for inputs unlike the training data, the highest score is often closer to the others.

    Parameters
    ----------
    scores : float array (…, K)
        Scores of K classes, before the softmax.

    Returns
    -------
    float array (…)

    Examples
    --------
    >>> familiarity(np.array([[9.0, 0.0, -3.0], [1.0, 2.0, 0.0]]))
    array([7., 1.])

    Source: lecture row A19 (SOURCES.md); for a similar measure, Hendrycks et al., "Scaling out-of-distribution detection for
    real-world settings", 2022, section 4 (maximum logit).
    """
    return scores.max(-1) - scores.mean(-1)


def least_familiarity(
    model: Callable[[Array], Array], batches: Iterable[tuple[Array, Array]], *, share: float = 0.005
) -> float:
    """Return the familiarity below which an input is called unlike the known inputs.

    It is a quantile of the familiarity of known inputs.

    Parameters
    ----------
    model : Layer
        A built classifier, or any callable that returns scores (N, …, K).
    batches : iterable of (array, array)
        Inputs and targets, such as :class:`refconv.data.Batches`. The targets are not used. The estimate is better if the
        network was not trained on these inputs.
    share : float
        Fraction of the known inputs below the result.

    Returns
    -------
    float
        ``refconv predict`` reads it from the notes of a saved network, ``notes["least_familiarity"]``.

    Raises
    ------
    ValueError
        If there are no batches, or share is not between 0 and 1.

    Examples
    --------
    >>> batches = [(np.array([[4.0, 0.0], [8.0, 0.0]]), np.array([0, 0])), (np.array([[0.0, 6.0]]), np.array([1]))]
    >>> least_familiarity(lambda x: x, batches, share=0.5)
    3.0

    Source: lecture row A19 (SOURCES.md).
    """
    share = real("share", share, least=0, most=1)
    model = for_inference(model)
    measured = [familiarity(model(x)).ravel() for x, _ in batches]
    if not measured:
        raise ArgumentValueError("batches must yield at least one batch, got none; is it an exhausted iterator?")
    return float(np.quantile(np.concatenate(measured), share))
