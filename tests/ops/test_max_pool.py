"""Tests of the public max pooling operators: layouts, defaults, errors and PyTorch."""

import numpy as np
import pytest

from evidence import ENGINES, all_engines, assert_inputs_unchanged, needs_kernels
from pool_strategies import SLIDE
from refconv._config import config
from refconv.geometry import Window
from refconv.ops import max_pool as ops
from strategies import small_integers

X = small_integers((2, 5, 7, 3), seed=0)
MORE = {"stride": (1, 2), "padding": ((1, 0), (0, 1))}
FIRST = {"data_format": "channels_first"}


def first(x):
    return np.moveaxis(x, -1, 1)


def test_slide_c9():
    np.testing.assert_array_equal(ops.max_pool2d(SLIDE.astype(int), 2)[0, :, :, 0], [[4, 5], [7, 9]])


def test_stride_defaults_to_the_window():
    np.testing.assert_array_equal(ops.max_pool2d(X, (2, 3)), ops.max_pool2d(X, (2, 3), stride=(2, 3)))


def test_channels_first_gives_the_same_values():
    y, argmax = ops.max_pool2d_with_argmax(X, (2, 3), **MORE)
    y_first, argmax_first = ops.max_pool2d_with_argmax(first(X), (2, 3), **MORE, **FIRST)
    np.testing.assert_array_equal(y_first, first(y))
    np.testing.assert_array_equal(argmax_first, first(argmax))
    np.testing.assert_array_equal(ops.max_pool2d(first(X), (2, 3), **MORE, **FIRST), first(y))
    np.testing.assert_array_equal(
        ops.max_pool2d_dx(first(y), first(argmax), (5, 7), **FIRST), first(ops.max_pool2d_dx(y, argmax, (5, 7)))
    )


def test_signals_equal_images_one_pixel_high_in_both_layouts():
    x = X[:, 0]
    y, argmax = ops.max_pool1d_with_argmax(x, 3, stride=2, padding=1)
    y2, argmax2 = ops.max_pool2d_with_argmax(x[:, None], (1, 3), stride=(1, 2), padding=(0, 1))
    np.testing.assert_array_equal(y, y2[:, 0])
    np.testing.assert_array_equal(argmax, argmax2[:, 0])
    np.testing.assert_array_equal(ops.max_pool1d(x, 3, stride=2, padding=1), y)
    dx = ops.max_pool1d_dx(y, argmax, 7)
    np.testing.assert_array_equal(dx, ops.max_pool2d_dx(y2, argmax2, (1, 7))[:, 0])
    np.testing.assert_array_equal(ops.max_pool1d_dx(first(y), first(argmax), 7, **FIRST), first(dx))


@pytest.mark.parametrize("name", ENGINES)
def test_inputs_are_neither_modified_nor_returned(name):
    with config(engine=name):
        # A 1×1 window returns the input's values; they must still be in new memory.
        for window in (1, (2, 3)):
            y, argmax = ops.max_pool2d_with_argmax(X, window)
            assert_inputs_unchanged(lambda x: ops.max_pool2d_with_argmax(x, window), X.copy())  # noqa: B023
            assert_inputs_unchanged(lambda dy, a: ops.max_pool2d_dx(dy, a, (5, 7)), y, argmax)


@needs_kernels
def test_dtypes_are_kept():
    for dtype, expected in ((np.float32, np.float32), (np.float64, np.float64), (np.int32, np.float64)):
        for y, argmax in all_engines(lambda: ops.max_pool2d_with_argmax(X.astype(dtype), 2)):  # noqa: B023
            assert (y.dtype, argmax.dtype) == (expected, np.intp)


DY = np.ones((2, 2, 3, 3))
ARGMAX = np.zeros((2, 2, 3, 3), np.intp)


def argmax_with(position):
    argmax = ARGMAX.copy()
    argmax[1, 1, 2, 2] = position
    return argmax


@pytest.mark.parametrize(
    ("error", "name", "call"),
    [
        (TypeError, "x must be an array", lambda: ops.max_pool2d(X.astype(complex), 2)),
        (ValueError, "x must have 4 axes", lambda: ops.max_pool2d(X[0], 2)),
        (ValueError, "x must have 3 axes", lambda: ops.max_pool1d(X, 2)),
        (TypeError, "kernel_size", lambda: ops.max_pool2d(X, 2.5)),
        (ValueError, "kernel_size", lambda: ops.max_pool2d(X, (2, 3, 4))),
        (ValueError, "stride", lambda: ops.max_pool2d(X, 2, stride=0)),
        (ValueError, "padding", lambda: ops.max_pool2d(X, 2, padding="half")),
        (ValueError, "dilation", lambda: ops.max_pool2d(X, 2, dilation=(1, 0))),
        (ValueError, "data_format", lambda: ops.max_pool2d(X, 2, data_format="NHWC")),
        (ValueError, "the padded input must be at least as large", lambda: ops.max_pool2d(X, 6)),
        (ValueError, "padding .* only padding at -2 on axis 0", lambda: ops.max_pool2d(X, 2, padding=(2, 0))),
        (ValueError, "padding", lambda: ops.max_pool2d(X[:, :1], (2, 1), dilation=(2, 1), padding=(1, 0))),
        (TypeError, "argmax must be an array of integers", lambda: ops.max_pool2d_dx(DY, ARGMAX.astype(float), (5, 7))),
        (TypeError, "argmax must be an array of integers", lambda: ops.max_pool2d_dx(DY, ARGMAX.astype(bool), (5, 7))),
        (ValueError, "argmax must have shape", lambda: ops.max_pool2d_dx(DY, ARGMAX[:1], (5, 7))),
        (ValueError, "argmax must be from 0 to 34", lambda: ops.max_pool2d_dx(DY, argmax_with(35), (5, 7))),
        (ValueError, "argmax must be from 0 to 34", lambda: ops.max_pool2d_dx(DY, argmax_with(-1), (5, 7))),
        (ValueError, "input_size", lambda: ops.max_pool2d_dx(DY, ARGMAX, (5, 7, 1))),
    ],
)
def test_errors_name_the_argument(error, name, call):
    with pytest.raises(error, match=name):
        call()


@pytest.mark.parametrize("index", [35, -1])
def test_the_loops_also_reject_an_index_outside_the_input(index):
    with config(engine="reference"), pytest.raises(ValueError, match="argmax must be from 0 to 34"):
        ops.max_pool2d_dx(DY, argmax_with(index), (5, 7))


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"), [((3, 2), (2, 3), (1, 0), (1, 2)), ((2, 5), (1, 2), (1, 2), (2, 1))]
)
def test_results_agree_with_pytorch(kernel, stride, padding, dilation, ceil_mode):
    torch = pytest.importorskip("torch")
    x = small_integers((2, 9, 11, 3), seed=4)
    x_torch = torch.tensor(first(x).copy(), requires_grad=True)
    more = {"stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode}
    y, argmax = ops.max_pool2d_with_argmax(x, kernel, **more)
    y_torch, argmax_torch = torch.nn.functional.max_pool2d(x_torch, kernel, return_indices=True, **more)
    np.testing.assert_array_equal(first(y), y_torch.detach().numpy())
    np.testing.assert_array_equal(first(argmax), argmax_torch.numpy())
    dy = small_integers(y.shape, seed=5)
    (dx_torch,) = torch.autograd.grad(y_torch, x_torch, torch.tensor(first(dy).copy()))
    np.testing.assert_array_equal(first(ops.max_pool2d_dx(dy, argmax, (9, 11))), dx_torch.numpy())


def test_ceil_mode_drops_a_window_that_would_start_in_the_padding():
    x = np.arange(4.0).reshape(1, 4, 1)
    window = Window((1,), 2, ((0, 1),), ceil_mode=True)
    assert ops.max_pool1d(x, 1, stride=2, padding=((0, 1),), ceil_mode=True).shape[1] == window.output_size((4,))[0] == 2
