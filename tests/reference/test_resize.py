"""Tests of the loops of padding, upsampling and adaptive pooling."""

from fractions import Fraction

import numpy as np
import pytest

from evidence import assert_adjoint, assert_is_derivative, fractions
from refconv.geometry import Window
from refconv.reference.resize import (
    adaptive_avg_pool2d,
    adaptive_avg_pool2d_dx,
    axis_weights,
    covered,
    pad,
    pad_dx,
    source_index,
    upsample2d,
    upsample2d_dx,
)
from strategies import small_floats

PAD_MODES = ("zeros", "reflect", "edge")
MODES = ("nearest", "bilinear")
PADDINGS = [((0, 0), (0, 0)), ((1, 0), (0, 3)), ((0, 2), (3, 1)), ((2, 2), (1, 2))]
SCALES = [(1, 1), (2, 3), (3, 2), (1, 4), (5, 1)]


def padding_window(pads):
    return Window((1, 1), padding=pads)


def test_padding_computed_by_hand():
    x = np.array([[1.0, 2, 3], [4, 5, 6]]).reshape(1, 2, 3, 1)
    window = padding_window(((1, 0), (1, 2)))
    assert pad(x, window, "zeros")[0, ..., 0].tolist() == [[0] * 6, [0, 1, 2, 3, 0, 0], [0, 4, 5, 6, 0, 0]]
    assert pad(x, window, "edge")[0, ..., 0].tolist() == [[1, 1, 2, 3, 3, 3], [1, 1, 2, 3, 3, 3], [4, 4, 5, 6, 6, 6]]
    assert pad(x, window, "reflect")[0, ..., 0].tolist() == [[5, 4, 5, 6, 5, 4], [2, 1, 2, 3, 2, 1], [5, 4, 5, 6, 5, 4]]
    assert [source_index(i, 4, "reflect") for i in range(-3, 7)] == [3, 2, 1, 0, 1, 2, 3, 2, 1, 0]


@pytest.mark.parametrize("pads", PADDINGS)
@pytest.mark.parametrize(("mode", "numpy_mode"), [("zeros", "constant"), ("reflect", "reflect"), ("edge", "edge")])
def test_pad_equals_numpys_pad(pads, mode, numpy_mode):
    x = small_floats((2, 3, 4, 5), 1, np.float32)
    expected = np.pad(x, ((0, 0), *pads, (0, 0)), numpy_mode)
    np.testing.assert_array_equal(pad(x, padding_window(pads), mode), expected, strict=True)


def test_upsampling_computed_by_hand():
    x = np.array([[0.0, 4], [8, 16]]).reshape(1, 2, 2, 1)
    copies = [[0, 0, 0, 4, 4, 4]] * 2 + [[8, 8, 8, 16, 16, 16]] * 2
    assert upsample2d(x, (2, 3), "nearest")[0, ..., 0].tolist() == copies
    # Down, the weights are 0, ¼, ¾, 1. Across, (2i + 1 − 3)/6 is −⅓, 0, ⅓, ⅔, 1, 4/3, so 0 to 4 gives 0, 0, 4/3, 8/3, 4, 4.
    y = upsample2d(x, (2, 3), "bilinear")[0, ..., 0]
    np.testing.assert_allclose(y[0], [0, 0, 4 / 3, 8 / 3, 4, 4], rtol=1e-15)
    np.testing.assert_allclose(y[3], [8, 8, 8 + 8 / 3, 8 + 16 / 3, 16, 16], rtol=1e-15)
    np.testing.assert_allclose(y[1], 0.75 * y[0] + 0.25 * y[3], rtol=1e-15)
    np.testing.assert_allclose(y[2], 0.25 * y[0] + 0.75 * y[3], rtol=1e-15)


@pytest.mark.parametrize("S", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_weights_of_an_output_sum_to_one_and_have_its_centre(n, S):
    for i in range(n * S):
        for mode in MODES:
            read = axis_weights(i, n, S, mode)
            assert all(0 <= u < n and p > 0 for u, p, _ in read)
            assert sum(Fraction(p, q) for _, p, q in read) == 1
        centre = Fraction(2 * i + 1, 2 * S) - Fraction(1, 2)
        assert sum(u * Fraction(p, q) for u, p, q in read) == min(max(centre, 0), n - 1)


@pytest.mark.parametrize("scale", SCALES)
def test_bilinear_interpolates_linearly_between_the_centres(scale):
    x = small_floats((2, 4, 3, 2), 1)
    y = upsample2d(x, scale, "bilinear")
    centres = [(np.arange(n * S) + 0.5) / S - 0.5 for n, S in zip((4, 3), scale, strict=True)]
    for axis, at in zip((1, 2), centres, strict=True):  # np.interp also repeats the edge
        x = np.apply_along_axis(lambda line, at=at: np.interp(at, range(len(line)), line), axis, x)
    np.testing.assert_allclose(y, x, rtol=1e-12, atol=1e-12)


def test_upsampling_a_plane_gives_a_plane_between_the_outermost_centres():
    u, v = np.mgrid[:4, :5]
    y = upsample2d((2.0 * u + 7 * v)[None, ..., None], (3, 2), "bilinear")[0, 2:-2, 1:-1, 0]
    np.testing.assert_allclose(np.diff(y, axis=0), 2 / 3, rtol=1e-12)
    np.testing.assert_allclose(np.diff(y, axis=1), 7 / 2, rtol=1e-12)


@pytest.mark.parametrize("mode", PAD_MODES)
@pytest.mark.parametrize("pads", PADDINGS)
def test_pad_dx_is_the_exact_adjoint(pads, mode):
    x = fractions((2, 3, 4, 2), 0)
    dy = fractions(pad(x, padding_window(pads), mode).shape, 1)
    forward, backward = (
        (lambda x: pad(x, padding_window(pads), mode)),
        (lambda dy: pad_dx(dy, (3, 4), padding_window(pads), mode)),
    )
    assert_adjoint(forward, backward, x, dy)
    x, dy = small_floats(x.shape, 2), small_floats(dy.shape, 3)
    assert_is_derivative(backward(dy), forward, x, dy)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scale", SCALES)
def test_upsample_dx_is_the_exact_adjoint(scale, mode):
    x = fractions((2, 3, 4, 2), 0)
    dy = fractions(upsample2d(x, scale, mode).shape, 1)
    forward, backward = (lambda x: upsample2d(x, scale, mode)), (lambda dy: upsample2d_dx(dy, scale, mode))
    assert_adjoint(forward, backward, x, dy)
    x, dy = small_floats((1, 2, 3, 1), 2), small_floats((1, 2 * scale[0], 3 * scale[1], 1), 3)
    assert_is_derivative(backward(dy), forward, x, dy)


def test_symbolic_derivatives_agree_with_sympy():
    sympy = pytest.importorskip("sympy")
    x = np.array(sympy.symbols("x0:6"), object).reshape(1, 2, 3, 1)
    window = padding_window(((1, 0), (2, 1)))
    cases = [((lambda x, m=m: pad(x, window, m)), (lambda dy, m=m: pad_dx(dy, (2, 3), window, m))) for m in PAD_MODES]
    cases += [((lambda x, m=m: upsample2d(x, (2, 3), m)), (lambda dy, m=m: upsample2d_dx(dy, (2, 3), m))) for m in MODES]
    for forward, backward in cases:
        y = forward(x)
        dy = np.array(sympy.symbols(f"d0:{y.size}"), object).reshape(y.shape)
        e = np.sum(dy * y)
        assert all(sympy.expand(sympy.diff(e, s) - d) == 0 for s, d in zip(x.flat, backward(dy).flat, strict=True))


def test_adaptive_pooling_computed_by_hand():
    x = np.array([[1.0, 3, 5, 7, 9], [11, 13, 15, 17, 19], [0, 0, 0, 0, 30]]).reshape(1, 3, 5, 1)
    # Rows 0–1 and 1–2, columns 0–2 and 2–4.
    assert adaptive_avg_pool2d(x, (2, 2))[0, ..., 0].tolist() == [[8, 12], [6.5, 13.5]]
    assert adaptive_avg_pool2d(x, (1, 5))[0, ..., 0].tolist() == [[4, 16 / 3, 20 / 3, 8, 58 / 3]]
    assert [[*covered(i, 14, 4)] for i in range(4)] == [[*range(4)], [*range(3, 7)], [*range(7, 11)], [*range(10, 14)]]
    assert [[*covered(i, 2, 5)] for i in range(5)] == [[0], [0], [0, 1], [1], [1]]


@pytest.mark.parametrize("size", [(1, 1), (3, 4), (2, 3), (5, 7)])
def test_adaptive_pool_dx_is_the_exact_adjoint(size):
    x, dy = fractions((2, 3, 4, 2), 0), fractions((2, *size, 2), 1)
    forward, backward = (lambda x: adaptive_avg_pool2d(x, size)), (lambda dy: adaptive_avg_pool2d_dx(dy, (3, 4)))
    assert_adjoint(forward, backward, x, dy)
    if size == (3, 4):
        assert (forward(x) == x).all()
