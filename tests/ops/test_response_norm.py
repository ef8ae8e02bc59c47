"""Tests of public local response normalisation: axis, layouts, PyTorch and errors."""

from fractions import Fraction

import numpy as np
import pytest

from evidence import all_engines, assert_inputs_unchanged, assert_is_derivative, in_order
from refconv._config import config
from refconv.ops.response_norm import local_response_norm, local_response_norm_dx
from strategies import small_floats

SHAPES = pytest.mark.parametrize("shape", [(6, 7), (4, 5, 7), (2, 4, 5, 7)])  # dense, signals, images
NUMBERS = (4, 0.3, 0.6, 1.5)
X, DY = small_floats((6, 7), 1), small_floats((6, 7), 2)


def first(a):
    return np.moveaxis(a, -1, 1)


@SHAPES
def test_each_position_of_each_example_is_normalised_independently(shape):
    x, dy = small_floats(shape, 1), small_floats(shape, 2)
    for y, dx in all_engines(lambda: (local_response_norm(x, *NUMBERS), local_response_norm_dx(dy, *NUMBERS, x=x))):
        for at in np.ndindex(shape[:-1]):
            rows = x[at][None], dy[at][None]
            np.testing.assert_allclose(y[at], local_response_norm(rows[0], *NUMBERS)[0], rtol=1e-13)
            np.testing.assert_allclose(dx[at], local_response_norm_dx(rows[1], *NUMBERS, x=rows[0])[0], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_other_examples_of_the_batch_have_no_effect(data_format):
    # All axes have equal lengths, so a wrong sum over the batch (a bug in published code) would have the same shape.
    x, dy = small_floats((3, 3, 3, 3), 1), small_floats((3, 3, 3, 3), 2)
    changed, layout = x.copy(), {"data_format": data_format}
    changed[1:] *= 100
    for before, after in zip(
        all_engines(lambda: (local_response_norm(x, *NUMBERS, **layout), local_response_norm_dx(dy, *NUMBERS, x=x, **layout))),
        all_engines(
            lambda: (
                local_response_norm(changed, *NUMBERS, **layout),
                local_response_norm_dx(dy, *NUMBERS, x=changed, **layout),
            )
        ),
        strict=True,
    ):
        for b, a in zip(before, after, strict=True):
            assert (b[0] == a[0]).all()
            assert (b[1:] != a[1:]).any()


@SHAPES
def test_channels_first_gives_the_same_values(shape):
    x, dy, layout = small_floats(shape, 1), small_floats(shape, 2), {"data_format": "channels_first"}
    np.testing.assert_array_equal(local_response_norm(first(x), *NUMBERS, **layout), first(local_response_norm(x, *NUMBERS)))
    np.testing.assert_array_equal(
        local_response_norm_dx(first(dy), *NUMBERS, x=first(x), **layout), first(local_response_norm_dx(dy, *NUMBERS, x=x))
    )


@SHAPES
def test_the_derivative_agrees_with_central_differences(shape):
    x, dy = small_floats(shape, 1), small_floats(shape, 2)
    for dx in all_engines(lambda: local_response_norm_dx(dy, *NUMBERS, x=x, divide_by_size=True)):
        assert_is_derivative(dx, lambda x: local_response_norm(x, *NUMBERS, divide_by_size=True), x, dy)


def test_the_defaults_are_alexnets():
    x = 100 * small_floats((2, 3, 9), 1)
    np.testing.assert_array_equal(local_response_norm(x), local_response_norm(x, 5, 1e-4, 0.75, 2, divide_by_size=False))
    d = 2 + 1e-4 * (x[0, 0, 2:7] ** 2).sum()
    assert local_response_norm(x)[0, 0, 4] == pytest.approx(x[0, 0, 4] / d**0.75, rel=1e-13)


def test_divide_by_size_divides_by_the_full_size_at_the_ends():
    for plain, divided in zip(
        all_engines(lambda: local_response_norm_dx(DY, 5, 0.1, x=X)),
        all_engines(lambda: local_response_norm_dx(DY, 5, 0.5, x=X, divide_by_size=True)),
        strict=True,
    ):
        np.testing.assert_allclose(divided, plain, rtol=1e-14)
    np.testing.assert_allclose(local_response_norm(X, 5, 0.5, divide_by_size=True), local_response_norm(X, 5, 0.1), rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(4, 5, 7), (2, 4, 5, 7)])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8, 20])
def test_results_with_divide_by_size_agree_with_pytorch(size, shape, dtype):
    torch = pytest.importorskip("torch")
    x, dy = small_floats(shape, 1, dtype), small_floats(shape, 2, dtype)
    x_torch = torch.tensor(first(x).copy(), requires_grad=True)
    y_torch = torch.nn.functional.local_response_norm(x_torch, size, alpha=0.3, beta=0.6, k=1.5)
    (dx_torch,) = torch.autograd.grad(y_torch, x_torch, torch.tensor(first(dy).copy()))
    near = {"rtol": 20 * np.finfo(dtype).eps, "atol": 20 * np.finfo(dtype).eps}
    numbers, more = (size, 0.3, 0.6, 1.5), {"divide_by_size": True}
    np.testing.assert_allclose(first(local_response_norm(x, *numbers, **more)), y_torch.detach().numpy(), **near)
    np.testing.assert_allclose(first(local_response_norm_dx(dy, *numbers, x=x, **more)), dx_torch.numpy(), **near)


def test_the_loops_accept_fractions_and_symbols():
    sympy = pytest.importorskip("sympy")
    x = np.array([[Fraction(1, 2), Fraction(2, 3)]], object)
    a, k = sympy.symbols("a k", positive=True)
    with config(engine="reference"):
        y = local_response_norm(x, 3, alpha=1, beta=1, k=2, divide_by_size=True)
        assert y[0, 1] == Fraction(2, 3) / (2 + (Fraction(1, 4) + Fraction(4, 9)) / 3)
        y = local_response_norm(x, 1, alpha=a, beta=sympy.Rational(1, 2), k=k, divide_by_size=True)
        assert y[0, 0] == sympy.Rational(1, 2) / sympy.sqrt(k + a / 4)


def test_an_empty_batch_stays_empty():
    x = np.zeros((0, 4, 5, 3))
    for y, dx in all_engines(lambda: (local_response_norm(x), local_response_norm_dx(x, x=x))):
        assert y.shape == dx.shape == x.shape


def test_dtypes_are_kept_and_inputs_are_unchanged():
    for dtype, expected in ((np.float32, np.float32), (np.float64, np.float64), (np.int32, np.float64)):
        x = X.astype(dtype)
        for y, dx in all_engines(lambda: (local_response_norm(x), local_response_norm_dx(x, x=x))):  # noqa: B023
            assert y.dtype == dx.dtype == expected
    assert_inputs_unchanged(lambda x: local_response_norm(x, alpha=0, beta=0, k=1), X.copy())
    assert_inputs_unchanged(in_order(local_response_norm_dx), DY.copy(), X.copy())


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (ValueError, r"x must have 2, 3 or 4 axes .*got shape \(7,\)", lambda: local_response_norm(X[0])),
        (ValueError, "x must not be empty", lambda: local_response_norm(X[:, :0])),
        (TypeError, "x must be an array of float32, float64 or integers", lambda: local_response_norm(X.astype(complex))),
        (ValueError, "size must be at least 1, got 0", lambda: local_response_norm(X, 0)),
        (TypeError, "size must be an integer, got 2.5", lambda: local_response_norm(X, 2.5)),
        (TypeError, "size must be an integer", lambda: local_response_norm(X, (3, 3))),
        (ValueError, "alpha must be at least 0, got -1", lambda: local_response_norm(X, 5, -1)),
        (TypeError, "alpha must be a number, got None", lambda: local_response_norm(X, 5, None)),
        (ValueError, "beta must be finite, got nan", lambda: local_response_norm(X, beta=float("nan"))),
        (ValueError, "k must be above 0, got 0", lambda: local_response_norm(X, k=0)),
        (ValueError, "k must be above 0, got -2", lambda: local_response_norm(X, k=-2)),
        (ValueError, "data_format must be", lambda: local_response_norm(X, data_format="NHWC")),
        (ValueError, r"dy must have shape \(6, 7\), the shape of x", lambda: local_response_norm_dx(DY[:2], x=X)),
        (TypeError, "dy and x must have the same float type", lambda: local_response_norm_dx(DY.astype(np.float32), x=X)),
    ],
)
def test_invalid_arguments_are_rejected_by_name(error, message, call):
    with pytest.raises(error, match=message):
        call()


def test_a_k_that_underflows_in_float32_is_rejected():
    with pytest.raises(ValueError, match="k must be above 0"):
        local_response_norm(np.zeros((1, 2), np.float32), k=1e-60)
    with pytest.raises(TypeError, match="divide_by_size must be True or False, got 'no'"):
        local_response_norm(np.zeros((1, 2)), divide_by_size="no")
