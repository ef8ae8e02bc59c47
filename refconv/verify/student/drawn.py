"""Cases for a student's function: drawn for the operator, with the options that the function accepts."""

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
MOST_ELEMENTS = 300  # of a case: its loops take some hundredths of a second


def drawn(operator: Operator, name: str, signature: Signature) -> list[Case]:
    """Cases with all options at their defaults, with one of them changed, and with all; the plainest first.

    Options that the function does not take stay at their defaults. Each form of an option, such as padding='same', gets
    cases of its own.
    """
    varied = {"b", *signature.options, *signature.without}
    kept: dict[tuple[Any, ...], dict[str, Case]] = {}
    draws = _draws(operator)
    for options, most in _levels(signature.options):
        level = options | ({"b"} & signature.demanded.keys())
        for case in draws:
            for variant in _variants(without(case, varied - level - _always(name)), name, signature):
                if level <= {"b", *variant.options} and _suits(variant, operator.name, signature):
                    said = forms(variant)
                    ways = [said.get(n) for n in sorted({"mode", *level})] if len(level) < 3 else []
                    key = (most, frozenset(level), *ways, *_peculiar(variant, operator.name))
                    kept.setdefault(key, {})[str(variant)] = variant
    chosen = [case for key, cases in kept.items() for case in _spread(sorted(cases.values(), key=measure), key[0])]
    fitting = [_fitting(operator, name, case) for case in chosen]
    return sorted({str(case): case for case in fitting if case}.values(), key=measure)


def _levels(options: Sequence[str]) -> Iterator[tuple[set[str], int]]:
    """Sets of options that are changed together, and how many cases each of their forms gets."""
    yield set(), 16
    for option in options:
        yield {option}, 5
    if len(options) > 1:
        yield set(options), 24
    # What 'same' pads depends on these.
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


def _always(name: str) -> set[str]:
    """Return the options without a default, which always vary."""
    return {n for n, p in parameters(name).items() if p.default is p.empty}


def _variants(case: Case, name: str, signature: Signature) -> Iterator[Case]:
    """The case; with one number for all axes; with each kind of padding, if it has one; with as many outputs as inputs."""
    case = _normal(case, name)
    yield case
    yield _normal(_same_along_all_axes(case), name)
    for padding in PADDINGS["1d" in name] if "padding" in case.options else ():
        yield _with(case, options={**case.options, "padding": padding})
    x, w = case.shapes.get("x", ()), case.shapes.get("w", ())
    channels = x[-1] if x else 0
    if len(w) > 1 and channels in w[-2:] and "groups" not in case.options:
        shapes = {**case.shapes, "w": (*w[:-2], channels, channels)}
        yield _with(case, shapes={**shapes, "b": (channels,)} if "b" in shapes else shapes)


def _suits(case: Case, name: str, signature: Signature) -> bool:
    """Whether the case is one that a student means, and what the function does not take follows from the rest."""
    if not all(case.shapes.values()) or not case.elements or case.elements > MOST_ELEMENTS:
        return False
    if not {"input_size", "kernel_size"} & {*signature.missing} or {"x", "w"} <= signature.takes:
        return True
    if "input_size" in signature.missing and "x" not in signature.takes:
        return _leaves_nothing_over(case, name)
    same = str(case.options.get("padding")).startswith("same")
    return "w" in signature.takes or (not same and _leaves_nothing_over(case, name))


def _leaves_nothing_over(case: Case, name: str) -> bool:
    """Whether the last window ends where the padded image ends, so that one size follows from the other."""
    options, size = case.options, _size(case)
    window = Window(_kernel(case), _stride(case, name), options.get("padding", "valid"), options.get("dilation", 1))
    try:
        return window.transposed_output_size(window.output_size(size)) == size
    except ValueError:
        return False


def _peculiar(case: Case, name: str) -> tuple[Any, ...]:
    """What a window does at the edges: whether padding is uneven, and whether the last window hangs over."""
    if not isinstance(case.options.get("padding", case.options.get("ceil_mode")), str | bool):
        return ()
    if "x" not in case.shapes or not _kernel(case):
        return ()
    options, size, kernel = case.options, _size(case), _kernel(case)
    steps = (_stride(case, name), options.get("padding", "valid"), options.get("dilation", 1))
    try:
        down, up = Window(kernel, *steps), Window(kernel, *steps, options.get("ceil_mode", False))
        uneven = any(before != after for before, after in down.pads(size))
        return uneven, up.output_size(size) != down.output_size(size)
    except ValueError:
        return ()


def _size(case: Case) -> Shape:
    return case.shapes["x"][2:] if case.options.get("data_format") == "channels_first" else case.shapes["x"][1:-1]


def _kernel(case: Case) -> Shape:
    kernel = case.given.get("kernel_size", case.shapes.get("w", ())[: len(_size(case))])
    return kernel if isinstance(kernel, tuple) else (kernel,) * len(_size(case))


def _stride(case: Case, name: str) -> Any:
    """The stride of a case of this operator; pools without one step by the size of their kernel."""
    default = _kernel(case) if name.startswith(("avg_pool", "max_pool")) else 1
    return case.options.get("stride", default)


def _spread(cases: Sequence[Case], most: int) -> list[Case]:
    """Return at most this number of cases, evenly from the smallest to the largest."""
    picked = np.unique(np.linspace(0, len(cases) - 1, min(most, len(cases))).astype(int))
    return [cases[i] for i in picked]


def measure(case: Case) -> tuple[Any, ...]:
    """By what one case is smaller than another: fewer options count most, then fewer numbers, fewer axes, smaller options."""
    numbers = [n for value in {**case.options, **case.given}.values() for n in _numbers(value)]
    axes = sum(map(len, case.shapes.values()))
    return len(case.options) + ("b" in case.shapes), case.elements, axes, sum(numbers), str(case)


def _numbers(value: Any) -> list[int]:
    if isinstance(value, tuple):
        return [n for entry in value for n in _numbers(entry)]
    return [value] if isinstance(value, int) else []


def _with(
    case: Case,
    shapes: Mapping[str, Shape] | None = None,
    options: Mapping[str, Any] | None = None,
    given: Mapping[str, Any] | None = None,
) -> Case:
    def other(new: Mapping[str, Any] | None, old: Mapping[str, Any]) -> dict[str, Any]:
        return dict(old if new is None else new)

    return Case(other(shapes, case.shapes), other(options, case.options), other(given, case.given), case.positive)


def without(case: Case, names: Collection[str]) -> Case:
    """The case with these options at their defaults; the shapes follow.

    >>> print(without(Case({"x": (1, 4, 7, 5), "w": (2, 3, 2, 6)}, dict(groups=2, data_format="channels_first")), {"groups"}))
    x (1, 4, 7, 5), w (2, 3, 4, 6), data_format='channels_first'
    """
    shapes, given = dict(case.shapes), dict(case.given)
    if "b" in names and shapes.pop("b", ()):
        given["b"] = None
    if "data_format" in names and case.options.get("data_format") == "channels_first":
        N, C, *size = shapes["x"]
        shapes["x"] = (N, *size, C)
    if "groups" in names and "groups" in case.options:
        *kernel, inputs, outputs = shapes["w"]
        shapes["w"] = (*kernel, inputs * case.options["groups"], outputs)
    return _with(case, shapes, {n: v for n, v in case.options.items() if n not in names}, given)


def _same_along_all_axes(case: Case) -> Case:
    def first(value: Any) -> Any:
        return first(value[0]) if isinstance(value, tuple) else value

    options = {n: first(v) for n, v in case.options.items()}
    return _with(case, options=options, given={n: first(v) for n, v in case.given.items()})


def _normal(case: Case, name: str) -> Case:
    """Options as one writes them: 2 for (2, 2), floats for fractions, and none that is the default."""

    def plain(value: Any) -> Any:
        if isinstance(value, tuple) and isinstance(value[0], int) and len(set(value)) == 1:
            return value[0]
        return float(value) if isinstance(value, Fraction) else value

    options = {n: plain(v) for n, v in case.options.items()}
    given = {n: v[0] if isinstance(v, tuple) and len(v) == 1 else v for n, v in case.given.items()}
    given = {n: float(v) if isinstance(v, Fraction) else v for n, v in given.items()}
    defaults = {n: p.default for n, p in parameters(name).items()}
    return _with(case, options={n: v for n, v in options.items() if n not in defaults or v != defaults[n]}, given=given)


def _fitting(operator: Operator, name: str, case: Case) -> Case | None:
    """The case, with images as much larger as they must be for refconv to take them; None if that does not help."""
    for _ in range(12):
        if arguments(operator, name, case, counting) is not None:
            return case
        x, first = case.shapes.get("x", ()), case.options.get("data_format") == "channels_first"
        if len(x) < 3:
            return None
        size = [n + 1 for n in (x[2:] if first else x[1:-1])]
        case = _with(case, {**case.shapes, "x": (*x[:2], *size) if first else (x[0], *size, x[-1])})
    return None


def arguments(operator: Operator, name: str, case: Case, make: Make, seed: int = 0) -> dict[str, Any] | None:
    """What ``refconv.name`` is called with in a case, and the forward pass before it; None if it refuses the case."""
    a = fill(case, make, seed)
    seen: dict[str, Any] = {}
    try:
        y = operator.forward(_spy(operator.name, seen), a)
        if name != operator.name:
            (derivative,) = [derivative for derivative in operator.derivatives if derivative.name == name]
            dy = make("dy", np.shape(y), np.random.default_rng(seed + 1), False)
            derivative.call(_spy(name, seen), a.with_arrays(dy=dy))
    except (TypeError, ValueError):
        return None
    if seen.get("b", ...) is None:
        del seen["b"]
    return {n: v[0] if isinstance(v, tuple) and len(v) == 1 and isinstance(v[0], int) else v for n, v in seen.items()}


def _spy(name: str, seen: dict[str, Any]) -> Callable[..., Any]:
    public = getattr(refconv, name)

    def call(*args: Any, **options: Any) -> Any:
        seen.update(inspect.signature(public).bind(*args, **options).arguments)
        return public(*args, **options)

    return call


def counting(name: str, shape: Shape, rng: np.random.Generator, positive: bool) -> Array:
    """1, 2, 3, …: in order in x, shuffled in every other array."""
    numbers = np.arange(1.0, np.prod(shape) + 1)
    return (numbers if name == "x" else rng.permutation(numbers)).reshape(shape)


def equal(name: str, shape: Shape, rng: np.random.Generator, positive: bool) -> Array:
    """x all 0 and everything else all 1: ties everywhere, and x on the kink of every activation."""
    return np.zeros(shape) if name == "x" and not positive else np.ones(shape)


PAIR, PAIRS = "a pair, one number for each axis", "(before, after) pairs"


def forms(case: Case) -> dict[str, str]:
    """How each option of a case is said, such as "padding='same'", "stride as a number"; and how many axes x has."""
    said = {}
    for name, value in {**case.options, **case.given}.items():
        if isinstance(value, str | bool):
            said[name] = f"{name}={value!r}"
        elif isinstance(value, tuple):
            said[name] = f"{name} as {PAIRS if isinstance(value[0], tuple) else PAIR if len(value) == 2 else 'a tuple'}"
        elif value is not None:
            said[name] = f"{name} as a number"
    for name in ("x", "logits"):
        if name in case.shapes:
            said[name] = f"{name} with {len(case.shapes[name])} axes"
    return said


def smaller(case: Case, name: str) -> Iterator[Case]:
    """Cases a step smaller: an option less, a plainer one, or a shorter axis, wherever that length occurs or only there."""
    for option in (*case.options, *(["b"] if "b" in case.shapes else [])):
        yield _normal(without(case, {option}), name)
    yield _normal(_same_along_all_axes(case), name)
    for n in sorted({n for shape in case.shapes.values() for n in shape if n > 1}, reverse=True):
        for less in sorted({1, n // 2, n - 1}):
            yield _resized(case, n, less)
            for array, shape in case.shapes.items():
                for axis in [axis for axis, length in enumerate(shape) if length == n]:
                    yield _with(case, {**case.shapes, array: (*shape[:axis], less, *shape[axis + 1 :])})
    yield from _narrower(case)
    if set(case.shapes) == {"x"} and case.shapes["x"][:1] == (1,) and len(case.shapes["x"]) > 1:
        yield _with(case, {"x": case.shapes["x"][1:]})
    for option, value in {**case.options, **case.given}.items():
        for changed in _less(value):
            if option in case.options:
                yield _normal(_with(case, options={**case.options, option: changed}), name)
            else:
                yield _with(case, given={**case.given, option: changed})


def _narrower(case: Case) -> Iterator[Case]:
    """One number for both axes of a window taken apart: 1 along one of them, and the image as much shorter; or turned."""
    k, x = case.given.get("kernel_size"), case.shapes.get("x", ())
    if isinstance(k, tuple) and len(k) == 2 and not case.options:
        yield _with(case, {**case.shapes, "x": (x[0], x[2], x[1], x[3])}, given={**case.given, "kernel_size": k[::-1]})
    first = 2 if case.options.get("data_format") == "channels_first" else 1
    if not isinstance(k, int) or k <= 1 or len(x) != 4:
        return
    for axis in range(2):
        at = first + axis
        window = tuple(1 if other == axis else k for other in range(2))
        shorter = (*x[:at], max(x[at] - k + 1, 1), *x[at + 1 :])
        yield _with(case, {**case.shapes, "x": shorter}, given={**case.given, "kernel_size": window})


def _resized(case: Case, n: int, less: int) -> Case:
    shapes = {name: tuple(less if length == n else length for length in shape) for name, shape in case.shapes.items()}
    given = {name: a[:less] if isinstance(a, np.ndarray) and len(a) == n else a for name, a in case.given.items()}
    return _with(case, shapes, given=given)


def _less(value: Any) -> Iterator[Any]:
    if isinstance(value, tuple):
        for i, entry in enumerate(value):
            for changed in _less(entry):
                yield (*value[:i], changed, *value[i + 1 :])
    elif isinstance(value, int) and not isinstance(value, bool) and value > 0:
        yield value - 1
