"""Forward and backward passes of a layer under check, and the properties they must have."""

from __future__ import annotations

import copy
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from refconv.nn.layer import Layer, Parameter, call_backward, is_channels_first
from refconv.typing import Array, Shape
from refconv.verify.student.layer_gradients import Comparison, Wrong, compare, tolerance

__all__ = ["MODES", "Subject", "built", "check_float32", "check_mode", "check_span", "spread"]

PACKAGE = Path(__file__).parents[2]
ROUNDING = 1e-12  # relative rounding error of float64 sums of a few hundred products
MODES = {True: "in training", False: "in inference"}


def spread(shape: Shape, rng: np.random.Generator) -> Array:
    """Return distinct numbers around zero, further apart than a step, to avoid crossing kinks."""
    count = int(np.prod(shape))
    return rng.permutation(np.linspace(-2, 2, count) + 0.37 / max(count, 1)).reshape(shape)


@contextmanager
def _calling(call: str) -> Iterator[None]:
    """Convert an exception of the layer to :class:`Wrong`, which names the call and the line."""
    try:
        yield
    except Wrong:
        raise
    except Exception as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if PACKAGE not in Path(frame.filename).parents]
        where = f", in line {frames[-1].lineno}: {frames[-1].line}" if frames and frames[-1].line else ""
        raise Wrong("raises", f"{call} raises {type(error).__name__}: {error}{where}") from None


def built(layer: Layer, shape: Shape, rng: np.random.Generator) -> Layer:
    """Return a built copy of the layer in float64, whose parameters have no special values."""
    layer_copy = copy.deepcopy(layer)
    with _calling("build"):
        if not layer_copy.is_built or layer_copy.input_shape != shape:
            layer_copy.build(shape, rng, np.float64)
        layer_copy.unfreeze()
        for parameter in layer_copy.named_parameters().values():
            parameter.replace_array(parameter.value + _perturbation(parameter, rng))
    return layer_copy


def _perturbation(parameter: Parameter, rng: np.random.Generator) -> Array:
    """Return random numbers that move a parameter away from 0 and 1.

    They are positive for a parameter that is not trainable, since it may be a variance.
    """
    shape = parameter.value.shape
    change: Array = rng.uniform(0.1, 0.6, shape)
    if parameter.trainable:
        change *= rng.choice([-1.0, 1.0], shape) / np.sqrt(np.prod(shape[:-1]))
    return change


@dataclass(frozen=True)
class Subject:
    """Built layer with its inputs and the mode of its passes.

    Each pass runs on a new copy, so a layer that draws random numbers draws the same numbers again.
    """

    layer: Layer
    x: Array
    train: bool

    def copy(self) -> Layer:
        """Return a copy of the layer with its parameters and the state of its generators."""
        return copy.deepcopy(self.layer)

    def forward(self, layer: Layer, x: Array) -> tuple[Any, Any]:
        """Return the output and the backward function of one pass."""
        with _calling(f"forward(x, train={self.train})"):
            result = layer.forward(x, self.train)
            if not (isinstance(result, tuple) and len(result) == 2 and callable(result[1])):
                raise Wrong("type", f"forward must return the output and a backward function, got {type(result).__name__}")
            return result

    def output(self, name: str = "x", value: Array | None = None) -> Any:
        """Return the output for another x or another value of the parameter of this name."""
        layer = self.copy()
        if name != "x":
            layer.named_parameters()[name].value[...] = value
        return self.forward(layer, (self.x if value is None or name != "x" else value).copy())[0]


def _parts(y: Any) -> tuple[Array, ...]:
    return y if isinstance(y, tuple) else (y,)


def _inner(a: Any, b: Any) -> float:
    return float(sum(np.sum(p * q) for p, q in zip(_parts(a), _parts(b), strict=True)))


def _random_like(y: Any, rng: np.random.Generator) -> Any:
    """Return random numbers with the shape of an output, which may be a tuple."""
    parts = tuple(rng.standard_normal(part.shape) for part in _parts(y))
    return parts if isinstance(y, tuple) else parts[0]


def _same(a: Any, b: Any) -> bool:
    return all(np.array_equal(p, q, equal_nan=True) for p, q in zip(_parts(a), _parts(b), strict=True))


def check_mode(subject: Subject, rng: np.random.Generator, remarks: list[str]) -> list[Comparison]:
    """Check all properties for one mode and return the compared gradients."""
    y = subject.output()
    _check_output(subject, y)
    dy = _random_like(y, rng)
    scale = 1 + sum(float(np.sum(np.abs(p * q))) for p, q in zip(_parts(dy), _parts(y), strict=True))
    initial = _initial_gradients(subject, scale, rng)
    dx, gradients = _backward(subject, dy, initial)
    compared = [compare("x", dx, lambda value: _inner(dy, subject.output("x", value)), subject.x, scale, rng)]
    for name, gradient in gradients.items():

        def e(value: Array, name: str = name) -> float:
            return _inner(dy, subject.output(name, value))

        at = subject.layer.named_parameters()[name].value
        try:
            compared.append(compare(name, gradient - initial[name], e, at, scale, rng))
        except Wrong:
            _check_added(name, gradient, e, at, scale)
            raise
    _check_linear(subject, dy, dx, rng, remarks)
    if not subject.train:
        _check_call(subject, y)
        _check_examples(subject, y)
    return compared


def _check_output(subject: Subject, y: Any) -> None:
    """Check the shape and type of the output, and that two passes of equal copies agree."""
    if not all(isinstance(part, np.ndarray) for part in _parts(y)):
        raise Wrong("type", f"forward must return an array, got {type(y).__name__}")
    with _calling(f"output_shape({subject.x.shape[1:]})"):
        predicted_shape = tuple(subject.layer.output_shape(subject.x.shape[1:]))
    if (shape := _parts(y)[0].shape) != (len(subject.x), *predicted_shape):
        message = (
            f"output_shape({subject.x.shape[1:]}) returns {predicted_shape}, and {len(subject.x)} outputs have shape {shape}"
        )
        raise Wrong("shape", message)
    if not _same(y, subject.output()):
        hint = "draw random numbers from a generator that the layer creates in make(shape, rng, dtype)"
        raise Wrong("random", "two equal copies of the layer return different outputs for the same x", hint)


def _initial_gradients(subject: Subject, scale: float, rng: np.random.Generator) -> dict[str, Array]:
    """Return an initial gradient for each parameter, large enough that overwriting is detected."""
    trainable = {name: p for name, p in subject.layer.named_parameters().items() if p.trainable}
    unit = max(1.0, 100 * tolerance(scale))
    return {name: unit * rng.integers(1, 6, p.value.shape) for name, p in trainable.items()}


def _backward(subject: Subject, dy: Any, initial: dict[str, Array]) -> tuple[Array, dict[str, Array]]:
    """Return ∂e/∂x and the gradients after backward, whose results must agree in several calls."""
    dx, gradients = _one_backward(subject, dy, initial)
    dx_again, again = _one_backward(subject, dy, initial, other_pass=True)
    changed = [] if _same(dx, dx_again) else ["x"]
    changed += [name for name, gradient in gradients.items() if not _same(gradient, again[name])]
    if changed:
        hint = "keep the arrays that the derivative needs in the closure of backward, not in the layer"
        raise Wrong("state", f"∂e/∂{changed[0]} changes if another forward pass runs between forward and backward", hint)
    _, without = _one_backward(subject, dy, initial, want_dx=False)
    for name, gradient in gradients.items():
        if not np.allclose(without[name], gradient, rtol=ROUNDING, atol=ROUNDING):
            raise Wrong("want_dx", f"with want_dx=False, backward adds different numbers to the gradient of {name}")
    return dx, gradients


def _one_backward(
    subject: Subject, dy: Any, initial: dict[str, Array], other_pass: bool = False, want_dx: bool = True
) -> tuple[Array, dict[str, Array]]:
    layer, x = subject.copy(), subject.x.copy()
    parameters = {name: p for name, p in layer.named_parameters().items() if name in initial}
    for name, parameter in parameters.items():
        parameter.grad[...] = initial[name]
    y, backward = subject.forward(layer, x)
    y_before = copy.deepcopy(y)
    if other_pass:
        subject.forward(layer, np.roll(subject.x, 1))
    passed = copy.deepcopy(dy)
    with _calling("backward(dy)" if want_dx else "backward(dy, want_dx=False)"):
        dx = call_backward(backward, passed, want_dx)
    for name, current, original in (("x", x, subject.x), ("dy", passed, dy), ("its output", y, y_before)):
        if not _same(current, original):
            raise Wrong("modifies", f"a pass changes {name} in place", f"work on a copy, and avoid {name} += …")
    for name, parameter in parameters.items():
        if not np.array_equal(parameter.value, subject.layer.named_parameters()[name].value):
            raise Wrong("modifies", f"a pass changes the value of the parameter {name}", "only optimisers change parameters")
    if want_dx and not isinstance(dx, np.ndarray):
        raise Wrong("type", f"backward must return ∂e/∂x, an array, got {type(dx).__name__}")
    return dx, {name: parameter.grad.copy() for name, parameter in parameters.items()}


def _check_added(name: str, gradient: Array, e: Callable[[Array], float], at: Array, scale: float) -> None:
    """Raise :class:`Wrong` if backward overwrites the gradient instead of adding to it."""
    try:
        compare(name, gradient, e, at, scale, np.random.default_rng(0))
    except Wrong:
        return
    hint = f'write parameters["{name.rpartition(".")[2]}"].grad += …: the layer may be used twice, or for several batches'
    raise Wrong("overwrites", f"backward overwrites the gradient of {name} instead of adding to it", hint)


def _check_linear(subject: Subject, dy: Any, dx: Array, rng: np.random.Generator, remarks: list[str]) -> None:
    """Check ⟨dy, f(v) − f(0)⟩ = ⟨∂e/∂x, v⟩ if f(x + v) − f(v) = f(x) − f(0).

    This is more exact than differences.
    """
    v = _random_like(subject.x, rng)
    try:
        at_sum, at_x, at_v, at_zero = (subject.output("x", value) for value in (subject.x + v, subject.x, v, 0 * v))
    except Wrong:
        return  # the layer does not accept these numbers
    sides = zip(*map(_parts, (at_sum, at_x, at_v, at_zero)), strict=True)
    if not all(np.allclose(a - c, b - d, rtol=ROUNDING, atol=ROUNDING) for a, b, c, d in sides):
        return
    inner_forward, inner_backward = _inner(dy, at_v) - _inner(dy, at_zero), _inner(dx, v)
    if not abs(inner_forward - inner_backward) <= ROUNDING * max(1.0, float(np.sum(np.abs(dx * v)))):
        raise Wrong(
            "adjoint", f"forward is linear in x, and ⟨dy, f(v) − f(0)⟩ is {inner_forward}, but ⟨∂e/∂x, v⟩ is {inner_backward}"
        )
    remarks.append(
        f"Linear in x {MODES[subject.train]}: ⟨dy, f(v) − f(0)⟩ = ⟨∂e/∂x, v⟩ to {abs(inner_forward - inner_backward):.0e}."
    )


def _check_call(subject: Subject, y: Any) -> None:
    """Check that ``layer(x)`` returns the output of inference and changes nothing."""
    layer, x = subject.copy(), subject.x.copy()
    with _calling("layer(x)"):
        called = layer(x)
    if not isinstance(called, np.ndarray) or not _same(called, y):
        raise Wrong("inference", "layer(x) does not return the output of forward(x, train=False)")
    if not np.array_equal(x, subject.x):
        raise Wrong("modifies", "layer(x) changes x in place", "work on a copy, and avoid x += …")
    for name, parameter in layer.named_parameters().items():
        if not np.array_equal(parameter.value, subject.layer.named_parameters()[name].value):
            raise Wrong("inference", f"layer(x) changes the parameter {name}, which only training may change")


def _check_examples(subject: Subject, y: Any) -> None:
    """Check that in inference the output for an example does not depend on other examples."""
    single_output = subject.output("x", subject.x[:1])
    if not all(
        np.allclose(a, b[:1], rtol=ROUNDING, atol=ROUNDING, equal_nan=True)
        for a, b in zip(_parts(single_output), _parts(y), strict=True)
    ):
        message = "the output of the first example changes if it is the only one in the batch"
        raise Wrong("inference", message, "in inference, do not compute sums or means over the first axis, the batch")


def check_float32(layer: Layer, x: Array) -> None:
    """Check that float32 stays float32, since layers refuse mixed dtypes."""
    layer = copy.deepcopy(layer)
    for parameter in layer.named_parameters().values():
        parameter.replace_array(parameter.value.astype(np.float32))
    subject = Subject(layer, x.astype(np.float32), train=True)
    y, backward = subject.forward(layer, subject.x.copy())
    with _calling("backward(dy)"):
        dx = backward(copy.deepcopy(y))
    for name, part in (*(("the output", part) for part in _parts(y)), ("∂e/∂x", dx)):
        if part.dtype != np.float32:
            raise Wrong(
                "type",
                f"x is float32, but {name} is {part.dtype}",
                "the next layer requires float32: allocate arrays with x.dtype",
            )


def check_span(layer: Layer, x: Array, remarks: list[str]) -> None:
    """Check that the middle output pixel depends on no input pixel outside ``input_span``."""
    subject = Subject(layer, x, train=False)
    shape = x.shape[1:]
    y = subject.output()
    if len(shape) < 2 or isinstance(y, tuple) or y.ndim != x.ndim:
        return
    axes = slice(2, None) if is_channels_first(layer) else slice(1, -1)
    channel = 0 if is_channels_first(layer) else -1
    middle = tuple((n // 2, n // 2) for n in y.shape[axes])
    with _calling("input_span"):
        span = layer.input_span(shape, middle)
    dy = np.zeros_like(y)
    index = [slice(None)] * y.ndim
    index[axes] = [low for low, _ in middle]
    dy[tuple(index)] = np.random.default_rng(1).uniform(1, 2, dy[tuple(index)].shape)
    dx, _ = _one_backward(subject, dy, {})
    affected = np.nonzero(np.abs(dx).sum((0, channel if channel else 1)))
    reached = tuple((int(k.min()), int(k.max())) for k in affected) if len(affected[0]) else ()
    outside = [r for r, s in zip(reached, span or reached, strict=True) if r[0] < s[0] or r[1] > s[1]]
    if outside:
        raise Wrong("span", f"input_span(…, {middle}) returns {span}, but the output depends on pixels {reached}")
    if span is None and reached == middle and y.shape[axes] == x.shape[axes] and min(x.shape[axes]) > 1:
        remarks.append(
            "Note: each output pixel seems to depend only on the same pixel of x; if so, let input_span return span."
        )
