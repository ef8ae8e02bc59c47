"""Mistakes in dropout and its derivative."""

from __future__ import annotations

import numpy as np

from refconv.verify.student.mistakes.mistake import Mistake

__all__ = ["MISTAKES"]


def masked(change):
    """Both results, with a mask made from where units are kept, from the rate, and from the right mask."""

    def way(a):
        _, mask = a()
        other = change(mask > 0, a.rate, mask)
        return a.x * other, other

    return way


MISTAKES = {
    "dropout": (
        Mistake(
            "the units that stay are not enlarged: 1 / (1 − rate) is missing", masked(lambda kept, rate, mask: kept * 1.0)
        ),
        Mistake("the units that stay are divided by rate; it is 1 − rate", masked(lambda kept, rate, mask: kept / rate)),
        Mistake(
            "the units that stay are multiplied with 1 − rate; they are divided by it", masked(lambda k, r, m: k * (1 - r))
        ),
        Mistake(
            "the mask is inverted: a unit stays where the random number is at least rate",
            masked(lambda kept, rate, mask: ~kept / (1 - rate)),
            masked(lambda kept, rate, mask: ~kept / rate),
            masked(lambda kept, rate, mask: ~kept * 1.0),
        ),
        Mistake("nothing is dropped", masked(lambda kept, rate, mask: np.ones_like(mask))),
    ),
    "dropout_dx": (
        Mistake("∂e/∂y goes back unchanged, also through units that were dropped", lambda a: a.dy),
        Mistake("the factor 1 / (1 − rate) of the mask is missing", lambda a: a.dy * (a.mask > 0)),
        Mistake("the mask alone is the result; ∂e/∂y has to be multiplied with it", lambda a: a.mask),
    ),
}
