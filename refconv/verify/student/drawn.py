"""Cases drawn for a student's function, with the options that it accepts."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np

import refconv
from refconv._optional import need
from refconv.geometry import Window
from refconv.typing import Array, Shape
from refconv.verify.case import Case, Make, fill
from refconv.verify.operator import Operator
from refconv.verify.student.signature import Signature, parameters

__all__ = ["arguments", "counting", "drawn", "equal", "forms", "smaller"]

DRAWS = 60
PADDINGS = (("same", "same_lower", "full", 1, (2, 1), ((2, 0), (1, 3))), ("same", "same_lower", "full", 1, ((1, 2),)))
MOST_ELEMENTS = 300  # elements of a case; the loops then take some hundredths of a second


def drawn(operator: Operator, name: str, signature: Signature) -> list[Case]:
    """Return cases with none, one or all of the options changed, simplest first.

    Options that the function does not accept stay at their defaults. There are separate cases for each form of an option, such
    as padding='same'.
    """
    varied = {"b", *signature.options, *signature.without}
    cases_by_key: dict[tuple[Any, ...], dict[str, Case]] = {}
    draws = _draws(operator)
    for options, max_cases in _levels(signature.options):
        level = options | ({"b"} & signature.demanded.keys())
        for case in draws:
            for variant in _variants(without(case, varied - level - _required_options(name)), name, signature):
                if level <= {"b", *variant.options} and _is_suitable(variant, operator.name, signature):
                    form_of = forms(variant)
                    forms_of_level = [form_of.get(n) for n in sorted({"mode", *level})] if len(level) < 3 else []
                    key = (max_cases, frozenset(level), *forms_of_level, *_edge_effects(variant, operator.name))
                    cases_by_key.setdefault(key, {})[str(variant)] = variant
    chosen = [
        case for key, cases in cases_by_key.items() for case in _evenly_spaced(sorted(cases.values(), key=measure), key[0])
    ]
    fitting = [_enlarged(operator, name, case) for case in chosen]
    return sorted({str(case): case for case in fitting if case}.values(), key=measure)


def _levels(options: Sequence[str]) -> Iterator[tuple[set[str], int]]:
    """Yield sets of options that are changed together, and the number of cases for each form."""
    yield set(), 16
    for option in options:
        yield {option}, 5
    if len(options) > 1:
        yield set(options), 24
    # The zeros that 'same' adds depend on stride and dilation.
    for option in {"stride", "dilation"} & set(options) if "padding" in options else ():
        yield {"padding", option}, 3


@cache
def _draws(operator: Operator) -> list[Case]:
    hypothesis = need("hypothesis", "verify", "drawing cases")
    cases: list[Case] = []

    @hypothesis.settings(
        max_examples=DRAWS,
        phases=[hypothesis.Phase.generate],
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(operator.cases())
    def collect(case):  # type: ignore[no-untyped-def]  # what hypothesis draws depends on the annotations
        cases.append(case)

    collect()
    return [*operator.fixed, *cases]


def _required_options(name: str) -> set[str]:
    """Return the arguments without a default, which always vary."""
    return {n for n, p in parameters(name).items() if p.default is p.empty}


def _variants(case: Case, name: str, signature: Signature) -> Iterator[Case]:
    """Yield the case and simple variants of it.

    The variants have one number for all axes, each kind of padding, or equal numbers of input and output channels.
    """
    case = _simplified(case, name)
    yield case
    yield _simplified(_with_equal_axes(case), name)
    for padding in PADDINGS["1d" in name] if "padding" in case.options else ():
        yield _replace(case, options={**case.options, "padding": padding})
    x, w = case.shapes.get("x", ()), case.shapes.get("w", ())
    channels = x[-1] if x else 0
    if len(w) > 1 and channels in w[-2:] and "groups" not in case.options:
        shapes = {**case.shapes, "w": (*w[:-2], channels, channels)}
        yield _replace(case, shapes={**shapes, "b": (channels,)} if "b" in shapes else shapes)


def _is_suitable(case: Case, name: str, signature: Signature) -> bool:
    """Return True if the case is small, has no empty axis and determines the missing arguments."""
    if not all(case.shapes.values()) or not case.elements or case.elements > MOST_ELEMENTS:
        return False
    if not {"input_size", "kernel_size"} & {*signature.missing} or {"x", "w"} <= signature.takes:
        return True
    if "input_size" in signature.missing and "x" not in signature.takes:
        return _covers_padded_image(case, name)
    same = str(case.options.get("padding")).startswith("same")
    return "w" in signature.takes or (not same and _covers_padded_image(case, name))


def _covers_padded_image(case: Case, name: str) -> bool:
    """Return True if the last window ends at the end of the padded image.

    Then the size of the input follows from the size of the output.
    """
    options = case.options
    size = _size(case)
    window = Window(_kernel(case), _stride(case, name), options.get("padding", "valid"), options.get("dilation", 1))
    try:
        return window.transposed_output_size(window.output_size(size)) == size
    except ValueError:
        return False


def _edge_effects(case: Case, name: str) -> tuple[Any, ...]:
    """Return whether the padding is uneven and whether the last window extends beyond the edge.

    For a neighbourhood of channels, return whether its size is even, since its two sides then differ.
    """
    if "size" in case.options:
        return (case.options["size"] % 2 == 0,)
    if not isinstance(case.options.get("padding", case.options.get("ceil_mode")), str | bool):
        return ()
    if "x" not in case.shapes or not _kernel(case):
        return ()
    options = case.options
    size = _size(case)
    kernel = _kernel(case)
    window_options = (_stride(case, name), options.get("padding", "valid"), options.get("dilation", 1))
    try:
        rounded_down, rounded_up = (
            Window(kernel, *window_options),
            Window(kernel, *window_options, options.get("ceil_mode", False)),
        )
        uneven = any(before != after for before, after in rounded_down.pads(size))
        return uneven, rounded_up.output_size(size) != rounded_down.output_size(size)
    except ValueError:
        return ()


def _size(case: Case) -> Shape:
    return case.shapes["x"][2:] if case.options.get("data_format") == "channels_first" else case.shapes["x"][1:-1]


def _kernel(case: Case) -> Shape:
    kernel = case.given.get("kernel_size", case.shapes.get("w", ())[: len(_size(case))])
    return kernel if isinstance(kernel, tuple) else (kernel,) * len(_size(case))


def _stride(case: Case, name: str) -> Any:
    """Return the stride of a case; the default of pooling is the size of the window."""
    default = _kernel(case) if name.startswith(("avg_pool", "max_pool")) else 1
    return case.options.get("stride", default)


def _evenly_spaced(cases: Sequence[Case], most: int) -> list[Case]:
    """Return at most this number of cases, evenly from the smallest to the largest."""
    indices = np.unique(np.linspace(0, len(cases) - 1, min(most, len(cases))).astype(int))
    return [cases[i] for i in indices]


def measure(case: Case) -> tuple[Any, ...]:
    """Return the sort key of a case: numbers of options, elements and axes, size of the options."""
    numbers = [n for value in {**case.options, **case.given}.values() for n in _numbers(value)]
    axes = sum(map(len, case.shapes.values()))
    return len(case.options) + ("b" in case.shapes), case.elements, axes, sum(numbers), str(case)


def _numbers(value: Any) -> list[int]:
    if isinstance(value, tuple):
        return [n for entry in value for n in _numbers(entry)]
    return [value] if isinstance(value, int) else []


def _replace(
    case: Case,
    shapes: Mapping[str, Shape] | None = None,
    options: Mapping[str, Any] | None = None,
    given: Mapping[str, Any] | None = None,
) -> Case:
    def other(new: Mapping[str, Any] | None, old: Mapping[str, Any]) -> dict[str, Any]:
        return dict(old if new is None else new)

    changed = other(shapes, case.shapes), other(options, case.options), other(given, case.given)
    return Case(*changed, case.positive, case.factors)


def without(case: Case, names: Collection[str]) -> Case:
    """Return the case with these options at their defaults and matching shapes.

    A number of groups without weights, as in group normalisation, has no default, so it stays.

    >>> print(without(Case({"x": (1, 4, 7, 5), "w": (2, 3, 2, 6)}, dict(groups=2, data_format="channels_first")), {"groups"}))
    x (1, 4, 7, 5), w (2, 3, 4, 6), data_format='channels_first'
    """
    shapes, given = dict(case.shapes), dict(case.given)
    if "w" not in shapes:
        names = {*names} - {"groups"}
    if "b" in names and shapes.pop("b", ()):
        given["b"] = None
    if "data_format" in names and case.options.get("data_format") == "channels_first":
        N, C, *size = shapes["x"]
        shapes["x"] = (N, *size, C)
    if "groups" in names and "groups" in case.options:
        *kernel, inputs, outputs = shapes["w"]
        shapes["w"] = (*kernel, inputs * case.options["groups"], outputs)
    return _replace(case, shapes, {n: v for n, v in case.options.items() if n not in names}, given)


def _with_equal_axes(case: Case) -> Case:
    def first(value: Any) -> Any:
        return first(value[0]) if isinstance(value, tuple) else value

    options = {n: first(v) for n, v in case.options.items()}
    return _replace(case, options=options, given={n: first(v) for n, v in case.given.items()})


def _simplified(case: Case, name: str) -> Case:
    """Return the case with simple options: 2 for (2, 2), floats for fractions, no defaults."""

    def simplified(value: Any) -> Any:
        if isinstance(value, tuple) and isinstance(value[0], int) and len(set(value)) == 1:
            return value[0]
        return float(value) if isinstance(value, Fraction) else value

    options = {n: simplified(v) for n, v in case.options.items()}
    given = {n: v[0] if isinstance(v, tuple) and len(v) == 1 else v for n, v in case.given.items()}
    given = {n: float(v) if isinstance(v, Fraction) else v for n, v in given.items()}
    defaults = {n: p.default for n, p in parameters(name).items()}
    return _replace(case, options={n: v for n, v in options.items() if n not in defaults or v != defaults[n]}, given=given)


def _enlarged(operator: Operator, name: str, case: Case) -> Case | None:
    """Return the case with images large enough for refconv to accept it, or None."""
    for _ in range(12):
        if arguments(operator, name, case, counting) is not None:
            return case
        x = case.shapes.get("x", ())
        channels_first = case.options.get("data_format") == "channels_first"
        if len(x) < 3:
            return None
        size = [n + 1 for n in (x[2:] if channels_first else x[1:-1])]
        case = _replace(case, {**case.shapes, "x": (*x[:2], *size) if channels_first else (x[0], *size, x[-1])})
    return None


def arguments(operator: Operator, name: str, case: Case, make: Make, seed: int = 0) -> dict[str, Any] | None:
    """Return the arguments of ``refconv.name`` and of its forward pass in a case.

    Return None if refconv refuses the case.
    """
    a = fill(case, make, seed)
    recorded: dict[str, Any] = {}
    try:
        y = operator.forward(_recorder(operator.name, recorded), a)
        if name != operator.name:
            (derivative,) = [derivative for derivative in operator.derivatives if derivative.name == name]
            dy = make("dy", np.shape(y), np.random.default_rng(seed + 1), False)
            derivative.call(_recorder(name, recorded), a.with_arrays(dy=dy))
    except (TypeError, ValueError):
        return None
    if recorded.get("b", ...) is None:
        del recorded["b"]
    return {n: v[0] if isinstance(v, tuple) and len(v) == 1 and isinstance(v[0], int) else v for n, v in recorded.items()}


def _recorder(name: str, recorded: dict[str, Any]) -> Callable[..., Any]:
    public = getattr(refconv, name)

    def call(*args: Any, **options: Any) -> Any:
        recorded.update(inspect.signature(public).bind(*args, **options).arguments)
        return public(*args, **options)

    return call


def counting(name: str, shape: Shape, rng: np.random.Generator, positive: bool) -> Array:
    """Return 1, 2, 3, …: in order for x, shuffled for all other arrays."""
    numbers = np.arange(1.0, np.prod(shape) + 1)
    return (numbers if name == "x" else rng.permutation(numbers)).reshape(shape)


def equal(name: str, shape: Shape, rng: np.random.Generator, positive: bool) -> Array:
    """Return zeros for x and ones for other arrays, to test ties and the kink of activations."""
    return np.zeros(shape) if name == "x" and not positive else np.ones(shape)


PAIR, PAIRS = "a pair, one number for each axis", "(before, after) pairs"


def forms(case: Case) -> dict[str, str]:
    """Return the form of each option, such as "stride as a number", and the number of axes of x."""
    form_of = {}
    for name, value in {**case.options, **case.given}.items():
        if value is None or isinstance(value, str | bool):
            form_of[name] = f"{name}={value!r}"
        elif isinstance(value, tuple):
            form_of[name] = f"{name} as {PAIRS if isinstance(value[0], tuple) else PAIR if len(value) == 2 else 'a tuple'}"
        else:
            form_of[name] = f"{name} as a number"
    for name in ("x", "logits"):
        if name in case.shapes:
            form_of[name] = f"{name} with {len(case.shapes[name])} axes"
    return form_of


def smaller(case: Case, name: str) -> Iterator[Case]:
    """Yield cases that are one step smaller: an option less, a simpler option or a shorter axis.

    Each axis is shortened once alone and once together with all axes of the same length.
    """
    for option in (*case.options, *(["b"] if "b" in case.shapes else [])):
        if (simpler := without(case, {option})) != case:
            yield _simplified(simpler, name)
    yield _simplified(_with_equal_axes(case), name)
    for n in sorted({n for shape in case.shapes.values() for n in shape if n > 1}, reverse=True):
        for shorter in sorted({1, n // 2, n - 1}):
            yield _resized(case, n, shorter)
            for array, shape in case.shapes.items():
                for axis in [axis for axis, length in enumerate(shape) if length == n]:
                    yield _replace(case, {**case.shapes, array: (*shape[:axis], shorter, *shape[axis + 1 :])})
    yield from _with_narrow_windows(case)
    if set(case.shapes) == {"x"} and case.shapes["x"][:1] == (1,) and len(case.shapes["x"]) > 1:
        yield _replace(case, {"x": case.shapes["x"][1:]})
    for option, value in {**case.options, **case.given}.items():
        for changed in _decremented(value):
            if option in case.options:
                yield _simplified(_replace(case, options={**case.options, option: changed}), name)
            else:
                yield _replace(case, given={**case.given, option: changed})


def _with_narrow_windows(case: Case) -> Iterator[Case]:
    """Yield cases with a window of size 1 along one axis, or with height and width swapped."""
    k, x = case.given.get("kernel_size"), case.shapes.get("x", ())
    if isinstance(k, tuple) and len(k) == 2 and not case.options:
        yield _replace(case, {**case.shapes, "x": (x[0], x[2], x[1], x[3])}, given={**case.given, "kernel_size": k[::-1]})
    first_axis = 2 if case.options.get("data_format") == "channels_first" else 1
    if not isinstance(k, int) or k <= 1 or len(x) != 4:
        return
    for axis in range(2):
        axis_index = first_axis + axis
        window = tuple(1 if other == axis else k for other in range(2))
        shorter = (*x[:axis_index], max(x[axis_index] - k + 1, 1), *x[axis_index + 1 :])
        yield _replace(case, {**case.shapes, "x": shorter}, given={**case.given, "kernel_size": window})


def _resized(case: Case, n: int, shorter: int) -> Case:
    shapes = {name: tuple(shorter if length == n else length for length in shape) for name, shape in case.shapes.items()}
    given = {name: a[:shorter] if isinstance(a, np.ndarray) and len(a) == n else a for name, a in case.given.items()}
    return _replace(case, shapes, given=given)


def _decremented(value: Any) -> Iterator[Any]:
    if isinstance(value, tuple):
        for i, entry in enumerate(value):
            for changed in _decremented(entry):
                yield (*value[:i], changed, *value[i + 1 :])
    elif isinstance(value, int) and not isinstance(value, bool) and value > 0:
        yield value - 1
