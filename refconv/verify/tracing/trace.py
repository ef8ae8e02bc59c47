"""Tables of the products that contribute to one output element, in the lecture's notation.

This module computes no index. The loop of :mod:`refconv.reference` runs on recording numbers
(:mod:`refconv.verify.tracing.recorded`), and the table is read from the output element. The index letters come from the
formula in the docstring of the loop. Then the loop runs on plain numbers, which must give the same output.
"""

from __future__ import annotations

import inspect
import math
import re
from dataclasses import dataclass
from fractions import Fraction

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

LARGEST = 20_000  # elements of an array; larger ones would be slow, since the whole loop runs on Python objects

INDEXED = re.compile(r"([^\s\[\]]+)\[([a-z](?:,[a-z])*)\]")  # y[b,i,j,o], but not x[b, i·S + m·D, c]


@dataclass(frozen=True)
class Step:
    """One term of a sum, or one candidate for a maximum.

    ``indices`` contains the summation indices of the formula with their values. ``factors`` contains one or two (name, value)
    pairs, with the name "" for a number that comes from no array. ``operation`` is "×" or "÷", or "" if there is only one
    factor. ``total`` is the sum so far.
    """

    indices: dict[str, int]
    factors: tuple[tuple[str, object], ...]
    operation: str
    value: object
    total: object

    @property
    def outside(self) -> bool:
        """True if one of the factors is a zero of the padding."""
        return self.operation == "×" and any(not name for name, _ in self.factors)


@dataclass(frozen=True)
class Trace:
    """Record of how a loop computed one output element; ``str()`` returns the table.

    ``steps`` are the terms in the order in which the loop added them. ``divisor`` is the divisor of an average, otherwise
    None. For a maximum, ``steps`` are the inputs that the loop compared and ``winner`` is the name of the maximum. ``value``
    is the element, and ``plain`` the result of the loop on plain numbers.
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

    def as_dict(self) -> dict[str, object]:
        """Return the record as JSON-serialisable data; fractions are text, such as "10/3"."""
        steps = [
            {
                "indices": step.indices,
                "factors": [{"name": name, "value": _plain(value)} for name, value in step.factors],
                "operation": step.operation,
                "value": _plain(step.value),
                "total": _plain(step.total),
            }
            for step in self.steps
        ]
        return {
            **{name: getattr(self, name) for name in ("function", "formula", "element")},
            "case": str(self.case),
            "steps": steps,
            "divisor": _plain(self.divisor),
            "winner": self.winner,
            "value": _plain(self.value),
            "plain": self.plain,
        }

    def __str__(self):
        parts = [self.formula, str(self.case)]
        if self.case.options.get("padding", "valid") != "valid" and "S + m·D" in self.formula and "left" not in self.formula:
            parts.append(
                "Positions in the formula count from the edge of the padding, those in the table from the edge of the input."
            )
        if self.case.options.get("groups", 1) > 1:
            letter = "o" if self.function.startswith("conv_transpose") else "c"
            parts.append(f"With groups, {letter} is the index within its group.")
        return "\n".join([*parts, *self._index_shift(), *self._window_positions(), "", *self._table(), self._result()])

    def _index_shift(self):
        """Return a line about the index of the first output in the formula, unless it is 0."""
        if "mode" not in self.case.options:
            return []
        mode, kernel = self.case.options["mode"], self.case.shapes["w"]
        pads = mode_window(kernel, mode).pads(self.case.shapes["x"])
        flipped = self.function.startswith("convolve")
        first = [k - 1 - before if flipped else -before for k, (before, _) in zip(kernel, pads, strict=True)]
        if not any(first):
            return []
        zero = ", ".join("0" for _ in first)
        letters = "t" if len(first) == 1 else "i, j"
        return [f"Output {zero} of mode {mode!r} is the formula's {letters} = {', '.join(map(str, first))}."]

    def _window_positions(self):
        """Return lines about the positions of a pooling window outside the input."""
        if "pool" not in self.function or self.function.endswith("_dx"):
            return []
        inputs_inside = len(self.steps)
        window = self.case.given["kernel_size"]
        window_size = np.prod(window if isinstance(window, tuple) else (window,))
        lines = (
            [f"{window_size - inputs_inside} of the {window_size} positions of the window are outside the input."]
            if window_size > inputs_inside
            else []
        )
        if lines and self.divisor is not None:
            in_padding = self.divisor - inputs_inside
            lines.append(
                f"The divisor counts {self.divisor} positions: {inputs_inside} in the input, {in_padding} in its padding."
            )
        return lines

    def _result(self):
        sentence = f"{self.element} = {_text(self.value)}"
        if self.winner is not None:
            sentence += f", from {self.winner}; the first of equal values in row-major order is chosen"
        elif self.divisor is not None:
            sentence = f"{self.element} = {_text(self.steps[-1].total)} ÷ {_text(self.divisor)} = {_text(self.value)}"
        elif not self.steps:
            sentence += "; no term contributes to this element"
        return f"{sentence}   (the loop on plain numbers: {_text(self.plain)})"

    def _heading(self, position):
        """Return the name of the array in a column, from the first factor that is not padding."""
        factor_count = max(
            len(step.factors) for step in self.steps
        )  # the bias is in a column of the products, but not in its heading
        names = (step.factors[position][0] for step in self.steps if len(step.factors) == factor_count > position)
        return next((name.partition("[")[0] for name in names if name), "")

    def _table(self):
        """Return the table: indices, factors, product, and the sum so far or a mark at the maximum."""
        if not self.steps:
            return []
        letters = list(dict.fromkeys(letter for step in self.steps for letter in step.indices))
        longest_step = max(self.steps, key=lambda step: len(step.factors))
        left, right = (self._heading(position) for position in range(2))
        computed = {"×": "product", "÷": "quotient", "": ""}[longest_step.operation]
        rows = [[*letters, left, "", "", "", right, computed, "" if self.winner else "sum so far"]]
        for step in self.steps:
            indices = [step.indices.get(letter, "") for letter in letters]
            (name, value), (other, second) = (*step.factors, ("", ""))[:2]
            if step.outside:
                name, other = name or "outside", other or "outside"
            last_cell = _text(step.total) if self.winner is None else "←" if name == self.winner else ""
            product = _text(step.value) if computed else ""
            rows.append([*indices, name, _text(value), step.operation, _text(second), other, product, last_cell])
        return [*aligned(rows, ">" * len(letters) + "<>>><>>"), ""]


def trace(name, output=None, *, input=None, kernel=None, channels=None, filters=None, seed=0, arrays=None, **options) -> Trace:
    """List the products that contribute to one output element of an operator or a derivative.

    Parameters
    ----------
    name : str
        The loop: "conv2d", "conv2d_dw", "conv2d_dx", "max_pool2d" and so on.
    output : sequence of int, optional
        The element, one index for each axis; None for an element near a corner.
    input : int or sequence of int, optional
        Size of the image (H, W), or (N, H, W, C).
    kernel : int or sequence of int, optional
        Size of the kernel, or of the window in pooling.
    channels, filters : int, optional
        Numbers of channels of the input and of the output.
    seed : int
        Seed of the numbers in the arrays, which are small whole numbers without 0.
    arrays : dict of str to array, optional
        Your arrays, channels last: "x", "w", "b", and for a derivative "dy".
    **options
        Options of the operator: stride, padding, dilation, groups …

    Returns
    -------
    Trace

    Raises
    ------
    TypeError, ValueError
        If there is no such loop, option or element, or if the operator raises; the message names the argument.

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
    operator, setting = _operator_and_setting(name)
    arrays = {array: as_float(array, values).astype(np.float64) for array, values in (arrays or {}).items()}
    sizes = {"input": input, "kernel": kernel, "channels": channels, "filters": filters}
    _check(operator, name, setting, sizes, arrays, options)
    case = setting.make(Wishes(**sizes, arrays=arrays, options={**setting.options, **options}))
    _check_sizes(case.shapes)
    with config(engine="reference"):
        loop = _Loop(operator, name, fill(case, readable, seed).with_arrays(**arrays), seed)
        return _traced(loop, case, output)


def _operator_and_setting(name):
    operator = find(name)
    if operator.name not in SETTINGS:
        known = [known for known in OPERATORS if known in SETTINGS]
        raise ArgumentValueError(f"operator must be one of {', '.join(known)}, or a derivative of one, got {name!r}")
    return operator, SETTINGS[operator.name]


def _check(operator, name, setting, sizes, arrays, options):
    """Raise an error for unknown options, arrays or sizes, and for a size that an array fixes."""
    parameters = inspect.signature(getattr(refconv, operator.name)).parameters
    known = [option for option in parameters if option not in ("x", "w", "b", "kernel_size", "data_format")]
    for option in options:
        if option not in known:
            allowed = f"among {', '.join(known)}" if known else "left out"
            raise ArgumentTypeError(f"options of {operator.name} must be {allowed}, got {option}")
    accepted_arrays = [array for array in ("x", "w", "b") if array in parameters] + (["dy"] if name != operator.name else [])
    for array in arrays:
        if array not in accepted_arrays:
            raise ArgumentValueError(f"arrays for {name} must be among {', '.join(accepted_arrays)}, got {array!r}")
        axes = len(operator.fixed[0].shapes.get(array, arrays[array].shape))
        if arrays[array].ndim != axes:
            raise ArgumentValueError(f"{array} must have {axes} axes, got shape {arrays[array].shape}")
    for size in [size for size, requested in sizes.items() if requested is not None]:
        if size not in setting.takes:
            raise ArgumentValueError(f"sizes of {operator.name} must be among {', '.join(setting.takes)}, got {size}")
        array = "x" if size in ("input", "channels") else "w"
        if array in arrays:
            raise ArgumentValueError(f"{size} must be left out if the array {array} is given, since it follows from the array")
        if size in ("channels", "filters"):
            integer(size, sizes[size])


def _check_sizes(shapes):
    for array, shape in shapes.items():
        if math.prod(shape) > LARGEST:
            raise ArgumentValueError(
                f"{array} must have at most {LARGEST} elements, since the whole loop runs for one output element, got shape "
                f"{shape}"
            )


class _Loop:
    """Loop with its arrays, which can run on plain numbers and on recording numbers."""

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
        """Return the output for recording numbers with the names used in the formula."""
        known = {**self.a.arrays, **arrays}
        return self(**{array: recorded_array(self.called(array), values) for array, values in known.items()})

    def called(self, array):
        """Return the name of an array in the formula: I and K on slides A3 and A4."""
        letters = {"x": "I", "w": "K"} if " I[" in self.formula else {}
        return {"b": "bias", "dy": "∂e/∂y", **letters}.get(array, array)

    def dependencies(self, output):
        """Return the positions in x that this output depends on.

        These are the elements that become the maximum if they are made the largest.
        """

        def dependencies_among(positions):
            x = np.zeros(self.a.x.shape, int)
            x[tuple(np.transpose(positions))] = 1
            if not self.recorded(x=x)[output].value:
                return []
            middle = len(positions) // 2
            return positions if not middle else dependencies_among(positions[:middle]) + dependencies_among(positions[middle:])

        return dependencies_among(list(np.ndindex(self.a.x.shape)))


def _traced(loop, case, output):
    """Return the trace of one output element."""
    outputs, plain = loop.recorded(), loop()
    output = _element(outputs, output)
    left_side, _, right_side = loop.formula.partition(" = ")
    letters = {name: indices.split(",") for name, indices in INDEXED.findall(right_side)}
    output_letters = INDEXED.findall(left_side.rpartition(" ")[2])[0][1].split(",")
    number = outputs[output]
    divisor = None
    winner = None
    if isinstance(number, Recorded) and number.operation == "÷":
        number, divisor = number.operands
    terms_with_totals = terms(number)
    if "max" in right_side.partition("_")[0]:
        winner = outputs[output].name
        x = loop.called("x")
        terms_with_totals = [
            (Recorded(loop.a.x[position].item(), name_of(x, position)), None) for position in loop.dependencies(output)
        ]
    steps = tuple(_step(term, total, letters, output_letters) for term, total in terms_with_totals)
    value = value_of(outputs[output])
    if not np.isclose(float(value), plain[output], rtol=1e-9, equal_nan=True):
        raise RuntimeError(f"the record of {loop.name} gives {value} for {output}, but the loop gives {plain[output]}")
    element = name_of(left_side.rpartition("[")[0], output)
    if loop.derivative:
        case = Case({**case.shapes, "dy": loop.a.dy.shape}, case.options, case.given)
    return Trace(loop.name, loop.formula, case, element, steps, value_of(divisor), winner, value, plain[output].item())


def _element(outputs, output):
    """Return the index of the output element to trace."""
    if not outputs.size:
        raise ArgumentValueError(f"x must contain at least one example, got an output of shape {outputs.shape}")
    if output is None:
        # An element near a corner shows the padding. If it has no terms, choose the element with most terms.
        near_corner = tuple(min(int(2 * axis >= outputs.ndim), size - 1) for axis, size in enumerate(outputs.shape))
        if isinstance(outputs[near_corner], Recorded):
            return near_corner
        return max(np.ndindex(outputs.shape), key=lambda index: len(terms(outputs[index])))
    output = per_axis("output", output, outputs.ndim, least=0)
    if any(index >= size for index, size in zip(output, outputs.shape, strict=True)):
        last = tuple(size - 1 for size in outputs.shape)
        raise ArgumentValueError(f"output must contain one index for each axis, at most {last}, got {output}")
    return output


def _step(term, total, letters, output_letters):
    """Return one term as a row of the table."""
    factors = term.operands if term.operation else (term,)
    indices = {}
    for factor in factors:
        array, _, positions = getattr(factor, "name", "").rstrip("]").partition("[")
        pairs = zip(letters.get(array, ()), positions.split(","), strict=False)
        indices |= {letter: int(place) for letter, place in pairs if letter not in output_letters and letter not in indices}
    pairs = tuple((getattr(factor, "name", ""), value_of(factor)) for factor in factors)
    return Step(indices, pairs, term.operation, value_of(term), total)


def _plain(value):
    """Return a number as a Python number, or a fraction such as 10/3 as text; None stays None."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, Fraction) and value.denominator == 1:
        return int(value)
    return value if value is None or isinstance(value, int | float) else str(value)


def _text(value):
    """Return a number as text, such as 17, 10/3 or 0.125."""
    return f"{value:g}" if isinstance(value, float) else str(value)
