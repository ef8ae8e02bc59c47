r"""Window: kernel, stride, padding and dilation, and every size that follows from them.

This is the only shape arithmetic of refconv: loops, kernels, operators and layers all use a :class:`Window`, which checks
its arguments.

Along one axis, with kernel size ``k``, dilation ``D``, stride ``S``, padding ``p₀`` before and ``p₁`` after an input of
size ``n``::

    span   = (k − 1)·D + 1                       elements from the first tap to the last
    output = ⌊(n + p₀ + p₁ − span) / S⌋ + 1      number of places where the kernel fits
    tap m of output i reads input i·S + m·D − p₀
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from refconv._arguments import LARGEST, are_two_integers, choice, entries, flag, per_axis
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.typing import Padding, Shape, Size

__all__ = ["PADDINGS", "Window", "mode_window", "pooling_window", "receptive_field"]

PADDINGS = ("valid", "same", "same_lower", "full")

Pads = tuple[tuple[int, int], ...]


@dataclass(frozen=True, init=False)
class Window:
    r"""Kernel size, stride, padding and dilation of a window that slides over an image or a signal.

    Parameters
    ----------
    kernel : sequence of int
        Size of the kernel along each axis: ``(k,)`` on a signal, ``(kh, kw)`` on an image.
    stride : int or one int for each axis
        Step S between neighbouring outputs, in input elements.
    padding : str, int, one int for each axis, or one ``(before, after)`` pair for each axis
        Zeros around the input, in elements. ``"valid"``: none. ``"same"``: the output has ``⌈n / S⌉`` elements, and an odd
        zero is at the end. ``"same_lower"``: the odd zero is at the beginning. ``"full"``: span − 1 on each side, so that
        every overlap counts. Upper and lower case mean the same.
    dilation : int or one int for each axis
        Distance D between neighbouring taps of the kernel, in input elements.
    ceil_mode : bool
        Round the output size up instead of down (pooling only): the last window may exceed the end by less than a stride,
        so even an input smaller than the window may have an output. A window that would start in the padding after the
        input is dropped.

    Raises
    ------
    TypeError, ValueError
        If an argument has another type or value.

    Examples
    --------
    >>> window = Window((3, 5), stride=(2, 1), padding="same")
    >>> window.pads((8, 7)), window.output_size((8, 7))
    (((0, 1), (2, 2)), (4, 7))

    Source: lecture rows A7, A9, C4 (SOURCES.md); Dumoulin and Visin, "A guide to convolution arithmetic for deep learning",
    2016.
    """

    kernel: Shape
    stride: Shape
    padding: str | Pads
    dilation: Shape
    ceil_mode: bool
    _span: Shape = field(init=False, repr=False, compare=False)

    def __init__(
        self,
        kernel: Sequence[int],
        stride: Size = 1,
        padding: Padding = "valid",
        dilation: Size = 1,
        ceil_mode: bool = False,
    ) -> None:
        sizes = entries(kernel)
        if sizes is None:
            raise ArgumentTypeError(f"kernel must be a sequence with one size for each axis, such as (3, 5), got {kernel!r}")
        if not sizes:
            raise ArgumentValueError("kernel must have at least one axis, got ()")
        ndim = len(sizes)
        for name, value in (
            ("kernel", per_axis("kernel", sizes, ndim)),
            ("stride", per_axis("stride", stride, ndim)),
            ("padding", _padding(padding, ndim)),
            ("dilation", per_axis("dilation", dilation, ndim)),
            ("ceil_mode", flag("ceil_mode", ceil_mode)),
        ):
            object.__setattr__(self, name, value)
        # Computed here, not by cached_property: before Python 3.12 it uses one lock for all instances, which stays locked in
        # a child that is forked while another thread holds it.
        span = tuple((k - 1) * D + 1 for k, D in zip(self.kernel, self.dilation, strict=True))
        object.__setattr__(self, "_span", span)

    @property
    def ndim(self) -> int:
        """Number of axes the window slides along: 1 on a signal, 2 on an image."""
        return len(self.kernel)

    @property
    def span(self) -> Shape:
        """Input elements from the kernel's first tap to its last, along each axis: (k − 1)·D + 1."""
        return self._span

    def pads(self, input_size: Sequence[int]) -> Pads:
        """Zeros ``(before, after)`` along each axis of an input of this size."""
        return self._pads(self._checked("input_size", input_size))

    def _pads(self, input_size: Shape) -> Pads:
        if self.padding == "valid":
            return ((0, 0),) * self.ndim
        if self.padding == "full":
            return tuple((span - 1, span - 1) for span in self.span)
        if self.padding in ("same", "same_lower"):
            return tuple(self._same(n, axis) for axis, n in enumerate(input_size))
        assert not isinstance(self.padding, str)  # __init__ accepts no other name
        return self.padding

    def padded_size(self, input_size: Sequence[int]) -> Shape:
        """Size of the input with its zeros."""
        size = self._checked("input_size", input_size)
        return tuple(n + p0 + p1 for n, (p0, p1) in zip(size, self._pads(size), strict=True))

    def output_size(self, input_size: Sequence[int]) -> Shape:
        """Number of places of the window along each axis; ``ValueError`` if it fits nowhere."""
        size = self._checked("input_size", input_size)
        pads = self._pads(size)
        padded = [n + before + after for n, (before, after) in zip(size, pads, strict=True)]
        if math.prod(padded) > LARGEST:
            raise ArgumentValueError(f"padding must leave the input at most {LARGEST} pixels, got {tuple(padded)} with it")
        return tuple(self._fits(n, *pads[axis], axis) for axis, n in enumerate(size))

    def pooled_size(self, input_size: Sequence[int]) -> Shape:
        """Output size of pooling; ``ValueError`` if some window contains only padding.

        A convolution may read only zeros in some places, but an empty window has no maximum and no mean.

        >>> Window((2,), stride=2, padding=1).pooled_size((5,))
        (3,)
        """
        output_size, pads = self.output_size(input_size), self.pads(input_size)
        for axis, (n, outputs, (before, _)) in enumerate(zip(input_size, output_size, pads, strict=True)):
            start = _blind_start(n, before, outputs, self.kernel[axis], self.stride[axis], self.dilation[axis])
            if start is not None:
                raise ArgumentValueError(
                    f"padding must leave an input element in each window, got only padding at {start} on axis "
                    f"{axis} with window {self.kernel}, stride {self.stride}, dilation {self.dilation}, padding {pads} and an "
                    f"input of size {tuple(input_size)}"
                )
        return output_size

    def transposed_output_size(self, output_size: Sequence[int], output_padding: Size = 0) -> Shape:
        r"""Size of the input that this window turns into ``output_size``: the output of the transposed convolution.

        With stride S, S input sizes have the same output size. The smallest is returned; ``output_padding`` from 0 to S − 1
        selects a larger one.

        >>> window = Window((3, 3), stride=2, padding=1)
        >>> [window.transposed_output_size((3, 3), extra) for extra in (0, 1)]
        [(5, 5), (6, 6)]

        Source: lecture rows C1, C3 (SOURCES.md).
        """
        size = self._checked("output_size", output_size)
        extra = per_axis("output_padding", output_padding, self.ndim, least=0)
        for axis, (e, S) in enumerate(zip(extra, self.stride, strict=True)):
            if e >= S:
                raise ArgumentValueError(f"output_padding must be smaller than the stride {S} on axis {axis}, got {e}")
        return tuple(self._unfit(n, extra[axis], axis) for axis, n in enumerate(size))

    def input_span(self, input_size: Sequence[int], span: Pads) -> Pads:
        """First and last input element, along each axis, that the outputs of this span read.

        Indices in the padding are below 0 or beyond the end.

        >>> Window((3, 5), stride=(2, 1), padding="same").input_span((8, 7), ((1, 2), (3, 3)))
        ((2, 6), (1, 5))
        """
        axes = zip(span, self.stride, self.span, self.pads(input_size), strict=True)
        return tuple((low * S - before, high * S - before + reach - 1) for (low, high), S, reach, (before, _) in axes)

    def transposed_input_span(self, output_size: Sequence[int], span: Pads) -> Pads:
        """The same for the transpose, whose input i reaches the outputs from i·S − p₀ to i·S − p₀ + span − 1.

        >>> Window((3, 5), stride=(2, 1), padding="same").transposed_input_span((8, 7), ((2, 6), (1, 5)))
        ((0, 3), (-1, 7))
        """
        axes = zip(span, self.stride, self.span, self.pads(output_size), strict=True)
        return tuple((-((reach - 1 - before - low) // S), (high + before) // S) for (low, high), S, reach, (before, _) in axes)

    def with_axis_before(self) -> Window:
        """The same window on a signal, seen as an image with a height of one pixel."""
        padding = self.padding
        return Window(
            (1, *self.kernel),
            (1, *self.stride),
            padding if isinstance(padding, str) else ((0, 0), *padding),
            (1, *self.dilation),
            self.ceil_mode,
        )

    def _same(self, n: int, axis: int) -> tuple[int, int]:
        S = self.stride[axis]
        total = max((-(-n // S) - 1) * S + self.span[axis] - n, 0)
        smaller, larger = total // 2, total - total // 2
        return (smaller, larger) if self.padding == "same" else (larger, smaller)

    def _fits(self, n: int, before: int, after: int, axis: int) -> int:
        span, S = self.span[axis], self.stride[axis]
        last_start = n + before + after - span
        places = -(-last_start // S) + 1 if self.ceil_mode else last_start // S + 1
        if places < 1:
            hint = f"; with ceil_mode fewer than {S} elements, the stride, may be missing" if self.ceil_mode else ""
            raise ArgumentValueError(
                f"the padded input must be at least as large as the kernel's span {span} on axis {axis}, got {n} elements and "
                f"{before} + {after} of padding{hint}"
            )
        return places - 1 if self.ceil_mode and (places - 1) * S >= n + before else places

    def _unfit(self, n: int, extra: int, axis: int) -> int:
        S, span = self.stride[axis], self.span[axis]
        if self.padding in ("same", "same_lower"):
            return (n - 1) * S + 1 + extra
        before, after = self.pads((1,) * self.ndim)[axis]
        size = (n - 1) * S + span - before - after + extra
        if size < 1:
            raise ArgumentValueError(
                f"output_size must be the output size of some input, got {n} on axis {axis}: with kernel span {span}, "
                f"stride {S}, padding {before} + {after} and output_padding {extra} the input would have {size} elements"
            )
        return size

    def _checked(self, name: str, size: Sequence[int]) -> Shape:
        if len(self.kernel) == 2 and are_two_integers(size, 1):
            return size
        listed = entries(size)
        if listed is None or len(listed) != self.ndim:
            got = size if listed is None else listed
            raise ArgumentValueError(f"{name} must have {self.ndim} axes like the kernel {self.kernel}, got {got!r}")
        return per_axis(name, listed, self.ndim)


def mode_window(kernel: Sequence[int], mode: str) -> Window:
    """Window of a plain convolution or cross-correlation: ``mode`` is "valid", "same" or "full".

    With an even kernel, "same" puts the odd zero in front, as NumPy and ``scipy.signal.correlate`` do. A convolution *layer*
    and ``scipy.signal.correlate2d`` put it at the end.

    >>> mode_window((4,), "same").pads((6,))
    ((2, 1),)
    """
    paddings = {"valid": "valid", "same": "same_lower", "full": "full"}
    return Window(kernel, padding=paddings[choice("mode", mode, paddings)])


def pooling_window(
    ndim: int,
    kernel_size: Size,
    stride: Size | None,
    padding: Padding,
    dilation: Size,
    ceil_mode: bool,
    input_size: Shape,
) -> Window:
    """Window of a pooling whose every place contains an element of an input of this size.

    The stride is the size of the kernel unless another one is given.
    """
    kernel = per_axis("kernel_size", kernel_size, ndim)
    window = Window(kernel, kernel if stride is None else stride, padding, dilation, ceil_mode)
    window.pooled_size(input_size)
    return window


def receptive_field(windows: Iterable[Window]) -> Shape:
    r"""Size of the input patch that one output element of the last window depends on.

    .. math:: r = 1 + \sum_\ell (\mathrm{span}_\ell - 1) \prod_{k < \ell} S_k

    Parameters
    ----------
    windows : iterable of Window
        The windows in the order of the layers, all with the same number of axes.

    Returns
    -------
    tuple of int
        Input elements along each axis.

    Raises
    ------
    ValueError
        If there is no window, or if they do not have the same number of axes.

    Examples
    --------
    Two 3×3 layers cover 5×5; with dilation 2 in the second they cover 7×7, with the same number of weights:

    >>> receptive_field([Window((3, 3)), Window((3, 3))])
    (5, 5)
    >>> receptive_field([Window((3, 3)), Window((3, 3), dilation=2)])
    (7, 7)

    Source: lecture rows C4, B7 (SOURCES.md).
    """
    windows = list(windows)
    if len({window.ndim for window in windows}) != 1:
        raise ArgumentValueError(f"windows must be at least one, all with the same number of axes, got {windows}")
    sizes = [1] * windows[0].ndim
    steps = [1] * windows[0].ndim
    for window in windows:
        for axis, (span, S) in enumerate(zip(window.span, window.stride, strict=True)):
            sizes[axis] += (span - 1) * steps[axis]
            steps[axis] *= S
    return tuple(sizes)


def _blind_start(n: int, before: int, outputs: int, k: int, S: int, D: int) -> int | None:
    """First start i·S − before, 0 <= i < outputs, from which no tap m·D, 0 <= m < k, hits one of n elements; or None."""
    if (k - 1) * D < before:
        return -before  # the first window ends before the input begins
    # From a start before the input, the first tap that is not before it is at start mod D, which can exceed n if n < D.
    at = -before % D
    i = 0 if at >= n else _first_between(S, D, n - at, D - 1 - at)
    if i is not None and i < outputs and i * S < before:
        return i * S - before
    i = -(-(n + before) // S)
    return i * S - before if i < outputs else None  # a window that begins after the input


def _first_between(step: int, modulus: int, low: int, high: int) -> int | None:
    """Smallest i with low <= i·step mod modulus <= high, where 0 < low <= high < modulus; None if there is none.

    In the first lap around the modulus, the multiples of step either hit the interval or jump over it. For later laps, the
    distance of −modulus·lap to a multiple of step matters: the same problem with smaller numbers, as in Euclid's algorithm.

    >>> _first_between(7, 10, 2, 3), _first_between(4, 10, 3, 3)
    (6, None)
    """
    step %= modulus
    if not step or low > high:
        return None
    i = -(-low // step)
    if i * step <= high:
        return i
    lap = _first_between(modulus, step, -high % step, -low % step)
    return None if lap is None else -(-(low + lap * modulus) // step)


def _padding(padding: Padding, ndim: int) -> str | Pads:
    """A padding's name unchanged, or one ``(before, after)`` pair for each axis."""
    if isinstance(padding, str):
        if padding.lower() not in PADDINGS:
            raise ArgumentValueError(f"padding must be {', '.join(map(repr, PADDINGS))} or integers, got {padding!r}")
        return padding.lower()
    if type(padding) is int and 0 <= padding <= LARGEST:
        return ((padding, padding),) * ndim
    listed = entries(padding)
    pairs = [entries(entry) for entry in listed or ()]
    if not any(pairs):
        return tuple((p, p) for p in per_axis("padding", padding if listed is None else listed, ndim, least=0))
    if len(pairs) != ndim or not all(pair and len(pair) == 2 for pair in pairs):
        expected = f"a name, an integer, {ndim} integers, or {ndim} (before, after) pairs"
        raise ArgumentValueError(f"padding must be {expected}, got {padding!r}")
    return tuple((before, after) for before, after in (per_axis("padding", pair, 2, least=0) for pair in pairs))
