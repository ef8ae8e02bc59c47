"""Tests of the transposed convolution loops: examples, three definitions, derivatives."""

import numpy as np
import pytest
from hypothesis import given

from evidence import assert_adjoint, assert_is_derivative, fractions
from refconv.geometry import Window
from refconv.reference import conv, conv_transpose, matrix
from strategies import small_integers
from transpose_strategies import transpose_problem, transpose_problems


def forward(ndim):
    return getattr(conv_transpose, f"conv_transpose{ndim}d")


def row(*numbers):
    return np.array(numbers, float).reshape(1, -1, 1)


def test_a_signal_computed_by_hand():
    x, w = row(1, 10), np.array([1.0, 2, 3]).reshape(3, 1, 1)

    def stamped(size, **window):
        return conv_transpose.conv_transpose1d(x, w, None, (size,), Window((3,), **window), 1)[0, :, 0].tolist()

    assert stamped(4) == [1, 12, 23, 30]
    assert stamped(5, stride=2) == [1, 2, 13, 20, 30]
    assert stamped(6, stride=2) == [1, 2, 13, 20, 30, 0]
    assert stamped(6, dilation=2) == [1, 10, 2, 20, 3, 30]
    assert stamped(2, padding="same") == [12, 23]
    assert stamped(3, stride=2, padding="same") == [2, 13, 20]
    assert stamped(4, stride=2, padding="same") == [1, 2, 13, 20]
    assert stamped(2, stride=2, padding=((1, 2),)) == [2, 13]
    assert stamped(8, stride=5) == [1, 2, 3, 0, 0, 10, 20, 30]


def test_an_image_computed_by_hand():
    x, w = np.array([1.0, 10, 100, 1000]).reshape(1, 2, 2, 1), np.array([[1.0, 2, 3], [4, 5, 6]]).reshape(2, 3, 1, 1)
    y = conv_transpose.conv_transpose2d(x, w, np.array([0.5]), (3, 5), Window((2, 3), stride=(1, 2)), 1)
    assert y[0, :, :, 0].tolist() == [
        [1.5, 2.5, 13.5, 20.5, 30.5],
        [104.5, 205.5, 1346.5, 2050.5, 3060.5],
        [400.5, 500.5, 4600.5, 5000.5, 6000.5],
    ]
    cut = Window((2, 3), stride=(1, 2), padding=((1, 0), (0, 2)))
    y = conv_transpose.conv_transpose2d(x, w, None, (2, 3), cut, 1)
    assert y[0, :, :, 0].tolist() == [[104, 205, 1346], [400, 500, 4600]]


def test_groups_computed_by_hand():
    # Two groups of two inputs and three outputs each; each product has its own power of ten.
    x = np.array([1.0, 2, 3, 4]).reshape(1, 1, 4)
    w = np.array([[1.0, 10, 1, 10], [100, 1000, 100, 1000], [0, 1, 2, 3]]).reshape(1, 3, 4)
    y = conv_transpose.conv_transpose1d(x, w, None, (1,), Window((1,)), 2)
    assert y[0, 0].tolist() == [21, 2100, 2, 43, 4300, 18]


def test_each_group_writes_only_its_own_channels():
    p = transpose_problem((5, 7), Window((2, 3), (1, 2), "same"), C_g=2, O_g=3, groups=2)
    y = conv_transpose.conv_transpose2d(p.x, p.w, p.b, p.output_size, p.window, 2)
    for g in range(2):
        x, w, b = p.x[..., 2 * g :][..., :2], p.w[..., 2 * g :][..., :2], p.b[3 * g :][:3]
        alone = conv_transpose.conv_transpose2d(x, w, b, p.output_size, p.window, 1)
        np.testing.assert_array_equal(y[..., 3 * g :][..., :3], alone)


# Output size, window, groups. In "output-padding", y has pixels that no stamp reaches.
SETTINGS = [
    pytest.param((3, 4), Window((2, 3)), 1, id="plain"),
    pytest.param((7, 9), Window((2, 3), (2, 1), ((0, 1), (2, 1)), (3, 2)), 2, id="groups-stride-dilation-asymmetric"),
    pytest.param((6, 5), Window((3, 2), (2, 3), "same"), 1, id="same-strided"),
    pytest.param((5, 4), Window((2, 3), (3, 2), "same_lower"), 2, id="same-lower-groups"),
    pytest.param((4, 3), Window((1, 4), 1, "full", (1, 2)), 3, id="full-dilated"),
    pytest.param((6, 9), Window((2, 3), (2, 4)), 2, id="output-padding"),
    pytest.param((5, 8), Window((1, 2), (3, 5)), 1, id="gaps-between-stamps"),
    pytest.param((4, 2), Window((1, 2), 3, 3), 2, id="stamps-on-padding-only"),
    pytest.param((8,), Window((3,), 2, ((2, 1),), 2), 2, id="signal"),
    pytest.param((5,), Window((2,), 3, "same_lower"), 1, id="signal-same-lower"),
]
IMAGES = [setting for setting in SETTINGS if len(setting.values[0]) == 2]


def in_fractions(output_size, window, groups):
    """Return x with two channels per group, w, b, and dy with three per group, as fractions."""
    x = fractions((2, *window.output_size(output_size), 2 * groups), 0)
    w = fractions((*window.kernel, 3, 2 * groups), 1)
    b = fractions((3 * groups,), 2)
    dy = fractions((2, *output_size, 3 * groups), 3)
    return x, w, b, dy


@pytest.mark.parametrize(("output_size", "window", "groups"), SETTINGS)
class TestDerivatives:
    """Tests of the derivatives of ⟨dy, conv_transpose(x, w, b)⟩ with respect to x, w and b."""

    def derivative(self, name, window):
        return getattr(conv_transpose, f"conv_transpose{window.ndim}d_{name}")

    def test_dx_is_the_exact_adjoint_of_the_layer(self, output_size, window, groups):
        x, w, _, dy = in_fractions(output_size, window, groups)
        layer, dx = forward(window.ndim), self.derivative("dx", window)
        size = x.shape[1:-1]
        assert_adjoint(
            lambda x: layer(x, w, None, output_size, window, groups), lambda dy: dx(dy, w, size, window, groups), x, dy
        )

    def test_dw_is_the_exact_adjoint_of_the_layer_as_a_function_of_its_kernel(self, output_size, window, groups):
        x, w, _, dy = in_fractions(output_size, window, groups)
        layer, dw = forward(window.ndim), self.derivative("dw", window)
        assert_adjoint(lambda w: layer(x, w, None, output_size, window, groups), lambda dy: dw(x, dy, window, groups), w, dy)

    def test_db_is_the_exact_adjoint_of_the_layer_as_a_function_of_its_bias(self, output_size, window, groups):
        x, w, b, dy = in_fractions(output_size, window, groups)
        layer = forward(window.ndim)
        assert_adjoint(lambda b: layer(x, 0 * w, b, output_size, window, groups), self.derivative("db", window), b, dy)

    def test_numeric_derivatives(self, output_size, window, groups):
        p = transpose_problem(output_size, window, N=1, C_g=2, O_g=1, groups=groups)
        layer = forward(window.ndim)
        dx = self.derivative("dx", window)(p.dy, p.w, p.x.shape[1:-1], window, groups)
        dw = self.derivative("dw", window)(p.x, p.dy, window, groups)
        db = self.derivative("db", window)(p.dy)
        assert_is_derivative(dx, lambda x: layer(x, p.w, p.b, output_size, window, groups), p.x, p.dy)
        assert_is_derivative(dw, lambda w: layer(p.x, w, p.b, output_size, window, groups), p.w, p.dy)
        assert_is_derivative(db, lambda b: layer(p.x, p.w, b, output_size, window, groups), p.b, p.dy)


@pytest.mark.parametrize(("output_size", "window", "groups"), SETTINGS)
class TestTheThreeFormsOfTheLecture:
    """Tests that three definitions of the transposed convolution are equal (lecture row C2).

    They are ∂e/∂x of a convolution, the product with Tᵀ, and a convolution of the zero-stuffed input.
    """

    def test_it_equals_dx_of_the_convolution(self, output_size, window, groups):
        x, w, b, _ = in_fractions(output_size, window, groups)
        dx = getattr(conv, f"conv{window.ndim}d_dx")(x, w, output_size, window, groups)
        y = forward(window.ndim)(x, w, b, output_size, window, groups)
        np.testing.assert_array_equal(y, dx + b, strict=True)

    def test_it_equals_the_product_with_the_transposed_matrix(self, output_size, window, groups):
        x, w, b, dy = in_fractions(output_size, window, groups)
        T = getattr(matrix, f"toeplitz{window.ndim}d")(w, output_size, window, groups)
        y = forward(window.ndim)(x, w, b, output_size, window, groups)
        for image, stamped in zip(x, y, strict=True):
            np.testing.assert_array_equal((T.T @ image.ravel()).reshape(dy.shape[1:]) + b, stamped, strict=True)

    def test_its_derivatives_are_the_convolution_and_its_dw(self, output_size, window, groups):
        x, w, _, dy = in_fractions(output_size, window, groups)
        ours, theirs = f"conv_transpose{window.ndim}d", f"conv{window.ndim}d"
        dx = getattr(conv_transpose, f"{ours}_dx")(dy, w, x.shape[1:-1], window, groups)
        np.testing.assert_array_equal(dx, getattr(conv, theirs)(dy, w, None, window, groups), strict=True)
        dw = getattr(conv_transpose, f"{ours}_dw")(x, dy, window, groups)
        np.testing.assert_array_equal(dw, getattr(conv, f"{theirs}_dw")(dy, x, window, groups), strict=True)


@pytest.mark.parametrize(("output_size", "window", "groups"), IMAGES)
def test_it_equals_a_convolution_of_the_zero_stuffed_input(output_size, window, groups):
    x, w, b, _ = in_fractions(output_size, window, groups)
    for bias in (b, None):
        y = conv_transpose.conv_transpose2d(x, w, bias, output_size, window, groups)
        stuffed = conv_transpose.zero_stuffed_conv_transpose2d(x, w, bias, output_size, window, groups)
        np.testing.assert_array_equal(stuffed, y, strict=True)
        assert not np.shares_memory(stuffed, x)


@given(transpose_problems(2, values=small_integers, most_channels=2, most_groups=2))
def test_the_zero_stuffed_form_agrees_for_any_window(p):
    arguments = (p.x, p.w, p.b, p.output_size, p.window, p.groups)
    y = conv_transpose.conv_transpose2d(*arguments)
    assert y.dtype == p.x.dtype
    np.testing.assert_array_equal(conv_transpose.zero_stuffed_conv_transpose2d(*arguments), y, strict=True)


def test_an_output_padding_of_the_stride_or_more_computed_by_hand():
    # The stamps cover 2 + 5 elements, and the output continues with four elements that no stamp reaches.
    x, w, window = row(1, 10), np.array([1.0, 2]).reshape(2, 1, 1), Window((2,), stride=2, dilation=5)
    y = conv_transpose.conv_transpose1d(x, w, None, (12,), window, 1)
    assert y[0, :, 0].tolist() == [1, 0, 10, 0, 0, 2, 0, 20, 0, 0, 0, 0]
    dy = row(*range(1, 13))
    assert conv_transpose.conv_transpose1d_dx(dy, w, (2,), window, 1)[0, :, 0].tolist() == [1 + 2 * 6, 3 + 2 * 8]
    assert conv_transpose.conv_transpose1d_dw(x, dy, window, 1)[:, 0, 0].tolist() == [1 + 10 * 3, 6 + 10 * 8]


def test_turned_flips_the_kernel_and_swaps_the_channels_of_each_group():
    w = small_integers((2, 3, 3, 4), 1)  # two groups of two inputs and three outputs
    t = conv_transpose.flip_kernel(w, 2)
    assert t.shape == (2, 3, 2, 6)
    for m, n, o, c in np.ndindex(w.shape):
        assert t[1 - m, 2 - n, c % 2, 3 * (c // 2) + o] == w[m, n, o, c]


@pytest.mark.parametrize("ndim", [1, 2])
def test_symbolic_derivatives_agree_with_sympy(ndim):
    sympy = pytest.importorskip("sympy")

    def symbols(letter, *shape):
        letters = sympy.symbols(f"{letter}0:{int(np.prod(shape))}")
        return np.array(letters, object).reshape(shape)

    window = Window((1, 2)[-ndim:], (1, 3)[-ndim:], ((0, 0), (1, 0))[-ndim:])
    output_size = (2, 5)[-ndim:]  # with one pixel of output padding
    x = symbols("x", 1, *window.output_size(output_size), 2)
    w, b, dy = symbols("w", *window.kernel, 2, 2), symbols("b", 4), symbols("d", 1, *output_size, 4)
    e = sympy.expand(np.sum(dy * forward(ndim)(x, w, b, output_size, window, 2)))
    pre = f"conv_transpose{ndim}d"
    dx = getattr(conv_transpose, f"{pre}_dx")(dy, w, x.shape[1:-1], window, 2)
    dw = getattr(conv_transpose, f"{pre}_dw")(x, dy, window, 2)
    db = getattr(conv_transpose, f"{pre}_db")(dy)
    for array, derivative in ((x, dx), (w, dw), (b, db)):
        assert array.shape == derivative.shape
        assert all(sympy.expand(sympy.diff(e, s) - d) == 0 for s, d in zip(array.flat, derivative.flat, strict=True))


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_loops_do_not_change_their_arguments(padding):
    p = transpose_problem((4, 5), Window((2, 3), padding=padding))
    arrays = (p.x, p.w, p.b, p.dy)
    before = [a.copy() for a in arrays]
    results = [
        conv_transpose.conv_transpose2d(p.x, p.w, p.b, p.output_size, p.window, 1),
        conv_transpose.conv_transpose2d_dx(p.dy, p.w, p.x.shape[1:-1], p.window, 1),
        conv_transpose.conv_transpose2d_dw(p.x, p.dy, p.window, 1),
        conv_transpose.conv_transpose2d_db(p.dy),
    ]
    for result in results:
        result[...] = 0
    for a, b in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(a, b)
