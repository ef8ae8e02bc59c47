"""Tests of the public average pooling operators: layouts, defaults, errors and PyTorch."""

import numpy as np
import pytest

from evidence import ENGINES, all_engines, assert_inputs_unchanged, assert_same_sums, needs_kernels
from pool_strategies import SLIDE
from refconv._config import config
from refconv.ops import avg_pool as ops
from strategies import small_floats, small_integers

X = small_integers((2, 5, 7, 3), seed=0)
MORE = {"stride": (1, 2), "padding": ((1, 0), (0, 1))}
FIRST = {"data_format": "channels_first"}


def first(x):
    return np.moveaxis(x, -1, 1)


def test_slide_c9():
    np.testing.assert_array_equal(ops.avg_pool2d(SLIDE.astype(int), 2)[0, :, :, 0], [[2, 3], [4, 6]])


def test_stride_defaults_to_the_window():
    np.testing.assert_array_equal(ops.avg_pool2d(X, (2, 3)), ops.avg_pool2d(X, (2, 3), stride=(2, 3)))
    dy = np.ones((2, 2, 2, 3))
    np.testing.assert_array_equal(ops.avg_pool2d_dx(dy, (2, 3), (5, 7)), ops.avg_pool2d_dx(dy, (2, 3), (5, 7), stride=(2, 3)))


def test_channels_first_gives_the_same_values():
    y = ops.avg_pool2d(X, (2, 3), **MORE)
    np.testing.assert_array_equal(ops.avg_pool2d(first(X), (2, 3), **MORE, **FIRST), first(y))
    dx = ops.avg_pool2d_dx(y, (2, 3), (5, 7), **MORE)
    np.testing.assert_array_equal(ops.avg_pool2d_dx(first(y), (2, 3), (5, 7), **MORE, **FIRST), first(dx))


def test_signals_equal_images_one_pixel_high_in_both_layouts():
    x = X[:, 0]
    mean = ops.avg_pool1d(x, 3, stride=2, padding=1)
    np.testing.assert_array_equal(mean, ops.avg_pool2d(x[:, None], (1, 3), stride=(1, 2), padding=(0, 1))[:, 0])
    np.testing.assert_array_equal(ops.avg_pool1d(first(x), 3, stride=2, padding=1, **FIRST), first(mean))
    dx = ops.avg_pool1d_dx(mean, 3, 7, stride=2, padding=1)
    expected = ops.avg_pool2d_dx(mean[:, None], (1, 3), (1, 7), stride=(1, 2), padding=(0, 1))[:, 0]
    np.testing.assert_array_equal(dx, expected)


@pytest.mark.parametrize("name", ENGINES)
def test_inputs_are_neither_modified_nor_returned(name):
    with config(engine=name):
        # A 1×1 window returns the input's values; they must still be in new memory.
        for window in (1, (2, 3)):
            y = ops.avg_pool2d(X, window)
            assert_inputs_unchanged(lambda x: ops.avg_pool2d(x, window), X.copy())  # noqa: B023
            assert_inputs_unchanged(lambda dy: ops.avg_pool2d_dx(dy, window, (5, 7)), y)  # noqa: B023


@needs_kernels
def test_dtypes_are_kept():
    for dtype, expected in ((np.float32, np.float32), (np.float64, np.float64), (np.int32, np.float64)):
        for y in all_engines(lambda: ops.avg_pool2d(X.astype(dtype), 2)):  # noqa: B023
            assert y.dtype == expected


DY = np.ones((2, 2, 3, 3))


@pytest.mark.parametrize(
    ("error", "name", "call"),
    [
        (TypeError, "x must be an array", lambda: ops.avg_pool2d(X.astype(complex), 2)),
        (ValueError, "x must have 3 axes", lambda: ops.avg_pool1d(X, 2)),
        (ValueError, "kernel_size", lambda: ops.avg_pool2d(X, 0)),
        (ValueError, "stride", lambda: ops.avg_pool2d(X, 2, stride=0)),
        (ValueError, "data_format", lambda: ops.avg_pool2d(X, 2, data_format="NHWC")),
        (ValueError, "the padded input must be at least as large", lambda: ops.avg_pool2d(X, 6)),
        (
            ValueError,
            "padding .* only padding at 7 on axis 1",
            lambda: ops.avg_pool2d(X, 1, padding=((0, 0), (0, 1))),
        ),
        (ValueError, "padding", lambda: ops.avg_pool2d_dx(DY, 2, (5, 7), padding=2)),
        (ValueError, r"dy .*must have shape \(2, 2, 3, 3\)", lambda: ops.avg_pool2d_dx(DY[:, :1], 2, (5, 7))),
        (TypeError, "dy must be an array", lambda: ops.avg_pool2d_dx(DY.astype(complex), 2, (5, 7))),
        (TypeError, "x must be an array", lambda: ops.global_avg_pool2d(X.astype(complex))),
        (ValueError, "x must have 4 axes", lambda: ops.global_avg_pool2d(X[0])),
        (ValueError, "x must not be empty", lambda: ops.global_avg_pool1d(X[:, 0, :0])),
        (ValueError, "data_format", lambda: ops.global_avg_pool2d(X, data_format="NHWC")),
        (ValueError, "data_format", lambda: ops.global_avg_pool2d_dx(X[:, 0, 0], (5, 7), data_format="NHWC")),
        (ValueError, r"dy must have 2 axes \(batch, channels\)", lambda: ops.global_avg_pool2d_dx(X, (5, 7))),
        (ValueError, "input_size must be an integer or 2 integers", lambda: ops.global_avg_pool2d_dx(X[:, 0, 0], (5, 7, 1))),
        (ValueError, "input_size must be at least 1", lambda: ops.global_avg_pool1d_dx(X[:, 0, 0], 0)),
    ],
)
def test_errors_name_the_argument(error, name, call):
    with pytest.raises(error, match=name):
        call()


@pytest.mark.parametrize("count_include_pad", [False, True])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [((3, 2), (2, 3), (1, 0)), ((2, 5), (1, 2), (1, 2))])
def test_results_agree_with_pytorch(kernel, stride, padding, ceil_mode, count_include_pad):
    torch = pytest.importorskip("torch")
    x = small_integers((2, 9, 11, 3), seed=4)
    x_torch = torch.tensor(first(x).copy(), requires_grad=True)
    more = {"stride": stride, "padding": padding, "ceil_mode": ceil_mode, "count_include_pad": count_include_pad}
    y = ops.avg_pool2d(x, kernel, **more)
    y_torch = torch.nn.functional.avg_pool2d(x_torch, kernel, **more)
    np.testing.assert_allclose(first(y), y_torch.detach().numpy(), rtol=1e-14)
    dy = small_integers(y.shape, seed=6)
    (dx_torch,) = torch.autograd.grad(y_torch, x_torch, torch.tensor(first(dy).copy()))
    dx = ops.avg_pool2d_dx(dy, kernel, (9, 11), **more)
    np.testing.assert_allclose(first(dx), dx_torch.numpy(), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("name", ENGINES)
def test_global_average_agrees_with_numpy_in_both_layouts(name):
    dy = small_integers((2, 3), seed=7)
    with config(engine=name):
        for x, size, ndim in ((X, (5, 7), 2), (X[:, 0], (7,), 1)):
            forward, backward = (getattr(ops, f"global_avg_pool{ndim}d{suffix}") for suffix in ("", "_dx"))
            axes = tuple(range(1, x.ndim - 1))
            assert_same_sums(forward(x), lambda x: x.mean(axes), x, terms=np.prod(size))  # noqa: B023
            np.testing.assert_array_equal(forward(first(x), **FIRST), forward(x))
            dx = backward(dy, size)
            assert_same_sums(dx.sum(axes), lambda dy: dy, dy, terms=np.prod(size))
            np.testing.assert_array_equal(backward(dy, size, **FIRST), first(dx))
            assert_inputs_unchanged(forward, x.copy())
            assert_inputs_unchanged(lambda dy: backward(dy, size), dy)  # noqa: B023
        # The mean of one pixel is the pixel; it must still be in new memory.
        assert_inputs_unchanged(ops.global_avg_pool2d, X[:, :1, :1].copy())
        assert_inputs_unchanged(lambda dy: ops.global_avg_pool2d_dx(dy, (1, 1)), dy)
        assert ops.global_avg_pool2d(X.astype(np.float32)).dtype == np.float32
        assert ops.global_avg_pool2d_dx(dy.astype(np.float32), (2, 3)).dtype == np.float32


def test_count_include_pad_must_be_true_or_false():
    with pytest.raises(TypeError, match="count_include_pad must be True or False, got 'no'"):
        ops.avg_pool2d(np.ones((1, 3, 4, 2)), 2, count_include_pad="no")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_dilated_window_averages_every_second_row_and_third_column(dtype):
    x = small_floats((2, 9, 11, 3), 1, dtype)
    for y in all_engines(lambda: ops.avg_pool2d(x, (2, 3), stride=(3, 2), dilation=(2, 3))):
        assert y.shape == (2, 3, 3, 3)
        for i in range(3):
            for j in range(3):
                expected = x[:, 3 * i : 3 * i + 3 : 2, 2 * j : 2 * j + 7 : 3].mean((1, 2))
                np.testing.assert_allclose(y[:, i, j], expected, rtol=8 * np.finfo(dtype).eps, atol=8 * np.finfo(dtype).eps)


def test_the_padding_under_a_dilated_window_does_not_count():
    x = np.array([1.0, 5, 3, 7, 4]).reshape(1, 5, 1)
    options = {"stride": 2, "padding": 1, "dilation": 3}
    for y, counted in all_engines(
        lambda: (ops.avg_pool1d(x, 2, **options), ops.avg_pool1d(x, 2, count_include_pad=True, **options))
    ):
        # The windows read elements −1 and 2, then 1 and 4.
        assert y.ravel().tolist() == [3, 4.5]
        assert counted.ravel().tolist() == [1.5, 4.5]
