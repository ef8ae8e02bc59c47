r"""Where a window lands: kernel, stride, padding and dilation, and every size that follows from them.

This is the only shape arithmetic of refconv. Loops, kernels, operators and layers all ask a :class:`Window`, so a wrong
value is refused here, once, for everybody.

Along one axis, with kernel size ``k``, dilation ``D``, stride ``S``, padding ``p₀`` before and ``p₁`` after an input of
size ``n``::

    span   = (k − 1)·D + 1                       what the kernel covers, holes included
    output = ⌊(n + p₀ + p₁ − span) / S⌋ + 1      how often it fits
    tap m of output i reads input i·S + m·D − p₀
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Real

__all__ = ["PADDINGS", "Window", "flag", "mode_window", "number", "per_axis", "receptive_field"]

PADDINGS = ("valid", "same", "same_lower", "full")
MOST = 2**31 - 1  # of any number here, and of the elements along a padded axis: products of two of them fit 64 bits

Size = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]


@dataclass(frozen=True, init=False)
class Window:
    r"""A kernel's window on an image or a signal, one entry an axis.

    Parameters
    ----------
    kernel : sequence of int
        Size of the kernel along each axis: ``(k,)`` on a signal, ``(kh, kw)`` on an image.
    stride : int or one int an axis
        Step S between neighbouring outputs, in input elements.
    padding : str, int, one int an axis, or one ``(before, after)`` pair an axis
        Zeros around the input, in elements. ``"valid"``: none. ``"same"``: as many as make the output ``⌈n / S⌉`` long,
        the odd one at the end. ``"same_lower"``: the odd one at the beginning. ``"full"``: span − 1 on each side, so that
        every overlap counts.
    dilation : int or one int an axis
        Distance D between neighbouring taps of the kernel, in input elements.
    ceil_mode : bool
        Round the output size up instead of down (pooling only): the last window may hang over the end by less than a
        stride, so that even an input smaller than the window may have an output. One that would start in the padding
        behind the input is dropped.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of the form above; the message names it, what came and what was expected.

    Examples
    --------
    >>> window = Window((3, 5), stride=(2, 1), padding="same")
    >>> window.pads((8, 7)), window.output_size((8, 7))
    (((0, 1), (2, 2)), (4, 7))

    Source: A7, A9, C4; Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016.
    """

    kernel: Size
    stride: Size
    padding: str | Pads
    dilation: Size
    ceil_mode: bool

    def __init__(self, kernel, stride=1, padding="valid", dilation=1, ceil_mode=False):
        entries = _entries(kernel)
        if entries is None:
            raise TypeError(f"kernel must hold one size an axis, such as (3, 5), but is {kernel!r}")
        if not entries:
            raise ValueError("kernel must have at least one axis, but is ()")
        ndim = len(entries)
        for name, value in (
            ("kernel", per_axis("kernel", entries, ndim)),
            ("stride", per_axis("stride", stride, ndim)),
            ("padding", _padding(padding, ndim)),
            ("dilation", per_axis("dilation", dilation, ndim)),
            ("ceil_mode", flag("ceil_mode", ceil_mode)),
        ):
            object.__setattr__(self, name, value)
        # Computed here, not by cached_property: before Python 3.12 that has a lock for all instances, which stays locked in a
        # child that is forked while another thread holds it.
        span = tuple((k - 1) * D + 1 for k, D in zip(self.kernel, self.dilation, strict=True))
        object.__setattr__(self, "_span", span)

    @property
    def ndim(self) -> int:
        """Number of axes the window slides along: 1 on a signal, 2 on an image."""
        return len(self.kernel)

    @property
    def span(self) -> Size:
        """Input elements from the kernel's first tap to its last, along each axis: (k − 1)·D + 1."""
        return self._span

    def pads(self, input_size: Sequence[int]) -> Pads:
        """Zeros ``(before, after)`` along each axis of an input of this size."""
        return self._pads(self._checked("input_size", input_size))

    def _pads(self, input_size: Size) -> Pads:
        if self.padding == "valid":
            return ((0, 0),) * self.ndim
        if self.padding == "full":
            return tuple((span - 1, span - 1) for span in self.span)
        if self.padding in ("same", "same_lower"):
            return tuple(self._same(n, axis) for axis, n in enumerate(input_size))
        return self.padding

    def padded_size(self, input_size: Sequence[int]) -> Size:
        """Size of the input with its zeros."""
        input_size = self._checked("input_size", input_size)
        return tuple(n + p0 + p1 for n, (p0, p1) in zip(input_size, self._pads(input_size), strict=True))

    def output_size(self, input_size: Sequence[int]) -> Size:
        """How often the window fits along each axis; at least once, or else a ``ValueError``."""
        input_size = self._checked("input_size", input_size)
        pads = self._pads(input_size)
        padded = [n + before + after for n, (before, after) in zip(input_size, pads, strict=True)]
        if math.prod(padded) > MOST:
            raise ValueError(f"padding must leave the input at most {MOST} pixels, but makes it {tuple(padded)}")
        return tuple(self._fits(n, *pads[axis], axis) for axis, n in enumerate(input_size))

    def pooled_size(self, input_size: Sequence[int]) -> Size:
        """The output size, if the window holds an element of the input wherever it lands, or else a ``ValueError``.

        A convolution may read nothing but zeros somewhere; a pool of nothing has no largest value and no mean.

        >>> Window((2,), stride=2, padding=1).pooled_size((5,))
        (3,)
        """
        output_size, pads = self.output_size(input_size), self.pads(input_size)
        for axis, (n, outputs, (before, _)) in enumerate(zip(input_size, output_size, pads, strict=True)):
            start = _blind_start(n, before, outputs, self.kernel[axis], self.stride[axis], self.dilation[axis])
            if start is not None:
                raise ValueError(
                    f"padding {pads} makes a window {self.kernel} with stride {self.stride} and dilation {self.dilation} hold "
                    f"nothing but padding at {start} on axis {axis} of an input of size {tuple(input_size)}"
                )
        return output_size

    def transposed_output_size(self, output_size: Sequence[int], output_padding=0) -> Size:
        r"""Size of the input that this window turns into ``output_size``: the output of the transposed convolution.

        With stride S, S different inputs share one output size. The smallest of them is meant; ``output_padding`` from 0
        to S − 1 picks a larger one.

        >>> window = Window((3, 3), stride=2, padding=1)
        >>> [window.transposed_output_size((3, 3), extra) for extra in (0, 1)]
        [(5, 5), (6, 6)]

        Source: C1, C3.
        """
        output_size = self._checked("output_size", output_size)
        extra = per_axis("output_padding", output_padding, self.ndim, least=0)
        for axis, (e, S) in enumerate(zip(extra, self.stride, strict=True)):
            if e >= S:
                raise ValueError(f"output_padding must be smaller than the stride, but is {e} with stride {S} on axis {axis}")
        return tuple(self._unfit(n, extra[axis], axis) for axis, n in enumerate(output_size))

    def with_axis_before(self) -> Window:
        """The same window on a signal seen as an image one pixel high."""
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
        fewer, more = total // 2, total - total // 2
        return (fewer, more) if self.padding == "same" else (more, fewer)

    def _fits(self, n: int, before: int, after: int, axis: int) -> int:
        room, S = n + before + after - self.span[axis], self.stride[axis]
        fits = -(-room // S) + 1 if self.ceil_mode else room // S + 1
        if fits < 1:
            hint = f"; with ceil_mode fewer than {S}, the stride, may be missing" if self.ceil_mode else ""
            raise ValueError(
                f"the input must be at least as large as the kernel, but on axis {axis} it has {n} elements and "
                f"{before} + {after} of padding, and the kernel spans {self.span[axis]}{hint}"
            )
        return fits - 1 if self.ceil_mode and (fits - 1) * S >= n + before else fits

    def _unfit(self, n: int, extra: int, axis: int) -> int:
        S, span = self.stride[axis], self.span[axis]
        if self.padding in ("same", "same_lower"):
            return (n - 1) * S + 1 + extra
        before, after = self.pads((1,) * self.ndim)[axis]
        size = (n - 1) * S + span - before - after + extra
        if size < 1:
            raise ValueError(
                f"output_size {n} on axis {axis} comes from no input: kernel span {span}, stride {S}, padding "
                f"{before} + {after} and output_padding {extra} ask for one of {size} elements"
            )
        return size

    def _checked(self, name: str, size: Sequence[int]) -> Size:
        if len(self.kernel) == 2 and _are_two(size, 1):
            return size
        entries = _entries(size)
        if entries is None or len(entries) != self.ndim:
            found = size if entries is None else entries
            raise ValueError(f"{name} must have {self.ndim} axes like the kernel {self.kernel}, but is {found!r}")
        numbers = tuple(_whole(name, n, entries) for n in entries)
        if min(numbers) < 1:
            raise ValueError(f"{name} must be at least 1 along each axis, but is {numbers}")
        return numbers


def per_axis(name: str, value, ndim: int, least: int = 1) -> Size:
    """One whole number for each of ``ndim`` axes, from a single one for all or from a sequence.

    Raises ``TypeError`` where something is not a whole number, ``ValueError`` where there are too many or too few, or one
    is smaller than ``least``; ``name`` is what the message calls it.

    >>> per_axis("stride", 2, ndim=2), per_axis("stride", (2, 3), ndim=2)
    ((2, 2), (2, 3))
    """
    if type(value) is int and least <= value <= MOST:
        return (value,) * ndim
    if ndim == 2 and _are_two(value, least):
        return value
    entries = _entries(value)
    values = (value,) * ndim if entries is None else entries
    if len(values) != ndim:
        raise ValueError(f"{name} must be one int or {ndim} of them, one an axis, but is {value!r}")
    numbers = tuple(_whole(name, v, value) for v in values)
    if min(numbers) < least:
        raise ValueError(f"{name} must be at least {least}, but is {value!r}")
    if max(numbers) > MOST:
        raise ValueError(f"{name} must be at most {MOST}, but is {value!r}")
    return numbers


def flag(name: str, value) -> bool:
    """True or False, and nothing that merely counts as one of them: ``"False"`` would count as True."""
    if type(value).__name__ not in ("bool", "bool_"):  # NumPy's own, without importing NumPy
        raise TypeError(f"{name} must be True or False, but is {value!r}")
    return bool(value)


def number(name: str, value) -> Real:
    """The value, if it is a number and no truth value.

    >>> number("share", 0.25)
    0.25
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, but is {value!r}")
    return value


def mode_window(kernel: Sequence[int], mode: str) -> Window:
    """The window of a plain convolution or cross-correlation: ``mode`` is "valid", "same" or "full".

    With an even kernel, "same" has its odd zero in front, as in NumPy and ``scipy.signal.correlate``; a convolution *layer*
    has it at the end, and so has ``scipy.signal.correlate2d``.

    >>> mode_window((4,), "same").pads((6,))
    ((2, 1),)
    """
    paddings = {"valid": "valid", "same": "same_lower", "full": "full"}
    if not isinstance(mode, str) or mode not in paddings:
        raise ValueError(f"mode must be 'valid', 'same' or 'full', but is {mode!r}")
    return Window(kernel, padding=paddings[mode])


def receptive_field(windows: Iterable[Window]) -> Size:
    r"""Size of the input patch that one element of the last window's output can see.

    .. math:: r = 1 + \sum_\ell (\mathrm{span}_\ell - 1) \prod_{k < \ell} S_k

    Parameters
    ----------
    windows : iterable of Window
        The windows in the order in which the layers apply them, all with the same number of axes.

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
    Two 3×3 layers see 5×5; with dilation 2 in the second they see 7×7, with the same number of weights:

    >>> receptive_field([Window((3, 3)), Window((3, 3))])
    (5, 5)
    >>> receptive_field([Window((3, 3)), Window((3, 3), dilation=2)])
    (7, 7)

    Source: C4, B7.
    """
    windows = list(windows)
    if len({window.ndim for window in windows}) != 1:
        raise ValueError(f"windows must be at least one, all with the same number of axes, but are {windows}")
    sizes = [1] * windows[0].ndim
    steps = [1] * windows[0].ndim
    for window in windows:
        for axis, (span, S) in enumerate(zip(window.span, window.stride, strict=True)):
            sizes[axis] += (span - 1) * steps[axis]
            steps[axis] *= S
    return tuple(sizes)


def _blind_start(n: int, before: int, outputs: int, k: int, S: int, D: int) -> int | None:
    """The first start i·S − before, 0 <= i < outputs, from which no tap m·D, 0 <= m < k, hits one of n elements; or None."""
    if (k - 1) * D < before:
        return -before  # the first window ends before the input begins
    # From a start in front of the input, the first tap that is not in front of it is at start mod D: too far if n < D.
    at = -before % D
    i = 0 if at >= n else _first_between(S, D, n - at, D - 1 - at)
    if i is not None and i < outputs and i * S < before:
        return i * S - before
    i = -(-(n + before) // S)
    return i * S - before if i < outputs else None  # a window that begins behind the input


def _first_between(step: int, modulus: int, low: int, high: int) -> int | None:
    """The smallest i with low <= i·step mod modulus <= high, where 0 < low <= high < modulus; None if there is none.

    In the first lap around the modulus, the multiples of step either hit the interval or jump over it. Then it counts how
    far −modulus·lap lies from a multiple of step, which is the same question with smaller numbers, as in Euclid's algorithm.

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


def _are_two(value, least: int) -> bool:
    """Whether it is a pair of ints within the bounds, which is what most calls bring and needs no other check."""
    return (
        type(value) is tuple
        and len(value) == 2
        and type(value[0]) is int
        and type(value[1]) is int
        and least <= value[0] <= MOST
        and least <= value[1] <= MOST
    )


def _padding(padding, ndim: int) -> str | Pads:
    """A padding's name as it is, or one ``(before, after)`` pair an axis."""
    if isinstance(padding, str):
        if padding not in PADDINGS:
            raise ValueError(f"padding must be one of {', '.join(map(repr, PADDINGS))} or numbers, but is {padding!r}")
        return padding
    if type(padding) is int and 0 <= padding <= MOST:
        return ((padding, padding),) * ndim
    entries = _entries(padding)
    pairs = [_entries(entry) for entry in entries or ()]
    if not any(pairs):
        return tuple((p, p) for p in per_axis("padding", padding if entries is None else entries, ndim, least=0))
    if len(pairs) != ndim or not all(pair and len(pair) == 2 for pair in pairs):
        raise ValueError(f"padding must be a name, an int, {ndim} ints, or {ndim} (before, after) pairs, but is {padding!r}")
    return tuple(per_axis("padding", pair, 2, least=0) for pair in pairs)


def _entries(value) -> tuple | None:
    """What a sequence holds; None for a single thing, which a string and an array without axes are as well."""
    if isinstance(value, str | bytes | set | frozenset | dict):  # the last three have no order of their own
        return None
    try:
        return tuple(value)
    except TypeError:
        return None


def _whole(name: str, number, value) -> int:
    # bool is an int to Python; stride=True is a slip, not a stride.
    if isinstance(number, bool):
        raise TypeError(f"{name} must be a whole number, but is {value!r}")
    try:
        return operator.index(number)
    except TypeError:
        raise TypeError(f"{name} must be a whole number, but is {value!r}") from None
