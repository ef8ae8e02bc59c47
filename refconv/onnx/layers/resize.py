"""Resizing of images to any size by the nearest pixel or by linear interpolation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from refconv._errors import ArgumentValueError
from refconv.nn.layer import Layer
from refconv.typing import Array, Backward, Shape

__all__ = ["Resize"]


class Resize(Layer):
    r"""Layer that resizes along each axis with a fixed matrix.

    .. math:: y_{i,j,c} = \sum_{u,v} a_{i,u} \, b_{j,v} \; x_{u,v,c}

    The matrices contain the weights of the interpolation. :func:`refconv.onnx.load` computes them from the attributes of
    ONNX's Resize. Integer scales are :class:`refconv.nn.Upsample2D`.

    Parameters
    ----------
    matrices : sequence of array (outputs, inputs) or None
        A matrix for each axis of an example; None for an axis that is not resized.

    >>> Resize([np.array([[1.0, 0], [0.5, 0.5], [0, 1]]), None])(np.array([[[2.0], [4.0]]]))
    array([[[2.],
            [3.],
            [4.]]])

    Source: ONNX standard, operator Resize.
    """

    category = "up"

    def __init__(self, matrices: Sequence[Array | None]) -> None:
        self.matrices = [None if a is None else np.asarray(a, np.float64) for a in matrices]

    def output_shape(self, shape: Shape) -> Shape:
        inputs = [None if a is None else a.shape[1] for a in self.matrices]
        if len(shape) != len(inputs) or any(n is not None and n != size for n, size in zip(inputs, shape, strict=True)):
            raise ArgumentValueError(f"the input of {self!r} must have sizes {inputs}, got shape {tuple(shape)}")
        return tuple(n if a is None else len(a) for n, a in zip(shape, self.matrices, strict=True))

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        self.output_shape(x.shape[1:])
        transposed = [None if a is None else a.T for a in self.matrices]
        return _apply(x, self.matrices), lambda dy, want_dx=True: _apply(dy, transposed)

    def caption(self) -> str:
        return "resize"

    def __repr__(self) -> str:
        sizes = ", ".join("same" if a is None else f"{a.shape[1]} → {a.shape[0]}" for a in self.matrices)
        return f"Resize({sizes})"


def _apply(x: Array, matrices: Sequence[Array | None]) -> Array:
    for axis, a in enumerate(matrices, 1):
        if a is not None:
            x = np.moveaxis(np.tensordot(x, a.astype(x.dtype), (axis, 1)), -1, axis)
    return np.ascontiguousarray(x)
