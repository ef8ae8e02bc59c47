"""Mistakes in dropout and its derivative."""

from __future__ import annotations

import numpy as np

from refconv.verify.student.mistakes.mistake import Mistake

__all__ = ["MISTAKES"]


def masked(change):
    """Return a mistake that replaces the mask by ``change(kept, rate, mask)``."""

    def way(a):
        _, mask = a()
        wrong_mask = change(mask > 0, a.rate, mask)
        return a.x * wrong_mask, wrong_mask

    return way


MISTAKES = {
    "dropout": (
        Mistake(
            "the units that are kept are not scaled: the factor 1 / (1 − rate) is missing",
            masked(lambda kept, rate, mask: kept * 1.0),
        ),
        Mistake(
            "the units that are kept are divided by rate instead of 1 − rate", masked(lambda kept, rate, mask: kept / rate)
        ),
        Mistake(
            "the units that are kept are multiplied by 1 − rate instead of divided by it", masked(lambda k, r, m: k * (1 - r))
        ),
        Mistake(
            "the mask is inverted: a unit is kept where the random number is at least rate",
            masked(lambda kept, rate, mask: ~kept / (1 - rate)),
            masked(lambda kept, rate, mask: ~kept / rate),
            masked(lambda kept, rate, mask: ~kept * 1.0),
        ),
        Mistake("nothing is dropped", masked(lambda kept, rate, mask: np.ones_like(mask))),
    ),
    "dropout_dx": (
        Mistake("∂e/∂y is returned unchanged, also for units that were dropped", lambda a: a.dy),
        Mistake("the factor 1 / (1 − rate) of the mask is missing", lambda a: a.dy * (a.mask > 0)),
        Mistake("the result is the mask alone; it must be multiplied by ∂e/∂y", lambda a: a.mask),
    ),
}
