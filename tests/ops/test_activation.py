"""Tests of the public activation functions: shapes, dtypes, errors and PyTorch's results."""

import numpy as np
import pytest

from evidence import all_engines, assert_inputs_unchanged, in_order, needs_kernels
from refconv.ops import activation as ops

NAMES = ["relu", "relu6", "leaky_relu", "elu", "sigmoid", "tanh"]
EACH = pytest.mark.parametrize("name", NAMES)
X = np.random.default_rng(0).standard_normal((2, 3, 5))


def test_the_slides_defaults():
    np.testing.assert_allclose(ops.leaky_relu([-2.0, 3]), [-0.2, 3])
    np.testing.assert_allclose(ops.leaky_relu_dx([1.0, 1], x=[-2.0, 3]), [0.1, 1])
    np.testing.assert_allclose(ops.elu([-2.0, 3]), [np.exp(-2) - 1, 3])
    np.testing.assert_allclose(ops.elu_dx([1.0, 1], x=[-2.0, 3]), [np.exp(-2), 1])


@needs_kernels
def test_relu6_is_cut_off_at_6_where_its_derivative_is_0():
    x = np.array([-0.5, 0, 0.5, 5.5, 6, 6.5, np.nan])
    for y, dx in all_engines(lambda: (ops.relu6(x), ops.relu6_dx(np.full(7, 3.0), x=x))):
        np.testing.assert_array_equal(y, [0, 0, 0.5, 5.5, 6, 6, np.nan])
        np.testing.assert_array_equal(dx, [0, 0, 3, 3, 0, 0, 0])


@EACH
@needs_kernels
def test_shape_and_dtype_are_kept(name):
    for x in (X, X.astype(np.float32), X.T, X[..., 0], np.float64(0.5), np.zeros((0, 3)), np.arange(-3, 4)):
        dtype = np.float64 if np.asarray(x).dtype.kind == "i" else np.asarray(x).dtype
        for y in all_engines(lambda: getattr(ops, name)(x)):  # noqa: B023
            assert (y.shape, y.dtype) == (np.shape(x), dtype)
        for dx in all_engines(lambda: in_order(getattr(ops, f"{name}_dx"))(np.ones(np.shape(x), dtype), x)):  # noqa: B023
            assert (dx.shape, dx.dtype) == (np.shape(x), dtype)


@EACH
@needs_kernels
def test_inputs_are_neither_modified_nor_returned(name):
    for _ in all_engines(lambda: assert_inputs_unchanged(getattr(ops, name), X + 5)):
        pass
    for _ in all_engines(lambda: assert_inputs_unchanged(in_order(getattr(ops, f"{name}_dx")), X + 5, X + 6)):
        pass


@EACH
def test_errors_name_the_argument(name):
    other = "y" if name in ("sigmoid", "tanh") else "x"
    function, derivative = getattr(ops, name), in_order(getattr(ops, f"{name}_dx"))
    with pytest.raises(TypeError, match="x must be an array of float32, float64 or integers"):
        function(X.astype(complex))
    for call in (lambda: function([[1, 2], [3]]), lambda: derivative([1.0, 2], [[1, 2], [3]])):
        with pytest.raises(ValueError, match="must have rows of equal length, got rows of different lengths"):
            call()
    with pytest.raises(ValueError, match=rf"dy must have shape \(2, 3, 5\), the shape of {other}"):
        derivative(X[:1], X)
    with pytest.raises(TypeError, match=f"dy and {other} must have the same float type"):
        derivative(X.astype(np.float32), X)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("slope", lambda value: ops.leaky_relu(X, slope=value)),
        ("slope", lambda value: ops.leaky_relu_dx(X, x=X, slope=value)),
        ("alpha", lambda value: ops.elu(X, alpha=value)),
        ("alpha", lambda value: ops.elu_dx(X, x=X, alpha=value)),
    ],
)
def test_slope_and_alpha_must_be_finite_numbers(name, call):
    for value in ("0.1", None, X, True, 1j):
        with pytest.raises(TypeError, match=f"{name} must be a number"):
            call(value)
    for value in (np.nan, np.inf):
        with pytest.raises(ValueError, match=f"{name} must be finite"):
            call(value)


@EACH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_agree_with_pytorch(name, dtype):
    torch = pytest.importorskip("torch")
    function = {
        "leaky_relu": lambda x: torch.nn.functional.leaky_relu(x, 0.1),
        "elu": torch.nn.functional.elu,
        "relu6": torch.nn.functional.relu6,
    }.get(name) or getattr(torch, name)
    x = np.append(X.ravel(), [0, -30, 30, 6, 5.75, 6.25]).astype(dtype)
    dy = np.random.default_rng(1).standard_normal(x.shape).astype(dtype)
    x_torch = torch.tensor(x, requires_grad=True)
    y_torch = function(x_torch)
    (dx_torch,) = torch.autograd.grad(y_torch, x_torch, torch.tensor(dy))
    y = getattr(ops, name)(x)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(y, y_torch.detach().numpy(), rtol=8 * eps, atol=eps)
    dx = in_order(getattr(ops, f"{name}_dx"))(dy, y if name in ("sigmoid", "tanh") else x)
    np.testing.assert_allclose(dx, dx_torch.numpy(), rtol=16 * eps, atol=2 * eps)
