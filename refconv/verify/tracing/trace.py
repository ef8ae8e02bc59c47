"""List the products that enter one output element of a loop, in the lecture's notation and with numbers.

This module computes no index. The loop of :mod:`refconv.reference` runs on recording numbers
(:mod:`refconv.verify.tracing.recorded`), and the table is read from the output element. Index letters are those of the
formula in the loop's docstring. Then the loop runs on plain numbers, which must give the same output.
"""

from __future__ import annotations

import inspect
import math
import re
from dataclasses import dataclass

import numpy as np

import refconv
from refconv._arguments import integer, per_axis
from refconv._config import config
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.geometry import mode_window
from refconv.ops.check import as_float
from refconv.verify.case import Case, fill
from refconv.verify.catalogue import OPERATORS, find
from refconv.verify.columns import aligned
from refconv.verify.lectures.plain import formula
from refconv.verify.tracing.recorded import Recorded, name_of, recorded_array, terms, value_of
from refconv.verify.tracing.settings import SETTINGS, Wishes, readable

__all__ = ["Step", "Trace", "trace"]

LARGEST = 20_000  # elements of an array: the whole loop runs, on Python objects

INDEXED = re.compile(r"([^\s\[\]]+)\[([a-z](?:,[a-z])*)\]")  # y[b,i,j,o], but not x[b, i·S + m·D, c]


@dataclass(frozen=True)
class Step:
    """One term of a sum, or one candidate for a maximum.

    ``indices`` holds the formula's running letters with their values; ``factors`` one or two (name, value) pairs, with the
    name "" for a number that comes from no array; ``operation`` is "×", "÷", or "" where there is one factor; ``total`` is
    the sum so far.
    """

    indices: dict[str, int]
    factors: tuple[tuple[str, object], ...]
    operation: str
    value: object
    total: object

    @property
    def outside(self) -> bool:
        """True if one of its factors is a zero of the padding."""
        return self.operation == "×" and any(not name for name, _ in self.factors)


@dataclass(frozen=True)
class Trace:
    """What a loop did for one output element; ``str()`` is the table.

    ``steps`` are the terms in the order in which the loop added them, ``divisor`` is that of an average, otherwise None.
    For a maximum, ``steps`` are the inputs that the loop looked at and ``winner`` is the name of the one that it took.
    ``value`` is the element, and ``plain`` what the loop makes of it on plain numbers.
    """

    function: str
    formula: str
    case: Case
    element: str
    steps: tuple[Step, ...]
    divisor: object
    winner: str | None
    value: object
    plain: float

    def __str__(self):
        parts = [self.formula, str(self.case)]
        if self.case.options.get("padding", "valid") != "valid" and "S + m·D" in self.formula and "left" not in self.formula:
            parts.append("Places in the formula count from the edge of the padding, in the table from the edge of the input.")
        if self.case.options.get("groups", 1) > 1:
            letter = "o" if self.function.startswith("conv_transpose") else "c"
            parts.append(f"With groups, {letter} counts within its group.")
        return "\n".join([*parts, *self._shift(), *self._places(), "", *self._table(), self._result()])

    def _shift(self):
        """Which place of the formula the first output is, where a mode begins elsewhere than the formula."""
        if "mode" not in self.case.options:
            return []
        mode, kernel = self.case.options["mode"], self.case.shapes["w"]
        pads = mode_window(kernel, mode).pads(self.case.shapes["x"])
        flipped = self.function.startswith("convolve")
        first = [k - 1 - before if flipped else -before for k, (before, _) in zip(kernel, pads, strict=True)]
        if not any(first):
            return []
        zero, letters = ", ".join("0" for _ in first), "t" if len(first) == 1 else "i, j"
        return [f"Output {zero} of mode {mode!r} is the formula's {letters} = {', '.join(map(str, first))}."]

    def _places(self):
        """How many places of a pooling's window lie outside of the input, and which of them an average counts."""
        if "pool" not in self.function or self.function.endswith("_dx"):
            return []
        inside, window = len(self.steps), self.case.given["kernel_size"]
        places = np.prod(window if isinstance(window, tuple) else (window,))
        said = [f"{places - inside} of the window's {places} places lie outside of the input."] if places > inside else []
        if said and self.divisor is not None:
            said.append(
                f"The divisor counts {self.divisor} places: {inside} in the input, {self.divisor - inside} in its padding."
            )
        return said

    def _result(self):
        said = f"{self.element} = {_text(self.value)}"
        if self.winner is not None:
            said += f", from {self.winner}; of equal values the first in row-major order wins"
        elif self.divisor is not None:
            said = f"{self.element} = {_text(self.steps[-1].total)} ÷ {_text(self.divisor)} = {_text(self.value)}"
        elif not self.steps:
            said += "; nothing is added here"
        return f"{said}   (the loop on plain numbers: {_text(self.plain)})"

    def _heading(self, position):
        """The array that the factors of a column come from; where the first is a zero of the padding, a later one knows."""
        most = max(
            len(step.factors) for step in self.steps
        )  # a bias has a column among the products, but no word in its heading
        names = (step.factors[position][0] for step in self.steps if len(step.factors) == most > position)
        return next((name.partition("[")[0] for name in names if name), "")

    def _table(self):
        """The steps in columns: the letters, one factor or two, the product, and the sum so far or who won."""
        if not self.steps:
            return []
        letters = list(dict.fromkeys(letter for step in self.steps for letter in step.indices))
        two = max(self.steps, key=lambda step: len(step.factors))
        left, right = (self._heading(position) for position in range(2))
        computed = {"×": "product", "÷": "quotient", "": ""}[two.operation]
        rows = [[*letters, left, "", "", "", right, computed, "" if self.winner else "sum so far"]]
        for step in self.steps:
            indices = [step.indices.get(letter, "") for letter in letters]
            (name, value), (other, second) = (*step.factors, ("", ""))[:2]
            if step.outside:
                name, other = name or "outside", other or "outside"
            last = _text(step.total) if self.winner is None else "←" if name == self.winner else ""
            product = _text(step.value) if computed else ""
            rows.append([*indices, name, _text(value), step.operation, _text(second), other, product, last])
        return [*aligned(rows, ">" * len(letters) + "<>>><>>"), ""]


def trace(name, output=None, *, input=None, kernel=None, channels=None, filters=None, seed=0, arrays=None, **options) -> Trace:
    """Each product that enters one output element of an operator or a derivative.

    Parameters
    ----------
    name : str
        The loop: "conv2d", "conv2d_dw", "conv2d_dx", "max_pool2d" and so on.
    output : sequence of int, optional
        The element to look at, one index an axis; None for one near a corner.
    input : int or sequence of int, optional
        The image's size (H, W), or (N, H, W, C).
    kernel : int or sequence of int, optional
        The kernel's size, or the window's in pooling.
    channels, filters : int, optional
        Channels of the input and of the output.
    seed : int
        Of the numbers in the arrays: small and whole, none of them 0.
    arrays : dict of str to array, optional
        Arrays of your own, channels last: "x", "w", "b", and for a derivative "dy".
    **options
        Those of the operator: stride, padding, dilation, groups …

    Returns
    -------
    Trace

    Raises
    ------
    TypeError, ValueError
        If there is no such loop, option or element, or as the operator; the message names the argument.

    Examples
    --------
    >>> x, w = [[[1], [2], [3], [4]]], [[[10]], [[100]]]
    >>> print(trace("conv1d", (0, 1, 0), arrays={"x": x, "w": w, "b": [7]}, stride=2, padding="valid"))
    y[b,i,o] = bias[o] + Σ_{m,c} x[b, i·S + m·D, c] · w[m,c,o]
    x (1, 4, 1), w (2, 1, 1), b (1,), padding='valid', stride=2
    <BLANKLINE>
    m  c  x                    w         product  sum so far
          bias[0]     7                        7           7
    0  0  x[0,2,0]    3  ×   10  w[0,0,0]     30          37
    1  0  x[0,3,0]    4  ×  100  w[1,0,0]    400         437
    <BLANKLINE>
    y[0,1,0] = 437   (the loop on plain numbers: 437)
    """
    operator, setting = _known(name)
    arrays = {array: as_float(array, values).astype(np.float64) for array, values in (arrays or {}).items()}
    sizes = {"input": input, "kernel": kernel, "channels": channels, "filters": filters}
    _check(operator, name, setting, sizes, arrays, options)
    case = setting.make(Wishes(**sizes, arrays=arrays, options={**setting.options, **options}))
    _refuse_large(case.shapes)
    with config(engine="reference"):
        loop = _Loop(operator, name, fill(case, readable, seed).with_arrays(**arrays), seed)
        return _read(loop, case, output)


def _known(name):
    operator = find(name)
    if operator.name not in SETTINGS:
        known = [known for known in OPERATORS if known in SETTINGS]
        raise ArgumentValueError(f"operator must be one of {', '.join(known)}, or a derivative of one, got {name!r}")
    return operator, SETTINGS[operator.name]


def _check(operator, name, setting, sizes, arrays, options):
    """Refuse what the operator does not have, and a size that an array decides."""
    parameters = inspect.signature(getattr(refconv, operator.name)).parameters
    known = [option for option in parameters if option not in ("x", "w", "b", "kernel_size", "data_format")]
    for option in options:
        if option not in known:
            allowed = f"among {', '.join(known)}" if known else "left out"
            raise ArgumentTypeError(f"options of {operator.name} must be {allowed}, got {option}")
    have = [array for array in ("x", "w", "b") if array in parameters] + (["dy"] if name != operator.name else [])
    for array in arrays:
        if array not in have:
            raise ArgumentValueError(f"arrays for {name} must be among {', '.join(have)}, got {array!r}")
        axes = len(operator.fixed[0].shapes.get(array, arrays[array].shape))
        if arrays[array].ndim != axes:
            raise ArgumentValueError(f"{array} must have {axes} axes, got shape {arrays[array].shape}")
    for size in [size for size, wish in sizes.items() if wish is not None]:
        if size not in setting.takes:
            raise ArgumentValueError(f"sizes of {operator.name} must be among {', '.join(setting.takes)}, got {size}")
        array = "x" if size in ("input", "channels") else "w"
        if array in arrays:
            raise ArgumentValueError(f"{size} must be left out if the array {array} is given, since it follows from the array")
        if size in ("channels", "filters"):
            integer(size, sizes[size])


def _refuse_large(shapes):
    for array, shape in shapes.items():
        if math.prod(shape) > LARGEST:
            raise ArgumentValueError(
                f"{array} must have at most {LARGEST} elements, since the whole loop runs for one of its outputs, got shape "
                f"{shape}"
            )


class _Loop:
    """One loop with its arrays, which runs on plain numbers and on recording ones."""

    def __init__(self, operator, name, a, seed):
        self.operator, self.name, self.a = operator, name, a
        self.derivative = next((d for d in operator.derivatives if d.name == name), None) if name != operator.name else None
        if self.derivative and "dy" not in a.arrays:
            dy = readable("dy", np.shape(operator(a)), np.random.default_rng([seed, 1]), False)
            self.a = a.with_arrays(dy=dy)
        module = getattr(refconv.reference, operator.family)
        self.formula = formula(getattr(module, name)) or formula(getattr(module, f"{name}_with_argmax"))

    def __call__(self, **arrays):
        """Return the output, optionally with other arrays."""
        a = self.a.with_arrays(**arrays)
        return self.derivative(a)[self.derivative.wrt[0]] if self.derivative else self.operator(a)

    def recorded(self, **arrays):
        """Return the output on recording numbers with the names of the formula."""
        known = {**self.a.arrays, **arrays}
        return self(**{array: recorded_array(self.called(array), values) for array, values in known.items()})

    def called(self, array):
        """The formula's name for an array: on slides A3 and A4, an image and its kernel are I and K."""
        letters = {"x": "I", "w": "K"} if " I[" in self.formula else {}
        return {"b": "bias", "dy": "∂e/∂y", **letters}.get(array, array)

    def looked_at(self, output):
        """The places in x that this output depends on: those which, made the largest, are what comes out."""

        def among(places):
            x = np.zeros(self.a.x.shape, int)
            x[tuple(np.transpose(places))] = 1
            if not self.recorded(x=x)[output].value:
                return []
            half = len(places) // 2
            return places if not half else among(places[:half]) + among(places[half:])

        return among(list(np.ndindex(self.a.x.shape)))


def _read(loop, case, output):
    """Return the trace of one output element."""
    made, plain = loop.recorded(), loop()
    output = _element(made, output)
    left, _, right = loop.formula.partition(" = ")
    letters = {name: indices.split(",") for name, indices in INDEXED.findall(right)}
    fixed = INDEXED.findall(left.rpartition(" ")[2])[0][1].split(",")
    number, divisor, winner = made[output], None, None
    if isinstance(number, Recorded) and number.operation == "÷":
        number, divisor = number.operands
    found = terms(number)
    if "max" in right.partition("_")[0]:
        winner, x = made[output].name, loop.called("x")
        found = [(Recorded(loop.a.x[place].item(), name_of(x, place)), None) for place in loop.looked_at(output)]
    steps = tuple(_step(term, total, letters, fixed) for term, total in found)
    value = value_of(made[output])
    if not np.isclose(float(value), plain[output], rtol=1e-9, equal_nan=True):
        raise RuntimeError(f"the record of {loop.name} gives {value} for {output}, but the loop gives {plain[output]}")
    element = name_of(left.rpartition("[")[0], output)
    if loop.derivative:
        case = Case({**case.shapes, "dy": loop.a.dy.shape}, case.options, case.given)
    return Trace(loop.name, loop.formula, case, element, steps, value_of(divisor), winner, value, plain[output].item())


def _element(made, output):
    """Return the index of the output element to trace."""
    if not made.size:
        raise ArgumentValueError(f"x must hold at least one example, got an output of shape {made.shape}")
    if output is None:
        # Near a corner, where padding shows; and if nothing arrives there, where most does.
        near = tuple(min(int(2 * axis >= made.ndim), size - 1) for axis, size in enumerate(made.shape))
        if isinstance(made[near], Recorded):
            return near
        return max(np.ndindex(made.shape), key=lambda index: len(terms(made[index])))
    output = per_axis("output", output, made.ndim, least=0)
    if any(index >= size for index, size in zip(output, made.shape, strict=True)):
        last = tuple(size - 1 for size in made.shape)
        raise ArgumentValueError(f"output must hold one index for each axis, at most {last}, got {output}")
    return output


def _step(term, total, letters, fixed):
    """Return one term as a line of the table."""
    factors = term.operands if term.operation else (term,)
    indices = {}
    for factor in factors:
        array, _, places = getattr(factor, "name", "").rstrip("]").partition("[")
        pairs = zip(letters.get(array, ()), places.split(","), strict=False)
        indices |= {letter: int(place) for letter, place in pairs if letter not in fixed and letter not in indices}
    pairs = tuple((getattr(factor, "name", ""), value_of(factor)) for factor in factors)
    return Step(indices, pairs, term.operation, value_of(term), total)


def _text(value):
    """Return a number as text, such as 17, 10/3 or 0.125."""
    return f"{value:g}" if isinstance(value, float) else str(value)
