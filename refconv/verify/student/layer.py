"""Check of a user's layer: derivatives, shapes, and other properties that networks rely on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from refconv._arguments import generator, integer
from refconv._ascii import echo
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.nn.description import short_repr
from refconv.nn.layer import Layer
from refconv.typing import Array, Shape
from refconv.verify.student.layer_gradients import Comparison, Wrong
from refconv.verify.student.layer_passes import MODES, Subject, built, check_float32, check_mode, check_span, spread

__all__ = ["LayerVerdict", "check_layer"]


@dataclass(frozen=True)
class LayerVerdict:
    """Result of :func:`check_layer`: true if nothing was wrong.

    Parameters
    ----------
    layer : str
        Short repr of the layer.
    kind : str
        What is wrong: "raises", "shape", "type", "modifies", "random", "state", "derivative", "overwrites", "want_dx",
        "inference", "adjoint" or "span"; empty if nothing is wrong.
    words, hint : str
        A sentence about what is wrong, and a guess at the mistake; empty if there is none.
    compared : list of Comparison
        The gradients that agree with central differences.
    report : str
        The report that was printed.
    """

    layer: str
    kind: str
    words: str
    hint: str
    compared: list[Comparison]
    report: str = field(repr=False)

    def __bool__(self) -> bool:
        return not self.kind

    def __str__(self) -> str:
        return self.report


def check_layer(layer: Layer, shape: Shape, *, rng: Any = 0, batch: int = 3, x: Array | None = None) -> LayerVerdict:
    r"""Check the derivatives of a layer and other properties that networks rely on.

    A report is printed. The check runs in float64, for a random ∂e/∂y, in training and in inference:

    - ∂e/∂x and ∂e/∂θ of each trainable parameter agree with central differences,
      :math:`\frac{\partial e}{\partial x_i} \approx \frac{e(x + h u_i) - e(x - h u_i)}{2h}`;
    - if the layer is linear in x, :math:`\langle dy, f(v) - f(0) \rangle = \langle \partial e/\partial x, v \rangle` except
      for rounding;
    - gradients are added to the existing gradients, and they are the same with ``want_dx=False``;
    - the output has the shape that ``output_shape`` returns, ``layer(x)`` equals ``forward(x, train=False)``, and float32
      stays float32;
    - x, dy and the trainable parameters do not change, and passes do not affect each other;
    - in inference, neither pixels outside ``input_span`` nor other examples of the batch have an effect.

    The layer itself does not change: a copy is built, whose parameters are moved away from special values such as 0.

    Parameters
    ----------
    layer : Layer
        The layer or network.
    shape : tuple of int
        Shape of one input, without the batch. Choose different sizes, such as (5, 4, 3), to detect swapped axes.
    rng : numpy.random.Generator or int
        Generator or seed of all random numbers.
    batch : int
        Number of inputs, at least 2.
    x : array (batch, *shape), optional
        The inputs, for a layer that does not accept all numbers. By default distinct numbers between −2 and 2.

    Returns
    -------
    LayerVerdict
        True if nothing was wrong, so ``assert verify.check_layer(layer, shape)`` works in a test. An error that the layer
        raises is part of the report.

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid.

    Examples
    --------
    >>> import numpy as np
    >>> from refconv import nn
    >>> class Square(nn.Layer):
    ...     def output_shape(self, shape):
    ...         return shape
    ...
    ...     def forward(self, x, train=True):
    ...         return x**2, lambda dy: x * dy
    >>> verdict = check_layer(Square(), (2,))
    Square(): wrong in training: ∂e/∂x is not the derivative of forward.
      At [0, 0] backward gives -0.247301, and differences give -0.494601; 6 of 6 elements are wrong.
      Hint: a factor: every element is 0.5 times the expected value.
    >>> bool(verdict), verdict.kind
    (False, 'derivative')

    Source: lecture rows B3 and B4 (SOURCES.md).
    """
    layer, shape, x, rng = _arguments(layer, shape, rng, batch, x)
    name = short_repr(layer)
    mode = ""
    wrong = None
    compared: list[list[Comparison]] = []
    remarks: list[str] = []
    try:
        built_layer = built(layer, shape, rng)
        for train in MODES:
            mode = MODES[train]
            compared.append(check_mode(Subject(built_layer, x, train), rng, remarks))
        mode = ""
        check_float32(built_layer, x)
        check_span(built_layer, x, remarks)
    except Wrong as error:
        wrong = error
    verdict = LayerVerdict(
        name,
        wrong.kind if wrong else "",
        wrong.words if wrong else "",
        wrong.hint if wrong else "",
        [comparison for comparisons in compared for comparison in comparisons],
        _report(name, shape, wrong, mode, compared, remarks),
    )
    echo(verdict)
    return verdict


def _arguments(layer: Layer, shape: Shape, rng: Any, batch: int, x: Array | None) -> tuple[Layer, Shape, Array, Any]:
    if not isinstance(layer, Layer):
        raise ArgumentTypeError(f"layer must be a layer, got {layer!r}")
    try:
        shape = tuple(integer("shape", n) for n in shape)
    except TypeError:
        raise ArgumentTypeError(f"shape must be the shape of one input, such as (5, 4, 3), got {shape!r}") from None
    rng = generator("rng", rng)
    if x is None:
        return layer, shape, spread((integer("batch", batch, least=2), *shape), rng), rng
    x = np.array(x, np.float64)
    if x.shape[1:] != shape or len(x) < 2:
        raise ArgumentValueError(f"x must have shape (2 or more, {', '.join(map(str, shape))}), got {x.shape}")
    return layer, shape, x, rng


def _report(
    name: str, shape: Shape, wrong: Wrong | None, mode: str, compared: list[list[Comparison]], remarks: list[str]
) -> str:
    if wrong:
        where = f" {mode}" if mode else ""
        lines = f"{name}: wrong{where}: {wrong.words}.".splitlines()
        return "\n  ".join([*lines, *([f"Hint: {wrong.hint}."] if wrong.hint else [])])
    lines = [f"{name}: right for inputs of shape {shape}, in training and in inference."]
    for comparisons in zip(*compared, strict=True):
        worst = max(comparisons, key=lambda comparison: comparison.error / comparison.allowed)
        lines.append(
            f"∂e/∂{worst.name}: {worst.elements} elements agree with differences; "
            f"largest error {worst.error:.0e}, allowed {worst.allowed:.0e}."
        )
    return "\n  ".join([*lines, *dict.fromkeys(remarks)])
