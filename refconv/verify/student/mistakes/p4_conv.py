"""Mistakes in the convolutions on p4."""

from __future__ import annotations

import numpy as np

import refconv
from refconv.verify.student.mistakes.conv import bias_times
from refconv.verify.student.mistakes.mistake import Mistake

__all__ = ["MISTAKES"]


def combined(spatial, shift):
    """Return a way with other rotations and shifts of the kernels.

    For output rotation r they are rotated by ``spatial`` · r · 90°, and their rotation axis is shifted by ``shift`` · r.
    """

    def way(a):
        return np.stack([one_rotation(a, spatial * r, shift * r) for r in range(4)], axis=3)

    return way


def one_rotation(a, turns, shift):
    """Return the outputs of one rotation, with the kernels turned and shifted by these numbers."""
    w, x = np.rot90(a.w, turns), a.x
    if w.ndim == 5:
        w = np.roll(w, shift, axis=2)
        w, x = w.reshape(*w.shape[:2], -1, w.shape[4]), x.reshape(*x.shape[:3], -1)
    return refconv.conv2d(x, w, a.b, padding=a.padding)


def first_rotation(a):
    """Count only ∂e/∂y of the rotation r = 0."""
    dy = np.zeros_like(a.dy)
    dy[..., 0, :] = a.dy[..., 0, :]
    return a(dy=dy)


NOT_ROTATED = "the kernels are not rotated; output rotation r needs np.rot90(w, r)"
CLOCKWISE = "the kernels are rotated clockwise; np.rot90(w, r) rotates anticlockwise"
NOT_SHIFTED = "the rotation axis of the kernels is not shifted; the index is (s − r) % 4"
SHIFTED_BACK = "the rotation axis of the kernels is shifted in the wrong direction; the index is (s − r) % 4"
FIRST_ONLY = "only the rotation r = 0 of ∂e/∂y is counted; the sum is over all four"

OPTIONS = (
    Mistake("the padding is ignored", lambda a: a(padding="valid")),
    Mistake("the bias is forgotten", lambda a: a(b=None)),
    Mistake("the bias is subtracted", bias_times(lambda a: -1)),
)

MISTAKES = {
    "p4_lift_conv2d": (
        Mistake(NOT_ROTATED, combined(0, 0)),
        Mistake(CLOCKWISE, combined(-1, 0)),
        *OPTIONS,
    ),
    "p4_lift_conv2d_dx": (Mistake(FIRST_ONLY, first_rotation),),
    "p4_lift_conv2d_dw": (Mistake(FIRST_ONLY, first_rotation),),
    "p4_conv2d": (
        Mistake(NOT_ROTATED, combined(0, 1)),
        Mistake(CLOCKWISE, combined(-1, 1)),
        Mistake(NOT_SHIFTED, combined(1, 0)),
        Mistake(SHIFTED_BACK, combined(1, -1)),
        *OPTIONS,
    ),
    "p4_conv2d_dx": (Mistake(FIRST_ONLY, first_rotation),),
    "p4_conv2d_dw": (Mistake(FIRST_ONLY, first_rotation),),
}
