"""Tests that the rounding error of long sums stays within the bound of common/sums.h."""

from fractions import Fraction
from math import exp, prod
from typing import NamedTuple

import numpy as np
import pytest

from evidence import assert_same_bits, assert_same_bits_at_any_thread_count, needs_kernels
from refconv.geometry import Window
from refconv.ops import (
    avg_pool,
    conv,
    conv_transpose,
    convolve,
    dense,
    fused,
    loss,
    matrix,
    norm,
    resize,
    response_norm,
    separable,
)
from strategies import small_integers

pytestmark = needs_kernels

SUM_BLOCK = 512  # terms, defined in refconv/_core/common/sums.h


def error_bound(terms, dtype):
    """Return the bound of common/sums.h on a sum's error, relative to the sum of magnitudes."""
    blocks = 2 * terms / SUM_BLOCK
    roundings = min(terms, SUM_BLOCK) + min(blocks, SUM_BLOCK) + blocks / SUM_BLOCK + 40
    return float(roundings * np.finfo(dtype).eps / 2)


class Case(NamedTuple):
    """Call on arrays of these shapes; the first is filled with 0.3, the second with 0.7."""

    name: str
    terms: int
    shapes: tuple
    call: callable
    expected: callable = lambda terms, *values: terms * prod(values)


def winograd_dx(dy, w):
    return conv.conv2d_dx(dy, w, (11, 14), padding="same")[:, 4:5, 4:5]


def relu_pool_grads(x, dy):
    """Return ∂e/∂w and ∂e/∂b of a layer in which every window has a positive maximum."""
    w = np.full((2, 3, x.shape[3], dy.shape[3]), 0.5, x.dtype)
    window = Window((2, 3))
    _, winners = fused.conv2d_relu_pool(x, w, None, window)
    _, dw, db = fused.conv2d_relu_pool_grads(x, w, dy, winners, window, want_dx=False)
    return dw, db * x.dtype.type(0.3)


def relu_pool_dx(dy, w):
    window = Window((2, 3))
    x = np.ones((1, 5, 7, 1), dy.dtype)
    _, winners = fused.conv2d_relu_pool(x, np.ones_like(w), None, window)
    return fused.conv2d_relu_pool_grads(x, w, dy, winners, window)[0][0, 1, 2]


def batch_norm_dbeta(dy, x):
    C = x.shape[1]
    one, zero = np.ones(C, x.dtype), np.zeros(C, x.dtype)
    return norm.batch_norm_grads(dy, x=x, gamma=one, mean=zero, var=one, eps=0.0)[1:]


def mean_and_var(x):
    """Return the mean of x and the square root of the variance of ±x."""
    C = x.shape[1]
    one, zero = np.ones(C, x.dtype), np.zeros(C, x.dtype)
    signs = np.where(np.arange(len(x)) % 2, -1, 1)[:, None].astype(x.dtype)
    return norm.batch_norm(x, one, zero)[1], np.sqrt(norm.batch_norm(x * signs, one, zero)[2])


def value(terms, *values):
    return values[0]


def one_logit_of_1(logits):
    logits = logits.copy()
    logits[0, 0] = 1
    return logits


def softmax_denominator(x):
    return np.array([1 / loss.softmax(one_logit_of_1(x))[0, 0].astype(float)])


def log_softmax_denominator(x):
    return np.exp(-loss.log_softmax(one_logit_of_1(x))[:, 0].astype(float))


def cross_entropy_denominator(x):
    return np.exp([float(loss.softmax_cross_entropy(one_logit_of_1(x), np.array([0]))[0])])


def sum_of_exponentials(terms, x):
    """Return softmax's denominator, divided by the exponential of the single logit of 1."""
    return 1 + (terms - 1) * Fraction(exp(float(x) - 1))


def squared_error(terms, p, t):
    return (p - t) ** 2


def binary_loss(terms, x, t):
    softplus = Fraction(np.log1p(np.exp(-float(x))))  # softplus(−x); softplus(x) is larger by x
    return t * softplus + (1 - t) * (softplus + x)


CASES = [
    Case("dense, one example", 150_529, ((1, 150_529), (150_529, 3)), dense.dense),
    Case("dense, many outputs", 20_001, ((3, 20_001), (20_001, 530)), dense.dense),
    Case("dense, batch", 300_001, ((7, 300_001), (300_001, 3)), dense.dense),
    Case("dense_dx", 300_001, ((7, 300_001), (3, 300_001)), dense.dense_dx),
    Case("dense_dw, few inputs", 1_000_001, ((1_000_001, 2), (1_000_001, 3)), dense.dense_dw),
    Case("dense_dw", 300_001, ((300_001, 7), (300_001, 3)), dense.dense_dw),
    Case("dense_db", 1_000_001, ((1_000_001, 3),), dense.dense_db),
    Case("dense_db, many outputs", 100_003, ((100_003, 130),), dense.dense_db),
    Case("conv2d, channels", 100_003, ((1, 2, 3, 100_003), (1, 1, 100_003, 5)), conv.conv2d),
    Case("conv2d, image", 300 * 501 * 3, ((1, 300, 501, 3), (300, 501, 3, 5)), conv.conv2d),
    Case("conv2d, dilated", 300 * 25 * 3, ((1, 599, 49, 3), (300, 25, 3, 5)), lambda x, w: conv.conv2d(x, w, dilation=2)),
    Case("conv2d, 3×3", 9 * 20_011, ((2, 11, 14, 20_011), (3, 3, 20_011, 33)), conv.conv2d),
    Case("conv2d, one channel", 400 * 401, ((1, 402, 424, 1), (400, 401, 1, 2)), conv.conv2d),
    Case("conv2d, one channel, wide", 3 * 50_001, ((1, 4, 50_024, 1), (3, 50_001, 1, 2)), conv.conv2d),
    Case(
        "conv2d_dx, channels", 100_003, ((1, 2, 3, 100_003), (1, 1, 8, 100_003)), lambda dy, w: conv.conv2d_dx(dy, w, (2, 3))
    ),
    Case(
        "conv2d_dx, few channels",
        6 * 50_003,
        ((1, 3, 5, 50_003), (2, 3, 2, 50_003)),
        lambda dy, w: conv.conv2d_dx(dy, w, (4, 7))[:, 1:-1, 2:-2],
    ),
    Case("conv2d_dx, 3×3", 9 * 20_011, ((1, 11, 14, 20_011), (3, 3, 33, 20_011)), winograd_dx),
    Case("conv2d_dw", 1007 * 1100, ((1, 1007, 1100, 2), (1, 1007, 1100, 3)), lambda x, dy: conv.conv2d_dw(x, dy, (1, 1))),
    Case(
        "conv2d_dw, strided",
        300 * 401 * 3,
        ((3, 601, 803, 2), (3, 300, 401, 5)),
        lambda x, dy: conv.conv2d_dw(x, dy, (3, 2), stride=2),
    ),
    Case(
        "conv2d_dw, many weights",
        503 * 301,
        ((1, 503, 301, 600), (1, 503, 301, 8)),
        lambda x, dy: conv.conv2d_dw(x, dy, (1, 1)),
    ),
    Case("conv2d_dw, 3×3", 401 * 503, ((1, 403, 505, 48), (1, 401, 503, 49)), lambda x, dy: conv.conv2d_dw(x, dy, (3, 3))),
    Case("conv2d_db", 1007 * 1100, ((1, 1007, 1100, 1),), conv.conv2d_db),
    Case("depthwise", 300 * 401, ((1, 302, 403, 9), (300, 401, 9, 1)), separable.depthwise_conv2d),
    Case("depthwise, wide", 2 * 5001, ((1, 5, 5006, 9), (2, 5001, 9, 1)), separable.depthwise_conv2d),
    Case("groups of 2", 2 * 100 * 401, ((1, 102, 403, 8), (100, 401, 2, 8)), lambda x, w: conv.conv2d(x, w, groups=4)),
    Case(
        "depthwise_dx",
        80 * 90,
        ((1, 80, 90, 9), (80, 90, 9, 1)),
        lambda dy, w: separable.depthwise_conv2d_dx(dy, w, (159, 179))[:, 79, 89],
    ),
    Case(
        "depthwise_dw",
        1001 * 1102,
        ((1, 1003, 1104, 9), (1, 1001, 1102, 9)),
        lambda x, dy: separable.depthwise_conv2d_dw(x, dy, (3, 3)),
    ),
    Case(
        "depthwise_dw, any taps",
        1001 * 1102,
        ((1, 1002, 1104, 9), (1, 1001, 1102, 9)),
        lambda x, dy: separable.depthwise_conv2d_dw(x, dy, (2, 3)),
    ),
    Case(
        "depthwise_dw, narrow",
        3 * 100_001,
        ((1, 100_002, 5, 9), (1, 100_001, 3, 9)),
        lambda x, dy: separable.depthwise_conv2d_dw(x, dy, (2, 3)),
    ),
    Case(
        "groups of 2, dw",
        401 * 502,
        ((1, 402, 504, 8), (1, 401, 502, 8)),
        lambda x, dy: conv.conv2d_dw(x, dy, (2, 3), groups=4),
    ),
    Case("conv2d_relu_pool_grads", 3 * 150 * 301, ((3, 301, 604, 1), (3, 150, 301, 5)), relu_pool_grads),
    Case("conv2d_relu_pool_grads, images", 20_011, ((20_011, 3, 4, 2), (20_011, 1, 1, 5)), relu_pool_grads),
    Case("conv2d_transpose", 100_003, ((1, 2, 3, 100_003), (1, 1, 5, 100_003)), conv_transpose.conv_transpose2d),
    Case("conv2d_transpose_db", 1007 * 1100, ((1, 1007, 1100, 1),), conv_transpose.conv_transpose2d_db),
    Case("cross_correlate2d", 500 * 601, ((502, 624), (500, 601)), lambda x, w: convolve.cross_correlate2d(x, w, "valid")),
    Case("convolve1d", 100_001, ((100_007,), (100_001,)), lambda x, w: convolve.convolve1d(x, w, "valid")),
    Case("global_avg_pool2d", 1001 * 1003, ((1, 1001, 1003, 3),), avg_pool.global_avg_pool2d, value),
    Case("global_avg_pool1d", 1_000_003, ((1, 1_000_003, 3),), avg_pool.global_avg_pool1d, value),
    Case(
        "avg_pool2d",
        300 * 401,
        ((1, 303, 405, 3),),
        lambda x: avg_pool.avg_pool2d(x, (300, 401), stride=1),
        value,
    ),
    Case(
        "avg_pool1d_dx",
        20_001,
        ((1, 20_001, 2),),
        lambda dy: avg_pool.avg_pool1d_dx(dy, 20_001, 40_001, stride=1)[:, 20_000],
        value,
    ),
    Case("batch_norm, mean and var", 1_000_000, ((1_000_000, 3),), mean_and_var, value),
    Case("batch_norm_grads", 1_000_001, ((1_000_001, 3), (1_000_001, 3)), lambda dy, x: batch_norm_dbeta(dy, x)[0]),
    Case("softmax", 3_000_001, ((1, 3_000_001),), softmax_denominator, sum_of_exponentials),
    Case("log_softmax", 3_000_001, ((1, 3_000_001),), log_softmax_denominator, sum_of_exponentials),
    Case("softmax_cross_entropy", 3_000_001, ((1, 3_000_001),), cross_entropy_denominator, sum_of_exponentials),
    Case(
        "mean_squared_error",
        3_000_001,
        ((3_000_001,), (3_000_001,)),
        lambda p, t: loss.mean_squared_error(p, t)[0],
        squared_error,
    ),
    Case(
        "binary_cross_entropy",
        3_000_001,
        ((3_000_001,), (3_000_001,)),
        lambda x, t: loss.binary_cross_entropy(x, t)[0],
        binary_loss,
    ),
    Case("softmax_dx", 1_000_001, ((1, 1_000_001), (1, 1_000_001)), lambda dy, y: (dy - loss.softmax_dx(dy, y=y) / y)[0, :3]),
    Case(
        "local_response_norm",
        20_001,
        ((1, 20_001),),
        lambda x: 1 / response_norm.local_response_norm(x, 80_000, alpha=1, beta=1, k=1e-3) * x,
        lambda terms, x: Fraction(1, 1000) + terms * x * x,
    ),
    Case(
        "col2im",
        3000,
        ((3000, 3000),),
        lambda m: matrix.col2im(m, (5999, 1), (3000, 1))[0, 2999],
    ),
    Case("upsample2d_dx", 1007 * 1001, ((1, 1007, 1001, 3),), lambda dy: resize.upsample2d_dx(dy, (1007, 1001))),
    Case("upsample2d_dx, one row", 1_000_003, ((1, 1, 1_000_003, 3),), lambda dy: resize.upsample2d_dx(dy, (1, 1_000_003))),
    Case(
        "adaptive_avg_pool2d",
        1007 * 1001,
        ((1, 1007, 1001, 3),),
        lambda x: 1007 * 1001 * resize.adaptive_avg_pool2d(x, (1, 1)),
    ),
    Case("upsample2d_dx, one column", 1_000_003, ((1, 1_000_003, 1, 3),), lambda dy: resize.upsample2d_dx(dy, (1_000_003, 1))),
]


def filled(shapes, dtype):
    return [np.full(shape, number, dtype) for shape, number in zip(shapes, (0.3, 0.7), strict=False)]


def worst_error(case, dtype):
    """Return the largest relative error of a case.

    All terms are equal, so the exact sum is known and rounding errors do not cancel.
    """
    arrays = filled(case.shapes, dtype)
    results = case.call(*arrays)
    expected = case.expected(case.terms, *(Fraction(float(a.flat[0])) for a in arrays))
    errors = [
        abs(Fraction(float(extreme)) / expected - 1)
        for result in (results if isinstance(results, tuple) else (results,))
        for extreme in (result.min(), result.max())
    ]
    return float(max(errors))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_error_of_a_long_sum_stays_within_its_bound(case, dtype):
    assert worst_error(case, dtype) <= error_bound(case.terms, dtype)


def repeated(values):
    """Return the values as a column for 2048 channels; batch_norm then uses chunks of 16 rows."""
    return np.repeat(values[:, None], 2048, axis=1)


def wide_batch_norm_grads(values):
    """Return dgamma and dbeta; with x = 1, mean 0 and variance 1 both are the sum of dy."""
    dy = repeated(values)
    one, zero = np.ones(dy.shape[1]), np.zeros(dy.shape[1])
    return np.stack(norm.batch_norm_grads(dy, x=np.ones_like(dy), gamma=one, mean=zero, var=one, eps=0.0)[1:])


def wide_batch_norm_inference_grads(values):
    dy = repeated(values)
    one, zero = np.ones(dy.shape[1]), np.zeros(dy.shape[1])
    return np.stack(norm.batch_norm_inference_grads(dy, x=np.ones_like(dy), gamma=one, mean=zero, var=one, eps=0.0)[1:])


def wide_batch_norm_mean(values):
    scale = len(values) / 2**14  # makes the first chunk's part of the mean a power of two
    x = repeated(values * scale)
    return norm.batch_norm(x, np.ones(x.shape[1]), np.zeros(x.shape[1]))[1] / scale * len(values)


def wide_batch_norm_var(values):
    scale = np.sqrt(len(values)) / 2**7  # makes the first chunk's part of the variance a power of two
    x = repeated(np.sqrt(values) * scale)
    x[1::2] *= -1
    return norm.batch_norm(x, np.ones(x.shape[1]), np.zeros(x.shape[1]))[2] / scale**2 * len(values)


def smoothed_cross_entropy(values):
    """Return a loss that is the sum of the values.

    The loss is the mean of -log_softmax, which equals -logit here: one logit is 0 and all others are far below it.
    """
    logits = -(2.0**63) * values[None]
    logits[0, -1] = 0
    return loss.softmax_cross_entropy(logits, np.array([0]), label_smoothing=1.0)[0] * len(values) / 2.0**63


def cross_entropy_of_a_batch(values):
    """Return a loss that is the sum of the values.

    Each row has two classes; its label has probability 0, and its loss is its value.
    """
    logits = np.stack([np.zeros_like(values), -(2.0**63) * values], axis=1)
    return loss.softmax_cross_entropy(logits, np.ones(len(values), int))[0] * len(values) / 2.0**63


FRONT_LOADED = [
    ("batch_norm_grads, wide", 16, 16 * 28**2, wide_batch_norm_grads),
    ("batch_norm_inference_grads, wide", 16, 16 * 28**2, wide_batch_norm_inference_grads),
    ("batch_norm, wide, mean", 16, 16 * 28**2, wide_batch_norm_mean),
    ("batch_norm, wide, var", 16, 16 * 28**2, wide_batch_norm_var),
    ("softmax", 32, 32 * 1000, lambda values: 1 / loss.softmax(np.log(values[None]))[0, 0]),
    ("log_softmax", 32, 32 * 1000, lambda values: np.exp(-loss.log_softmax(np.log(values[None]))[0, 0])),
    (
        "softmax_cross_entropy",
        32,
        32 * 1000,
        lambda values: np.exp(loss.softmax_cross_entropy(np.log(values[None]), np.array([0]))[0]),
    ),
    (
        "softmax_dx",
        SUM_BLOCK,
        2**20,
        lambda values: values[0] - loss.softmax_dx(values[None], y=np.ones((1, len(values))))[0, 0],
    ),
    (
        "log_softmax_dx",
        SUM_BLOCK,
        2**20,
        lambda values: values[0] - loss.log_softmax_dx(values[None], y=np.zeros((1, len(values))))[0, 0],
    ),
    ("softmax_cross_entropy, smoothed", SUM_BLOCK, 2**20, smoothed_cross_entropy),
    ("softmax_cross_entropy, batch", SUM_BLOCK, 2**20, cross_entropy_of_a_batch),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("large_terms", "terms", "call"), [row[1:] for row in FRONT_LOADED], ids=[row[0] for row in FRONT_LOADED]
)
def test_error_of_a_sum_of_a_large_and_many_small_terms_stays_within_its_bound(large_terms, terms, call):
    # The worst case of a running sum: the first term is a power of two, and every other term is lost, because it is less than
    # half a unit in the last place of the first. A term is a chunk's sum, a lane's value or a block's sum.
    small_term = 0.99 * 2.0**-53
    values = np.full(terms, small_term)
    values[:large_terms] = 1
    expected = large_terms + (terms - large_terms) * Fraction(small_term)
    results = np.asarray(call(values))
    error = max(abs(Fraction(float(extreme)) / expected - 1) for extreme in (results.min(), results.max()))
    assert float(error) <= error_bound(terms, np.float64)


@pytest.mark.parametrize(("terms", "pick"), [(2**24 + 6, 0), (2**24 + 4, 1)])
def test_a_sum_of_more_than_2_to_the_24_ones_is_exact_in_float32(terms, pick):
    ones = np.ones((terms, 1), np.float32)
    call = (lambda: dense.dense(ones.T, ones), lambda: avg_pool.global_avg_pool1d(ones[None]) * np.float32(terms))[pick]
    assert call()[0, 0] == terms


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("shape", "kernel"),
    [
        ((1, 40, 60, 3), (39, 58, 3, 5)),
        ((2, 3, 4, 1301), (2, 3, 1301, 34)),
        ((2, 30, 52, 1), (28, 30, 1, 7)),
        ((1, 4, 725, 1), (3, 700, 1, 2)),
    ],
)
def test_blocks_of_a_convolution_and_its_derivatives_read_the_correct_elements(shape, kernel, dtype):
    # Integers: no sum rounds, in any order.
    x, w = small_integers(shape, 1, dtype), small_integers(kernel, 2, dtype)
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel[:2], axis=(1, 2))  # (N, rows, columns, C, kh, kw)
    y = conv.conv2d(x, w)
    assert_same_bits(y, np.einsum("bijcmn,mnco->bijo", windows, w, optimize=True))
    dy = small_integers(y.shape, 3, dtype)
    assert_same_bits(conv.conv2d_dw(x, dy, kernel[:2]), np.einsum("bijcmn,bijo->mnco", windows, dy, optimize=True))
    dx = np.zeros_like(x)
    for m, n in np.ndindex(kernel[:2]):
        dx[:, m : m + y.shape[1], n : n + y.shape[2]] += dy @ w[m, n].T
    assert_same_bits(conv.conv2d_dx(dy, w, shape[1:3]), dx)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("size", "kernel"), [((33, 49), (31, 40)), ((5, 707), (2, 700)), ((43, 611), (2, 3))])
def test_blocks_of_a_depthwise_convolution_read_the_correct_elements(size, kernel, dtype):
    x, w = small_integers((2, *size, 19), 1, dtype), small_integers((*kernel, 19, 1), 2, dtype)
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(1, 2))
    y = separable.depthwise_conv2d(x, w)
    assert_same_bits(y, np.einsum("bijcmn,mncq->bijc", windows, w, optimize=True))
    dy = small_integers(y.shape, 3, dtype)
    dw = np.einsum("bijcmn,bijc->mnc", windows, dy, optimize=True)[..., None]
    assert_same_bits(separable.depthwise_conv2d_dw(x, dy, kernel), dw)


@pytest.mark.parametrize(
    "name", ["dense, one example", "conv2d, image", "conv2d_dw, strided", "depthwise_dw", "global_avg_pool2d"]
)
def test_long_sums_have_the_same_bits_at_any_thread_count(name):
    case = next(case for case in CASES if case.name == name)
    rng = np.random.default_rng(5)
    arrays = [rng.random(shape, np.float32) for shape in case.shapes]
    assert_same_bits_at_any_thread_count(lambda: case.call(*arrays))
