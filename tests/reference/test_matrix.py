"""Tests of the matrix loops: im2col, col2im, Toeplitz matrices and zero stuffing."""

import numpy as np
import pytest
from hypothesis import given

from evidence import assert_adjoint, fractions
from refconv.geometry import Window
from refconv.reference import conv, matrix
from strategies import conv_problems, small_integers

SETTINGS = [
    pytest.param((5, 7), Window((2, 3)), 1, id="plain"),
    pytest.param((7, 9), Window((2, 3), (2, 1), ((0, 1), (2, 1)), (3, 2)), 2, id="groups-stride-dilation-asymmetric"),
    pytest.param((6, 5), Window((3, 2), (2, 3), "same"), 1, id="same-strided"),
    pytest.param((4, 3), Window((1, 4), 1, "full", (1, 2)), 3, id="full-dilated"),
    pytest.param((5, 8), Window((1, 2), (3, 5)), 1, id="pixels-between-windows"),
    pytest.param((4, 2), Window((1, 2), 3, 3), 2, id="windows-on-padding-only"),
    pytest.param((8,), Window((3,), 2, ((2, 1),), 2), 2, id="signal"),
    pytest.param((5,), Window((2,), 3, "same_lower"), 1, id="signal-same-lower"),
]
IMAGES = [setting for setting in SETTINGS if len(setting.values[0]) == 2]


def in_fractions(input_size, window, groups):
    x = fractions((2, *input_size, 2 * groups), 0)
    w = fractions((*window.kernel, 2, 3 * groups), 1)
    dy = fractions((2, *window.output_size(input_size), 3 * groups), 2)
    return x, w, dy


def test_im2col_computed_by_hand():
    # Two images of 2 × 3 pixels and two channels; hundreds number the image, tens the pixel, ones the channel.
    b, u, v, c = np.ogrid[1:3, 0:2, 0:3, 0:2]
    x = 100.0 * b + 10 * (3 * u + v) + c
    assert matrix.im2col(x, Window((2, 1), (1, 2))).tolist() == [
        [100, 120, 200, 220],
        [101, 121, 201, 221],
        [130, 150, 230, 250],
        [131, 151, 231, 251],
    ]
    assert matrix.im2col(x[:1, :, :, :1], Window((1, 2), (2, 2), ((0, 1), (1, 0)))).tolist() == [
        [0, 110, 0, 0],
        [100, 120, 0, 0],
    ]


def test_col2im_computed_by_hand():
    columns = np.array([[1.0, 2, 3, 4], [10, 20, 30, 40]])  # kernel entries 0 and 1; two images of one channel, two pixels
    x = matrix.col2im(columns, (1, 3), Window((1, 2)))
    assert x[..., 0].tolist() == [[[1, 12, 20]], [[3, 34, 40]]]
    x = matrix.col2im(columns, (1, 3), Window((1, 2), 2, ((0, 0), (1, 0))))
    assert x[..., 0].tolist() == [[[10, 2, 20]], [[30, 4, 40]]]
    two_channels = matrix.col2im(columns, (2, 2), Window((1, 1)))  # both rows are channels of one kernel entry
    assert two_channels.tolist() == [[[[1, 10], [2, 20]], [[3, 30], [4, 40]]]]


@given(conv_problems(2, values=small_integers, most_groups=1))
def test_the_layer_equals_the_kernels_times_im2col(p):
    y = conv.conv2d(p.x, p.w, None, p.window, 1)
    product = p.w.reshape(-1, y.shape[-1]).T @ matrix.im2col(p.x, p.window)
    np.testing.assert_array_equal(product, y.reshape(-1, y.shape[-1]).T, strict=True)


@given(conv_problems(2, values=small_integers, most_groups=1))
def test_dx_and_dw_equal_matrix_products(p):
    M, D = matrix.im2col(p.x, p.window), p.dy.reshape(-1, p.dy.shape[-1])
    K = p.w.reshape(-1, p.w.shape[-1])
    np.testing.assert_array_equal((M @ D).reshape(p.w.shape), conv.conv2d_dw(p.x, p.dy, p.window, 1), strict=True)
    dx = matrix.col2im(K @ D.T, p.size, p.window)
    np.testing.assert_array_equal(dx, conv.conv2d_dx(p.dy, p.w, p.size, p.window, 1), strict=True)


@pytest.mark.parametrize(("input_size", "window", "groups"), IMAGES)
def test_col2im_is_the_exact_adjoint_of_im2col(input_size, window, groups):
    x = fractions((2, *input_size, 3), 0)
    columns = fractions(matrix.im2col(x, window).shape, 1)
    assert_adjoint(lambda x: matrix.im2col(x, window), lambda m: matrix.col2im(m, input_size, window), x, columns)


def test_col2im_of_im2col_counts_the_windows_that_read_a_pixel():
    ones = np.ones((1, 3, 4, 1))
    folded = matrix.col2im(matrix.im2col(ones, Window((2, 3))), (3, 4), Window((2, 3)))
    assert folded[0, :, :, 0].tolist() == [[1, 2, 2, 1], [2, 4, 4, 2], [1, 2, 2, 1]]


@pytest.mark.parametrize(("input_size", "window", "groups"), SETTINGS)
class TestToeplitz:
    """Tests of y = T x and x̂ = Tᵀ y with fractions."""

    def matrix(self, w, input_size, window, groups):
        return getattr(matrix, f"toeplitz{window.ndim}d")(w, input_size, window, groups)

    def test_its_product_with_x_equals_the_layer(self, input_size, window, groups):
        x, w, dy = in_fractions(input_size, window, groups)
        T, y = self.matrix(w, input_size, window, groups), getattr(conv, f"conv{window.ndim}d")(x, w, None, window, groups)
        assert T.shape == (dy[0].size, x[0].size)
        for signal, output in zip(x, y, strict=True):
            np.testing.assert_array_equal((T @ signal.ravel()).reshape(output.shape), output, strict=True)

    def test_the_product_of_its_transpose_with_dy_equals_dx(self, input_size, window, groups):
        x, w, dy = in_fractions(input_size, window, groups)
        T = self.matrix(w, input_size, window, groups)
        dx = getattr(conv, f"conv{window.ndim}d_dx")(dy, w, input_size, window, groups)
        for d, expected in zip(dy, dx, strict=True):
            np.testing.assert_array_equal((T.T @ d.ravel()).reshape(x.shape[1:]), expected, strict=True)

    def test_inner_products_agree_with_the_layer_and_its_dx(self, input_size, window, groups):
        x, w, dy = in_fractions(input_size, window, groups)
        T = self.matrix(w, input_size, window, groups)
        assert_adjoint(lambda x: T @ x, lambda dy: T.T @ dy, x[0].ravel(), dy[0].ravel())
        dx = getattr(conv, f"conv{window.ndim}d_dx")
        assert_adjoint(
            lambda x: (T @ x.ravel()).reshape(dy[:1].shape), lambda dy: dx(dy, w, input_size, window, groups), x[:1], dy[:1]
        )
        layer = getattr(conv, f"conv{window.ndim}d")
        assert_adjoint(
            lambda x: layer(x, w, None, window, groups), lambda dy: (T.T @ dy.ravel()).reshape(x[:1].shape), x[:1], dy[:1]
        )

    def test_it_is_a_new_contiguous_array(self, input_size, window, groups):
        _, w, _ = in_fractions(input_size, window, groups)
        T = self.matrix(w, input_size, window, groups)
        assert T.flags.c_contiguous
        assert not np.shares_memory(T, w)


def is_toeplitz(T):
    return (T[1:, 1:] == T[:-1, :-1]).all()


@pytest.mark.parametrize("padding", ["valid", "same", "full", 2, ((3, 0),)])
@pytest.mark.parametrize("dilation", [1, 2])
def test_with_one_channel_and_stride_one_each_diagonal_is_constant(padding, dilation):
    w = np.array([2.0, 3, 5]).reshape(3, 1, 1)
    assert is_toeplitz(matrix.toeplitz1d(w, (8,), Window((3,), 1, padding, dilation), 1))


def test_with_a_larger_stride_the_diagonals_are_not_constant():
    w = np.array([2.0, 3, 5]).reshape(3, 1, 1)
    assert not is_toeplitz(matrix.toeplitz1d(w, (8,), Window((3,), 2), 1))


@pytest.mark.parametrize("padding", ["valid", "same", "full", ((2, 0), (1, 3))])
@pytest.mark.parametrize("dilation", [(1, 1), (2, 1)])
def test_in_two_dimensions_the_matrix_is_doubly_block_toeplitz(padding, dilation):
    window = Window((2, 3), 1, padding, dilation)
    (H, W), (rows, columns) = (5, 7), window.output_size((5, 7))
    w = np.array([[2.0, 3, 5], [7, 11, 13]]).reshape(2, 3, 1, 1)
    blocks = matrix.toeplitz2d(w, (H, W), window, 1).reshape(rows, columns, H, W).swapaxes(1, 2)
    assert (blocks[1:, 1:] == blocks[:-1, :-1]).all()
    assert all(is_toeplitz(blocks[i, u]) for i in range(rows) for u in range(H))
    # The matrix itself is not Toeplitz: its diagonals change from one block to the next.
    assert not is_toeplitz(matrix.toeplitz2d(w, (H, W), window, 1))


def test_a_signal_equals_an_image_one_pixel_high():
    w = small_integers((3, 2, 6), 1)
    window = Window((3,), 2, ((2, 1),), 2)
    T = matrix.toeplitz2d(w[None], (1, 8), window.with_axis_before(), 2)
    np.testing.assert_array_equal(matrix.toeplitz1d(w, (8,), window, 2), T, strict=True)


def test_zero_stuff_computed_by_hand():
    x = np.arange(1.0, 9).reshape(1, 2, 2, 2)
    assert matrix.zero_stuff(x, (2, 3))[0].tolist() == [
        [[1, 2], [0, 0], [0, 0], [3, 4]],
        [[0, 0], [0, 0], [0, 0], [0, 0]],
        [[5, 6], [0, 0], [0, 0], [7, 8]],
    ]
    assert matrix.zero_stuff(np.array([[[1], [2]], [[3], [4]]]), (4,))[..., 0].tolist() == [[1, 0, 0, 0, 2], [3, 0, 0, 0, 4]]
    assert matrix.zero_stuff(np.ones((0, 2, 1)), (3,)).shape == (0, 4, 1)


@pytest.mark.parametrize(("size", "stride"), [((3, 4), (2, 3)), ((5,), (4,)), ((2, 3), (1, 1))])
def test_zero_stuffing_is_the_adjoint_of_strided_slicing(size, stride):
    x = fractions((2, *size, 3), 0)
    stuffed = matrix.zero_stuff(x, stride)
    strided = (slice(None), *(slice(None, None, S) for S in stride))
    np.testing.assert_array_equal(stuffed[strided], x, strict=True)
    assert np.count_nonzero(stuffed) == np.count_nonzero(x)
    dy = fractions(stuffed.shape, 1)
    assert_adjoint(lambda x: matrix.zero_stuff(x, stride), lambda dy: dy[strided], x, dy)
    assert not np.shares_memory(stuffed, x)


def test_the_matrices_accept_symbols():
    sympy = pytest.importorskip("sympy")
    x = np.array(sympy.symbols("x0:12"), object).reshape(1, 2, 3, 2)
    w = np.array(sympy.symbols("w0:12"), object).reshape(1, 2, 2, 3)
    window = Window((1, 2), 1, ((0, 0), (1, 0)))
    T, y = matrix.toeplitz2d(w, (2, 3), window, 1), conv.conv2d(x, w, None, window, 1)
    # ∂y/∂x of the layer, by sympy, is T; and im2col gives y again.
    jacobian = sympy.Matrix(y.ravel().tolist()).jacobian(x.ravel().tolist())
    assert (np.array(jacobian, object) == T).all()
    product = w.reshape(4, 3).T @ matrix.im2col(x, window)
    assert all(sympy.expand(a - b) == 0 for a, b in zip(product.T.ravel(), y.ravel(), strict=True))
    folded = matrix.col2im(matrix.im2col(x, window), (2, 3), window)
    assert [sympy.expand(s / e) for s, e in zip(folded[0, 0].ravel(), x[0, 0].ravel(), strict=True)] == [2, 2, 2, 2, 1, 1]
