"""Container of layers that are connected in any way without cycles."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from refconv._errors import ArgumentValueError
from refconv.nn.branches import sum_of
from refconv.nn.container import Container, container_repr
from refconv.nn.description import Span, around
from refconv.nn.joins import Join
from refconv.nn.layer import Layer, call_backward
from refconv.nn.location import names_failing_layer
from refconv.typing import Array, Backward, Shape

__all__ = ["INPUT", "Graph"]

INPUT = "input"  # name of the input of the graph


class Graph(Container):
    r"""Layers connected in any way without cycles.

    The input of each layer is the output of an earlier one, or for a join the outputs of several. The joins are the layers of
    :mod:`refconv.nn.joins`. Where branches do not share layers, ``Sum``, ``Mean`` and ``Concat`` are easier to read.

    The backward function runs through the layers in reverse order and adds the gradients of an output that is used several
    times.

    Parameters
    ----------
    layers : dict of Layer
        The layers in an order in which they can be computed. The output of the last layer is the output of the graph.
    sources : dict of sequence of str
        For each layer, the names of the layers whose outputs it reads; "input" is the input of the graph. A :class:`Join`
        reads one or more, any other layer reads one. Inputs of a graph with several inputs are "input0", "input1" and so on.

    Raises
    ------
    TypeError, ValueError
        If a layer reads an output that no earlier layer computes, or reads several but is no join.

    Examples
    --------
    >>> import numpy as np
    >>> from refconv import nn
    >>> from refconv.nn.joins import Add
    >>> model = nn.Graph({"relu": nn.ReLU(), "sum": Add()}, {"relu": ["input"], "sum": ["input", "relu"]})
    >>> model(np.array([[-3.0, 5.0]]))
    array([[-3., 10.]])

    Source: the chain rule, applied to a graph as in automatic differentiation; Rumelhart, Hinton and Williams, 1986.
    """

    def __init__(self, layers: Mapping[str, Layer], sources: Mapping[str, Sequence[str]]) -> None:
        super().__init__(dict(layers))
        self.sources = {name: tuple(sources.get(name, ())) for name in self.layers}
        read = {source for names in self.sources.values() for source in names} - self.layers.keys()
        self.inputs = [INPUT] if read == {INPUT} else [f"{INPUT}{k}" for k in range(len(read))]
        known = {*self.inputs}
        for name, layer in self.layers.items():
            names = self.sources[name]
            if not names or not set(names) <= known or (len(names) > 1 and not isinstance(layer, Join)):
                raise ArgumentValueError(f"sources of {name} must be outputs of earlier layers, got {names}")
            known.add(name)

    def output_shape(self, shape: Any) -> Shape:
        *_, last = self._shapes(shape).values()
        return last

    def _shapes(self, shape: Any) -> dict[str, Any]:
        """Return the shapes of the inputs and of all outputs."""
        shapes: dict[str, Any] = dict(zip(self.inputs, self._as_inputs(shape), strict=True))
        for name, layer in self.layers.items():
            shapes[name] = tuple(layer.output_shape(self._of(name, shapes)))
        return shapes

    def _as_inputs(self, x: Any) -> Sequence[Any]:
        return [x] if self.inputs == [INPUT] else x

    def _of(self, name: str, values: Mapping[str, Any]) -> Any:
        """Return the input of a layer: a tuple for a join."""
        sources = tuple(values[source] for source in self.sources[name])
        return sources if isinstance(self.layers[name], Join) else sources[0]

    def children(self, shape: Any) -> Iterator[tuple[str, Layer, Any]]:
        shapes = self._shapes(shape)
        return ((name, layer, self._of(name, shapes)) for name, layer in self.layers.items())

    @names_failing_layer
    def forward(self, x: Any, train: bool = True) -> tuple[Array, Backward]:
        values = dict(zip(self.inputs, self._as_inputs(x), strict=True))
        backward_functions = {}
        for name, layer in self.layers.items():
            values[name], backward_functions[name] = layer.forward(self._of(name, values), train)
        last = name

        def backward(dy: Array, want_dx: bool = True) -> Any:
            gradients: dict[str, list[Array]] = {last: [dy]}
            for name in reversed(self.layers):
                if name not in gradients:
                    continue
                dx = call_backward(backward_functions[name], sum_of(gradients.pop(name)))
                for source, part in zip(self.sources[name], dx if isinstance(self.layers[name], Join) else [dx], strict=True):
                    gradients.setdefault(source, []).append(part)
            results = [sum_of(gradients[name]) for name in self.inputs]
            return results[0] if self.inputs == [INPUT] else results

        return values[last], backward

    @names_failing_layer
    def __call__(self, x: Any) -> Array:
        return self._infer(x)

    def reaching(self, x: Array, name: str) -> Any:
        return self._infer(x, until=name)

    def _infer(self, x: Any, until: str | None = None) -> Any:
        """Return the output, or the input of the layer named ``until``.

        Outputs are released after their last use.
        """
        values = dict(zip(self.inputs, self._as_inputs(x), strict=True))
        last_use = {source: name for name, names in self.sources.items() for source in names}
        for name, layer in self.layers.items():
            inputs = self._of(name, values)
            if name == until:
                return inputs
            values[name] = layer(inputs)
            for source in set(self.sources[name]):
                if last_use[source] == name:
                    del values[source]
        return values[name]

    def input_span(self, shape: Any, span: Span) -> Span | None:
        if self.inputs != [INPUT]:
            return None
        shapes = self._shapes(shape)
        *_, last = self.layers
        needed: dict[str, list[Span | None]] = {last: [span]}
        for name in reversed(self.layers):
            if name in needed:
                output = around(needed.pop(name))
                before = None if output is None else self.layers[name].input_span(self._of(name, shapes), output)
                for source in self.sources[name]:
                    needed.setdefault(source, []).append(before)
        return around(needed[INPUT])

    def peak_activations(self, shape: Any, keep_input: bool = False) -> int:
        shapes = self._shapes(shape)
        last_use = {source: name for name, names in self.sources.items() for source in names}
        live, peak = {*self.inputs}, 0
        for name, layer in self.layers.items():
            sources = set(self.sources[name])
            kept = {source for source in sources if last_use[source] != name or (keep_input and source in self.inputs)}
            others = sum(math.prod(shapes[other]) for other in live - sources)
            peak = max(peak, others + layer.peak_activations(self._of(name, shapes), bool(kept)))
            live = (live - sources) | kept | {name}
        return peak

    def own_activations(self, shape: Any) -> int:
        return 0

    def __repr__(self) -> str:
        return container_repr("Graph", self.layers)
