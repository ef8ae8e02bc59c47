"""How much memory the values inside of a network take."""

from __future__ import annotations

import math
from functools import singledispatch

from refconv.nn import branches, combinators, dense, dropout, fractal, heads, transfer
from refconv.nn.layer import Layer

__all__ = ["all_values", "values_at_once"]


def all_values(layer: Layer, shape) -> int:
    """How many numbers all layers make of one input together: a training step keeps them for the way back.

    What branches are joined to counts as well. Layers that pass on what they got, such as :class:`Flatten`, make none.

    >>> from refconv import nn
    >>> all_values(nn.Sequential(nn.Conv2D(6, 5), nn.ReLU(), nn.Flatten(), nn.Dense(7)), (9, 8, 3))
    247

    Source: B7.
    """
    inside = [*layer.children(shape)]
    if not inside:
        return _new(layer, shape)
    return _joins(layer) * math.prod(layer.output_shape(shape)) + sum(all_values(inner, at) for _, inner, at in inside)


@singledispatch
def values_at_once(layer: Layer, shape, kept=False) -> int:
    """How many numbers must be there at the same time in inference: the most that any moment asks for.

    A layer needs its input and its output; what a branch has made waits for the others, and their common input for the
    last, or to the very end if it is ``kept`` for a later layer. Nothing else is counted: no weights, and no memory that
    kernels work in.

    >>> from refconv import nn
    >>> values_at_once(nn.Sequential(nn.Conv2D(6, 5), nn.ReLU(), nn.Flatten(), nn.Dense(7)), (9, 8, 3))
    336

    Source: B7.
    """
    return math.prod(shape) + _new(layer, shape)


@values_at_once.register(combinators.Sequential)
def _one_after_the_other(layer, shape, kept=False):
    """An input that is kept lies beside all but the first."""
    most, beside = 0, 0
    for _, inner, at in layer.children(shape):
        most = max(most, beside + values_at_once(inner, at, kept and not beside))
        beside = beside or (math.prod(shape) if kept and _makes(inner) else 0)
    return most


@values_at_once.register(branches.Branches)
def _side_by_side(layer, shape, kept=False):
    """One branch runs while what those before it have made waits; at the end all wait for the join."""
    sides = [(inner, at) for _, inner, at in layer.children(shape)]
    passed_on = not all(_makes(inner) for inner, _ in sides)
    most = waiting = 0
    for k, (inner, at) in enumerate(sides, 1):
        most = max(most, waiting + values_at_once(inner, at, kept or passed_on or k < len(sides)))
        waiting += math.prod(inner.output_shape(at)) if _makes(inner) else 0
    waiting += math.prod(shape) if kept or passed_on else 0
    return max(most, waiting + math.prod(layer.output_shape(shape)))


@values_at_once.register(combinators.StochasticDepth)
@values_at_once.register(transfer.Frozen)
@values_at_once.register(fractal.DropPath)
@values_at_once.register(heads.Heads)
def _the_first_inside(layer, shape, kept=False):
    _, inner, at = next(iter(layer.children(shape)))
    return values_at_once(inner, at, kept)


@values_at_once.register(fractal.Fractal)
def _columns(layer, shape, kept=False):
    """Joins live until the last column that reads them has run."""
    at = {name: where for name, _, where in layer.children(shape)}
    made, most = math.prod(layer.output_shape(shape)), 0
    read = dict.fromkeys(range(layer.columns), 0)  # the row whose join each column reads next; 0 is the input
    for row in layer.every_row():
        ending = layer.ending(row)
        for done, c in enumerate(ending):
            others = {*read.values(), *([0] if kept else [])} - {read[c]}
            name, beside = layer.name(c, row), sum(made if join else math.prod(shape) for join in others)
            still_read = (kept and not read[c]) or list(read.values()).count(read[c]) > 1
            most = max(most, beside + done * made + values_at_once(layer.layers[name], at[name], still_read))
            del read[c]
        if len(ending) > 1:
            others = {*read.values(), *([0] if kept else [])}
            most = max(most, sum(made if join else math.prod(shape) for join in others) + (len(ending) + 1) * made)
        read |= dict.fromkeys(ending, row)
    return most


def _joins(layer):
    """How many arrays a container makes of what is in it."""
    if isinstance(layer, fractal.Fractal):
        return sum(len(layer.ending(row)) > 1 for row in layer.every_row())
    return int(isinstance(layer, branches.Branches))


def _new(layer, shape):
    return math.prod(layer.output_shape(shape)) if _makes(layer) else 0


def _makes(layer):
    """Whether a layer makes an array of its own in inference."""
    return not isinstance(layer, combinators.Identity | dense.Flatten | dropout.Dropout)
