"""Tests of the conversion of a graph of layers to chains, branches and graphs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refconv import nn
from refconv.nn.joins import Add, Average, Concatenate, Multiply
from refconv.weights.graph import MAX_NESTING, Node, network_of, topological_order

X = np.array([[1.0, 10.0]])


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
        Node(name, Add() if len(before.split()) > 1 else Scale(next(primes)), tuple(before.split()))
        for name, before in inputs.items()
    ]


def kinds(model):
    return {type(layer) for layer in nn.layer.all_layers(model)}


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        pytest.param(layers(a="input", b="a", c="b"), 2 * 3 * 5, id="a chain"),
        pytest.param(layers(a="input", add="input a", b="add"), (1 + 2) * 3, id="a shortcut"),
        pytest.param(layers(a="input", b="input", c="b", a2="input", add="a c a2"), 2 + 3 * 5 + 7, id="three branches"),
        pytest.param(
            layers(a="input", b="a", inner="a b", c="inner", add="input c"), 1 + 2 * (1 + 3) * 5, id="a branch in a branch"
        ),
        pytest.param(layers(add="input input", a="add"), 2 * 2, id="one output twice"),
        pytest.param(layers(a="input", one="input a", b="one", two="one b"), (1 + 2) * (1 + 3), id="two blocks"),
    ],
)
def test_chains_of_branches_become_combinators(nodes, expected):
    for order in (nodes, nodes[::-1]):
        model = network_of(order, nodes[-1].name)
        assert model(X).tolist() == [[expected, 10 * expected]]
        assert nn.Graph not in kinds(model)


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        pytest.param(
            layers(a="input", b="a", c="a", d="b c", e="input b", f="d e"), 2 * 3 + 2 * 5 + 1 + 2 * 3, id="a shared branch"
        ),
        pytest.param(
            layers(b="input", one="input b", c="one", two="input c", three="two b"),
            1 + (1 + 2) * 3 + 2,
            id="crossing shortcuts",
        ),
        pytest.param(layers(a="input", b="a", c="b", y="input a b c"), 1 + 2 + 2 * 3 + 2 * 3 * 5, id="each output is read"),
    ],
)
def test_other_graphs_become_graphs(nodes, expected):
    nodes = [*nodes, Node("last", Scale(17.0), (nodes[-1].name,))]
    for order in (nodes, nodes[::-1]):
        model = network_of(order, "last")
        assert [type(layer) for layer in model] == [nn.Graph, Scale]
        y, backward = model.forward(X)
        assert y.tolist() == [[17 * expected, 170 * expected]]
        assert backward(np.array([[1.0, 3.0]])).tolist() == [[17 * expected, 51 * expected]]


@st.composite
def graphs(draw):
    """Return the nodes of a random graph whose last node depends on all others."""
    nodes, unread = [], set()
    for k in range(draw(st.integers(1, 9))):
        before = ["input", *(node.name for node in nodes)]
        inputs = draw(st.lists(st.sampled_from(before), min_size=1, max_size=3))
        layer = Scale(float(k + 2)) if len(inputs) == 1 else draw(st.sampled_from([Add, Average, Multiply]))()
        nodes.append(Node(f"node{k}", layer, tuple(inputs)))
        unread = {*unread, nodes[-1].name} - {*inputs}
    return [*nodes, Node("last", Add(), (*sorted(unread), "input"))]


def evaluated(nodes, x):
    """Compute the output of a graph, node by node."""
    values = {"input": x}
    for node in nodes:
        inputs = [values[name] for name in node.inputs]
        values[node.name] = node.layer(inputs[0] if isinstance(node.layer, Scale) else inputs)
    return values["last"]


@settings(max_examples=30)
@given(graphs(), st.randoms(use_true_random=False))
def test_the_network_computes_any_graph(nodes, random):
    x = np.array([[0.5, 0.25]])
    shuffled = random.sample(nodes, len(nodes))
    np.testing.assert_allclose(network_of(shuffled, "last")(x), evaluated(nodes, x), rtol=1e-12)


def test_names_stay_and_joined_layers_become_branches():
    nodes = [
        Node("a", Scale(2.0), ("input",)),
        Node("join", Concatenate(0), ("a", "input")),
        Node("b", Scale(3.0), ("join",)),
    ]
    model = network_of(nodes, "b")
    assert [*model.layers] == ["join", "b"]
    assert model["join"].axis == 0
    assert [*model["join"][0].layers] == ["a"]
    assert isinstance(model["join"][1], nn.Identity)


def test_names_stay_in_graphs_and_chains_of_layers_are_named_after_the_last():
    nodes = layers(a="input", b="a", c="b", d="c a", e="c d input")
    graph = network_of(nodes, "e")["e"]
    assert [*graph.layers] == ["a", "c", "d", "e"]
    assert [*graph["c"].layers] == ["b", "c"]
    assert graph.sources == {"a": ("input",), "c": ("a",), "d": ("c", "a"), "e": ("c", "d", "input")}


def test_arrays_of_different_shapes_are_joined_in_a_graph():
    nodes = [Node("mean", nn.AvgPool1D(4), ("input",)), Node("add", Add(), ("input", "mean"), broadcasts=True)]
    x = np.arange(24.0).reshape(2, 4, 3)
    assert network_of(nodes, "add")(x).tolist() == (x + x.mean(1, keepdims=True)).tolist()


def test_several_inputs_become_a_graph():
    model = network_of([Node("a", Scale(2.0), ("input1",)), Node("add", Add(), ("a", "input0"))], "add", ["input0", "input1"])
    assert isinstance(model, nn.Graph)
    assert model((X, 3 * X)).tolist() == [[7, 70]]


def test_a_layer_that_is_called_twice_stays_one_layer():
    shared = nn.Dense(4)
    model = network_of([Node("a", shared, ("input",)), Node("b", shared, ("a",))], "b")
    assert model["a"] is model["b"]


def test_the_input_can_be_the_output():
    assert isinstance(network_of([], "input")[0], nn.Identity)


@pytest.mark.parametrize(
    ("nodes", "output", "message"),
    [
        (layers(a="c", b="a", c="b"), "c", "layer a must depend on the input only, got a cycle"),
        (layers(a="input", add="a add"), "add", "layer add must depend on the input only"),
        (layers(a="input", b="nowhere"), "b", "layer b must have existing layers as its inputs, got 'nowhere'"),
        (layers(a="input", b="a"), "a", "layer b must lead to the output"),
        (layers(a="input"), "b", "the output must be a layer, got 'b'"),
        ([*layers(a="input"), *layers(a="input")], "a", "nodes must have distinct names"),
        ([*layers(input="input")], "input", "nodes must have distinct names"),
    ],
)
def test_other_nodes_are_refused_by_name(nodes, output, message):
    with pytest.raises(ValueError, match=message):
        network_of(nodes, output)


def test_deep_nesting_becomes_a_graph_before_python_is_exhausted():
    nodes, inner = [], "input"
    for k in range(200):  # add199 = input + add198, add198 = input + …, and each is a branch of the next
        nodes += [Node(f"scale{k}", Scale(1.0), (inner,)), Node(f"add{k}", Add(), (f"scale{k}", "input"))]
        inner = f"add{k}"
    model = network_of(nodes, inner)
    assert model(X).tolist() == [[201, 2010]]
    assert sum(type(layer) is nn.Sum for layer in nn.layer.all_layers(model)) == MAX_NESTING


def test_topological_order_keeps_the_order_of_independent_nodes():
    assert topological_order({"b": ["a"], "a": ["x"], "c": ["x"]}, ["x"]) == ["a", "b", "c"]
    assert topological_order({"b": ["y"], "a": ["x"], "c": ["x", "y"]}, ["x", "y"]) == ["a", "b", "c"]
