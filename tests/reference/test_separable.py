"""Tests of the separable convolution loops: by hand, grouped, and exact derivatives."""

import numpy as np
import pytest

from evidence import assert_adjoint, assert_is_derivative, fractions, in_order
from refconv.geometry import Window
from refconv.reference import conv, separable
from strategies import small_floats, small_integers

POINT = Window((1, 1))
WINDOWS = [
    pytest.param((5, 4), Window((2, 3), (2, 1), ((0, 1), (2, 1)), (2, 1)), id="stride-dilation-asymmetric"),
    pytest.param((4, 5), Window((3, 2), (1, 2), "same"), id="same"),
    pytest.param((2, 3), Window((1, 2), 1, "full", (1, 2)), id="full-dilated"),
]


def test_an_image_computed_by_hand():
    # Channel 0 is 1 2 3, channel 1 is 7 8 9; each has two kernels.
    x = np.array([[1.0, 7], [2, 8], [3, 9]]).reshape(1, 1, 3, 2)
    w = np.array([[[1.0, 2], [10, 20]], [[0, 1], [100, -1]]]).reshape(1, 2, 2, 2)
    b = np.array([0.5, 0, 0, 0.25])
    y = separable.depthwise_conv2d(x, w, b, Window((1, 2)))
    # 1·1 + 2·0, 1·2 + 2·1, 7·10 + 8·100, 7·20 − 8·1
    assert y[0, 0].tolist() == [[1.5, 4, 870, 132.25], [2.5, 7, 980, 151.25]]
    pointwise = np.array([[1.0, 0, 1], [10, 0, 1], [0, 1, 0], [0, 0, 2]]).reshape(1, 1, 4, 3)
    y = separable.separable_conv2d(x, w, pointwise, np.array([0.0, 0, 1]), Window((1, 2)))
    assert y[0, 0].tolist() == [[41, 870, 1 + 4 + 264 + 1], [72, 980, 2 + 7 + 302 + 1]]


@pytest.mark.parametrize(("size", "window"), WINDOWS)
def test_depthwise_equals_a_convolution_with_a_group_for_each_channel(size, window):
    C, Q = 3, 2
    x, w, b = small_integers((2, *size, C), 0), small_integers((*window.kernel, C, Q), 1), small_integers((C * Q,), 2)
    dy = small_integers((2, *window.output_size(size), C * Q), 3)
    grouped = w.reshape(*window.kernel, 1, C * Q)
    np.testing.assert_array_equal(separable.depthwise_conv2d(x, w, b, window), conv.conv2d(x, grouped, b, window, C))
    np.testing.assert_array_equal(
        separable.depthwise_conv2d_dx(dy, w, size, window), conv.conv2d_dx(dy, grouped, size, window, C)
    )
    np.testing.assert_array_equal(
        separable.depthwise_conv2d_dw(x, dy, window), conv.conv2d_dw(x, dy, window, C).reshape(w.shape)
    )


@pytest.mark.parametrize(("size", "window"), WINDOWS)
def test_separable_equals_a_convolution_with_the_product_of_its_kernels(size, window):
    x, pointwise = small_integers((2, *size, 3), 0), small_integers((1, 1, 6, 4), 1)
    depthwise, b = small_integers((*window.kernel, 3, 2), 2), small_integers((4,), 3)
    product = np.einsum("mncq,cqo->mnco", depthwise, pointwise.reshape(3, 2, 4))
    expected = conv.conv2d(x, product, b, window, 1)
    np.testing.assert_array_equal(separable.separable_conv2d(x, depthwise, pointwise, b, window), expected)


@pytest.mark.parametrize(("size", "window"), WINDOWS)
class TestDerivatives:
    def arrays(self, size, window, values=fractions):
        x, depthwise, pointwise = values((2, *size, 2), 0), values((*window.kernel, 2, 3), 1), values((1, 1, 6, 4), 2)
        dz, dy = (values((2, *window.output_size(size), outputs), 3) for outputs in (6, 4))
        return x, depthwise, pointwise, dz, dy

    def test_depthwise_derivatives_are_exact_adjoints(self, size, window):
        x, w, _, dy, _ = self.arrays(size, window)
        assert_adjoint(
            lambda x: separable.depthwise_conv2d(x, w, None, window),
            lambda dy: separable.depthwise_conv2d_dx(dy, w, size, window),
            x,
            dy,
        )
        assert_adjoint(
            lambda w: separable.depthwise_conv2d(x, w, None, window),
            lambda dy: separable.depthwise_conv2d_dw(x, dy, window),
            w,
            dy,
        )

    def test_all_separable_derivatives_are_exact_adjoints(self, size, window):
        *inputs, _, dy = self.arrays(size, window)
        for k in range(3):

            def forward(a, k=k):
                return separable.separable_conv2d(*inputs[:k], a, *inputs[k + 1 :], None, window)

            assert_adjoint(
                forward, lambda dy, k=k: in_order(separable.separable_conv2d_grads)(dy, *inputs, window)[k], inputs[k], dy
            )

    def test_numeric_derivatives(self, size, window):
        *inputs, _, dy = self.arrays(size, window, small_floats)
        for k, derivative in enumerate(in_order(separable.separable_conv2d_grads)(dy, *inputs, window)):

            def forward(a, k=k):
                return separable.separable_conv2d(*inputs[:k], a, *inputs[k + 1 :], None, window)

            assert_is_derivative(derivative, forward, inputs[k], dy)


def test_symbolic_derivatives_agree_with_sympy():
    sympy = pytest.importorskip("sympy")

    def symbols(name, *shape):
        return np.array(sympy.symbols(f"{name}0:{np.prod(shape)}"), object).reshape(shape)

    x, depthwise, pointwise = symbols("x", 1, 1, 3, 2), symbols("u", 1, 2, 2, 2), symbols("p", 1, 1, 4, 2)
    window = Window((1, 2), (1, 2), ((0, 0), (1, 0)))
    y = separable.separable_conv2d(x, depthwise, pointwise, None, window)
    dy = symbols("d", *y.shape)
    e = sympy.expand(np.sum(dy * y))
    gradients = separable.separable_conv2d_grads(dy, x=x, depthwise=depthwise, pointwise=pointwise, window=window)
    for a, derivative in zip((x, depthwise, pointwise), gradients, strict=True):
        assert all(sympy.expand(sympy.diff(e, s) - d) == 0 for s, d in zip(a.flat, derivative.flat, strict=True))


def test_loops_do_not_change_their_arguments():
    x, w, p = small_floats((2, 3, 4, 2), 0), small_floats((2, 2, 2, 3), 1), small_floats((1, 1, 6, 5), 2)
    dy = small_floats((2, 2, 3, 5), 3)
    before = [a.copy() for a in (dy, x, w, p)]
    for result in separable.separable_conv2d_grads(dy, x=x, depthwise=w, pointwise=p, window=Window((2, 2))):
        result[...] = 0
    for a, b in zip((dy, x, w, p), before, strict=True):
        np.testing.assert_array_equal(a, b)
