"""Tests of the convolution loops: slides, NumPy, SciPy, derivatives and symbols."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from scipy import signal

import refconv
from evidence import assert_adjoint, assert_is_derivative, assert_same_sums, engines, fractions
from refconv.geometry import Window
from refconv.reference import conv
from refconv.verify.evidence.slide_example import PRINTED, slide_example
from strategies import conv_problems, problem, small_integers


def forward(ndim):
    return getattr(conv, f"conv{ndim}d")


def strided_view_conv(p):
    """Compute the layer with NumPy: gather all patches of the padded input and multiply."""
    window, space = p.window, tuple(range(1, p.x.ndim - 1))
    x = np.pad(p.x, ((0, 0), *window.pads(p.size), (0, 0)))
    patches = np.lib.stride_tricks.sliding_window_view(x, window.span, space)  # (N, *positions, C, *span)
    strided = [slice(None, None, S) for S in window.stride]
    taps = [slice(None, None, D) for D in window.dilation]
    patches = patches[(slice(None), *strided, slice(None), *taps)]
    ys = [
        np.tensordot(chunk, np.moveaxis(w, -2, 0), axes=window.ndim + 1)
        for chunk, w in zip(np.split(patches, p.groups, axis=1 + window.ndim), np.split(p.w, p.groups, axis=-1), strict=True)
    ]
    return np.concatenate(ys, axis=-1) + p.b


def test_examples_of_the_lecture():
    x, w = np.arange(1.0, 7).reshape(1, 6, 1), np.array([1.0, 2, 3]).reshape(3, 1, 1)
    assert conv.conv1d(x, w, None, Window((3,)), 1)[0, :, 0].tolist() == [14, 20, 26, 32]
    assert conv.conv1d(x, w, None, Window((3,), stride=2), 1)[0, :, 0].tolist() == [14, 26]
    assert conv.conv1d(x, w, None, Window((3,), dilation=2), 1)[0, :, 0].tolist() == [22, 28]
    assert conv.conv1d(x, w, None, Window((3,), padding="same"), 1)[0, :, 0].tolist() == [8, 14, 20, 26, 32, 17]
    assert conv.conv1d(x, w, np.array([0.5]), Window((3,), padding=((2, 0),)), 1)[0, :2, 0].tolist() == [3.5, 8.5]


def test_an_image_computed_by_hand():
    x = np.arange(1.0, 13).reshape(1, 3, 4, 1)
    w = 10.0 ** np.arange(6).reshape(2, 3, 1, 1)
    assert conv.conv2d(x, w, None, Window((2, 3)), 1)[0, :, :, 0].tolist() == [[765321, 876432], [1209765, 1320876]]
    padded = Window((2, 3), (2, 3), ((0, 1), (1, 1)))
    assert conv.conv2d(x, w, None, padded, 1)[0, :, :, 0].tolist() == [[650210, 87043], [1090, 131]]


SLIDE_X = [  # the 7×7×3 input volume, including its padding of 1
    [
        [0, 0, 0, 0, 0, 0, 0],
        [0, 0, 1, 2, 2, 2, 0],
        [0, 2, 0, 1, 0, 2, 0],
        [0, 0, 0, 1, 1, 2, 0],
        [0, 1, 0, 2, 2, 0, 0],
        [0, 2, 1, 2, 1, 0, 0],
        [0, 0, 0, 0, 0, 0, 0],
    ],
    [
        [0, 0, 0, 0, 0, 0, 0],
        [0, 0, 1, 0, 2, 2, 0],
        [0, 0, 1, 0, 2, 0, 0],
        [0, 2, 1, 1, 2, 0, 0],
        [0, 1, 0, 0, 0, 0, 0],
        [0, 0, 2, 1, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0],
    ],
    [
        [0, 0, 0, 0, 0, 0, 0],
        [0, 0, 1, 2, 1, 2, 0],
        [0, 2, 0, 1, 0, 1, 0],
        [0, 1, 1, 2, 1, 0, 0],
        [0, 1, 0, 2, 1, 0, 0],
        [0, 2, 0, 0, 2, 2, 0],
        [0, 0, 0, 0, 0, 0, 0],
    ],
]
SLIDE_W0 = [
    [[0, 0, 1], [1, -1, -1], [1, 1, 0]],
    [[0, 1, -1], [0, 1, 0], [0, 0, 0]],  # [0, 2] is printed as 1: its minus sign is lost
    [[1, 0, -1], [0, -1, 1], [-1, 1, 0]],  # [1, 1] is printed as 1: its minus sign is lost
]
SLIDE_W1 = [
    [[-1, 1, 0], [1, 1, -1], [0, -1, -1]],
    [[1, 1, -1], [1, 1, 1], [0, -1, 1]],
    [[1, 1, -1], [-1, 0, 1], [-1, 1, -1]],  # [1, 0] is printed as 0
]
SLIDE_BIAS = [1, 0]
SLIDE_Y = [
    [[5, -1, 4], [4, 1, 1], [-3, 3, 1]],  # the slide has a question mark for the 5
    [[2, 6, 6], [6, 2, 8], [6, 10, -2]],
]


def slide_arrays(dtype):
    """Return the slide's x, w, bias and y with the channels last."""
    x, y = (np.moveaxis(np.array(volume, dtype), 0, -1) for volume in (SLIDE_X, SLIDE_Y))
    w = np.stack([np.moveaxis(np.array(filter, dtype), 0, -1) for filter in (SLIDE_W0, SLIDE_W1)], axis=-1)
    return x[None], w, np.array(SLIDE_BIAS, dtype), y[None]


@engines
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_slides_example_of_a_layer_gives_its_printed_outputs(dtype):
    """B1: an input of 7×7×3 with its padding, two filters of 3×3×3, stride 2.

    Source: lecture row B1 (SOURCES.md).
    """
    x, w, bias, y = slide_arrays(dtype)
    np.testing.assert_array_equal(refconv.conv2d(x, w, bias, stride=2), y, strict=True)
    np.testing.assert_array_equal(refconv.conv2d(x[:, 1:-1, 1:-1], w, bias, stride=2, padding=1), y, strict=True)


def test_slide_example_equals_the_slide():
    (x, w, bias, y), example = slide_arrays(float), slide_example()
    np.testing.assert_array_equal(np.pad(example.x, ((1, 1), (1, 1), (0, 0))), x[0], strict=True)
    for actual, expected in ((example.w, w), (example.bias, bias), (example.y, y[0])):
        np.testing.assert_array_equal(actual, expected, strict=True)
    assert (example.stride, example.padding) == (2, 1)


@pytest.mark.parametrize(("filter", "changes"), [(0, 2), (1, 1)])
def test_no_other_correction_of_the_slides_filter_gives_its_outputs(filter, changes):
    x, w, bias, stride, padding, y = slide_example()
    columns = refconv.im2col(x[None], (3, 3), stride=stride, padding=padding)
    readable = np.arange(9) > 0 if filter == 0 else np.full(9, True)  # all outputs except the question mark
    expected = (y[..., filter].ravel() - bias[filter])[readable]
    printed = w[..., filter].copy()
    for (m, n, c, _), entry in ((at, entry) for at, entry in PRINTED.items() if at[-1] == filter):
        printed[m, n, c] = entry

    def corrections(count):
        for places in combinations(range(27), count):
            for entries in product((-1, 0, 1), repeat=count):
                corrected = printed.flatten()
                corrected[list(places)] = entries
                if np.array_equal((corrected @ columns)[readable], expected):
                    yield corrected

    assert not any(True for count in range(changes) for _ in corrections(count))
    (only,) = corrections(changes)
    np.testing.assert_array_equal(only, w[..., filter].ravel())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_one_by_one_kernel_is_a_dense_layer_at_each_pixel(dtype):
    p = problem((3, 4), Window((1, 1)), C_g=5, O_g=2, dtype=dtype)
    y = conv.conv2d(p.x, p.w, p.b, p.window, 1)
    assert_same_sums(y, lambda x, w, b: x @ w[0, 0] + b, p.x, p.w, p.b, terms=5 + 1)


def test_each_group_reads_only_its_own_channels():
    p = problem((4, 5), Window((2, 3), padding="same"), C_g=2, O_g=3, groups=2)
    y = conv.conv2d(p.x, p.w, p.b, p.window, 2)
    for g in range(2):
        alone = conv.conv2d(p.x[..., 2 * g :][..., :2], p.w[..., 3 * g :][..., :3], p.b[3 * g :][:3], p.window, 1)
        np.testing.assert_array_equal(y[..., 3 * g :][..., :3], alone)


@pytest.mark.parametrize("ndim", [1, 2])
def test_forward_is_patches_times_weights(ndim):
    @given(conv_problems(ndim, values=small_integers))
    def check(p):
        y = forward(ndim)(p.x, p.w, p.b, p.window, p.groups)
        assert y.dtype == p.x.dtype
        np.testing.assert_array_equal(y, strided_view_conv(p))  # integers: no sum rounds, in any order

    check()


@pytest.mark.parametrize("padding", ["valid", "full", "same"])
def test_forward_is_scipys_correlation(padding):
    p = problem((5, 6), Window((2, 3), padding=padding), N=1, C_g=1, O_g=1)
    y = conv.conv2d(p.x, p.w, None, p.window, 1)[0, :, :, 0]
    assert_same_sums(y, lambda x, w: signal.correlate2d(x[0, :, :, 0], w[:, :, 0, 0], padding), p.x, p.w, terms=2 * 3)


SETTINGS = [
    pytest.param((7, 9), Window((2, 3), (2, 1), ((0, 1), (2, 1)), (3, 2)), 2, id="groups-stride-dilation-asymmetric"),
    pytest.param((6, 5), Window((3, 2), (2, 3), "same"), 1, id="same-strided"),
    pytest.param((4, 3), Window((1, 4), 1, "full", (1, 2)), 3, id="full-dilated"),
    pytest.param((8,), Window((3,), 2, ((2, 1),), 2), 2, id="signal"),
    pytest.param((5,), Window((2,), 3, "same_lower"), 1, id="signal-same-lower"),
    pytest.param((4, 2), Window((1, 2), 3, 3), 2, id="windows-on-padding-only"),
]


@pytest.mark.parametrize(("size", "window", "groups"), SETTINGS)
class TestDerivatives:
    """Tests of the derivatives of ⟨dy, conv(x, w, b)⟩ with respect to x, w and b."""

    def fractions(self, size, window, groups):
        x = fractions((2, *size, 2 * groups), 0)
        w = fractions((*window.kernel, 2, 3 * groups), 1)
        dy = fractions((2, *window.output_size(size), 3 * groups), 2)
        return x, w, dy, forward(window.ndim)

    def derivative(self, name, window):
        return getattr(conv, f"conv{window.ndim}d_{name}")

    def test_dx_is_the_exact_adjoint_of_the_layer(self, size, window, groups):
        x, w, dy, layer = self.fractions(size, window, groups)
        dx = self.derivative("dx", window)
        assert_adjoint(lambda x: layer(x, w, None, window, groups), lambda dy: dx(dy, w, size, window, groups), x, dy)

    def test_dw_is_the_exact_adjoint_of_the_layer_as_a_function_of_its_kernel(self, size, window, groups):
        x, w, dy, layer = self.fractions(size, window, groups)
        dw = self.derivative("dw", window)
        assert_adjoint(lambda w: layer(x, w, None, window, groups), lambda dy: dw(x, dy, window, groups), w, dy)

    def test_db_is_the_exact_adjoint_of_the_layer_as_a_function_of_its_bias(self, size, window, groups):
        x, w, dy, layer = self.fractions(size, window, groups)
        b = fractions(dy.shape[-1:], 3)
        assert_adjoint(lambda b: layer(x, 0 * w, b, window, groups), self.derivative("db", window), b, dy)

    def test_numeric_derivatives(self, size, window, groups):
        p = problem(size, window, N=1, C_g=1, O_g=2, groups=groups)
        layer = forward(window.ndim)
        dx = self.derivative("dx", window)(p.dy, p.w, size, window, groups)
        dw = self.derivative("dw", window)(p.x, p.dy, window, groups)
        db = self.derivative("db", window)(p.dy)
        assert_is_derivative(dx, lambda x: layer(x, p.w, p.b, window, groups), p.x, p.dy)
        assert_is_derivative(dw, lambda w: layer(p.x, w, p.b, window, groups), p.w, p.dy)
        assert_is_derivative(db, lambda b: layer(p.x, p.w, b, window, groups), p.b, p.dy)


@given(conv_problems(2, values=small_integers, most_channels=2, most_groups=2))
def test_each_element_of_dx_and_dw_is_the_inner_product_of_dy_and_a_unit_response(p):
    dx = conv.conv2d_dx(p.dy, p.w, p.size, p.window, p.groups)
    dw = conv.conv2d_dw(p.x, p.dy, p.window, p.groups)
    rng = np.random.default_rng(0)
    for target, derivative in ((p.x, dx), (p.w, dw)):
        assert derivative.shape == target.shape
        at = tuple(rng.integers(target.shape))
        unit = np.zeros_like(target)
        unit[at] = 1
        x, w = (unit, p.w) if target is p.x else (p.x, unit)
        assert derivative[at] == np.sum(p.dy * conv.conv2d(x, w, None, p.window, p.groups))


def test_the_layer_runs_on_symbols():
    sympy = pytest.importorskip("sympy")
    x = np.array(sympy.symbols("x0:4"), object).reshape(1, 4, 1)
    w = np.array(sympy.symbols("w0:2"), object).reshape(2, 1, 1)
    dy = np.array(sympy.symbols("d0:2"), object).reshape(1, 2, 1)
    window = Window((2,), stride=2)
    e = np.sum(dy * conv.conv1d(x, w, None, window, 1))
    dx, dw = conv.conv1d_dx(dy, w, (4,), window, 1), conv.conv1d_dw(x, dy, window, 1)
    assert all(sympy.expand(sympy.diff(e, s) - d) == 0 for s, d in zip(x.flat, dx.flat, strict=True))
    assert all(sympy.expand(sympy.diff(e, s) - d) == 0 for s, d in zip(w.flat, dw.flat, strict=True))


@pytest.mark.parametrize("f", [0, 1, 2])
class TestCentredForms:
    """Tests of the slides' formulas: one channel, filter indices −f … f, flipped for ∂e/∂x."""

    def arrays(self, f):
        return fractions((5, 4), 0), fractions((2 * f + 1, 2 * f + 1), 1), fractions((5, 4), 2)

    def as_layer(self, f):
        return Window((2 * f + 1, 2 * f + 1), padding="same")

    def test_forward_is_the_layer_with_same_padding(self, f):
        x, w, _ = self.arrays(f)
        y = conv.conv2d(x[None, ..., None], w[..., None, None], None, self.as_layer(f), 1)
        np.testing.assert_array_equal(conv.centred_correlation(x, w), y[0, ..., 0], strict=True)

    def test_dw_is_the_layers_dw(self, f):
        x, _, dz = self.arrays(f)
        dw = conv.conv2d_dw(x[None, ..., None], dz[None, ..., None], self.as_layer(f), 1)
        np.testing.assert_array_equal(conv.centred_correlation_dw(x, dz, f), dw[..., 0, 0], strict=True)

    def test_dx_is_the_layers_dx(self, f):
        x, w, dz = self.arrays(f)
        dx = conv.conv2d_dx(dz[None, ..., None], w[..., None, None], x.shape, self.as_layer(f), 1)
        np.testing.assert_array_equal(conv.centred_correlation_dx(dz, w), dx[0, ..., 0], strict=True)

    def test_dx_and_dw_are_adjoints_of_the_forward_form(self, f):
        x, w, dz = self.arrays(f)
        assert_adjoint(lambda x: conv.centred_correlation(x, w), lambda dz: conv.centred_correlation_dx(dz, w), x, dz)
        assert_adjoint(lambda w: conv.centred_correlation(x, w), lambda dz: conv.centred_correlation_dw(x, dz, f), w, dz)


def test_at_is_zero_outside_the_image():
    x = np.array([[1, 2, 3], [4, 5, 6]])
    assert [conv.at(x, 0, 0), conv.at(x, 1, 2)] == [1, 6]
    assert [conv.at(x, *outside) for outside in ((-1, 0), (0, -1), (2, 0), (0, 3), (-1, -1))] == [0] * 5


def test_loops_do_not_change_their_arguments():
    p = problem((4, 5), Window((2, 3), padding="same"))
    before = [a.copy() for a in (p.x, p.w, p.b, p.dy)]
    conv.conv2d(p.x, p.w, p.b, p.window, 1)
    conv.conv2d_dx(p.dy, p.w, p.size, p.window, 1)[...] = 0
    conv.conv2d_dw(p.x, p.dy, p.window, 1)
    conv.conv2d_db(p.dy)
    for a, b in zip((p.x, p.w, p.b, p.dy), before, strict=True):
        np.testing.assert_array_equal(a, b)
