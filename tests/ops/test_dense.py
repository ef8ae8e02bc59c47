"""Tests of the public dense operators: derivatives, empty batches and errors."""

import numpy as np
import pytest

from evidence import all_engines, assert_inputs_unchanged, assert_is_derivative, assert_same_sums
from refconv.ops.conv import conv2d
from refconv.ops.dense import dense, dense_db, dense_dw, dense_dx
from strategies import small_floats

X, W, B, DY = (small_floats(shape, seed) for seed, shape in enumerate([(3, 4), (4, 2), (2,), (3, 2)], 1))


def test_derivatives_agree_with_central_differences():
    assert_is_derivative(dense_dx(DY, W), lambda x: dense(x, W, B), X, DY)
    assert_is_derivative(dense_dw(X, DY), lambda w: dense(X, w, B), W, DY)
    assert_is_derivative(dense_db(DY), lambda b: dense(X, W, b), B, DY)


def test_a_1x1_convolution_is_a_dense_layer_at_each_pixel():
    x = small_floats((2, 5, 6, 4), 5)
    y = conv2d(x, W[None, None], B)
    assert_same_sums(y, lambda x, w, b: dense(x.reshape(-1, 4), w, b).reshape(2, 5, 6, 2), x, W, B, terms=4 + 1)


def test_an_empty_batch_has_no_outputs_and_zero_gradients():
    x, dy = np.zeros((0, 4)), np.zeros((0, 2))
    for results in all_engines(lambda: (dense(x, W, B), dense_dx(dy, W), dense_dw(x, dy), dense_db(dy))):
        y, dx, dw, db = results
        assert (y.shape, dx.shape) == ((0, 2), (0, 4))
        assert (dw == np.zeros((4, 2))).all()
        assert (db == [0, 0]).all()


def test_inputs_are_unchanged():
    assert_inputs_unchanged(dense, X, W, B)
    assert_inputs_unchanged(dense_dx, DY, W)
    assert_inputs_unchanged(dense_dw, X, DY)
    assert_inputs_unchanged(dense_db, DY)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: dense(X[0], W), ValueError, r"x must have 2 axes .*got shape \(4,\)"),
        (lambda: dense(X, W[0]), ValueError, "w must have 2 axes"),
        (lambda: dense(X[:, :3], W), ValueError, r"x must have shape \(3, 4\).* each row of w"),
        (lambda: dense(X, W, B[:1]), ValueError, r"b must have shape \(2,\)"),
        (lambda: dense(X, W[:, :0]), ValueError, "w must not be empty"),
        (lambda: dense(X.astype(np.float32), W), TypeError, "x and w must have the same float type"),
        (lambda: dense_dx(DY[:, :1], W), ValueError, r"dy must have shape \(3, 2\).* each column of w"),
        (lambda: dense_dw(X, DY[:2]), ValueError, r"dy must have shape \(3, 2\), with the batch size of x"),
        (lambda: dense_db(DY[0]), ValueError, "dy must have 2 axes"),
        (lambda: dense(X.astype(complex), W), TypeError, "x must be an array of float32"),
    ],
)
def test_invalid_arguments_are_rejected_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()
