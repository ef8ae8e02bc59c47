"""Tests of the rows of optimisers, layers, running averages and forms used by the slides."""

from dataclasses import replace

import numpy as np
import pytest

from evidence import needs_kernels
from refconv import nn, optim
from refconv.cli import main
from refconv.verify.case import fill, integers, spread
from refconv.verify.catalogue import CATALOGUE, FORMS, LAYERS, UPDATES
from refconv.verify.catalogue.combinators import case, row
from refconv.verify.catalogue.layer_functions import backward, forward
from refconv.verify.catalogue.layers import layer
from refconv.verify.evidence.kinds import gather
from refconv.verify.evidence.oracle import oracle
from refconv.verify.evidence.symbols import symbols
from refconv.verify.evidence.worked import worked
from refconv.verify.operator import Pin, Refuted, lookup

SGD = UPDATES["optim.SGD"]


def with_options(operator, **changed):
    """Return the operator with a call that replaces some of its options."""

    def forward(function, a):
        other = a.with_arrays()
        assert changed.keys() <= {*other.options, *other.given}
        other.options.update({name: value for name, value in changed.items() if name in other.options})
        other.given.update({name: value for name, value in changed.items() if name in other.given})
        return operator.forward(function, other)

    return replace(operator, forward=forward)


@pytest.mark.slow
def test_the_command_accepts_names_of_layers_optimisers_and_loops(capsys):
    assert main(["verify", "nn.Identity", "optim.SGD", "running_average", "centred_correlation_dx", "--quick"]) == 0
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines()[1:5]] == [
        "nn.Identity",
        "optim.SGD",
        "running_average",
        "centred_correlation",
    ]
    assert "operators: 4" in printed
    assert "nothing refuted" in printed


def test_names_are_looked_up_in_the_package_and_then_among_the_loops():
    assert lookup("nn.Conv2D") is nn.Conv2D
    assert lookup("zero_stuffed_conv_transpose2d").__module__ == "refconv.reference.conv_transpose"


@pytest.mark.parametrize("name", ["optim.SGD", "optim.RMSProp", "optim.Adam"])
def test_the_proof_of_an_optimiser_has_symbols_for_all_options_and_learning_rates(name):
    operator = UPDATES[name]
    a = fill(operator.fixed[0], symbols)
    free = {str(symbol) for element in operator.definition(a)["y"] for symbol in element.free_symbols}
    numbers = {option for option, value in a.options.items() if not isinstance(value, bool | str)} - {"lr"}
    assert {"lr0", "lr1", *numbers} <= free
    assert {"w0_0", "w0_1", "b0", "dw0_0_0", "dw1_0_1", "db0_0", "db1_0"} <= free


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("optim.SGD", {"momentum": 0.75}),
        ("optim.SGD", {"weight_decay": 0.75}),
        ("optim.SGD", {"decayed": "weights"}),
        ("optim.RMSProp", {"eps": 0.75}),
        ("optim.Adam", {"beta2": 0.875}),
        ("optim.clip_by_global_norm", {"max_norm": 0.25}),
        ("running_average", {"momentum": 0.75}),
    ],
)
def test_pytorch_contradicts_a_different_option(name, changed):
    pytest.importorskip("torch")
    operator = CATALOGUE[name]
    fixed = operator.fixed[-1 if name == "optim.RMSProp" else 0]  # PyTorch adds ε outside the root only
    assert oracle(operator, fixed, ["torch"]) < 1e-14
    with pytest.raises(Refuted, match="torch gives"):
        oracle(with_options(operator, **changed), fixed, ["torch"])


def test_pytorch_agrees_while_the_learning_rate_changes_between_four_steps():
    pytest.importorskip("torch")
    (fixed, _) = SGD.fixed
    four = replace(
        fixed,
        shapes={name: (4, *shape[1:]) if name.startswith("d") else shape for name, shape in fixed.shapes.items()},
        options={**fixed.options, "lr": (0.5, 0.125, 0.75, 0.01)},
    )
    assert oracle(SGD, four, ["torch"]) < 1e-14


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("centred_correlation", lambda f, a: f(a.x, a.w[::-1])),
        ("separate_rank1", lambda f, a: np.concatenate(f(np.outer(a.u, 2 * a.v)))),
    ],
)
def test_scipy_contradicts_a_wrong_form(name, wrong):
    pytest.importorskip("scipy")
    operator = FORMS[name]
    assert oracle(operator, operator.fixed[0], ["scipy"]) < 1e-13
    with pytest.raises(Refuted, match="scipy gives"):
        oracle(replace(operator, forward=wrong), operator.fixed[0], ["scipy"])


def test_scipy_contradicts_a_derivative_whose_filter_is_not_flipped():
    pytest.importorskip("scipy")
    operator = FORMS["centred_correlation"]
    dw, dx = operator.derivatives
    wrong = replace(operator, derivatives=(dw, replace(dx, call=lambda function, a: function(a.dy, a.w[::-1, ::-1]))))
    with pytest.raises(Refuted, match="∂e/∂x of centred_correlation"):
        oracle(wrong, operator.fixed[0], ["scipy"])


def test_a_worked_example_refutes_the_operator_and_its_definition():
    slide, *_ = SGD.worked
    assert worked(SGD, slide) < 1e-15
    wrong = replace(slide, expected={"y": [2.98194170016, -1.04948045005]})
    with pytest.raises(Refuted, match=r"v ← .*: y of optim\.SGD must be"):
        worked(SGD, wrong)
    with pytest.raises(Refuted, match=r"y of the definition of optim\.SGD must be"):
        worked(replace(SGD, definition=lambda a: {"y": 2 * SGD.definition(a)["y"]}), slide)
    with pytest.raises(Refuted, match=r"must have shape \(1,\), got \(2,\)"):
        worked(SGD, replace(slide, expected={"y": [1.0]}))


def test_an_example_with_invalid_arguments_must_raise_the_stated_error():
    operator = FORMS["separate_rank1"]
    refused = next(pin for pin in operator.worked if pin.refused)
    assert worked(operator, refused) == 0
    with pytest.raises(Refuted, match="must raise a ValueError, got"):
        worked(operator, replace(refused, arrays={"kernel": [[3, 6], [4, 8]]}))
    with pytest.raises(Refuted, match=r"must begin with 'kernel must be square', got 'kernel must be of rank 1"):
        worked(operator, replace(refused, refused="kernel must be square"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["symbolic", pytest.param("parity", marks=needs_kernels)])
@pytest.mark.parametrize("name", ["nn.Conv1D", "optim.Adam", "running_average", "nn.Concat"])
def test_a_wrong_definition_is_refuted(kind, name):
    operator = CATALOGUE[name]

    def other(a):
        results = operator.definition(a)
        return {**results, "y": results["y"] + 1}

    assert gather(replace(operator, definition=other), kind, quick=True).refuted is not None


def test_a_layer_whose_gradients_differ_from_those_of_its_operator_is_refuted():
    operator = LAYERS["nn.Dense"]

    def other(a):
        return {**operator.definition(a), "b": 2 * operator.definition(a)["b"]}

    assert "∂e/∂b" in gather(replace(operator, definition=other), "symbolic", quick=True).refuted


class Longer(nn.Dense):
    """Dense layer whose output_shape predicts one element too many."""

    def output_shape(self, shape):
        return (super().output_shape(shape)[0] + 1,)


class Halved(nn.Identity):
    """Layer that changes its input."""

    def forward(self, x, train=True):
        x /= 2
        return x + 0, lambda dy, want_dx=True: dy / 2


def test_a_layer_with_a_wrong_output_shape_or_that_changes_its_input_is_refuted():
    a = fill(case(lambda: Longer(4), (3,)), spread)
    with pytest.raises(Refuted, match=r"must have the shape from output_shape, \(2, 5\), got \(2, 4\)"):
        forward(Longer(4), a)
    a = fill(case(Halved, (3,)), spread)
    with pytest.raises(Refuted, match="changes x"):
        backward(Halved(), a.with_arrays(dy=a.x.copy()))


class Called(nn.Identity):
    """Identity layer whose call returns something else."""

    def __init__(self, change):
        self.change = change

    def __call__(self, x):
        return self.change(x)


@pytest.mark.parametrize("change", [lambda x: 2 * x, lambda x: x[:1], lambda x: x.astype(np.float16)])
def test_a_layer_whose_call_differs_from_its_forward_pass_in_inference_is_refuted(change):
    a = fill(case(lambda: Called(change), (3,)), integers)
    with pytest.raises(Refuted, match=r"\(x\) is .*, and forward\(x, train=False\) returns"):
        backward(Called(change), a.with_arrays(dy=a.x.copy()))


def test_the_default_learning_rate_of_adam_is_that_of_the_paper():
    assert optim.Adam({"w": nn.Parameter(np.ones(2))}).lr == 0.001


def test_a_layer_is_built_from_the_same_seed_each_time():
    stochastic = case(lambda: nn.StochasticDepth(nn.Dense(4), 0.5), (3,))
    dropped = row("nn.StochasticDepth", "", "", stochastic)
    a = fill(stochastic, spread)
    assert np.array_equal(dropped(a), dropped(a))


def test_a_row_of_a_layer_uses_the_cases_of_its_operator_and_refutes_another_operator():
    right = layer("ReLU", "relu", lambda cls, a: cls())
    assert gather(right, "symbolic", quick=True).cases == 3  # two cases and the kink
    wrong = layer("ReLU", "leaky_relu", lambda cls, a: cls())
    assert "by the definition" in gather(wrong, "symbolic", quick=True).refuted


def test_the_default_momentum_of_lecture_averages_is_that_of_the_lectures():
    """A14: τ is 0.99 and is the weight of the old average."""
    layer = nn.BatchNorm(averages="lecture")
    layer.build((1,), rng=0, dtype=np.float64)
    for mean, expected in ((3.0, 0.03), (5.0, 0.0797)):
        y, backward = layer.forward(np.array([[mean - 2], [mean + 2]]))
        backward(y)
        assert layer.parameters["mean"].value[0] == pytest.approx(expected, rel=1e-14)


def test_a_worked_example_may_contain_only_the_output():
    pin = Pin("two shifted by a half", {"x": [[1.0, 2.0]], "w": [[3.0], [0.5]], "b": [0.5]}, {"y": [[4.5]]})
    assert worked(CATALOGUE["dense"], pin) == 0
