"""Mistakes in local response normalisation."""

from __future__ import annotations

import numpy as np

from refconv.verify.student.mistakes.mistake import Mistake

__all__ = ["MISTAKES"]


def normalised(a, *, axis=-1, before=None, after=None, alpha=None):
    """Compute the result with another axis or size of the neighbourhood, or another α."""
    before = reach(a) // 2 if before is None else before
    after = (reach(a) - 1) // 2 if after is None else after
    squares = np.moveaxis(a.x**2, axis, -1)
    n = squares.shape[-1]
    sums = [squares[..., max(0, c - before) : max(0, c + after + 1)].sum(-1) for c in range(n)]
    neighbourhood_sums = np.moveaxis(np.stack(sums, -1), -1, axis)
    return a.x / (a.k + (scale(a) if alpha is None else alpha) * neighbourhood_sums) ** a.beta


def reach(a):
    """Return the number of channels in a neighbourhood."""
    return a.argument("size")


def scale(a):
    return a.alpha / reach(a) if a.divide_by_size else a.alpha


MISTAKES = {
    "local_response_norm": (
        Mistake("the sum runs over the examples; it should run over the channels", lambda a: normalised(a, axis=0)),
        Mistake(
            "the sum runs over neighbouring pixels; it should run over the channels",
            *(lambda a, axis=axis: normalised(a, axis=axis) for axis in (1, 2)),
        ),
        Mistake("α is divided by size, although divide_by_size is not set", lambda a: a(divide_by_size=True)),
        Mistake("divide_by_size is ignored", lambda a: a(divide_by_size=False)),
        Mistake(
            "the neighbourhood ends one channel too early",
            lambda a: normalised(a, after=(reach(a) - 1) // 2 - 1),
            lambda a: normalised(a, after=reach(a) // 2 - 1),
        ),
        Mistake("the neighbourhood begins one channel too late", lambda a: normalised(a, before=reach(a) // 2 - 1)),
        Mistake(
            "for an even size the extra channel comes after channel c; it should come before it",
            lambda a: normalised(a, before=(reach(a) - 1) // 2, after=reach(a) // 2),
        ),
        Mistake(
            "the neighbourhood has size channels on each side; it should have size channels in total",
            lambda a: normalised(a, before=reach(a), after=reach(a)),
        ),
        Mistake(
            "the neighbourhood contains only the channels before channel c",
            lambda a: normalised(a, before=reach(a) - 1, after=0),
        ),
        Mistake("the sum runs over all channels", lambda a: normalised(a, before=a.x.shape[-1], after=a.x.shape[-1])),
        Mistake("the power β is missing", lambda a: a(beta=1)),
        Mistake("the power is a square root, as if β were ½", lambda a: a(beta=0.5)),
        Mistake("k is forgotten", lambda a: a(k=1), lambda a: a.x / ((a.x / a()) ** (1 / a.beta) - a.k) ** a.beta),
        Mistake("the result is the factor alone; it must be multiplied by x", lambda a: a() / a.x),
    ),
    "local_response_norm_dx": (
        Mistake(
            "the denominator is treated as a constant; it depends on x", lambda a: a.dy * a.other("local_response_norm") / a.x
        ),
        Mistake(
            "only the channel of x itself is differentiated; x also enters the denominators of its neighbours",
            lambda a: own_channel(a),
        ),
    ),
}


def own_channel(a):
    d = (a.x / a.other("local_response_norm")) ** (1 / a.beta)
    return a.dy * (d**-a.beta - 2 * scale(a) * a.beta * a.x**2 * d ** (-a.beta - 1))
