"""The update is the lecture's line, and nothing that should stay moves."""

import numpy as np
import pytest

from refconv.nn import Parameter
from refconv.optim import SGD, constant, cosine


def test_three_steps_are_the_lectures_line_computed_by_hand():
    """A12: momentum and weight decay."""
    # v ← 0.9·v − α·∂L/∂θ − 0.0005·α·θ ;  θ ← θ + v   (A12), with α = 0.01
    alpha, gradients = 0.01, [2.0, -1.0, 0.5]
    theta, v = 3.0, 0.0
    parameter = Parameter(np.array([theta]))
    optimizer = SGD({"theta": parameter}, lr=alpha, momentum=0.9, weight_decay=0.0005)
    for gradient in gradients:
        v = 0.9 * v - alpha * gradient - 0.0005 * alpha * theta
        theta = theta + v
        parameter.grad[...] = gradient
        optimizer.step()
        assert parameter.value[0] == pytest.approx(theta, rel=1e-14)
    assert parameter.value[0] == pytest.approx(2.9597161803595, rel=1e-12)


def test_a_new_learning_rate_acts_on_new_gradients_and_leaves_the_velocity():
    parameter = Parameter(np.array([0.0]))
    optimizer = SGD({"theta": parameter}, lr=1.0, momentum=0.5)
    parameter.grad[...] = 1.0
    optimizer.step()  # v = −1
    optimizer.lr = 0.1
    optimizer.step()  # v = −0.5 − 0.1
    assert parameter.value[0] == pytest.approx(-1.6)


def test_parameters_keep_their_identity_and_type_and_untrained_ones_their_value():
    trained = Parameter(np.ones(3, np.float32))
    average = Parameter(np.full(2, 0.3, np.float32), trainable=False)
    array = trained.value
    trained.grad[...] = [1, 2, 3]
    SGD({"w": trained, "mean": average}, lr=np.float64(0.1), momentum=0.9, weight_decay=0.1).step()
    assert trained.value is array
    assert array.dtype == np.float32
    np.testing.assert_allclose(array, [0.89, 0.79, 0.69], rtol=1e-6)
    assert (average.value == np.float32(0.3)).all()


def test_gradients_are_left_as_they_are():
    parameter = Parameter(np.ones(2))
    parameter.grad[...] = [0.25, -4]
    SGD({"w": parameter}, lr=0.1, momentum=0.9, weight_decay=0.1).step()
    assert parameter.grad.tolist() == [0.25, -4]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lr": -0.1}, "lr must be at least 0"),
        ({"lr": float("nan")}, "lr must be at least 0"),
        ({"lr": 0.1, "momentum": 1.0}, "momentum must be at least 0 and below 1, but is 1.0"),
        ({"lr": 0.1, "weight_decay": -1}, "weight_decay must be at least 0"),
        ({"lr": "x"}, "lr must be a number, but is 'x'"),
        ({"lr": True}, "lr must be a number, but is True"),
        ({"lr": None}, "lr must be a number, but is None"),
        ({"lr": 0.1, "momentum": "0.9"}, "momentum must be a number, but is '0.9'"),
    ],
)
def test_numbers_out_of_range_are_refused_by_name(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        SGD({}, **arguments)


@pytest.mark.parametrize("parameters", ["x", None, [Parameter(np.ones(2))], {"w": np.ones(2)}])
def test_what_are_no_parameters_is_refused(parameters):
    with pytest.raises(TypeError, match=r"parameters must be what model.named_parameters\(\) returns, names with a Parameter"):
        SGD(parameters, lr=0.1)


def test_schedules_begin_at_one():
    assert constant(0.7) == 1
    assert cosine(0) == 1
    assert cosine(1) == pytest.approx(0)
    assert cosine(1 / 3) == pytest.approx(0.75)
