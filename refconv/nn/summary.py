"""A network as a table: what each layer makes, and what it costs."""

from __future__ import annotations

from typing import NamedTuple

from refconv.nn.layer import Layer

__all__ = ["Row", "rows", "summary"]


class Row(NamedTuple):
    """One line of the table."""

    name: str
    layer: str
    output: tuple[int, ...]
    parameters: int
    multiply_adds: int


def rows(model: Layer, input_shape) -> list[Row]:
    """One row for each innermost layer, in the order of the forward pass; a layer that is used twice has two rows.

    Its parameters count where it appears first.
    """
    seen = set()
    return list(_rows("", model, tuple(input_shape), seen))


def _rows(name, layer, shape, seen):
    inside = list(layer.children(shape))
    for inner_name, inner, inner_shape in inside:
        yield from _rows(f"{name}.{inner_name}" if name else inner_name, inner, inner_shape, seen)
    if not inside:
        parameters = 0 if id(layer) in seen else layer.count_parameters(shape)
        seen.add(id(layer))
        yield Row(name, repr(layer), layer.output_shape(shape), parameters, layer.multiply_adds(shape))


def summary(model: Layer, input_shape) -> None:
    """Print the network as a table: each layer, its output size, parameters and multiply-adds.

    Nothing is allocated, so the largest network can be looked at.

    Parameters
    ----------
    model : Layer
        The network; it need not be built.
    input_shape : tuple of int
        One input, without the batch.

    Raises
    ------
    ValueError
        If some layer cannot take the input that reaches it.

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

    Source: M2, B7.
    """
    table = rows(model, input_shape)
    lines = [("name", "layer", "output", "parameters", "multiply-adds"), None]
    lines.append(("input", "", _size(input_shape), "", ""))
    lines += [(r.name, r.layer, _size(r.output), f"{r.parameters:,}", f"{r.multiply_adds:,}") for r in table]
    parameters, multiply_adds = (sum(getattr(r, column) for r in table) for column in ("parameters", "multiply_adds"))
    lines += [None, ("total", "", "", f"{parameters:,}", f"{multiply_adds:,}")]
    widths = [max(len(line[k]) for line in lines if line) for k in range(5)]
    for line in lines:
        cells = line or ["─" * width for width in widths]
        aligned = [cell.ljust(w) if k < 3 else cell.rjust(w) for k, (cell, w) in enumerate(zip(cells, widths, strict=True))]
        print("  ".join(aligned).rstrip())


def _size(shape):
    return " × ".join(map(str, shape))
