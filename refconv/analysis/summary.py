"""Networks as tables: output size, receptive field, parameters and multiply-adds of each layer."""

from __future__ import annotations

import csv
import io
import math
from typing import NamedTuple

from refconv._arguments import integer
from refconv._ascii import echo
from refconv._errors import ArgumentValueError
from refconv.analysis.receptive_field import extent, middle
from refconv.nn.layer import Layer, all_layers

__all__ = ["Row", "rows", "stages", "summary"]

MEGABYTE = 2**20


class Row(NamedTuple):
    """One line of the table; what the output's middle pixel sees is None if that is all of the input."""

    name: str
    layer: str
    output: tuple[int, ...]
    parameters: int
    multiply_adds: int
    receptive_field: tuple[int, ...] | None = None


def rows(model: Layer, input_shape) -> list[Row]:
    """One row for each innermost layer, in the order of the forward pass; a layer that is used twice has two rows.

    Its parameters count where it appears first. Receptive fields are left out.
    """
    return list(_rows("", model, tuple(input_shape), set()))


def stages(model: Layer, input_shape, depth=1) -> list[Row]:
    """One row for each layer directly inside of the network; with depth 2, for each inside of those, and so on.

    The levels of an encoder-decoder such as U-Net are opened at any depth, so that each of their parts has a row. So are
    :class:`refconv.nn.Heads` with its trunk, and :class:`refconv.nn.DropPath`.
    """
    depth = integer("depth", depth)
    return list(_stages("", model, tuple(input_shape), depth - 1, lambda span: span, set(), opened=True))


def _rows(name, layer, shape, counted):
    inside = list(layer.children(shape))
    for inner_name, inner, at in inside:
        yield from _rows(_dotted(name, inner_name), inner, at, counted)
    if not inside:
        yield _row(name, layer, shape, counted)


def _stages(name, layer, shape, depth, before, counted, opened=False):
    """Rows of a layer; ``before(span)`` returns the pixels of the network's input that affect a span of the layer's input.

    A layer that is ``opened`` is replaced by the rows of its layers, at no cost of depth.
    """
    opened = opened or layer.inference_layer is not layer or _is_encoder_decoder(layer, shape)
    inside = list(_inside(layer, shape, before)) if depth or opened else []
    for inner_name, inner, at, inner_before in inside:
        whole = inner is layer.inference_layer
        yield from _stages(_dotted(name, inner_name), inner, at, depth - (not opened), inner_before, counted, opened=whole)
    if not inside:
        row = _row(name, layer, shape, counted)
        span = _through(before, layer, shape)(middle(layer, row.output)) if row.output[:-1] else None
        yield row._replace(receptive_field=extent(span))


def _inside(layer, shape, before):
    """The inner layers of a layer, each with what is before it; none of a fractal, which is one row."""
    if layer.wiring == "columns":
        return
    for name, inner, at in layer.children(shape):
        yield name, inner, at, _through_all(before, layer.layers_before(name), shape)


def _is_encoder_decoder(layer, shape):
    """True if images become smaller inside of a layer and then larger again, but not larger than its input."""
    enlarges = any(inner.category == "up" for inner in all_layers(layer))
    return enlarges and math.prod(layer.output_shape(shape)[:-1]) <= math.prod(shape[:-1])


def _through(before, layer, shape):
    """Return the function that ``before`` is for the layer after this one."""

    def further(span):
        span = layer.input_span(shape, span)
        return None if span is None else before(span)

    return further


def _through_all(before, layers, shape):
    """The same for layers that follow each other; if they are unknown, any pixel of the input may have an effect."""
    if layers is None:
        return lambda span: None
    for layer in layers:
        before, shape = _through(before, layer, shape), layer.output_shape(shape)
    return before


def _row(name, layer, shape, counted):
    """A row; layers that were counted before add no parameters."""
    new = {id(inner): (inner, at) for _, inner, at in layer.distinct_layers(shape) if id(inner) not in counted}
    counted.update(new)
    parameters = sum(math.prod(spec.shape) for inner, at in new.values() for spec in inner.specs(at).values())
    innermost = _innermost(layer, shape)
    kind = f"{type(layer).__name__}, {innermost} layers" if innermost else repr(layer)
    return Row(name, kind, layer.output_shape(shape), parameters, layer.multiply_adds(shape))


def _innermost(layer, shape):
    """How many layers without layers inside there are in a layer; 0 if it is one of these itself."""
    return sum(_innermost(inner, at) or 1 for _, inner, at in layer.children(shape))


def _dotted(name, inner):
    return f"{name}.{inner}" if name else inner


def summary(model: Layer, input_shape, *, depth=None, form="text") -> None:
    """Print the network as a table: each layer, its output size, parameters and multiply-adds, and the memory it asks for.

    Nothing is allocated, so the largest network can be looked at.

    Parameters
    ----------
    model : Layer
        The network; it need not be built.
    input_shape : tuple of int
        One input, without the batch.
    depth : int, optional
        A row for each layer at this depth, 1 being those directly in the network, with what its middle output pixel sees of
        the input. Without, a row for each innermost layer.
    form : str
        "text", "markdown" or "csv", the last with bare numbers and without totals.

    Raises
    ------
    ValueError
        If some layer cannot take the input that reaches it, or there is no such form.

    Examples
    --------
    >>> from refconv import nn
    >>> summary(nn.Sequential(conv=nn.Conv2D(6, 5), relu=nn.ReLU(), pool=nn.MaxPool2D(2)), (32, 28, 1))
    name   layer           output       parameters  multiply-adds
    ─────  ──────────────  ───────────  ──────────  ─────────────
    input                  32 × 28 × 1
    conv   Conv2D(6, 5×5)  28 × 24 × 6         156        100,800
    relu   ReLU()          28 × 24 × 6           0              0
    pool   MaxPool2D(2×2)  14 × 12 × 6           0              0
    ─────  ──────────────  ───────────  ──────────  ─────────────
    total                                      156        100,800
    <BLANKLINE>
    float32: parameters 0.0 MiB; of one input all activations 0.0 MiB, at most 0.0 MiB of them at once in inference

    Source: M2, B7.
    """
    if form not in FORMS:
        raise ArgumentValueError(f"form must be one of {', '.join(map(repr, FORMS))}, got {form!r}")
    found = rows(model, input_shape) if depth is None else stages(model, input_shape, depth)
    columns = COLUMNS if depth is not None else COLUMNS[:-1]
    echo(FORMS[form](model, tuple(input_shape), found, columns))


COLUMNS = ("name", "layer", "output", "parameters", "multiply-adds", "receptive field")
LEFT = 3  # columns of words and sizes; numbers are aligned at their right


def _text(model, input_shape, found, columns):
    lines = _cells(input_shape, found, columns)
    head, *body, total = lines
    widths = [max(len(line[k]) for line in lines) for k in range(len(columns))]
    rule = ["─" * width for width in widths]
    aligned = [
        "  ".join(cell.ljust(w) if k < LEFT else cell.rjust(w) for k, (cell, w) in enumerate(zip(line, widths, strict=True)))
        for line in [head, rule, *body, rule, total]
    ]
    return "\n".join([*(line.rstrip() for line in aligned), "", _memory(model, input_shape, found)])


def _markdown(model, input_shape, found, columns):
    head, *body = (f"| {' | '.join(line)} |" for line in _cells(input_shape, found, columns))
    rule = f"| {' | '.join('---' if k < LEFT else '---:' for k in range(len(columns)))} |"
    return "\n".join([head, rule, *body, "", _memory(model, input_shape, found)])


def _csv(model, input_shape, found, columns):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in found:
        field = "×".join(map(str, row.receptive_field or ()))
        values = (row.name, row.layer, "×".join(map(str, row.output)), row.parameters, row.multiply_adds, field)
        writer.writerow(values[: len(columns)])
    return text.getvalue().rstrip("\n")


FORMS = {"text": _text, "markdown": _markdown, "csv": _csv}


def _cells(input_shape, found, columns):
    """All lines as words: the head, the input, the rows, the total."""
    lines = [COLUMNS, ("input", "", _size(input_shape), "", "", "")]
    for row in found:
        field = "all" if row.receptive_field is None else _size(row.receptive_field)
        numbers = f"{row.parameters:,}", f"{row.multiply_adds:,}"
        lines.append((row.name, row.layer, _size(row.output), *numbers, field))
    total = (f"{sum(getattr(row, column) for row in found):,}" for column in ("parameters", "multiply_adds"))
    lines.append(("total", "", "", *total, ""))
    return [line[: len(columns)] for line in lines]


def _memory(model, input_shape, found):
    """What it takes in float32, four bytes a number."""
    numbers = sum(row.parameters for row in found), model.all_activations(input_shape), model.peak_activations(input_shape)
    parameters, everything, at_once = (f"{4 * n / MEGABYTE:,.1f} MiB" for n in numbers)
    return (
        f"float32: parameters {parameters}; of one input all activations {everything}, "
        f"at most {at_once} of them at once in inference"
    )


def _size(shape):
    return " × ".join(map(str, shape))
