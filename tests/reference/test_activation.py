"""Tests of the activation loops: values, kinks, and derivatives against SymPy."""

import numpy as np
import pytest

from evidence import assert_is_derivative, in_order
from refconv.reference import activation, functions
from refconv.verify.evidence.symbols import Located

# name: (further arguments, True if the derivative is computed from the output, derivative at the kink 0)
FUNCTIONS = {
    "relu": ((), False, 0),
    "relu6": ((), False, 0),
    "leaky_relu": ((0.25,), False, 0.25),
    "elu": ((1.5,), False, 1.5),
    "sigmoid": ((), True, 0.25),
    "tanh": ((), True, 1),
}
EACH = pytest.mark.parametrize("name", FUNCTIONS)


def forward(name, x):
    return getattr(activation, name)(x, *FUNCTIONS[name][0])


def backward(name, dy, x):
    more, from_output, _ = FUNCTIONS[name]
    return in_order(getattr(activation, f"{name}_dx"))(dy, forward(name, x) if from_output else x, *more)


def test_values_on_the_slide():
    x = np.array([[-2.0, -1], [0, 3]])
    np.testing.assert_array_equal(activation.relu(x), [[0, 0], [0, 3]])
    np.testing.assert_array_equal(activation.relu6(3 * x), [[0, 0], [0, 6]])
    np.testing.assert_allclose(activation.leaky_relu(x, 0.1), [[-0.2, -0.1], [0, 3]])
    np.testing.assert_allclose(activation.elu(x, 2), [[2 * (np.exp(-2) - 1), 2 * (np.exp(-1) - 1)], [0, 3]])
    np.testing.assert_allclose(activation.sigmoid(x), 1 / (1 + np.exp(-x)))
    np.testing.assert_allclose(activation.tanh(x), (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)))


@EACH
def test_derivative_agrees_with_central_differences(name):
    # Keep x away from 0 and 6, where some functions have a kink.
    rng = np.random.default_rng(0)
    x = rng.uniform(0.01, 3, (2, 3, 5)) * rng.choice([-1, 1], (2, 3, 5))
    x[0, :, 0] = 5.5, 6.5, 7.5
    dy = rng.standard_normal(x.shape)
    assert_is_derivative(backward(name, dy, x), lambda x: forward(name, x), x, dy)


@EACH
def test_symbolic_derivative_agrees_with_sympy(name):
    sympy = pytest.importorskip("sympy")
    dy = np.array([sympy.Symbol("dy")] * 3, object)
    x = np.array([Located("p", 1.5), Located("n", -2.5), Located("q", 7.0)], object)
    y, dx = forward(name, x), backward(name, dy, x)
    for i in range(3):
        expected = dy[i] * sympy.diff(y[i], x[i])
        assert sympy.simplify((dx[i] - expected).rewrite(sympy.exp)) == 0


@EACH
def test_derivative_at_the_kink(name):
    dx = backward(name, np.array([8.0]), np.array([0.0]))
    assert dx.item() == 8 * FUNCTIONS[name][2]


def test_derivative_at_the_second_kink_of_relu6():
    assert activation.relu6_dx(np.array([8.0, 8, 8]), x=np.array([5.9, 6, 6.1])).tolist() == [8, 0, 0]


@EACH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_values_neither_warn_nor_become_nan(name, dtype):
    x = np.array([-np.inf, -1000, -1e-30, 0, 1e-30, 1000, np.inf], dtype)
    y = forward(name, x)
    assert y.dtype == dtype
    assert not np.isnan(y).any()
    assert (np.diff(y) >= 0).all()
    np.testing.assert_array_equal(np.isnan(backward(name, np.ones_like(x), x)), np.zeros(7, bool))


@EACH
def test_nan_stays_nan(name):
    assert np.isnan(forward(name, np.array([np.nan]))).all()


def test_elu_is_accurate_where_e_to_the_x_is_almost_one():
    assert activation.elu(np.array([-1e-20]), 1).item() == -1e-20


@pytest.mark.parametrize("name", ["exp", "expm1", "log", "sqrt", "tanh"])
def test_scalar_functions_keep_the_type_of_floats_and_symbols(name):
    sympy = pytest.importorskip("sympy")
    function = getattr(functions, name)
    for number in (np.float32(0.75), np.float64(0.75), 0.75):
        result = function(number)
        assert result.dtype == (np.float32 if isinstance(number, np.float32) else np.float64)
        np.testing.assert_allclose(result, getattr(np, name)(0.75), rtol=1e-6)
    v = sympy.Symbol("v")
    assert function(v) == (sympy.exp(v) - 1 if name == "expm1" else getattr(sympy, name)(v))
    assert function(sympy.Rational(3, 4)).is_number


def test_scalar_functions_follow_ieee_outside_their_range():
    assert functions.exp(1000.0) == np.inf
    assert functions.log(0.0) == -np.inf
    assert np.isnan(functions.sqrt(-1.0))


def test_roots_of_unity_have_the_complex_dtype_of_their_floats():
    for dtype, expected in ((np.float32, np.complex64), (np.float64, np.complex128)):
        root = functions.root_of_unity(-3, 8, dtype)
        assert type(root) is expected
        assert abs(root - np.exp(-0.75j * np.pi)) < 2 * np.finfo(dtype).eps
    sympy = pytest.importorskip("sympy")
    assert functions.root_of_unity(3, 4, np.dtype(object)) == -sympy.I
