"""Mistakes in the dense layer and its derivatives."""

from __future__ import annotations

import numpy as np

from refconv.verify.student.mistakes.images import only
from refconv.verify.student.mistakes.mistake import Mistake

__all__ = ["MISTAKES"]

MISTAKES = {
    "dense": (
        Mistake("the bias is forgotten", lambda a: a(b=None)),
        Mistake("the bias is subtracted", lambda a: a(b=None if a.b is None else -a.b)),
        Mistake("the bias is added once for each input", lambda a: a(b=None if a.b is None else a.b * len(a.w))),
        Mistake("the weights are transposed: w[c, o] connects input c to output o", lambda a: a(w=a.w.T)),
        Mistake("each product overwrites the sum: use += instead of =", lambda a: a(w=only(a.w, -1, 0))),
        Mistake("only the first example of the batch is used", lambda a: only(a(), 0, 0), lambda a: a()[:1]),
        Mistake("the sum is divided by the number of inputs", lambda a: a(w=a.w / len(a.w)), lambda a: a() / len(a.w)),
    ),
    "dense_dx": (
        Mistake("the weights are not transposed: ∂e/∂x = ∂e/∂y · wᵀ", lambda a: a(w=a.w.T)),
        Mistake("the result is divided by the number of examples", lambda a: a() / len(a.dy)),
        Mistake("each product overwrites the sum: use += instead of =", lambda a: a(dy=only(a.dy, -1, -1))),
    ),
    "dense_dw": (
        Mistake("the result is averaged over the batch; it should be summed", lambda a: a() / len(a.x)),
        Mistake("the result is transposed", lambda a: a().T),
        Mistake("only the last example counts: use += instead of =", lambda a: a(dy=only(a.dy, -1, 0))),
        Mistake("only the first example counts", lambda a: a(dy=only(a.dy, 0, 0))),
    ),
    "dense_db": (
        Mistake("the result is averaged over the batch; it should be summed", lambda a: a.dy.mean(0)),
        Mistake("the sum runs over the outputs; it should run over the examples", lambda a: a.dy.sum(1)),
        Mistake("the sum also runs over the outputs", lambda a: np.asarray(a.dy.sum())),
        Mistake("only the last example counts", lambda a: a.dy[-1]),
        Mistake("only the first example counts", lambda a: a.dy[0]),
    ),
}
