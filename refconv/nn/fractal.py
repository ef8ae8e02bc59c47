"""Fractal blocks, and drop-path, which drops columns at random in training."""

import copy
import math
from collections.abc import Iterable, Iterator
from typing import Any

from refconv._arguments import integer, real
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.nn.branches import mean_of, sum_of
from refconv.nn.container import RandomContainer, container_repr
from refconv.nn.description import Span, Wrapper, around
from refconv.nn.graph import INPUT, Graph
from refconv.nn.joins import Average
from refconv.nn.layer import Layer, all_layers, call_backward
from refconv.nn.location import names_failing_layer
from refconv.typing import Array, Backward, Shape

__all__ = ["DropPath", "Fractal"]


class Fractal(RandomContainer):
    r"""Fractal block: parallel columns of 1, 2, 4, … layers whose outputs are averaged.

    .. math:: f_1 = \mathrm{layer}, \qquad f_{C+1}(x) = f_C(f_C(x)) \oplus \mathrm{layer}(x)

    ⊕ is the mean of all columns whose layer ends in the same row; consecutive joins are one mean. With four columns there
    are eight rows. A layer is drawn in the row in which it ends::

        column 1      2      3      4
               │      │      │    layer    row 1
               │      │    layer  layer    row 2
               │      │      ├──────┤
               │      │      │    layer    row 3
               │    layer  layer  layer    row 4
               │      ├──────┼──────┤

    Rows 5 to 8 repeat rows 1 to 4. The layer of column 1 ends in row 8, where all four columns are joined.

    Parameters
    ----------
    layer : Layer
        The layer, not yet built; the block contains copies of it. In a column, layers after the first must not change the
        shape.
    columns : int
        C; there are 2^(C−1) rows.
    drop : float
        Probability of dropping each input of a join in training, 0 ≤ drop < 1. At least one input is kept, and the mean is
        over the inputs kept.

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid.

    Examples
    --------
    >>> from refconv import nn
    >>> block = Fractal(nn.Conv2D(6, 3, padding="same", bias=False), columns=3)
    >>> block.output_shape((7, 5, 4)), len(block.layers)
    ((7, 5, 6), 7)

    Source: lecture row M13 (SOURCES.md); Larsson, Maire and Shakhnarovich, "FractalNet: ultra-deep neural networks without
    residuals", 2016.
    """

    wiring = "columns"

    def __init__(self, layer: Layer, columns: int, *, drop: float = 0.0) -> None:
        if not isinstance(layer, Layer):
            raise ArgumentTypeError(f"layer must be a layer, got {layer!r}")
        self.columns = integer("columns", columns)
        self.drop = real("drop", drop, least=0, below=1)
        self.rows = 2 ** (self.columns - 1)
        self.spans = [self.rows >> c for c in range(self.columns)]  # number of rows that a layer of each column spans
        names = [self.name(c, row) for row in self.every_row() for c in self.ending(row)]
        super().__init__(**{name: copy.deepcopy(layer) for name in names})
        self.column: int | None = None

    def every_row(self) -> range:
        """Return the row numbers, which start at 1 as in the figure."""
        return range(1, self.rows + 1)

    def ending(self, row: int) -> list[int]:
        """Return the columns whose layer ends in this row."""
        return [c for c in range(self.columns) if row % self.spans[c] == 0]

    @staticmethod
    def name(c: int, row: int) -> str:
        """Return the name of the layer of column c that ends in this row."""
        return f"column{c + 1}_row{row}"

    @names_failing_layer
    def output_shape(self, shape: Shape) -> Shape:
        outputs = {layer.output_shape(inner) for _, layer, inner in self.children(shape)}
        if len(outputs) > 1:
            raise ArgumentValueError(f"layers of {type(self).__name__} must have outputs of one shape, got {sorted(outputs)}")
        return outputs.pop()

    def as_graph(self) -> Graph:
        """Return the same layers as a graph, which computes inference in training too."""
        layers: dict[str, Layer] = {}
        sources: dict[str, list[str]] = {}
        inputs = [INPUT] * self.columns
        for row in self.every_row():
            names = {c: self.name(c, row) for c in self.ending(row)}
            for c, name in names.items():
                layers[name], sources[name] = self.layers[name], [inputs[c]]
            joined = name
            if len(names) > 1:
                joined = f"join_row{row}"
                layers[joined], sources[joined] = Average(), [*names.values()]
            for c in names:
                inputs[c] = joined
        return Graph(layers, sources)

    def children(self, shape: Shape) -> Iterator[tuple[str, Layer, Shape]]:
        joined = self.layers[self.name(0, self.rows)].output_shape(shape)
        for row in self.every_row():
            for c in self.ending(row):
                yield self.name(c, row), self.layers[self.name(c, row)], shape if row == self.spans[c] else joined

    def reaching(self, x: Array, name: str) -> Array:
        return self._infer(x, until=name)

    @names_failing_layer
    def __call__(self, x: Array) -> Array:
        return self._infer(x)

    def _infer(self, x: Array, until: str | None = None) -> Array:
        """Return the output in inference, or the input of the layer named ``until``."""
        inputs = [x] * self.columns
        for row in self.every_row():
            read = {self.name(c, row): inputs[c] for c in self.ending(row)}
            if until in read:
                return read[until]
            y = mean_of([self.layers[name](start) for name, start in read.items()])
            for c in self.ending(row):
                inputs[c] = y
        return y

    @names_failing_layer
    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        inputs: list[Any] = [x] * self.columns  # input of each column's next layer; None after a join without inputs
        backward_functions: list[dict[int, Backward]] = []
        for row in self.every_row():
            ending = self.ending(row)
            kept = self._kept_columns(ending) if train and not self.frozen else ending
            passes = {c: self.layers[self.name(c, row)].forward(inputs[c], train) for c in kept}
            y: Any = mean_of([value for value, _ in passes.values()]) if kept else None
            for c in ending:
                inputs[c] = y
            backward_functions.append({c: backward_of_column for c, (_, backward_of_column) in passes.items()})

        def backward(dy: Array, want_dx: bool = True) -> Array | None:
            dinputs: list[Any] = [dy] * self.columns  # ∂e/∂ input of each column's next layer
            for row in reversed(self.every_row()):
                ending = self.ending(row)
                backward_of_column = backward_functions[row - 1]
                gradients = [dinputs[c] for c in ending if dinputs[c] is not None]
                djoin = dy if row == self.rows else sum_of(gradients) if gradients else None
                for c in ending:
                    dinputs[c] = None
                    if c in backward_of_column and djoin is not None:  # None if all later joins dropped this column
                        dx_needed = want_dx or row > self.spans[c]
                        dinputs[c] = call_backward(backward_of_column[c], djoin * (1 / len(backward_of_column)), dx_needed)
            return sum_of([d for d in dinputs if d is not None] or [None])

        return y, backward

    def _kept_columns(self, ending: list[int]) -> list[int]:
        """Return the columns that a join keeps.

        These are all columns, a random subset, or the single column of a global mini-batch.
        """
        if self.column is not None:
            return [c for c in ending if c == self.column]
        if not self.drop:
            return ending
        rng = self.generator()
        kept = [c for c in ending if rng.random() >= self.drop]
        return kept or [ending[rng.integers(len(ending))]]

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        at = {name: inner for name, _, inner in self.children(shape)}
        needed: list[Span | None] = [span] * self.columns
        for row in reversed(self.every_row()):
            ending = self.ending(row)
            joined = around(needed[c] for c in ending)  # the pixels of this join that all its columns need
            for c in ending:
                name = self.name(c, row)
                needed[c] = None if joined is None else self.layers[name].input_span(at[name], joined)
        return around(needed)

    def own_activations(self, shape: Shape) -> int:
        return math.prod(self.output_shape(shape)) * sum(len(self.ending(row)) > 1 for row in self.every_row())

    def peak_activations(self, shape: Shape, keep_input: bool = False) -> int:
        """Return the peak number of live elements in inference, for one input.

        The output of a join stays in memory until the last column that reads it has run.
        """
        at = {name: inner for name, _, inner in self.children(shape)}
        size = math.prod(self.output_shape(shape))
        peak = 0
        read = dict.fromkeys(range(self.columns), 0)  # the row whose join each column reads next; 0 is the input
        kept = {0} if keep_input else set()

        def live(rows: Iterable[int]) -> int:
            return sum(size if row else math.prod(shape) for row in rows)

        for row in self.every_row():
            ending = self.ending(row)
            for done, c in enumerate(ending):
                name = self.name(c, row)
                source = read.pop(c)
                read_again = source in kept or source in read.values()
                others = live({*read.values(), *kept} - {source}) + done * size
                peak = max(peak, others + self.layers[name].peak_activations(at[name], read_again))
            if len(ending) > 1:
                peak = max(peak, live({*read.values(), *kept}) + (len(ending) + 1) * size)
            read |= dict.fromkeys(ending, row)
        return peak

    def __repr__(self) -> str:
        return container_repr("Fractal", {"0": self.layers[self.name(0, self.rows)]}, f"columns={self.columns}")


class DropPath(Wrapper, RandomContainer):
    """Network with fractal blocks that trains on a single random column in some mini-batches.

    These mini-batches are *global*: all blocks use only one column, drawn at random. So each column learns to work as a
    separate network. In the other mini-batches, joins drop inputs as described in :class:`Fractal`.

    Parameters
    ----------
    network : Layer
        A network that contains :class:`Fractal` blocks with the same number of columns.
    share : float
        Probability of a global mini-batch, from 0 to 1.

    Raises
    ------
    TypeError, ValueError
        If share is not a probability, the blocks differ in their number of columns, or there are no blocks.

    Source: lecture row M13 (SOURCES.md); Larsson, Maire and Shakhnarovich, 2016, section 3.
    """

    def __init__(self, network: Layer, share: float = 0.5) -> None:
        super().__init__(network=network)
        self.network = network
        self.share = real("share", share, least=0, most=1)
        self.fractals = [layer for layer in all_layers(network) if isinstance(layer, Fractal)]
        if len({fractal.columns for fractal in self.fractals}) != 1:
            columns = [fractal.columns for fractal in self.fractals]
            raise ArgumentValueError(f"network must have Fractal blocks with the same number of columns, got {columns}")

    @names_failing_layer
    def output_shape(self, shape: Shape) -> Shape:
        return self.network.output_shape(shape)

    @names_failing_layer
    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        is_global = train and not self.frozen and self.generator().random() < self.share
        column = int(self.generator().integers(self.fractals[0].columns)) if is_global else None
        try:
            for fractal in self.fractals:
                fractal.column = column
            return self.network.forward(x, train)
        finally:
            for fractal in self.fractals:
                fractal.column = None

    @names_failing_layer
    def __call__(self, x: Array) -> Array:
        return self.network(x)

    @property
    def inference_layer(self) -> Layer:
        return self.network

    def caption(self) -> str:
        return "drop-path"
