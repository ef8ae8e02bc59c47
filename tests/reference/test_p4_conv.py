"""Tests of the loops on p4: by hand, exact equivariance, and exact derivatives."""

import numpy as np
import pytest

from evidence import assert_adjoint, assert_is_derivative, fractions
from refconv.geometry import Window
from refconv.reference import conv, p4_conv
from refconv.verify.catalogue.p4_conv import turned
from strategies import small_floats, small_integers

WINDOWS = [
    pytest.param((3, 4), Window((2, 2)), id="valid"),
    pytest.param((2, 3), Window((3, 3), padding="same"), id="same"),
    pytest.param((3, 1), Window((2, 2), padding=1), id="padded"),
]
WINDOWED = pytest.mark.parametrize(("size", "window"), WINDOWS)
LIFT, P4 = (), (4,)  # axes of x between its pixels and its channels
ROTATIONS = pytest.mark.parametrize("rotations", [LIFT, P4], ids=["lift", "p4"])


def functions(rotations):
    """Return the forward function and its derivatives by x and by w."""
    name = "p4_conv2d" if rotations else "p4_lift_conv2d"
    return tuple(getattr(p4_conv, name + suffix) for suffix in ("", "_dx", "_dw"))


def arrays(rotations, size, window, values, C=3, O=2):
    """Return x, w, bias and dy of one problem."""
    shapes = [(2, *size, *rotations, C), (*window.kernel, *rotations, C, O), (O,), (2, *window.output_size(size), 4, O)]
    return [values(shape, seed) for seed, shape in enumerate(shapes)]


def test_an_image_computed_by_hand():
    x = np.array([[1.0, 2], [3, 5]]).reshape(1, 2, 2, 1)
    w = np.array([[1.0, 10], [100, 1000]]).reshape(2, 2, 1, 1)
    y = p4_conv.p4_lift_conv2d(x, w, np.array([0.5]), Window((2, 2)))
    # np.rot90 moves the weights 1 10 / 100 1000 to 10 1000 / 1 100, then to 1000 100 / 10 1, then to 100 1 / 1000 10.
    by_hand = [1 + 20 + 300 + 5000, 10 + 2000 + 3 + 500, 1000 + 200 + 30 + 5, 100 + 2 + 3000 + 50]
    assert y.ravel().tolist() == [number + 0.5 for number in by_hand]


def test_a_function_on_one_pixel_computed_by_hand():
    x, w = np.array([1.0, 2, 3, 5]).reshape(1, 1, 1, 4, 1), np.array([1.0, 10, 100, 1000]).reshape(1, 1, 4, 1, 1)
    y = p4_conv.p4_conv2d(x, w, np.array([0.25]), Window((1, 1)))
    # Rotation 1 reads x_1, x_2, x_3, x_0 with the weights 1, 10, 100, 1000.
    by_hand = [1 + 20 + 300 + 5000, 2 + 30 + 500 + 1000, 3 + 50 + 100 + 2000, 5 + 10 + 200 + 3000]
    assert y.ravel().tolist() == [number + 0.25 for number in by_hand]


@pytest.mark.parametrize("r", range(4))
def test_the_index_of_a_rotated_kernel_is_that_of_rot90(r):
    w = np.arange(9).reshape(3, 3)
    rotated = [[w[p4_conv.rotated(m, n, r, 3)] for n in range(3)] for m in range(3)]
    assert rotated == np.rot90(w, r).tolist()


@WINDOWED
def test_each_rotation_of_a_lifting_convolution_is_a_convolution_with_rotated_kernels(size, window):
    x, w, b, _ = arrays(LIFT, size, window, small_integers)
    y = p4_conv.p4_lift_conv2d(x, w, b, window)
    for r in range(4):
        np.testing.assert_array_equal(y[..., r, :], conv.conv2d(x, np.rot90(w, r), b, window, 1))


@WINDOWED
def test_each_rotation_of_a_p4_convolution_is_a_sum_of_convolutions(size, window):
    x, w, b, _ = arrays(P4, size, window, small_integers)
    y = p4_conv.p4_conv2d(x, w, b, window)
    for r in range(4):
        parts = [conv.conv2d(x[..., s, :], np.rot90(w[:, :, (s - r) % 4], r), None, window, 1) for s in range(4)]
        np.testing.assert_array_equal(y[..., r, :], sum(parts) + b)


@ROTATIONS
@WINDOWED
class TestEquivariance:
    """D9: a rotation of the input by 90° rotates the output and shifts its rotation axis."""

    def test_the_output_for_a_rotated_input_is_the_rotated_output(self, rotations, size, window):
        forward, *_ = functions(rotations)
        x, w, b, _ = arrays(rotations, size, window, fractions)
        y = forward(x, w, b, window)
        for times in range(4):
            assert (forward(turned(x, times), w, b, window) == turned(y, times)).all()
        assert (turned(y) != y.reshape(turned(y).shape)).any()

    def test_the_derivatives_are_equivariant(self, rotations, size, window):
        _, dx, dw = functions(rotations)
        x, w, _, dy = arrays(rotations, size, window, fractions)
        assert (dx(turned(dy), w, size[::-1], window) == turned(dx(dy, w, size, window))).all()
        assert (dw(turned(x), turned(dy), window) == dw(x, dy, window)).all()

    def test_a_translation_of_the_input_translates_the_output(self, rotations, size, window):
        forward, *_ = functions(rotations)
        x, w, b, _ = arrays(rotations, size, window, small_integers)  # exact, and faster than fractions on larger images
        framed = np.pad(x, [(0, 0), (2, 2), (2, 2)] + [(0, 0)] * (x.ndim - 3), constant_values=0)
        moved = np.roll(framed, (1, 1), axis=(1, 2))
        y, y_moved = forward(framed, w, b, window), forward(moved, w, b, window)
        assert (y_moved[:, 2:-1, 2:-1] == y[:, 1:-2, 1:-2]).all()


def test_two_layers_and_a_maximum_are_equivariant():
    """D9: equivariant layers compose; the maximum over rotations removes their axis."""
    window, size = Window((3, 3), padding="same"), (3, 4)
    x, w_lift, b, _ = arrays(LIFT, size, window, fractions)
    _, w, b2, _ = arrays(P4, size, window, fractions, C=2, O=1)

    def network(x):
        y = p4_conv.p4_lift_conv2d(x, w_lift, b, window)
        return p4_conv.p4_conv2d(np.maximum(y, 0), w, b2, window).max(axis=3)

    assert (network(turned(x)) == turned(network(x))).all()
    assert (network(turned(x)).max(axis=(1, 2)) == network(x).max(axis=(1, 2))).all()


def test_a_plain_convolution_is_not_equivariant_to_rotations():
    # The kernel subtracts the right pixel from the left one. In a rotated image these are above one another.
    x, w = np.array([[3, 5, 5]]).reshape(1, 1, 3, 1), np.array([[0, 0, 0], [1, 0, -1], [0, 0, 0]]).reshape(3, 3, 1, 1)
    window = Window((3, 3), padding="same")
    y, y_turned = conv.conv2d(x, w, None, window, 1), conv.conv2d(turned(x), w, None, window, 1)
    assert y.ravel().tolist() == [-5, -2, 5]
    assert y_turned.ravel().tolist() == [0, 0, 0]
    # The lifting convolution has the output of the upright image at r = 1.
    assert p4_conv.p4_lift_conv2d(turned(x), w, None, window)[..., 1, 0].ravel().tolist() == [5, -2, -5]


def test_unequal_padding_is_not_equivariant():
    # A kernel of side 2 with "same" adds zeros below and on the right only, so the operators refuse it.
    x, w, b, _ = arrays(LIFT, (2, 3), Window((2, 2), padding="same"), fractions)
    window = Window((2, 2), padding="same")
    y = p4_conv.p4_lift_conv2d(x, w, b, window)
    assert (p4_conv.p4_lift_conv2d(turned(x), w, b, window) != turned(y)).any()


@ROTATIONS
@WINDOWED
class TestDerivatives:
    def test_derivatives_are_exact_adjoints(self, rotations, size, window):
        forward, dx, dw = functions(rotations)
        x, w, _, dy = arrays(rotations, size, window, fractions)
        assert_adjoint(lambda x: forward(x, w, None, window), lambda dy: dx(dy, w, size, window), x, dy)
        assert_adjoint(lambda w: forward(x, w, None, window), lambda dy: dw(x, dy, window), w, dy)

    @pytest.mark.slow  # the exact adjoints prove the same for these linear functions
    def test_numeric_derivatives(self, rotations, size, window):
        forward, dx, dw = functions(rotations)
        x, w, b, dy = arrays(rotations, size, window, small_floats)
        assert_is_derivative(dx(dy, w, size, window), lambda x: forward(x, w, b, window), x, dy)
        assert_is_derivative(dw(x, dy, window), lambda w: forward(x, w, b, window), w, dy)
        assert_is_derivative(p4_conv.p4_conv2d_db(dy), lambda b: forward(x, w, b, window), b, dy)

    def test_loops_do_not_change_their_arguments(self, rotations, size, window):
        forward, dx, dw = functions(rotations)
        x, w, b, dy = given = arrays(rotations, size, window, small_floats)
        before = [a.copy() for a in given]
        for result in (forward(x, w, b, window), dx(dy, w, size, window), dw(x, dy, window), p4_conv.p4_conv2d_db(dy)):
            result[...] = 0
        for a, b in zip(given, before, strict=True):
            np.testing.assert_array_equal(a, b)
