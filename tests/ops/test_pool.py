"""What holds for max and average pooling alike: which windows are refused, and where PyTorch draws the same line."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given

import refconv
from evidence import both_engines
from refconv.ops.avg_pool import avg_pool2d, avg_pool2d_dx
from refconv.ops.max_pool import max_pool2d, max_pool2d_dx, max_pool2d_with_argmax
from strategies import holds_pixels, input_sizes, small_floats, windows


@given(windows(2, most_dilation=4).flatmap(lambda w: input_sizes(w).map(lambda size: (w, size))))
def test_a_window_is_refused_exactly_if_a_place_of_it_holds_no_pixel(case):
    window, size = case
    x = np.ones((1, *size, 1))
    more = {"stride": window.stride, "padding": window.padding, "dilation": window.dilation}
    if holds_pixels(window, size):
        assert (max_pool2d(x, window.kernel, **more) == 1).all()
    else:
        with pytest.raises(ValueError, match="padding"):
            max_pool2d(x, window.kernel, **more)


# Along the height everything that is small; the width has numbers of its own, so that exchanged axes show.
HEIGHTS = list(product((1, 2, 3, 5), (1, 2, 3, 4, 6), (1, 2, 4, 7), (0, 1, 2)))
WIDTH, KW, SW, PW = 4, 3, 2, 1


def outcome(call):
    """What a call gives, or None where it refuses its arguments."""
    try:
        return call()
    except (ValueError, RuntimeError):
        return None


@pytest.mark.parametrize("ceil_mode", [False, True])
def test_max_pooling_takes_what_pytorch_takes_and_gives_the_same(ceil_mode):
    torch = pytest.importorskip("torch")
    for (n, k, S, p), D in product(HEIGHTS, (1, 2)):
        if p > k // 2:
            continue  # PyTorch refuses more padding than half a window; here it is enough that each place holds a pixel
        x = small_floats((2, n, WIDTH, 3), seed=n)
        more = {"stride": (S, SW), "padding": (p, PW), "dilation": (D, 1), "ceil_mode": ceil_mode}
        x_torch = torch.tensor(np.moveaxis(x, -1, 1).copy(), requires_grad=True)
        expected = outcome(lambda: torch.nn.functional.max_pool2d(x_torch, (k, KW), return_indices=True, **more))  # noqa: B023
        if expected is not None and not torch.isfinite(expected[0]).all():
            expected = None  # holes jump over the whole image: PyTorch finds −∞ in no pixel
        found = outcome(lambda: max_pool2d_with_argmax(x, (k, KW), **more))  # noqa: B023
        assert (found is None) == (expected is None), (n, k, S, p, D)
        if found is None:
            continue
        for mine, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(np.moveaxis(mine, -1, 1), theirs.detach().numpy(), str((n, k, S, p, D)))
        dy = small_floats(found[0].shape, seed=k)
        (dx,) = torch.autograd.grad(expected[0], x_torch, torch.tensor(np.moveaxis(dy, -1, 1).copy()))
        mine = max_pool2d_dx(dy, found[1], (n, WIDTH))
        np.testing.assert_allclose(np.moveaxis(mine, -1, 1), dx.numpy(), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("count_include_pad", [False, True])
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_average_pooling_takes_what_pytorch_takes_and_gives_the_same(ceil_mode, count_include_pad):
    torch = pytest.importorskip("torch")
    for n, k, S, p in HEIGHTS:
        if p > k // 2:
            continue
        x = small_floats((2, n, WIDTH, 3), seed=n)
        more = {"stride": (S, SW), "padding": (p, PW), "ceil_mode": ceil_mode, "count_include_pad": count_include_pad}
        x_torch = torch.tensor(np.moveaxis(x, -1, 1).copy(), requires_grad=True)
        expected = outcome(lambda: torch.nn.functional.avg_pool2d(x_torch, (k, KW), **more))  # noqa: B023
        found = outcome(lambda: avg_pool2d(x, (k, KW), **more))  # noqa: B023
        assert (found is None) == (expected is None), (n, k, S, p)
        if found is None:
            continue
        np.testing.assert_allclose(np.moveaxis(found, -1, 1), expected.detach().numpy(), rtol=1e-13, atol=1e-14)
        dy = small_floats(found.shape, seed=k)
        (dx,) = torch.autograd.grad(expected, x_torch, torch.tensor(np.moveaxis(dy, -1, 1).copy()))
        mine = avg_pool2d_dx(dy, (k, KW), (n, WIDTH), **more)
        np.testing.assert_allclose(np.moveaxis(mine, -1, 1), dx.numpy(), rtol=1e-13, atol=1e-14)


def test_a_window_that_hangs_over_the_end_by_hand():
    # Three of a window's four rows are there, and with the padding in front of them all four.
    x = np.array([1.0, 2, 6]).reshape(1, 3, 1, 1)
    for found in both_engines(lambda: max_pool2d(x, (4, 1), ceil_mode=True)):
        assert found.tolist() == [[[[6.0]]]]
    for padding, count, expected in ((0, False, 3), (0, True, 3), (((1, 0), (0, 0)), True, 2.25)):
        more = {"padding": padding, "ceil_mode": True, "count_include_pad": count}
        for found in both_engines(lambda: avg_pool2d(x, (4, 1), **more)):  # noqa: B023
            assert found.tolist() == [[[[expected]]]]
    for found in both_engines(lambda: avg_pool2d_dx(np.full((1, 1, 1, 1), 6.0), (4, 1), (3, 1), ceil_mode=True)):
        assert found.ravel().tolist() == [2, 2, 2]


def test_a_window_that_hangs_over_the_end_is_dropped_unless_ceil_mode_asks_for_it():
    signal, image = np.ones((2, 5, 3)), np.ones((2, 5, 7, 3))
    for pool in (refconv.max_pool1d, lambda *a, **k: refconv.max_pool1d_with_argmax(*a, **k)[1], refconv.avg_pool1d):
        assert pool(signal, 2).shape == (2, 2, 3)
        assert pool(signal, 2, ceil_mode=True).shape == (2, 3, 3)
    for pool in (refconv.max_pool2d, lambda *a, **k: refconv.max_pool2d_with_argmax(*a, **k)[1], refconv.avg_pool2d):
        assert pool(image, 2).shape == (2, 2, 3, 3)
        assert pool(image, 2, ceil_mode=True).shape == (2, 3, 4, 3)
    assert refconv.avg_pool1d_dx(np.ones((2, 2, 3)), 2, 5).shape == signal.shape
    assert refconv.avg_pool2d_dx(np.ones((2, 2, 3, 3)), 2, (5, 7)).shape == image.shape
