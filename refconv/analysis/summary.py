"""Tables of networks: output size, receptive field, parameters and multiply-adds per layer."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from refconv._arguments import choice, integer
from refconv._ascii import echo
from refconv._tables import aligned, size, storage
from refconv.analysis.receptive_field import extent, middle
from refconv.nn.description import Description, Span, built_shape, by, short_name, short_repr
from refconv.nn.layer import Layer, all_layers
from refconv.nn.parameter import is_trained
from refconv.typing import Shape

__all__ = ["Row", "rows", "stages", "summary"]

Before = Callable[[Span], Span | None]


class Row(NamedTuple):
    """Row of the table, with the figures of one layer.

    ``parameters`` counts trainable parameters, and ``untrained`` counts frozen parameters and running averages. The receptive
    field belongs to the middle output pixel; None means the whole input. Layers with ``training_only`` are not used in
    inference.
    """

    name: str
    layer: str
    output: tuple[int, ...]
    parameters: int
    untrained: int
    multiply_adds: int
    receptive_field: tuple[int, ...] | None = None
    training_only: bool = False


def rows(model: Layer, input_shape: Shape) -> list[Row]:
    """Return one row for each innermost layer, in the order of the forward pass.

    A layer that is used twice has two rows, and its parameters are counted in the first. Receptive fields are not computed.
    """
    return list(_rows("", model, tuple(input_shape), set()))


def stages(model: Layer, input_shape: Shape, depth: int = 1) -> list[Row]:
    """Return one row for each layer at a depth; depth 1 is directly inside the network.

    The levels of an encoder-decoder such as U-Net are always expanded, so that each of their parts has a row.
    :class:`refconv.nn.Heads` with its trunk and :class:`refconv.nn.DropPath` are also always expanded.
    """
    depth = integer("depth", depth)
    return list(_stages("", model, tuple(input_shape), depth - 1, lambda span: span, set(), opened=True))


def _rows(name: str, layer: Layer, shape: Shape, counted: set[int]) -> Iterator[Row]:
    inside = list(layer.children(shape))
    for inner_name, inner, at in inside:
        for row in _rows(_dotted(name, inner_name), inner, at, counted):
            yield row._replace(training_only=row.training_only or _is_training_only(inner, layer))
    if not inside:
        yield _row(name, layer, shape, counted)


def _is_training_only(inner: Layer, layer: Layer) -> bool:
    """Return True if an inner layer is not used in inference, like an auxiliary head."""
    return layer.inference_layer is not layer and layer.inference_layer is not inner


def _stages(
    name: str, layer: Layer, shape: Shape, depth: int, before: Before, counted: set[int], opened: bool = False
) -> Iterator[Row]:
    """Yield the rows of a layer.

    ``before(span)`` returns the pixels of the network's input that affect a span of the layer's input. A layer that is
    ``opened`` is replaced by the rows of its inner layers without reducing the depth.
    """
    opened = opened or layer.inference_layer is not layer or _is_encoder_decoder(layer, shape)
    inside = list(_inside(layer, shape, before)) if depth or opened else []
    for inner_name, inner, at, inner_before in inside:
        dotted = _dotted(name, inner_name)
        is_trunk = inner is layer.inference_layer
        for row in _stages(dotted, inner, at, depth - (not opened), inner_before, counted, opened=is_trunk):
            yield row._replace(training_only=row.training_only or _is_training_only(inner, layer))
    if not inside:
        row = _row(name, layer, shape, counted)
        span = _through(before, layer, shape)(middle(layer, row.output)) if row.output[:-1] else None
        yield row._replace(receptive_field=extent(span))


def _inside(layer: Layer, shape: Shape, before: Before) -> Iterator[tuple[str, Layer, Shape, Before]]:
    """Yield the inner layers of a layer, each with its function ``before``.

    A fractal is a single row, so nothing is yielded for it.
    """
    if layer.wiring == "columns":
        return
    for name, inner, at in layer.children(shape):
        yield name, inner, at, _through_all(before, layer.layers_before(name), shape)


def _is_encoder_decoder(layer: Layer, shape: Shape) -> bool:
    """Return True if a layer enlarges images but its output is not larger than its input."""
    enlarges = any(inner.category == "up" for inner in all_layers(layer))
    return enlarges and math.prod(layer.output_shape(shape)[:-1]) <= math.prod(shape[:-1])


def _through(before: Before, layer: Description, shape: Shape) -> Before:
    """Return the function ``before`` for the layer that follows ``layer``."""

    def before_next(span: Span) -> Span | None:
        input_span = layer.input_span(shape, span)
        return None if input_span is None else before(input_span)

    return before_next


def _through_all(before: Before, layers: Sequence[Description] | None, shape: Shape) -> Before:
    """Return the function ``before`` after a chain of layers.

    If the layers are unknown (None), any pixel of the input may have an effect.
    """
    if layers is None:
        return lambda span: None
    for layer in layers:
        before, shape = _through(before, layer, shape), layer.output_shape(shape)
    return before


def _row(name: str, layer: Layer, shape: Shape, counted: set[int]) -> Row:
    """Return the row of a layer; layers that are in ``counted`` add no parameters."""
    new = [(inner, at) for _, inner, at in layer.distinct_layers(shape) if id(inner) not in counted]
    counted.update(id(inner) for inner, _ in new)
    specs = [(inner, name, spec) for inner, at in new for name, spec in inner.specs(at).items() if not spec.counter]
    sizes = [(math.prod(spec.shape), is_trained(inner, name, spec)) for inner, name, spec in specs]
    parameters, untrained = (sum(size for size, trained in sizes if trained is kind) for kind in (True, False))
    innermost = _innermost(layer, shape)
    kind = f"{type(layer).__name__}, {innermost} layers" if innermost else repr(layer)
    return Row(name, kind, tuple(layer.output_shape(shape)), parameters, untrained, layer.multiply_adds(shape))


def _innermost(layer: Layer, shape: Shape) -> int:
    """Return the number of innermost layers in a layer; 0 if it contains no layers."""
    return sum(_innermost(inner, at) or 1 for _, inner, at in layer.children(shape))


def _dotted(name: str, inner: str) -> str:
    return f"{name}.{inner}" if name else inner


def summary(model: Layer, input_shape: Shape | None = None, *, depth: int | None = None, form: str = "text") -> None:
    """Print a table of a network's layers: output sizes, parameters, multiply-adds and memory.

    The column of parameters counts trainable parameters. Frozen parameters and the running averages of batch normalisation are
    counted in a separate column. Layers that are not used in inference, such as auxiliary heads, have a separate total. No
    array is allocated, so the table can be printed for a network of any size.

    Parameters
    ----------
    model : Layer
        The network; it need not be built.
    input_shape : tuple of int, optional
        Shape of one input, without the batch axis; by default the argument of ``build``.
    depth : int, optional
        Depth of the layers with a row, 1 being the layers directly inside the network. Each row then includes the receptive
        field of the middle output pixel. The levels of an encoder-decoder such as U-Net are expanded at any depth. By default
        there is a row for each innermost layer.
    form : str
        "text", "markdown", "csv" or "json". The last two have plain numbers and no totals. In JSON the memory is in bytes, and
        a receptive field of null means the whole input.

    Raises
    ------
    RuntimeError
        If the network is not built and ``input_shape`` is not given.
    ValueError
        If a layer does not accept its input, or ``form`` is unknown.

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
    memory in float32: parameters 624 bytes; activations of one input 35.4 KiB in training, 31.5 KiB at once in inference

    Source: lecture rows M2 and B7 (SOURCES.md).
    """
    choice("form", form, ("text", "markdown", "csv", "json"))
    shape = built_shape(model) if input_shape is None else tuple(input_shape)
    if shape is None:
        raise RuntimeError(f"{short_repr(model)} is not built: call summary with its input_shape, or build(input_shape) first")
    table = rows(model, shape) if depth is None else stages(model, shape, depth)
    fields = depth is not None
    if form == "csv":
        echo(_csv(table, COLUMNS if fields else COLUMNS[:-1]))
    elif form == "json":
        layers = [row._asdict() for row in table]
        if not fields:
            layers = [{name: value for name, value in row.items() if name != "receptive_field"} for row in layers]
        echo(json.dumps({"input": shape, "layers": layers, "memory": _memory(model, shape, table)}, indent=1))
    else:
        untrained = any(row.untrained for row in table)
        shown = [k for k, column in enumerate(COLUMNS) if (column != UNTRAINED or untrained) and (column != FIELD or fields)]
        lines = [[line[k] for k in shown] for line in _cells(shape, table)]
        echo("\n".join([*FORMS[form](lines), "", _memory_text(_memory(model, shape, table))]))


UNTRAINED, FIELD = "not trained", "receptive field"
COLUMNS = ("name", "layer", "output", "parameters", UNTRAINED, "multiply-adds", FIELD)
LEFT_ALIGNED_COLUMNS = (
    3  # number of left-aligned columns, with text and sizes; the other columns contain right-aligned numbers
)


def _text(lines: list[list[str]]) -> list[str]:
    """Return the lines of aligned columns, with rules below the head and above the totals."""
    return aligned(lines, range(LEFT_ALIGNED_COLUMNS), next(k for k, line in enumerate(lines) if line[0] == TOTAL))


def _markdown(lines: list[list[str]]) -> Iterator[str]:
    head, *body = (f"| {' | '.join(line)} |" for line in lines)
    yield from (head, f"| {' | '.join('---' if k < LEFT_ALIGNED_COLUMNS else '---:' for k in range(len(lines[0])))} |", *body)


def _csv(table: list[Row], columns: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in table:
        field = by(row.receptive_field or ())
        values = (row.name, row.layer, by(row.output), row.parameters, row.untrained, row.multiply_adds, field)
        writer.writerow(values[: len(columns)])
    return text.getvalue().rstrip("\n")


FORMS = {"text": _text, "markdown": _markdown}
TOTAL = "total"


def _cells(input_shape: Shape, table: list[Row]) -> list[tuple[str, ...]]:
    """Return the head, the input, the rows and the totals as lists of text.

    The first total is for inference, and the second for layers that are used only in training.
    """
    lines: list[tuple[str, ...]] = [COLUMNS, ("input", "", size(input_shape), "", "", "", "")]
    for row in table:
        field = "all" if row.receptive_field is None else size(row.receptive_field)
        lines.append((short_name(row.name), row.layer, size(row.output), *_numbers([row]), field))
    lines.append((TOTAL, "", "", *_numbers([row for row in table if not row.training_only]), ""))
    if only_training := [row for row in table if row.training_only]:
        lines.append(("only in training", "", "", *_numbers(only_training), ""))
    return lines


def _numbers(table: list[Row]) -> list[str]:
    return [f"{sum(getattr(row, column) for row in table):,}" for column in ("parameters", "untrained", "multiply_adds")]


def _memory(model: Layer, input_shape: Shape, table: list[Row]) -> dict[str, int]:
    """Return the memory in float32 in bytes; only the parameters for inference are counted."""
    elements = {
        "parameters": sum(row.parameters + row.untrained for row in table if not row.training_only),
        "activations_training": model.all_activations(input_shape),
        "activations_inference": model.peak_activations(input_shape),
    }
    return {name: 4 * n for name, n in elements.items()}  # four bytes per element


def _memory_text(memory: dict[str, int]) -> str:
    parameters, training, at_once = map(storage, memory.values())
    return (
        f"memory in float32: parameters {parameters}; activations of one input {training} in training, "
        f"{at_once} at once in inference"
    )
