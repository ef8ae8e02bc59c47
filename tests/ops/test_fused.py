"""Tests of fused and in-place operators, concatenation and sums of branches."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import (
    assert_inputs_unchanged,
    assert_same_bits,
    assert_same_bits_at_any_thread_count,
    assert_same_sums,
    assert_within,
    fenced,
    needs_kernels,
    rounding,
    threads,
)
from refconv import reference
from refconv._config import config
from refconv._core import kernels
from refconv.geometry import Window
from refconv.ops.fused import (
    batch_norm_inference_in_place,
    conv2d_relu_pool,
    conv2d_relu_pool_grads,
    pools_with,
    relu_in_place,
    side_by_side,
    total,
)
from strategies import max_examples, problem, small_floats, small_integers

pytestmark = needs_kernels

POOL = Window((2, 2), 2)


@st.composite
def problems(draw, values=small_floats):
    """Draw images of a few channels.

    Their output rows are shorter than, equal to or longer than a vector; odd rows and columns remain after pooling.
    """
    edge, channels = st.integers(0, 3), st.sampled_from([1, 2, 3, 7, 16])
    window = Window(
        (draw(st.integers(1, 5)), draw(st.integers(1, 4))), 1, ((draw(edge), draw(edge)), (draw(edge), draw(edge)))
    )
    size = tuple(span + draw(st.integers(1, most)) for span, most in zip(window.span, (6, 40), strict=True))
    return problem(
        size,
        window,
        N=draw(st.integers(1, 3)),
        C_g=draw(channels),
        O_g=draw(st.sampled_from([1, 5, 6, 13, 17, 33])),
        dtype=draw(st.sampled_from([np.float32, np.float64])),
        seed=draw(st.integers(0, 99)),
        values=values,
    )


def by_loops(p, dy=None):
    """Compute y with the loops; if dy is given, compute ∂e/∂x, ∂e/∂w and ∂e/∂b instead."""
    sums = reference.conv.conv2d(p.x, p.w, p.b, p.window, 1)
    y, argmax = reference.max_pool.max_pool2d_with_argmax(reference.activation.relu(sums), POOL)
    if dy is None:
        return y
    dsums = reference.activation.relu_dx(reference.max_pool.max_pool2d_dx(dy, argmax, sums.shape[1:3]), x=sums)
    return (
        reference.conv.conv2d_dx(dsums, p.w, p.size, p.window, 1),
        reference.conv.conv2d_dw(p.x, dsums, p.window, 1),
        reference.conv.conv2d_db(dsums),
    )


def fused_grads(p, dy):
    _, winners = conv2d_relu_pool(p.x, p.w, p.b, p.window)
    return conv2d_relu_pool_grads(p.x, p.w, dy, winners, p.window)


def lenet(dtype=np.float32, channels=6, values=small_floats):
    return problem((11, 14), Window((5, 4)), N=3, C_g=channels, O_g=16, dtype=dtype, values=values)


@pytest.mark.slow
@max_examples(60)
@given(problems(values=small_integers))
def test_fused_pass_equals_the_loops_without_rounding(p):
    y, _ = conv2d_relu_pool(p.x, p.w, p.b, p.window)
    np.testing.assert_array_equal(y, by_loops(p))  # zeros may differ in sign
    dy = small_integers(y.shape, 1, y.dtype)
    for actual, expected in zip(fused_grads(p, dy), by_loops(p, dy), strict=True):
        np.testing.assert_array_equal(actual, expected)


@max_examples(30)
@given(problems())
def test_fused_pass_agrees_with_the_loops(p):
    y, _ = conv2d_relu_pool(p.x, p.w, p.b, p.window)
    taps, positions = np.prod(p.w.shape[:3]), np.prod(p.dy.shape[:-1])
    # ReLU and the maximum do not increase errors: the largest bound in a pooling window is the bound of its output.
    (sums,) = rounding(lambda *arrays: reference.conv.conv2d(*arrays, p.window, 1), p.x, p.w, p.b, terms=taps + 1)
    assert_within(y, by_loops(p), reference.max_pool.max_pool2d(sums, POOL))
    sums = kernels.conv.conv2d(p.x, p.w, p.b, p.window, 1)
    _, argmax = kernels.max_pool.max_pool2d_with_argmax(kernels.activation.relu(sums), POOL)
    dy = small_floats(y.shape, 1, y.dtype)
    dsums = kernels.activation.relu_dx(kernels.max_pool.max_pool2d_dx(dy, argmax, sums.shape[1:3]), x=sums)
    dx, dw, db = fused_grads(p, dy)
    loops = reference.conv
    assert_same_sums(dx, lambda dy, w: loops.conv2d_dx(dy, w, p.size, p.window, 1), dsums, p.w, terms=p.w.size)
    assert_same_sums(dw, lambda x, dy: loops.conv2d_dw(x, dy, p.window, 1), p.x, dsums, terms=positions)
    assert_same_sums(db, loops.conv2d_db, dsums, terms=positions)


def test_winners_are_numbered_by_row_and_the_first_of_equal_values_wins():
    x = np.array([[1.0, 2, 5, 4, -1, -2], [3, 4, 5, 5, 0, -3], [9, 9, 9, 9, 9, 9]]).reshape(1, 3, 6, 1)
    y, winners = conv2d_relu_pool(x, np.ones((1, 1, 1, 1)), None, Window((1, 1)))
    np.testing.assert_array_equal(y[0, :, :, 0], [[4, 5, 0]])
    np.testing.assert_array_equal(winners[0, :, :, 0], [[3, 0, 4]])  # 4 means that no value of the window is above 0


@pytest.mark.parametrize("channels", [1, 6])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_same_bits_at_any_thread_count(dtype, channels):
    p = problem((28, 30), Window((5, 4)), N=19, C_g=channels, O_g=7, dtype=dtype)
    y, winners = conv2d_relu_pool(p.x, p.w, p.b, p.window)
    dy = small_floats(y.shape, 1, dtype)
    assert_same_bits_at_any_thread_count(lambda: conv2d_relu_pool(p.x, p.w, p.b, p.window))
    assert_same_bits_at_any_thread_count(lambda: conv2d_relu_pool_grads(p.x, p.w, dy, winners, p.window))


@pytest.mark.parametrize("side", ["start", "end"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("padding", [0, ((1, 2), (2, 0))])
def test_nothing_outside_the_arrays_is_read(side, channels, padding):
    p = problem((6, 21), Window((2, 3), padding=padding), N=2, C_g=channels, O_g=7, dtype=np.float32)
    y, winners = conv2d_relu_pool(p.x, p.w, p.b, p.window)
    dy = small_floats(y.shape, 1, np.float32)
    x, w, b, fenced_dy, fenced_winners = (fenced(a, side) for a in (p.x, p.w, p.b, dy, winners))
    assert_same_bits(kernels.conv_relu_pool.forward(x, w, b, p.window), (y, winners))
    expected = kernels.conv_relu_pool_grads.backward(p.x, p.w, dy, winners, p.window, True)
    assert_same_bits(kernels.conv_relu_pool_grads.backward(x, w, fenced_dy, fenced_winners, p.window, True), expected)


@pytest.mark.slow
@pytest.mark.parametrize("where", ["x", "w", "dy"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("channels", [1, 6])
def test_non_finite_values_reach_the_same_outputs_as_in_the_loops(where, value, channels):
    p = lenet(np.float64, channels, small_integers)
    dy = small_integers(by_loops(p).shape, 1)
    {"x": p.x, "w": p.w, "dy": dy}[where][1, 2, 0, 0] = value
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(conv2d_relu_pool(p.x, p.w, p.b, p.window)[0], by_loops(p))
        for actual, expected in zip(fused_grads(p, dy), by_loops(p, dy), strict=True):
            np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("channels", [1, 6])
def test_non_finite_values_are_detected_in_every_thread(channels):
    window, w = Window((5, 4)), np.ones((5, 4, channels, 7))
    for image in range(16):
        x = np.ones((16, 40, 38, channels))
        x[image, 1, 2, 0] = np.nan
        with threads(8):
            y, winners = conv2d_relu_pool(x, w, None, window)
            _, dw, _ = conv2d_relu_pool_grads(x, w, np.ones(y.shape), winners, window)
        assert np.isnan(dw[0, 0, 0]).all()


def test_partial_sums_need_less_than_eight_times_the_memory_of_the_weights():
    window, w = Window((9, 9)), np.ones((9, 9, 16, 1024), np.float32)
    x = np.ones((16, 10, 10, 16), np.float32)
    y, winners = conv2d_relu_pool(x, w, None, window)
    tracemalloc.start()
    try:
        conv2d_relu_pool_grads(x, w, y, winners, window)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * w.nbytes


def test_inputs_are_not_modified():
    p = lenet()
    _, winners = conv2d_relu_pool(p.x, p.w, p.b, p.window)
    dy = small_floats(winners.shape, 1, np.float32)
    assert_inputs_unchanged(lambda *arrays: conv2d_relu_pool(*arrays, p.window), p.x, p.w, p.b)
    assert_inputs_unchanged(lambda *arrays: conv2d_relu_pool_grads(*arrays, p.window), p.x, p.w, dy, winners)


def test_an_empty_batch_and_no_bias_are_accepted():
    p = lenet()
    y, winners = conv2d_relu_pool(p.x[:0], p.w, None, p.window)
    dx, dw, db = conv2d_relu_pool_grads(p.x[:0], p.w, y, winners, p.window)
    assert dx.shape == (0, *p.x.shape[1:])
    assert not dw.any()
    assert not db.any()
    without, _ = conv2d_relu_pool(p.x, p.w, None, p.window)
    assert_same_bits(without, conv2d_relu_pool(p.x, p.w, np.zeros(16, np.float32), p.window)[0])


def test_invalid_arguments_are_rejected():
    p = lenet()
    with pytest.raises(ValueError, match="x must have shape"):
        conv2d_relu_pool(p.x[..., :5], p.w, p.b, p.window)
    with pytest.raises(ValueError, match="b must have shape"):
        conv2d_relu_pool(p.x, p.w, p.b[:5], p.window)
    with pytest.raises(ValueError, match="a convolution output of at least 2×2 pixels, got \\(1, 11\\)"):
        conv2d_relu_pool(p.x[:, :5], p.w, p.b, p.window)
    _, winners = conv2d_relu_pool(p.x, p.w, p.b, p.window)
    with pytest.raises(ValueError, match="dy must have shape"):
        conv2d_relu_pool_grads(p.x, p.w, np.zeros((3, 2, 5, 16), np.float32), winners, p.window)
    dy = np.zeros(winners.shape, np.float32)
    with pytest.raises(ValueError, match="winners must have shape \\(3, 3, 4, 16\\)"):
        conv2d_relu_pool_grads(p.x[:, :, :11].copy(), p.w, dy, winners, p.window)


def test_pools_with_selects_the_fused_convolutions():
    assert pools_with(Window((5, 4), padding="same"), 16, 1)
    assert not pools_with(Window((5, 4)), 17, 1)
    assert not pools_with(Window((5, 4)), 16, 2)
    assert not pools_with(Window((5, 4), (1, 2)), 16, 1)
    assert not pools_with(Window((5, 4), dilation=(2, 1)), 16, 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_relu_in_place_equals_relu(dtype):
    y = np.array([[-1.5, 2, np.nan], [0, -np.inf, np.inf]], dtype)
    expected = kernels.activation.relu(y)
    assert relu_in_place(y) is y
    np.testing.assert_array_equal(y, expected)
    large = small_floats((3, 70001), 0, dtype)
    expected = np.maximum(large, 0)
    np.testing.assert_array_equal(relu_in_place(large), expected)


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 5, 4, 7), (9000, 33), (0, 3, 5)])
def test_batch_norm_in_place_agrees_with_batch_norm(shape, dtype, relu):
    y = small_floats(shape, 0, dtype)
    gamma, beta, mean, var = (1.5 + small_floats(shape[-1:], k, dtype) / 2 for k in range(1, 5))
    rows = y.reshape(-1, shape[-1])
    expected = kernels.norm.batch_norm_inference(rows, gamma, beta, mean, var, 1e-3).reshape(shape)
    # If scale and shift are computed first, errors are relative to (|x| + |μ|)·|γ|/σ + |β|, whose terms can cancel in y.
    magnitude = kernels.norm.batch_norm_inference(abs(rows), abs(gamma), abs(beta), -abs(mean), var, 1e-3).reshape(shape)
    if relu:
        expected = np.maximum(expected, 0)
    assert batch_norm_inference_in_place(y, gamma, beta, mean, var, 1e-3, relu) is y
    assert_within(y, expected, 8 * np.finfo(dtype).eps * magnitude)


def test_relu_in_place_accepts_arrays_that_kernels_do_not():
    columns = np.asfortranarray(small_floats((3, 5), 0))
    np.testing.assert_array_equal(relu_in_place(columns), np.maximum(columns, 0))
    np.testing.assert_array_equal(relu_in_place(np.array([[1, -2]])), [[1.0, 0.0]])
    with pytest.raises(TypeError, match="y must be an array of float32, float64 or integers"):
        relu_in_place(columns.astype(np.float16))


def test_batch_norm_in_place_makes_the_checks_of_batch_norm():
    y, ones = small_floats((3, 7), 0), np.ones(7)
    with pytest.raises(ValueError, match="gamma must have shape \\(7,\\)"):
        batch_norm_inference_in_place(y, np.ones(6), ones, ones, ones, 1e-3, True)
    with pytest.raises(ValueError, match="var must not be negative"):
        batch_norm_inference_in_place(y, ones, ones, ones, -ones, 1e-3, True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("shape", [(3, 5, 4, 7), (17, 40001), (0, 3)])
def test_total_equals_the_sum_of_the_arrays(shape, count, dtype):
    arrays = [small_floats(shape, k, dtype) for k in range(count)]
    before = [a.copy() for a in arrays]
    actual = total(arrays)
    assert_same_bits(arrays, before)
    assert not any(np.shares_memory(actual, a) for a in arrays)
    assert_same_bits(actual, sum(arrays[1:], arrays[0] + 0))
    with config(engine="reference"):
        assert_same_bits(total(arrays), actual)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 5, 4), (17, 4001), (0, 3), ()])
def test_side_by_side_equals_concatenate(shape, dtype):
    arrays = [small_floats((*shape, channels), channels, dtype) for channels in (7, 1, 33)]
    actual = side_by_side(arrays, -1)
    assert_same_bits(actual, np.concatenate(arrays, -1))
    assert_same_bits(side_by_side(arrays[:1], len(shape)), arrays[0])
    with config(engine="reference"):
        assert_same_bits(side_by_side(arrays, -1), actual)


def test_numpy_computes_what_the_kernels_do_not_support():
    exact = [np.array([[1, 2], [3, 4]], object), np.array([[5, 6], [7, 8]], object)]
    np.testing.assert_array_equal(total(exact), exact[0] + exact[1])
    strided = [small_floats((4, 6), 0)[:, ::2], small_floats((4, 6), 1)[:, 1::2]]
    assert_same_bits(total(strided), strided[0] + strided[1])
    assert_same_bits(side_by_side(strided, -1), np.concatenate(strided, -1))
    assert_same_bits(side_by_side(strided, 0), np.concatenate(strided, 0))
    unlike = [small_floats((70, 60), 0), small_floats((1, 60), 1)]
    assert_same_bits(total(unlike), unlike[0] + unlike[1])
    with pytest.raises(ValueError, match="must match exactly"):
        side_by_side(unlike, -1)
    mixed = [small_floats((2, 3), 0, np.float32), small_floats((2, 3), 1, np.float64)]
    assert side_by_side(mixed, -1).dtype == np.float64
