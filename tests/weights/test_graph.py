"""Tests of the conversion of a graph of layers to combinators."""

import numpy as np
import pytest

from refconv import nn
from refconv.weights.graph import Join, Node, network_of, topological_order

SUM, CONCAT = Join("sum"), Join("concat")


class Scale(nn.Layer):
    """Layer that multiplies by a number, so that each path through a graph has its own factor."""

    def __init__(self, factor):
        self.factor = factor

    def forward(self, x, train=True):
        return self.factor * x, lambda dy: self.factor * dy


def layers(**inputs):
    """Return nodes that multiply by 2, 3, 5 and so on; a node with several inputs adds them."""
    primes = iter((2.0, 3.0, 5.0, 7.0, 11.0, 13.0))
    return [
        Node(name, SUM if len(before.split()) > 1 else Scale(next(primes)), tuple(before.split()))
        for name, before in inputs.items()
    ]


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        pytest.param(layers(a="x", b="a", c="b"), 2 * 3 * 5, id="a chain"),
        pytest.param(layers(a="x", add="x a", b="add"), (1 + 2) * 3, id="a shortcut"),
        pytest.param(layers(a="x", b="x", c="b", add="a c a2", a2="x"), 2 + 3 * 5 + 7, id="three branches"),
        pytest.param(layers(a="x", b="a", inner="a b", c="inner", add="x c"), 1 + 2 * (1 + 3) * 5, id="a branch in a branch"),
        pytest.param(layers(add="x x", a="add"), 2 * 2, id="one output twice"),
        pytest.param(layers(a="x", one="x a", b="one", two="one b"), (1 + 2) * (1 + 3), id="two blocks"),
    ],
)
def test_the_network_computes_the_graph(nodes, expected):
    for order in (nodes, nodes[::-1]):
        model = network_of(order, "x", nodes[-1].name if nodes[-1].name != "a2" else "add")
        assert model(np.array([[1.0, 10.0]])).tolist() == [[expected, 10 * expected]]


def test_names_stay_and_joined_layers_become_branches():
    nodes = [Node("a", Scale(2.0), ("x",)), Node("join", Join("concat", 0), ("a", "x")), Node("b", Scale(3.0), ("join",))]
    model = network_of(nodes, "x", "b")
    assert [*model.layers] == ["join", "b"]
    assert model["join"].axis == 0
    assert [*model["join"][0].layers] == ["a"]
    assert isinstance(model["join"][1], nn.Identity)


def test_a_layer_that_is_called_twice_stays_one_layer():
    shared = nn.Dense(4)
    model = network_of([Node("a", shared, ("x",)), Node("b", shared, ("a",))], "x", "b")
    assert model["a"] is model["b"]


def test_the_input_can_be_the_output():
    assert isinstance(network_of([], "x", "x")[0], nn.Identity)


@pytest.mark.parametrize(
    ("nodes", "output", "message"),
    [
        (layers(a="c", b="a", c="b"), "c", "layer a must depend on the input only, got a cycle"),
        (layers(a="x", add="a add"), "add", "layer add must depend on the input only"),
        (layers(a="x", b="nowhere"), "b", "layer b must have existing layers as its inputs, got 'nowhere'"),
        (layers(a="x", b="a"), "a", "layer b must lead to the output"),
        (layers(a="x"), "b", "the output must be a layer, got 'b'"),
        (layers(a="x", b="a", c="a", d="b c", e="x b", f="d e"), "f", "layer [ab] must be in one branch only"),
        ([*layers(a="x"), *layers(a="x")], "a", "nodes must have distinct names"),
        ([*layers(x="x")], "x", "nodes must have distinct names"),
    ],
)
def test_other_graphs_are_refused_by_name(nodes, output, message):
    with pytest.raises(ValueError, match=message):
        network_of(nodes, "x", output)


def test_deep_nesting_is_refused_before_python_is():
    nodes, inner = [], "x"
    for k in range(80):  # add79 = x + add78, add78 = x + …, and each is a branch of the next
        nodes += [Node(f"scale{k}", Scale(1.0), (inner,)), Node(f"add{k}", SUM, (f"scale{k}", "x"))]
        inner = f"add{k}"
    with pytest.raises(ValueError, match="must be inside at most 64 branches"):
        network_of(nodes, "x", inner)


@pytest.mark.parametrize(
    ("join", "shapes", "expected"),
    [
        (SUM, [(3, 4), (3, 4)], (3, 4)),
        (CONCAT, [(3, 4), (3, 5)], (3, 9)),
        (Join("concat", 0), [(3, 4), (2, 4)], (5, 4)),
    ],
)
def test_output_shape_of_a_join(join, shapes, expected):
    assert join.output_shape(shapes) == expected


@pytest.mark.parametrize(
    ("join", "shapes"),
    [(SUM, [(3, 4), (3, 5)]), (CONCAT, [(3, 4), (2, 4)]), (CONCAT, [(3, 4), (4,)]), (Join("concat", 2), [(3, 4)])],
)
def test_shapes_that_do_not_fit_are_refused(join, shapes):
    with pytest.raises(ValueError, match="inputs must have"):
        join.output_shape(shapes)


def test_topological_order_keeps_the_order_of_independent_nodes():
    assert topological_order({"b": ["a"], "a": ["x"], "c": ["x"]}, "x") == ["a", "b", "c"]
