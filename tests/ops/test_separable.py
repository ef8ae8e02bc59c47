"""Tests of public separable convolutions: errors, layouts, PyTorch and rank-one kernels."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import assert_inputs_unchanged, assert_same_bits, assert_same_sums, engines
from refconv._config import config
from refconv.ops.conv import conv2d, conv2d_db
from refconv.ops.convolve import convolve2d, cross_correlate2d
from refconv.ops.separable import (
    depthwise_conv2d,
    depthwise_conv2d_dw,
    depthwise_conv2d_dx,
    separable_conv2d,
    separable_conv2d_grads,
    separate_rank1,
)
from strategies import dtypes, seeds, small_floats, small_integers

ones = np.ones
X, W, P = ones((2, 5, 7, 3)), ones((2, 3, 3, 4)), ones((1, 1, 12, 6))
DZ, DY = ones((2, 4, 5, 12)), ones((2, 4, 5, 6))
OPTIONS = {"stride": (2, 1), "padding": ((1, 0), (0, 2)), "dilation": (1, 2)}


def passes(dtype=np.float64, values=small_floats, **options):
    """Return (function, arrays, which arrays are images, which results are images) per operator."""
    options = {**OPTIONS, **options}
    x, w, p = values((2, 5, 7, 3), 0, dtype), values((2, 3, 3, 4), 1, dtype), values((1, 1, 12, 6), 2, dtype)
    dz, dy = values((2, 3, 5, 12), 3, dtype), values((2, 3, 5, 6), 4, dtype)
    return [
        (lambda x, w: depthwise_conv2d(x, w, **options), (x, w), (1, 0), (1,)),
        (lambda dy, w: depthwise_conv2d_dx(dy, w, (5, 7), **options), (dz, w), (1, 0), (1,)),
        (lambda x, dy: depthwise_conv2d_dw(x, dy, (2, 3), **options), (x, dz), (1, 1), (0,)),
        (lambda x, w, p: separable_conv2d(x, w, p, **options), (x, w, p), (1, 0, 0), (1,)),
        (
            lambda dy, x, w, p: separable_conv2d_grads(dy, x=x, depthwise=w, pointwise=p, **options),
            (dy, x, w, p),
            (1, 1, 0, 0),
            (1, 0, 0),
        ),
    ]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: depthwise_conv2d(X[0], W), ValueError, r"x must have 4 axes .*\(5, 7, 3\)"),
        (lambda: depthwise_conv2d(X, W[..., 0]), ValueError, "w must have 4 axes .*channels, multiplier"),
        (lambda: depthwise_conv2d(X, W[:, :, :2]), ValueError, r"x must have 2 channels for w of shape \(2, 3, 2, 4\)"),
        (lambda: depthwise_conv2d(X, W, ones(3)), ValueError, r"b must have shape \(12,\), .*got shape \(3,\)"),
        (lambda: depthwise_conv2d(X[:, :1], W), ValueError, "at least as large as the kernel"),
        (lambda: depthwise_conv2d(X, W.astype(np.float32)), TypeError, "float64 for x, float32 for w"),
        (lambda: depthwise_conv2d(X, W, stride=0), ValueError, "stride must be at least 1"),
        (lambda: depthwise_conv2d(X, W, data_format="NHWC"), ValueError, "data_format must be"),
        (lambda: depthwise_conv2d_dx(DZ, W, (5, 8)), ValueError, r"dy .*must have shape \(2, 4, 6, 12\), the output of"),
        (lambda: depthwise_conv2d_dx(DY, W, (5, 7)), ValueError, r"dy .*must have shape \(2, 4, 5, 12\)"),
        (lambda: depthwise_conv2d_dx(DZ, W, (5, 0)), ValueError, "input_size must be at least 1"),
        (lambda: depthwise_conv2d_dw(X, DZ[..., :10], (2, 3)), ValueError, "multiple of the 3 channels of x, got 10"),
        (lambda: depthwise_conv2d_dw(X, DZ[:1], (2, 3)), ValueError, "dy must have shape .*with the batch size of x"),
        (lambda: depthwise_conv2d_dw(X, DZ, (3, 3)), ValueError, r"dy .*must have shape \(2, 3, 5, 12\)"),
        (lambda: depthwise_conv2d_dw(X, DZ, "3"), TypeError, "kernel_size must be an integer"),
        (lambda: separable_conv2d(X, W[:, :, :2], P), ValueError, "x must have 2 channels for depthwise of shape"),
        (lambda: separable_conv2d(X, W, P[:, :, :3]), ValueError, r"pointwise must have shape \(1, 1, 12, 6\), a 1×1"),
        (lambda: separable_conv2d(X, W, ones((2, 1, 12, 6))), ValueError, r"pointwise must have shape \(1, 1, 12, 6\)"),
        (lambda: separable_conv2d(X, W, P[0]), ValueError, "pointwise must have 4 axes"),
        (lambda: separable_conv2d(X, W, P, ones(12)), ValueError, r"b must have shape \(6,\)"),
        (lambda: separable_conv2d(X[:, :1], W, P), ValueError, "at least as large as the kernel"),
        (
            lambda: separable_conv2d_grads(DY[:1], x=X, depthwise=W, pointwise=P),
            ValueError,
            "dy must have shape .*with the batch size of x",
        ),
        (
            lambda: separable_conv2d_grads(DZ, x=X, depthwise=W, pointwise=P),
            ValueError,
            r"dy .*must have shape \(2, 4, 5, 6\)",
        ),
        (
            lambda: separable_conv2d_grads(DY, x=X, depthwise=W, pointwise=P.astype(np.float32)),
            TypeError,
            "float32 for pointwise",
        ),
        (lambda: separate_rank1([1, 2]), ValueError, r"kernel must have 2 axes \(height, width\)"),
        (lambda: separate_rank1([[1, np.nan]]), ValueError, "kernel must be finite"),
        (lambda: separate_rank1([[1, 2], [3, 4]]), ValueError, "kernel must be of rank 1, got numerical rank 2"),
        (lambda: separate_rank1(np.diag([1, 1e-3, 1e-12])), ValueError, "numerical rank 3"),
        (lambda: separate_rank1([[1j]]), TypeError, "kernel must be an array of float32, float64 or integers"),
    ],
)
def test_invalid_arguments_are_rejected_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@engines
def test_both_data_formats_give_the_same_values_and_dtype(dtype):
    def first(a, is_image):
        return np.ascontiguousarray(np.moveaxis(a, -1, 1)) if is_image else a

    both = zip(passes(dtype), passes(dtype, data_format="channels_first"), strict=True)
    for (last_call, arrays, images, result_images), (first_call, *_) in both:
        expected = last_call(*arrays)
        expected = expected if isinstance(expected, tuple) else (expected,)
        actual = first_call(*[first(a, is_image) for a, is_image in zip(arrays, images, strict=True)])
        actual = actual if isinstance(actual, tuple) else (actual,)
        assert_same_bits(actual, tuple(first(a, is_image) for a, is_image in zip(expected, result_images, strict=True)))
        assert all(a.dtype == dtype and a.flags.c_contiguous for a in (*actual, *expected))


@engines
def test_arguments_are_unchanged():
    for call, arrays, *_ in passes():
        assert_inputs_unchanged(call, *arrays)
    assert_inputs_unchanged(lambda x, w: depthwise_conv2d(x, w), ones((1, 2, 3, 1)), ones((1, 1, 1, 1)))


def test_the_loops_are_exact_for_fractions():
    x, w, p = (np.full(shape, Fraction(1, 3)) for shape in ((1, 2, 2, 1), (2, 1, 1, 2), (1, 1, 2, 1)))
    with config(engine="reference"):
        assert separable_conv2d(x, w, p).ravel().tolist() == [Fraction(4, 27)] * 2
        with pytest.raises(TypeError, match=r"kernel must be an array of .* no singular values"):
            separate_rank1(w[..., 0, 0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("multiplier", [1, 3])
def test_results_agree_with_pytorch(multiplier, dtype):
    torch = pytest.importorskip("torch")
    C, O = 5, 4
    x, w, p = small_integers((2, 7, 9, C), 1, dtype), small_integers((3, 2, C, multiplier), 2, dtype), None
    p, b = small_integers((1, 1, C * multiplier, O), 3, dtype), small_integers((O,), 4, dtype)
    options = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 3)}
    y = separable_conv2d(x, w, p, b, **options)
    dy = small_integers(y.shape, 5, dtype)
    grads = separable_conv2d_grads(dy, x=x, depthwise=w, pointwise=p, **options)

    theirs = [
        np.moveaxis(x, -1, 1),
        np.ascontiguousarray(w.reshape(3, 2, 1, -1).transpose(3, 2, 0, 1)),
        p.transpose(3, 2, 0, 1),
        b,
    ]
    x_t, w_t, p_t, b_t = (torch.tensor(np.ascontiguousarray(a), requires_grad=True) for a in theirs)
    z_t = torch.nn.functional.conv2d(x_t, w_t, groups=C, **options)
    y_t = torch.nn.functional.conv2d(z_t, p_t, b_t)
    y_t.backward(torch.tensor(np.moveaxis(dy, -1, 1).copy()))
    np.testing.assert_array_equal(y, np.moveaxis(y_t.detach().numpy(), 1, -1))
    np.testing.assert_array_equal(grads[0], np.moveaxis(x_t.grad.numpy(), 1, -1))
    np.testing.assert_array_equal(grads[1], w_t.grad.numpy().transpose(2, 3, 1, 0).reshape(w.shape))
    np.testing.assert_array_equal(grads[2], p_t.grad.numpy().transpose(2, 3, 1, 0))
    np.testing.assert_array_equal(conv2d_db(dy), b_t.grad.numpy())


def test_the_lectures_kernel_is_three_four_five_times_one_two_three():
    """C6: the slide's kernel of rank one."""
    kernel = np.array([[3, 6, 9], [4, 8, 12], [5, 10, 15]])
    column, row = separate_rank1(kernel)
    np.testing.assert_allclose(column, [3, 4, 5], rtol=1e-14)
    np.testing.assert_allclose(row, [1, 2, 3], rtol=1e-14)
    np.testing.assert_allclose(np.outer(column, row), kernel, rtol=1e-14)


def test_a_kernel_that_is_not_of_rank_one_is_named_with_its_rank():
    """C6: rank one only."""
    with pytest.raises(ValueError, match="got numerical rank 2: its singular values"):
        separate_rank1([[3, 6, 9], [4, 8, 12], [5, 10, 14]])


def test_sign_and_scale_come_from_the_first_non_negligible_column():
    column, row = separate_rank1(np.outer([2, -3], [0, -5, 10]))
    np.testing.assert_allclose(column, [-10, 15], rtol=1e-14)
    np.testing.assert_allclose(row, [0, 1, -2], rtol=1e-14, atol=0)
    column, row = separate_rank1(np.outer([2, -3], [1e-20, 4]))  # a negligible column is not scaled up to 1
    np.testing.assert_allclose(column, [8, -12], rtol=1e-14)
    np.testing.assert_array_equal(row, [0, 1])


def test_the_zero_kernel_separates_into_zeros():
    column, row = separate_rank1(np.zeros((2, 3), np.float32))
    assert_same_bits((column, row), (np.zeros(2, np.float32), np.zeros(3, np.float32)))
    column, row = separate_rank1(np.zeros((1, 1)))
    assert_same_bits((column, row), (np.zeros(1), np.zeros(1)))


@given(seeds, dtypes, st.integers(1, 5), st.integers(1, 5))
def test_column_then_row_equals_the_kernel(seed, dtype, kh, kw):
    rng = np.random.default_rng(seed)
    kernel = np.outer(rng.uniform(-2, 2, kh), rng.uniform(-2, 2, kw)).astype(dtype)
    x = rng.uniform(-1, 1, (kh + 3, kw + 2)).astype(dtype)
    column, row = separate_rank1(kernel)
    assert column.dtype == row.dtype == dtype
    eps, largest = np.finfo(dtype).eps, np.abs(kernel).max(initial=0)
    np.testing.assert_allclose(np.outer(column, row), kernel, rtol=0, atol=20 * eps * largest)
    for slide in (convolve2d, cross_correlate2d):
        twice = slide(slide(x, column[:, None], "full"), row[None], "full")
        np.testing.assert_allclose(twice, slide(x, kernel, "full"), rtol=0, atol=60 * eps * np.abs(kernel).sum())


def test_a_column_layer_then_a_row_layer_is_the_layer():
    """C6: a column layer followed by a row layer equals one layer."""
    x, kernel = small_floats((2, 6, 7, 1), 1), np.outer([3, 4, 5], [1.0, 2, 3])
    column, row = separate_rank1(kernel)
    twice = conv2d(conv2d(x, column.reshape(3, 1, 1, 1)), row.reshape(1, 3, 1, 1))
    assert_same_sums(twice, conv2d, x, kernel[..., None, None], terms=3 * 3)


def test_huge_and_tiny_kernels_are_separated_without_overflow():
    for magnitude in (1e308, 1e-300):
        column, row = separate_rank1(np.outer([1.0, -0.5, 0.25], [0.5, 1.0]) * magnitude)
        np.testing.assert_allclose(row, [1, 2], rtol=1e-14)
        np.testing.assert_allclose(column / magnitude, [0.5, -0.25, 0.125], rtol=1e-14)
