r"""Shape arithmetic: kernel, stride, padding and dilation, and all sizes that they determine.

This is the only shape arithmetic of refconv: loops, kernels, operators and layers all use a :class:`Window`, which checks
its arguments.

Along one axis, with kernel size ``k``, dilation ``D``, stride ``S``, padding ``p₀`` before and ``p₁`` after an input of
size ``n``::

    span   = (k − 1)·D + 1                       elements from the first tap to the last
    output = ⌊(n + p₀ + p₁ − span) / S⌋ + 1      number of positions of the kernel
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
    r"""Kernel size, stride, padding and dilation of a window that slides over images or signals.

    Parameters
    ----------
    kernel : sequence of int
        Size of the kernel along each axis: ``(k,)`` on a signal, ``(kh, kw)`` on an image.
    stride : int or one int for each axis
        Step S between neighbouring outputs, in input elements.
    padding : str, int, one int for each axis, or one ``(before, after)`` pair for each axis
        Zeros around the input, in elements. ``"valid"``: none. ``"same"``: the output has ``⌈n / S⌉`` elements; if the number
        of zeros is odd, the extra one is at the end. ``"same_lower"``: as "same", but the extra zero is at the beginning.
        ``"full"``: span − 1 zeros on each side, so that every overlap of kernel and input is an output. Names may be in upper
        or lower case.
    dilation : int or one int for each axis
        Distance D between neighbouring taps of the kernel, in input elements.
    ceil_mode : bool
        Round the output size up instead of down (pooling only): the last window may exceed the end by less than a stride,
        so even an input smaller than the window may have an output. A window that would start in the padding after the
        input is dropped.

    Raises
    ------
    TypeError, ValueError
        If an argument has a wrong type or value.

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
        # Not a cached_property: before Python 3.12 this uses one lock for all instances, which stays locked in a child that
        # is forked while another thread holds it.
        span = tuple((k - 1) * D + 1 for k, D in zip(self.kernel, self.dilation, strict=True))
        object.__setattr__(self, "_span", span)

    @property
    def ndim(self) -> int:
        """Number of axes along which the window slides: 1 on a signal, 2 on an image."""
        return len(self.kernel)

    @property
    def span(self) -> Shape:
        """Number of input elements from the first tap to the last, for each axis: (k − 1)·D + 1."""
        return self._span

    def pads(self, input_size: Sequence[int]) -> Pads:
        """Return the numbers of zeros ``(before, after)`` along each axis of an input of this size."""
        return self._pads(self._checked("input_size", input_size))

    def _pads(self, input_size: Shape) -> Pads:
        if self.padding == "valid":
            return ((0, 0),) * self.ndim
        if self.padding == "full":
            return tuple((span - 1, span - 1) for span in self.span)
        if self._is_same:
            return tuple(self._same_pads(n, axis) for axis, n in enumerate(input_size))
        assert not isinstance(self.padding, str)  # __init__ accepts no other name
        return self.padding

    def padded_size(self, input_size: Sequence[int]) -> Shape:
        """Return the size of the input including its padding."""
        size = self._checked("input_size", input_size)
        return tuple(n + p0 + p1 for n, (p0, p1) in zip(size, self._pads(size), strict=True))

    def output_size(self, input_size: Sequence[int]) -> Shape:
        """Return the number of positions of the window along each axis.

        Raise ``ValueError`` if the input is too small for the window.
        """
        size = self._checked("input_size", input_size)
        pads = self._pads(size)
        padded = [n + before + after for n, (before, after) in zip(size, pads, strict=True)]
        if math.prod(padded) > LARGEST:
            raise ArgumentValueError(f"the padded input must have at most {LARGEST} pixels, got size {tuple(padded)}")
        return tuple(self._output_count(n, *pads[axis], axis) for axis, n in enumerate(size))

    def pooled_size(self, input_size: Sequence[int]) -> Shape:
        """Return the output size of pooling; raise ValueError if a window contains only padding.

        The output of a convolution is defined even if all its inputs are zeros of the padding. But a pooling window without an
        input element has no maximum and no mean.

        >>> Window((2,), stride=2, padding=1).pooled_size((5,))
        (3,)
        """
        output_size, pads = self.output_size(input_size), self.pads(input_size)
        for axis, (n, outputs, (before, _)) in enumerate(zip(input_size, output_size, pads, strict=True)):
            start = _padding_only_start(n, before, outputs, self.kernel[axis], self.stride[axis], self.dilation[axis])
            if start is not None:
                raise ArgumentValueError(
                    f"padding must leave an input element in each window, got only padding at {start} on axis "
                    f"{axis} with window {self.kernel}, stride {self.stride}, dilation {self.dilation}, padding {pads} and an "
                    f"input of size {tuple(input_size)}"
                )
        return output_size

    def transposed_output_size(self, output_size: Sequence[int], output_padding: Size | None = 0) -> Shape:
        r"""Return the size of the input whose output has the size ``output_size``.

        This is the output size of the transposed convolution. With stride S, S input sizes have the same output size. The
        default ``output_padding`` 0 selects the smallest, S − 1 the largest. :meth:`output_padding` describes other values.

        >>> window = Window((3, 3), stride=2, padding=1)
        >>> [window.transposed_output_size((3, 3), extra) for extra in (0, 1)]
        [(5, 5), (6, 6)]

        Source: lecture rows C1, C3 (SOURCES.md).
        """
        size, extra = self._checked("output_size", output_size), self.output_padding(output_padding)
        return tuple(self._transposed_size(n, extra[axis], axis) for axis, n in enumerate(size))

    def transposed_input_size(self, output_size: Sequence[int], output_padding: Size | None = 0) -> Shape:
        r"""Return the size from which :meth:`transposed_output_size` computes ``output_size``.

        The result is the same for every output padding below the stride, so the default stands for all of these.

        >>> window = Window((3,), stride=2, dilation=5)
        >>> window.transposed_output_size((7,), 1), window.transposed_output_size((7,), 4)
        ((24,), (27,))
        >>> window.transposed_input_size((24,)), window.transposed_input_size((27,), 4)
        ((7,), (7,))
        """
        inputs, extra = self.output_size(output_size), self.output_padding(output_padding)
        return tuple(self._transposed_input(n, extra[axis], inputs[axis], axis) for axis, n in enumerate(output_size))

    def output_padding(self, value: Size | None) -> Shape:
        r"""Return the output padding of a transposed convolution for each axis, after checking it.

        It must be smaller than the stride S or the dilation D. With S or more, the output is larger than each input that the
        convolution maps to n outputs. None selects the size that Keras and TensorFlow select: n·S elements with "same" or
        "same_lower" padding, and otherwise (n − 1)·S + max(span, S) before the padding is cut off.

        >>> Window((3, 3), stride=2, padding="same").output_padding(None), Window((1, 2), stride=3).output_padding(None)
        ((1, 1), (2, 1))

        Source: lecture rows C3 and D10 (SOURCES.md).
        """
        if value is None:
            return tuple(S - 1 if self._is_same else max(S - k, 0) for S, k in zip(self.stride, self.span, strict=True))
        extra = per_axis("output_padding", value, self.ndim, least=0)
        for axis, (e, S, D) in enumerate(zip(extra, self.stride, self.dilation, strict=True)):
            if e >= max(S, D):
                limits = f"the stride {S} or the dilation {D}"
                raise ArgumentValueError(f"output_padding must be smaller than {limits} on axis {axis}, got {e}")
        return extra

    def input_span(self, input_size: Sequence[int], span: Pads) -> Pads:
        """Return the first and last input element that a span of outputs reads along each axis.

        Indices in the padding are below 0 or beyond the end.

        >>> Window((3, 5), stride=(2, 1), padding="same").input_span((8, 7), ((1, 2), (3, 3)))
        ((2, 6), (1, 5))
        """
        axes = zip(span, self.stride, self.span, self.pads(input_size), strict=True)
        return tuple((low * S - before, high * S - before + reach - 1) for (low, high), S, reach, (before, _) in axes)

    def transposed_input_span(self, output_size: Sequence[int], span: Pads) -> Pads:
        """Return the inputs of the transposed convolution that contribute to a span of outputs.

        As in :meth:`input_span`, these are the first and the last input along each axis. Input i contributes to the outputs
        from i·S − p₀ to i·S − p₀ + span − 1.

        >>> Window((3, 5), stride=(2, 1), padding="same").transposed_input_span((8, 7), ((2, 6), (1, 5)))
        ((0, 3), (-1, 7))
        """
        axes = zip(span, self.stride, self.span, self.pads(output_size), strict=True)
        return tuple((-((reach - 1 - before - low) // S), (high + before) // S) for (low, high), S, reach, (before, _) in axes)

    def with_axis_before(self) -> Window:
        """Return the window of a signal for images with a height of one pixel."""
        padding = self.padding
        return Window(
            (1, *self.kernel),
            (1, *self.stride),
            padding if isinstance(padding, str) else ((0, 0), *padding),
            (1, *self.dilation),
            self.ceil_mode,
        )

    def _same_pads(self, n: int, axis: int) -> tuple[int, int]:
        S = self.stride[axis]
        total = max((-(-n // S) - 1) * S + self.span[axis] - n, 0)
        smaller, larger = total // 2, total - total // 2
        return (smaller, larger) if self.padding == "same" else (larger, smaller)

    def _output_count(self, n: int, before: int, after: int, axis: int) -> int:
        span, S = self.span[axis], self.stride[axis]
        last_start = n + before + after - span
        positions = -(-last_start // S) + 1 if self.ceil_mode else last_start // S + 1
        if positions < 1:
            hint = f"; with ceil_mode fewer than {S} elements, the stride, may be missing" if self.ceil_mode else ""
            raise ArgumentValueError(
                f"the padded input must be at least as large as the kernel's span {span} on axis {axis}, got {n} elements and "
                f"{before} + {after} of padding{hint}"
            )
        return positions - 1 if self.ceil_mode and (positions - 1) * S >= n + before else positions

    def _transposed_size(self, n: int, extra: int, axis: int) -> int:
        size = self._smallest_input(n, axis) + extra
        if size < 1:
            before, after = self.pads((1,) * self.ndim)[axis]
            raise ArgumentValueError(
                f"output_size must be the output size of some input, got {n} on axis {axis}: with kernel span "
                f"{self.span[axis]}, stride {self.stride[axis]}, padding {before} + {after} and output_padding {extra} the "
                f"input would have {size} elements"
            )
        return size

    def _transposed_input(self, size: int, extra: int, n: int, axis: int) -> int:
        """Return the number of inputs, of which an output without output padding has n."""
        fewer, remainder = divmod(extra - size + self._smallest_input(n, axis), self.stride[axis]) if extra else (0, 0)
        if remainder or not 0 <= fewer < n:
            raise ArgumentValueError(f"output_size must be possible with output_padding {extra}, got {size} on axis {axis}")
        return n - fewer

    def _smallest_input(self, n: int, axis: int) -> int:
        """Return the size of the smallest input with n outputs; below 1 for a large padding."""
        if self._is_same:
            return (n - 1) * self.stride[axis] + 1
        before, after = self.pads((1,) * self.ndim)[axis]
        return (n - 1) * self.stride[axis] + self.span[axis] - before - after

    @property
    def _is_same(self) -> bool:
        return self.padding in ("same", "same_lower")

    def _checked(self, name: str, size: Sequence[int]) -> Shape:
        if len(self.kernel) == 2 and are_two_integers(size, 1):
            return size
        elements = entries(size)
        if elements is None or len(elements) != self.ndim:
            got = size if elements is None else elements
            raise ArgumentValueError(f"{name} must have {self.ndim} axes like the kernel {self.kernel}, got {got!r}")
        return per_axis(name, elements, self.ndim)


def mode_window(kernel: Sequence[int], mode: str) -> Window:
    """Return the window of a plain convolution or cross-correlation with a mode.

    ``mode`` is "valid", "same" or "full". With an even kernel, "same" adds the extra zero at the beginning, as NumPy and
    ``scipy.signal.correlate`` do. A convolution *layer* and ``scipy.signal.correlate2d`` add it at the end.

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
    """Return the window of a pooling layer; raise ValueError if a position has only padding.

    The default stride is the size of the kernel.
    """
    kernel = per_axis("kernel_size", kernel_size, ndim)
    window = Window(kernel, kernel if stride is None else stride, padding, dilation, ceil_mode)
    window.pooled_size(input_size)
    return window


def receptive_field(windows: Iterable[Window]) -> Shape:
    r"""Return the size of the input patch on which one output element of the last window depends.

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
        If there is no window, or the windows do not have the same number of axes.

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
        raise ArgumentValueError(f"windows must contain at least one window, all with the same number of axes, got {windows}")
    sizes = [1] * windows[0].ndim
    steps = [1] * windows[0].ndim
    for window in windows:
        for axis, (span, S) in enumerate(zip(window.span, window.stride, strict=True)):
            sizes[axis] += (span - 1) * steps[axis]
            steps[axis] *= S
    return tuple(sizes)


def _padding_only_start(n: int, before: int, outputs: int, k: int, S: int, D: int) -> int | None:
    """Return the start of the first window that contains only padding, or None if there is none.

    Window i, with 0 <= i < outputs, starts at i·S − before. It contains only padding if none of its taps i·S − before + m·D,
    with 0 <= m < k, is one of the n input elements.
    """
    if (k - 1) * D < before:
        return -before  # the first window ends before the input begins
    # In a window that starts before the input, the first tap with an index of at least 0 is at start mod D. It can be beyond
    # the end of the input if n < D.
    first_tap = -before % D
    i = 0 if first_tap >= n else _first_between(S, D, n - first_tap, D - 1 - first_tap)
    if i is not None and i < outputs and i * S < before:
        return i * S - before
    i = -(-(n + before) // S)
    return i * S - before if i < outputs else None  # a window that begins after the input


def _first_between(step: int, modulus: int, low: int, high: int) -> int | None:
    """Return the smallest i with low <= i·step mod modulus <= high, or None if there is none.

    The bounds satisfy 0 < low <= high < modulus. Below the modulus, the multiples of step either hit the interval or skip it.
    After each further lap around the modulus, the distance of −modulus·lap to a multiple of step decides. Finding this lap is
    the same problem with smaller numbers, as in Euclid's algorithm.

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
    """Return the name of a padding in lower case, or one ``(before, after)`` pair for each axis."""
    if isinstance(padding, str):
        if padding.lower() not in PADDINGS:
            raise ArgumentValueError(f"padding must be {', '.join(map(repr, PADDINGS))} or integers, got {padding!r}")
        return padding.lower()
    if type(padding) is int and 0 <= padding <= LARGEST:
        return ((padding, padding),) * ndim
    elements = entries(padding)
    pairs = [entries(entry) for entry in elements or ()]
    if not any(pairs):
        return tuple((p, p) for p in per_axis("padding", padding if elements is None else elements, ndim, least=0))
    if len(pairs) != ndim or not all(pair and len(pair) == 2 for pair in pairs):
        expected = f"a name, an integer, {ndim} integers, or {ndim} (before, after) pairs"
        raise ArgumentValueError(f"padding must be {expected}, got {padding!r}")
    return tuple((before, after) for before, after in (per_axis("padding", pair, 2, least=0) for pair in pairs))
