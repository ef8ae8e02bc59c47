"""Windows along one axis; conventions are computed independently of ``refconv.geometry``.

Comparing loops with kernels does not test the code that they share. So the evidence computes padding, output size and divisor
a second time: from the literal tables of :mod:`refconv.verify.evidence.oracles.tables`, or, for sizes that no table contains,
by counting the positions of the window as below. Nothing in this module imports :mod:`refconv.geometry`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

__all__ = ["Axis", "axes_of", "pairs", "transposed_axes", "transposed_size", "window_axis"]


@dataclass(frozen=True)
class Axis:
    """A window along one axis of an input.

    Parameters
    ----------
    size : int
        Number of elements of the input.
    kernel, stride, dilation : int
        Number of entries of the window, step between windows, step between entries.
    before, after : int
        Declared padding, in elements.
    outputs : int
        Number of positions of the window.
    divisors : pair of tuple of int, or None
        Divisors of the outputs of average pooling, without and with the padding. None to count them.

    Examples
    --------
    >>> Axis(size=4, kernel=3, stride=2, dilation=1, before=0, after=1, outputs=2).taps
    array([[0, 1, 2],
           [2, 3, 4]])
    """

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int
    outputs: int
    divisors: tuple[tuple[int, ...], tuple[int, ...]] | None = None

    @property
    def taps(self) -> np.ndarray:
        """Input index of entry m at output i, (outputs, kernel); not in 0 … size − 1 for padding."""
        return np.arange(self.outputs)[:, None] * self.stride + np.arange(self.kernel) * self.dilation - self.before

    @property
    def inside(self) -> np.ndarray:
        """Mask of the window entries that read the input, (outputs, kernel)."""
        return (self.taps >= 0) & (self.taps < self.size)

    @property
    def selection(self) -> np.ndarray:
        """Array of 1 where entry m at output i reads element u, else 0, (outputs, kernel, size)."""
        return (self.taps[..., None] == np.arange(self.size)).astype(np.float64)

    def divisor(self, count_include_pad: bool) -> np.ndarray:
        """Return the divisor of each output of average pooling."""
        if self.divisors is not None:
            return np.array(self.divisors[count_include_pad])
        first, end = (-self.before, self.size + self.after) if count_include_pad else (0, self.size)
        return ((self.taps >= first) & (self.taps < end)).sum(axis=1)

    @property
    def refusal(self) -> str:
        """Reason why pooling refuses this window; empty if each position reads at least one element."""
        if self.outputs < 1:
            return "the window does not fit"
        return "" if self.inside.any(axis=1).all() else "a window contains only padding"


def window_axis(size, kernel, stride, padding, dilation=1, ceil_mode=False) -> Axis:
    """Compute padding and number of outputs along one axis; ``padding`` is a name or a pair.

    >>> axis = window_axis(6, kernel=3, stride=2, padding="same")
    >>> axis.before, axis.after, axis.outputs
    (0, 1, 3)
    """
    span = (kernel - 1) * dilation + 1
    before, after = _pads(size, span, stride, padding)
    starts = range(-before, size + after - span + 1, stride)
    if ceil_mode:
        # The last window may exceed the padded input by less than a stride, unless it starts after the input.
        starts = range(-before, size + after - span + stride, stride)
        starts = starts[:-1] if starts and starts[-1] >= size else starts
    return Axis(size, kernel, stride, dilation, before, after, len(starts))


def _pads(size, span, stride, padding) -> tuple[int, int]:
    if padding == "valid":
        return 0, 0
    if padding == "full":
        return span - 1, span - 1
    if padding in ("same", "same_lower"):
        outputs = len(range(0, size, stride))
        total = next(t for t in count() if len(range(0, size + t - span + 1, stride)) >= outputs)
        smaller, larger = total // 2, total - total // 2
        return (smaller, larger) if padding == "same" else (larger, smaller)
    return padding


def axes_of(size, kernel, stride, padding, dilation=1, ceil_mode=False) -> tuple[Axis, ...]:
    """Return the axes of a window; options in any of the forms that operators accept."""
    ndim = len(size)
    columns = (size, _each(kernel, ndim), _each(stride, ndim), pairs(padding, ndim), _each(dilation, ndim))
    return tuple(window_axis(*numbers, ceil_mode) for numbers in zip(*columns, strict=True))


def transposed_size(outputs, kernel, stride, padding, dilation=1, output_padding=0) -> int:
    """Return the output size of a transposed convolution: the input size of a window.

    It is the size of the smallest input that the window maps to ``outputs``, plus ``output_padding``; less than 1 if the
    padding leaves no output. If ``output_padding`` is None, each input has ``stride`` outputs of its own: they are all outputs
    with the padding "same", and with the others the kernel of the last input may reach further.

    >>> transposed_size(3, kernel=3, stride=2, padding=(1, 1), output_padding=1)
    6
    """
    if padding in ("same", "same_lower"):
        if output_padding is None:
            return outputs * stride
        return next(n for n in count(1) if len(range(0, n, stride)) == outputs) + output_padding
    span = (kernel - 1) * dilation + 1
    before, after = _pads(1, span, stride, padding)
    if output_padding is None:
        return max(outputs * stride, (outputs - 1) * stride + span) - before - after
    return (outputs - 1) * stride + span - before - after + output_padding


def transposed_axes(outputs, kernel, stride, padding, dilation=1, output_padding=0) -> tuple[Axis, ...]:
    """Return the axes of the window whose transpose has inputs of the size ``outputs``."""
    ndim = len(outputs)
    columns = [outputs, _each(kernel, ndim), _each(stride, ndim), pairs(padding, ndim), _each(dilation, ndim)]
    axes = []
    for n, k, S, pad, D, extra in zip(*columns, _each(output_padding, ndim), strict=True):
        size = transposed_size(n, k, S, pad, D, extra)
        axes.append(Axis(size, k, S, D, *_pads(size, (k - 1) * D + 1, S, pad), n))
    return tuple(axes)


def pairs(padding, ndim) -> tuple[Any, ...]:
    """Return a name or a ``(before, after)`` pair for each axis.

    >>> pairs("same", 2), pairs(1, 1), pairs((1, 2), 2)
    (('same', 'same'), ((1, 1),), ((1, 1), (2, 2)))
    """
    return tuple((p, p) if isinstance(p, int) else p for p in _each(padding, ndim))


def _each(value, ndim) -> tuple[Any, ...]:
    return (value,) * ndim if value is None or isinstance(value, int | str) else tuple(value)
