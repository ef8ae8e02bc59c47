"""Tests common to max and average pooling: rejected windows and agreement with PyTorch."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given

import refconv
from evidence import all_engines
from refconv.ops.avg_pool import avg_pool2d, avg_pool2d_dx
from refconv.ops.max_pool import max_pool2d, max_pool2d_dx, max_pool2d_with_argmax
from strategies import holds_pixels, input_sizes, small_floats, windows


@given(windows(2, most_dilation=4).flatmap(lambda w: input_sizes(w).map(lambda size: (w, size))))
def test_windows_are_rejected_if_and_only_if_a_position_has_no_pixel(case):
    window, size = case
    x = np.ones((1, *size, 1))
    more = {"stride": window.stride, "padding": window.padding, "dilation": window.dilation}
    if holds_pixels(window, size):
        assert (max_pool2d(x, window.kernel, **more) == 1).all()
    else:
        with pytest.raises(ValueError, match="padding"):
            max_pool2d(x, window.kernel, **more)


# All small sizes along the height; the width has other sizes, so that swapped axes are detected.
HEIGHTS = list(product((1, 2, 3, 5), (1, 2, 3, 4, 6), (1, 2, 4, 7), (0, 1, 2)))
WIDTH, KW, SW, PW = 4, 3, 2, 1


def outcome(call):
    """Return the result of a call, or None if it rejects its arguments."""
    try:
        return call()
    except (ValueError, RuntimeError):
        return None


@pytest.mark.parametrize("ceil_mode", [False, True])
def test_max_pooling_agrees_with_pytorch_in_results_and_errors(ceil_mode):
    torch = pytest.importorskip("torch")
    for (n, k, S, p), D in product(HEIGHTS, (1, 2)):
        if p > k // 2:
            continue  # PyTorch allows padding up to half a window; refconv only needs a pixel at each position
        x = small_floats((2, n, WIDTH, 3), seed=n)
        more = {"stride": (S, SW), "padding": (p, PW), "dilation": (D, 1), "ceil_mode": ceil_mode}
        x_torch = torch.tensor(np.moveaxis(x, -1, 1).copy(), requires_grad=True)
        expected = outcome(lambda: torch.nn.functional.max_pool2d(x_torch, (k, KW), return_indices=True, **more))  # noqa: B023
        if expected is not None and not torch.isfinite(expected[0]).all():
            expected = None  # a dilated window reads no pixel at all: PyTorch then returns −∞
        actual = outcome(lambda: max_pool2d_with_argmax(x, (k, KW), **more))  # noqa: B023
        assert (actual is None) == (expected is None), (n, k, S, p, D)
        if actual is None:
            continue
        for ours, theirs in zip(actual, expected, strict=True):
            np.testing.assert_array_equal(np.moveaxis(ours, -1, 1), theirs.detach().numpy(), str((n, k, S, p, D)))
        dy = small_floats(actual[0].shape, seed=k)
        (dx,) = torch.autograd.grad(expected[0], x_torch, torch.tensor(np.moveaxis(dy, -1, 1).copy()))
        ours = max_pool2d_dx(dy, actual[1], (n, WIDTH))
        np.testing.assert_allclose(np.moveaxis(ours, -1, 1), dx.numpy(), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("count_include_pad", [False, True])
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_average_pooling_agrees_with_pytorch_in_results_and_errors(ceil_mode, count_include_pad):
    torch = pytest.importorskip("torch")
    for n, k, S, p in HEIGHTS:
        if p > k // 2:
            continue
        x = small_floats((2, n, WIDTH, 3), seed=n)
        more = {"stride": (S, SW), "padding": (p, PW), "ceil_mode": ceil_mode, "count_include_pad": count_include_pad}
        x_torch = torch.tensor(np.moveaxis(x, -1, 1).copy(), requires_grad=True)
        expected = outcome(lambda: torch.nn.functional.avg_pool2d(x_torch, (k, KW), **more))  # noqa: B023
        actual = outcome(lambda: avg_pool2d(x, (k, KW), **more))  # noqa: B023
        assert (actual is None) == (expected is None), (n, k, S, p)
        if actual is None:
            continue
        np.testing.assert_allclose(np.moveaxis(actual, -1, 1), expected.detach().numpy(), rtol=1e-13, atol=1e-14)
        dy = small_floats(actual.shape, seed=k)
        (dx,) = torch.autograd.grad(expected, x_torch, torch.tensor(np.moveaxis(dy, -1, 1).copy()))
        ours = avg_pool2d_dx(dy, (k, KW), (n, WIDTH), **more)
        np.testing.assert_allclose(np.moveaxis(ours, -1, 1), dx.numpy(), rtol=1e-13, atol=1e-14)


def test_a_window_beyond_the_end_computed_by_hand():
    # Three of the window's four rows are in the image; with one row of padding, all four are used.
    x = np.array([1.0, 2, 6]).reshape(1, 3, 1, 1)
    for actual in all_engines(lambda: max_pool2d(x, (4, 1), ceil_mode=True)):
        assert actual.tolist() == [[[[6.0]]]]
    for padding, count, expected in ((0, False, 3), (0, True, 3), (((1, 0), (0, 0)), True, 2.25)):
        more = {"padding": padding, "ceil_mode": True, "count_include_pad": count}
        for actual in all_engines(lambda: avg_pool2d(x, (4, 1), **more)):  # noqa: B023
            assert actual.tolist() == [[[[expected]]]]
    for actual in all_engines(lambda: avg_pool2d_dx(np.full((1, 1, 1, 1), 6.0), (4, 1), (3, 1), ceil_mode=True)):
        assert actual.ravel().tolist() == [2, 2, 2]


def test_a_window_beyond_the_end_is_used_only_with_ceil_mode():
    signal, image = np.ones((2, 5, 3)), np.ones((2, 5, 7, 3))
    for pool in (refconv.max_pool1d, lambda *a, **k: refconv.max_pool1d_with_argmax(*a, **k)[1], refconv.avg_pool1d):
        assert pool(signal, 2).shape == (2, 2, 3)
        assert pool(signal, 2, ceil_mode=True).shape == (2, 3, 3)
    for pool in (refconv.max_pool2d, lambda *a, **k: refconv.max_pool2d_with_argmax(*a, **k)[1], refconv.avg_pool2d):
        assert pool(image, 2).shape == (2, 2, 3, 3)
        assert pool(image, 2, ceil_mode=True).shape == (2, 3, 4, 3)
    assert refconv.avg_pool1d_dx(np.ones((2, 2, 3)), 2, 5).shape == signal.shape
    assert refconv.avg_pool2d_dx(np.ones((2, 2, 3, 3)), 2, (5, 7)).shape == image.shape
