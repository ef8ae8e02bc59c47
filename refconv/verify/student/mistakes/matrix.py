"""Mistakes in im2col and col2im."""

from __future__ import annotations

import numpy as np

from refconv.verify.student.mistakes.mistake import Mistake

__all__ = ["MISTAKES"]


def rearranged(a, rows=(0, 1, 2), columns=(0, 1, 2)):
    """Return M with its row axes (m, n, c) or its column axes (b, i, j) in another order."""
    M = a()
    g = a.geometry
    axes = (*g.kernel, a.x.shape[-1], len(a.x), *g.output_size(a.size))
    permutation = (*rows, *(3 + axis for axis in columns))
    return M.reshape(axes).transpose(permutation).reshape(M.shape)


def overwritten(a):
    """Compute the images with = instead of +=: the last window overwrites earlier ones."""
    x = np.zeros_like(a())
    for entry in range(a.columns.shape[1]):
        unit = np.zeros_like(a.columns)
        unit[:, entry] = 1
        touched = a(columns=unit) != 0
        x[touched] = a(columns=unit * a.columns)[touched]
    return x


MISTAKES = {
    "im2col": (
        Mistake("the matrix is transposed: each neighbourhood should be one column", lambda a: a().T),
        Mistake(
            "the channels come first in a column; the order should be (m, n, c): the channel varies fastest",
            lambda a: rearranged(a, rows=(2, 0, 1)),
        ),
        Mistake(
            "the columns are in the order (i, j, b): the image varies fastest; the order should be (b, i, j)",
            lambda a: rearranged(a, columns=(1, 2, 0)),
        ),
        Mistake("the padding is ignored", lambda a: a(padding="valid")),
        Mistake("the stride is ignored", lambda a: a(stride=1), lambda a: a(stride=1, padding=a.pads)),
    ),
    "col2im": (Mistake("overlapping neighbourhoods overwrite each other: use += instead of =", overwritten),),
}
