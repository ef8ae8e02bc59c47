"""Tests of the dense layer's loops: by hand, exact derivatives, 1×1 convolution."""

import numpy as np
import pytest

from evidence import assert_adjoint, fractions
from refconv.geometry import Window
from refconv.reference.conv import conv2d, conv2d_db, conv2d_dw, conv2d_dx
from refconv.reference.dense import dense, dense_db, dense_dw, dense_dx

N, C, O = 3, 4, 2


def test_an_example_computed_by_hand():
    x, w, b = np.array([[1.0, 2], [3, 5]]), np.array([[1.0, 10, 100], [7, 0, 9]]), np.array([0.5, 0, -1])
    assert dense(x, w, b).tolist() == [[15.5, 10, 117], [38.5, 30, 344]]
    assert dense(x, w, None).tolist() == [[15, 10, 118], [38, 30, 345]]


def test_dense_equals_a_matrix_product():
    x, w, b = fractions((N, C), 1), fractions((C, O), 2), fractions((O,), 3)
    assert (dense(x, w, b) == x @ w + b).all()


def test_all_derivatives_are_exact_adjoints():
    x, w, dy = fractions((N, C), 1), fractions((C, O), 2), fractions((N, O), 3)
    assert_adjoint(lambda x: dense(x, w, None), lambda dy: dense_dx(dy, w), x, dy)
    assert_adjoint(lambda w: dense(x, w, None), lambda dy: dense_dw(x, dy), w, dy)
    zeros = np.zeros((C, O), object)
    assert_adjoint(lambda b: dense(x, zeros, b), dense_db, fractions((O,), 4), dy)


def test_a_1x1_convolution_is_a_dense_layer_at_each_pixel():
    (H, W), window = (5, 6), Window((1, 1))
    x, w, b, dy = fractions((N, H, W, C), 1), fractions((C, O), 2), fractions((O,), 3), fractions((N, H, W, O), 4)
    y = conv2d(x, w[None, None], b, window, 1)
    dx, dw = conv2d_dx(dy, w[None, None], (H, W), window, 1), conv2d_dw(x, dy, window, 1)
    for i in range(H):
        for j in range(W):
            assert (y[:, i, j] == dense(x[:, i, j], w, b)).all()
            assert (dx[:, i, j] == dense_dx(dy[:, i, j], w)).all()
    pixels = x.reshape(-1, C), dy.reshape(-1, O)
    assert (dw[0, 0] == dense_dw(*pixels)).all()
    assert (conv2d_db(dy) == dense_db(pixels[1])).all()


def test_symbolic_derivatives_agree_with_sympy():
    sympy = pytest.importorskip("sympy")
    x, w = (np.array(sympy.symbols(f"{name}:6"), object).reshape(shape) for name, shape in (("x", (2, 3)), ("w", (3, 2))))
    dy = np.array(sympy.symbols("d:4"), object).reshape(2, 2)
    e = (dense(x, w, None) * dy).sum()
    for derivative, array in ((dense_dx(dy, w), x), (dense_dw(x, dy), w)):
        assert all(sympy.expand(sympy.diff(e, array[i]) - derivative[i]) == 0 for i in np.ndindex(array.shape))
