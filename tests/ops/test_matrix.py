"""Tests of the public matrix operators against convolutions and PyTorch, and of errors."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given

from evidence import assert_inputs_unchanged, assert_same_bits, fractions
from refconv._config import config
from refconv.geometry import Window
from refconv.ops.conv import conv1d, conv2d, conv2d_dx
from refconv.ops.matrix import col2im, im2col, toeplitz1d, toeplitz2d, zero_stuff
from strategies import conv_problems, problem, small_floats, small_integers

WINDOW = Window((2, 3), (2, 1), ((1, 0), (0, 2)), (1, 2))
OPTIONS = {"stride": WINDOW.stride, "padding": WINDOW.padding, "dilation": WINDOW.dilation}


def without_groups(p):
    return {name: value for name, value in p.options.items() if name != "groups"}


@given(conv_problems(2, values=small_integers, most_groups=1))
def test_the_layer_equals_the_kernels_times_im2col(p):
    options, O = without_groups(p), p.w.shape[-1]
    y = p.w.reshape(-1, O).T @ im2col(p.x, p.window.kernel, **options)
    np.testing.assert_array_equal(y.T.reshape(p.dy.shape), conv2d(p.x, p.w, **p.options))
    folded = col2im(p.w.reshape(-1, O) @ p.dy.reshape(-1, O).T, p.size, p.window.kernel, **options)
    np.testing.assert_array_equal(folded, conv2d_dx(p.dy, p.w, p.size, **p.options))


@given(conv_problems(2, values=small_integers, most_channels=2, extra=2))
def test_the_layer_on_images_equals_the_toeplitz_matrix(p):
    T, y = toeplitz2d(p.w, p.size, **p.options), conv2d(p.x, p.w, **p.options)
    np.testing.assert_array_equal(p.x.reshape(len(p.x), -1) @ T.T, y.reshape(len(y), -1), strict=True)


@given(conv_problems(1, values=small_integers))
def test_the_layer_on_signals_equals_the_toeplitz_matrix(p):
    T, y = toeplitz1d(p.w, p.size, **p.options), conv1d(p.x, p.w, **p.options)
    np.testing.assert_array_equal(p.x.reshape(len(p.x), -1) @ T.T, y.reshape(len(y), -1), strict=True)


def test_im2col_and_col2im_agree_with_pytorch_in_another_order():
    torch = pytest.importorskip("torch")
    window = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2)}
    x = small_floats((2, 5, 7, 3), 1)
    M = im2col(x, (2, 3), **window)
    unfolded = torch.nn.functional.unfold(torch.tensor(np.moveaxis(x, -1, 1)), (2, 3), **window).numpy()
    # PyTorch's shape is (N, C·kh·kw, pixels), ours is (kh·kw·C, N·pixels).
    theirs = unfolded.reshape(2, 3, 6, -1).transpose(2, 1, 0, 3).reshape(M.shape)
    np.testing.assert_array_equal(M, theirs)
    folded = torch.nn.functional.fold(torch.tensor(unfolded), (5, 7), (2, 3), **window).numpy()
    np.testing.assert_allclose(col2im(M, (5, 7), (2, 3), **window), np.moveaxis(folded, 1, -1), rtol=1e-12, atol=1e-12)


def test_a_convolution_of_the_zero_stuffed_input_is_a_transposed_convolution():
    x, w = small_integers((2, 3, 4, 5), 1), small_integers((2, 3, 2, 5), 2)
    rotated = w[::-1, ::-1].swapaxes(2, 3)
    y = conv2d(zero_stuff(x, (2, 3)), rotated, padding="full")
    np.testing.assert_array_equal(y, conv2d_dx(x, w, (6, 12), stride=(2, 3)))


def test_both_data_formats_give_the_same_values():
    def first(a):
        return np.ascontiguousarray(np.moveaxis(a, -1, 1))

    x = small_floats((2, 5, 7, 3), 1)
    M = im2col(x, (2, 3), **OPTIONS)
    assert_same_bits(im2col(first(x), (2, 3), data_format="channels_first", **OPTIONS), M)
    folded = col2im(M, (5, 7), (2, 3), data_format="channels_first", **OPTIONS)
    assert_same_bits(folded, first(col2im(M, (5, 7), (2, 3), **OPTIONS)))
    assert folded.flags.c_contiguous
    assert_same_bits(zero_stuff(first(x), (2, 3), data_format="channels_first"), first(zero_stuff(x, (2, 3))))
    signal = small_floats((2, 5, 3), 1)
    assert_same_bits(zero_stuff(first(signal), 2, data_format="channels_first"), first(zero_stuff(signal, 2)))


def calls(dtype=np.float64):
    """Return (operator as a function of one array, array) for each operator."""
    p = problem((5, 7), WINDOW, C_g=2, O_g=3, groups=2, dtype=dtype)
    M = im2col(p.x, (2, 3), **OPTIONS)
    return [
        (lambda x: im2col(x, (2, 3), **OPTIONS), p.x),
        (lambda columns: col2im(columns, (5, 7), (2, 3), **OPTIONS), M),
        (lambda w: toeplitz1d(w, 6, stride=2, groups=2), p.w[0]),
        (lambda w: toeplitz2d(w, (5, 7), groups=2, **OPTIONS), p.w),
        (lambda x: zero_stuff(x, (2, 3)), p.x),
        (lambda x: zero_stuff(x, 2), p.x[0]),
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes_are_kept_and_arguments_are_unchanged(dtype):
    for call, array in calls(dtype):
        result = call(array)
        assert result.dtype == dtype
        assert result.flags.c_contiguous
        assert_inputs_unchanged(call, np.ascontiguousarray(array))
        assert_same_bits(call(np.asfortranarray(array)), result)
    # With these sizes a shortcut could return its argument.
    x = small_floats((1, 2, 3, 1), 1, dtype)
    assert_inputs_unchanged(lambda x: im2col(x, 1), x)
    assert_inputs_unchanged(lambda x: zero_stuff(x, 1), x)
    assert_inputs_unchanged(lambda columns: col2im(columns, (2, 3), 1), x.reshape(1, 6))
    assert_inputs_unchanged(lambda w: toeplitz2d(w, 1), x.reshape(1, 1, 1, 6))


def test_integers_give_float64():
    for call, array in calls():
        rounded = (100 * array).round()
        assert_same_bits(call(rounded.astype(int).tolist()), call(rounded))


def test_the_loops_accept_fractions():
    with config(engine="reference"):
        for call, array in calls():
            result = call(fractions(array.shape))
            assert any(isinstance(number, Fraction) and number for number in result.flat)


IMAGE, KERNEL, COLUMNS = np.ones((2, 5, 7, 3)), np.ones((2, 3, 2, 4)), np.ones((18, 40))  # COLUMNS: 2 images, 4 × 5 outputs


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: im2col(IMAGE[0], 2), ValueError, r"x must have 4 axes \(batch, height, width, channels\)"),
        (lambda: im2col(IMAGE.astype(complex), 2), TypeError, "x must be an array of float32, float64 or integers"),
        (lambda: im2col(IMAGE, (2, 3, 3)), ValueError, "kernel_size must be an integer or 2 integers"),
        (lambda: im2col(IMAGE, (6, 3)), ValueError, "input must be at least as large as the kernel.*axis 0"),
        (lambda: im2col(IMAGE, 2, stride=0), ValueError, "stride must be at least 1"),
        (lambda: im2col(IMAGE, 2, padding="some"), ValueError, "padding must be 'valid', 'same'"),
        (lambda: im2col(IMAGE, 2, data_format="NHWC"), ValueError, "data_format must be"),
        (lambda: col2im(COLUMNS[0], (5, 7), (2, 3)), ValueError, r"must have 2 axes \(kernel entries, pixels\).*\(40,\)"),
        (lambda: col2im(COLUMNS[:17], (5, 7), (2, 3)), ValueError, r"a multiple of 2 × 3 rows \(kernel entries.*\(17, 40\)"),
        (lambda: col2im(COLUMNS[:0], (5, 7), (2, 3)), ValueError, r"a multiple of 2 × 3 rows \(kernel entries.*\(0, 40\)"),
        (lambda: col2im(COLUMNS[:, :39], (5, 7), (2, 3)), ValueError, r"a multiple of 4 × 5 columns .*size \(5, 7\).*39"),
        (lambda: col2im(COLUMNS, (5, 7.0), (2, 3)), TypeError, "input_size must be integers"),
        (lambda: col2im(COLUMNS, (1, 7), (2, 3)), ValueError, "at least as large as the kernel"),
        (lambda: col2im(COLUMNS, (5, 7), (2, 0)), ValueError, "kernel_size must be at least 1"),
        (lambda: col2im(COLUMNS, (5, 7), (2, 3), data_format="last"), ValueError, "data_format must be"),
        (lambda: toeplitz2d(KERNEL[0], 5), ValueError, r"w must have 4 axes \(kernel height, kernel width, inputs"),
        (lambda: toeplitz2d(KERNEL, (5, 0)), ValueError, "input_size must be at least 1"),
        (lambda: toeplitz2d(KERNEL, (1, 5)), ValueError, "at least as large as the kernel"),
        (lambda: toeplitz2d(KERNEL, 5, groups=3), ValueError, "groups must divide the 4 outputs, got 3"),
        (lambda: toeplitz2d(KERNEL.astype(bytes), 5), TypeError, "w must be an array of float32"),
        (lambda: toeplitz1d(KERNEL, 5), ValueError, r"w must have 3 axes \(kernel width, inputs / groups, outputs\)"),
        (lambda: toeplitz1d(KERNEL[0], (5, 5)), ValueError, "input_size must be one integer, got"),
        (lambda: zero_stuff(IMAGE[0, 0], 2), ValueError, r"x must have 3 axes \(signals\) or 4 axes \(images\), .*\(7, 3\)"),
        (lambda: zero_stuff(IMAGE[:, :0], 2), ValueError, "x must not be empty"),
        (lambda: zero_stuff(IMAGE, 0), ValueError, "stride must be at least 1"),
        (lambda: zero_stuff(IMAGE, (1, 2, 3)), ValueError, "stride must be an integer or 2 integers"),
        (
            lambda: zero_stuff(IMAGE, 2**30),
            ValueError,
            r"stride must not make the output too large, got .* for x of size \(5, 7\)",
        ),
        (lambda: zero_stuff(IMAGE, 2, data_format="NHWC"), ValueError, "data_format must be"),
    ],
)
def test_invalid_arguments_are_rejected_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()
