"""The public operators of pooling: layouts, defaults, refusals, and PyTorch's results."""

import numpy as np
import pytest
from hypothesis import given

from evidence import assert_inputs_unchanged, both_engines, needs_kernels
from refconv.geometry import Window
from refconv.ops import pool as ops
from refconv.ops.engine import engine
from strategies import holds_pixels, input_sizes, small_integers, windows

X = small_integers((2, 5, 7, 3), seed=0)
MORE = {"stride": (1, 2), "padding": ((1, 0), (0, 1))}


def first(x):
    return np.moveaxis(x, -1, 1)


def test_slide_c9():
    x = np.array([[1, 0, 3, 5], [3, 4, 2, 2], [1, 3, 3, 9], [5, 7, 8, 4]]).reshape(1, 4, 4, 1)
    np.testing.assert_array_equal(ops.max_pool2d(x, 2)[0, :, :, 0], [[4, 5], [7, 9]])
    np.testing.assert_array_equal(ops.avg_pool2d(x, 2)[0, :, :, 0], [[2, 3], [4, 6]])


def test_stride_is_the_window_by_default():
    np.testing.assert_array_equal(ops.max_pool2d(X, (2, 3)), ops.max_pool2d(X, (2, 3), stride=(2, 3)))
    np.testing.assert_array_equal(ops.avg_pool2d(X, (2, 3)), ops.avg_pool2d(X, (2, 3), stride=(2, 3)))
    dy = np.ones((2, 2, 2, 3))
    np.testing.assert_array_equal(ops.avg_pool2d_dx(dy, (2, 3), (5, 7)), ops.avg_pool2d_dx(dy, (2, 3), (5, 7), stride=(2, 3)))


def test_channels_first_is_the_same_in_another_layout():
    layout = {"data_format": "channels_first"}
    y, argmax = ops.max_pool2d_with_argmax(X, (2, 3), **MORE)
    y_first, argmax_first = ops.max_pool2d_with_argmax(first(X), (2, 3), **MORE, **layout)
    np.testing.assert_array_equal(y_first, first(y))
    np.testing.assert_array_equal(argmax_first, first(argmax))
    np.testing.assert_array_equal(ops.max_pool2d(first(X), (2, 3), **MORE, **layout), first(y))
    np.testing.assert_array_equal(
        ops.max_pool2d_dx(first(y), first(argmax), (5, 7), **layout), first(ops.max_pool2d_dx(y, argmax, (5, 7)))
    )
    np.testing.assert_array_equal(ops.avg_pool2d(first(X), (2, 3), **MORE, **layout), first(ops.avg_pool2d(X, (2, 3), **MORE)))
    np.testing.assert_array_equal(
        ops.avg_pool2d_dx(first(y), (2, 3), (5, 7), **MORE, **layout),
        first(ops.avg_pool2d_dx(y, (2, 3), (5, 7), **MORE)),
    )


def test_signals_are_images_one_pixel_high_in_both_layouts():
    x = X[:, 0]
    y, argmax = ops.max_pool1d_with_argmax(x, 3, stride=2, padding=1)
    y2, argmax2 = ops.max_pool2d_with_argmax(x[:, None], (1, 3), stride=(1, 2), padding=(0, 1))
    np.testing.assert_array_equal(y, y2[:, 0])
    np.testing.assert_array_equal(argmax, argmax2[:, 0])
    np.testing.assert_array_equal(ops.max_pool1d(x, 3, stride=2, padding=1), y)
    dx = ops.max_pool1d_dx(y, argmax, 7)
    np.testing.assert_array_equal(dx, ops.max_pool2d_dx(y2, argmax2, (1, 7))[:, 0])
    layout = {"data_format": "channels_first"}
    np.testing.assert_array_equal(ops.max_pool1d_dx(first(y), first(argmax), 7, **layout), first(dx))
    mean = ops.avg_pool1d(x, 3, stride=2, padding=1)
    np.testing.assert_array_equal(ops.avg_pool1d(first(x), 3, stride=2, padding=1, **layout), first(mean))
    dx = ops.avg_pool1d_dx(y, 3, 7, stride=2, padding=1)
    np.testing.assert_array_equal(dx, ops.avg_pool2d_dx(y2, (1, 3), (1, 7), stride=(1, 2), padding=(0, 1))[:, 0])


@pytest.mark.parametrize("name", ["reference", pytest.param("kernels", marks=needs_kernels)])
def test_inputs_are_not_modified_and_not_returned(name):
    with engine(name):
        # A 1x1 window copies its input: even then the memory is new.
        for window in (1, (2, 3)):
            y, argmax = ops.max_pool2d_with_argmax(X, window)
            assert_inputs_unchanged(lambda x: ops.max_pool2d_with_argmax(x, window), X.copy())  # noqa: B023
            assert_inputs_unchanged(lambda x: ops.avg_pool2d(x, window), X.copy())  # noqa: B023
            assert_inputs_unchanged(lambda dy, a: ops.max_pool2d_dx(dy, a, (5, 7)), y, argmax)
            assert_inputs_unchanged(lambda dy: ops.avg_pool2d_dx(dy, window, (5, 7)), y)  # noqa: B023


@needs_kernels
def test_types_are_kept():
    for dtype, expected in ((np.float32, np.float32), (np.float64, np.float64), (np.int32, np.float64)):
        for y, argmax in both_engines(lambda: ops.max_pool2d_with_argmax(X.astype(dtype), 2)):  # noqa: B023
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
        (TypeError, "x must hold", lambda: ops.max_pool2d(X.astype(complex), 2)),
        (ValueError, "x must have 4 axes", lambda: ops.max_pool2d(X[0], 2)),
        (ValueError, "x must have 3 axes", lambda: ops.avg_pool1d(X, 2)),
        (TypeError, "window", lambda: ops.max_pool2d(X, 2.5)),
        (ValueError, "window", lambda: ops.max_pool2d(X, (2, 3, 4))),
        (ValueError, "window", lambda: ops.avg_pool2d(X, 0)),
        (ValueError, "stride", lambda: ops.max_pool2d(X, 2, stride=0)),
        (ValueError, "padding", lambda: ops.max_pool2d(X, 2, padding="half")),
        (ValueError, "dilation", lambda: ops.max_pool2d(X, 2, dilation=(1, 0))),
        (ValueError, "data_format", lambda: ops.max_pool2d(X, 2, data_format="NHWC")),
        (ValueError, "the input must be at least as large", lambda: ops.avg_pool2d(X, 6)),
        (ValueError, "padding .* nothing but padding at -2 on axis 0", lambda: ops.max_pool2d(X, 2, padding=(2, 0))),
        (
            ValueError,
            "padding .* nothing but padding at 7 on axis 1",
            lambda: ops.avg_pool2d(X, 1, padding=((0, 0), (0, 1))),
        ),
        (ValueError, "padding", lambda: ops.max_pool2d(X[:, :1], (2, 1), dilation=(2, 1), padding=(1, 0))),
        (ValueError, "padding", lambda: ops.avg_pool2d_dx(DY, 2, (5, 7), padding=2)),
        (TypeError, "argmax must hold integers", lambda: ops.max_pool2d_dx(DY, ARGMAX.astype(float), (5, 7))),
        (TypeError, "argmax must hold integers", lambda: ops.max_pool2d_dx(DY, ARGMAX.astype(bool), (5, 7))),
        (ValueError, "argmax must have shape", lambda: ops.max_pool2d_dx(DY, ARGMAX[:1], (5, 7))),
        (ValueError, "argmax must lie between 0 and 34", lambda: ops.max_pool2d_dx(DY, argmax_with(35), (5, 7))),
        (ValueError, "argmax must lie between 0 and 34", lambda: ops.max_pool2d_dx(DY, argmax_with(-1), (5, 7))),
        (ValueError, "input_size", lambda: ops.max_pool2d_dx(DY, ARGMAX, (5, 7, 1))),
        (ValueError, r"dy .*must have shape \(2, 2, 3, 3\)", lambda: ops.avg_pool2d_dx(DY[:, :1], 2, (5, 7))),
        (TypeError, "dy must hold", lambda: ops.avg_pool2d_dx(DY.astype(complex), 2, (5, 7))),
    ],
)
def test_refusals_name_the_argument(error, name, call):
    with pytest.raises(error, match=name):
        call()


@given(windows(2, most_dilation=4).flatmap(lambda w: input_sizes(w).map(lambda size: (w, size))))
def test_a_window_is_refused_exactly_if_a_place_of_it_holds_no_pixel(case):
    window, size = case
    x = np.ones((1, *size, 1))
    more = {"stride": window.stride, "padding": window.padding, "dilation": window.dilation}
    if holds_pixels(window, size):
        assert (ops.max_pool2d(x, window.kernel, **more) == 1).all()
    else:
        with pytest.raises(ValueError, match="padding"):
            ops.max_pool2d(x, window.kernel, **more)


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"), [((3, 2), (2, 3), (1, 0), (1, 2)), ((2, 5), (1, 2), (1, 2), (2, 1))]
)
def test_pytorch_gives_the_same(kernel, stride, padding, dilation, ceil_mode):
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    x = small_integers((2, 9, 11, 3), seed=4)
    x_torch = torch.tensor(first(x).copy(), requires_grad=True)
    more = {"stride": stride, "padding": padding, "ceil_mode": ceil_mode}
    y, argmax = ops.max_pool2d_with_argmax(x, kernel, dilation=dilation, **more)
    y_torch, argmax_torch = functional.max_pool2d(x_torch, kernel, dilation=dilation, return_indices=True, **more)
    np.testing.assert_array_equal(first(y), y_torch.detach().numpy())
    np.testing.assert_array_equal(first(argmax), argmax_torch.numpy())
    dy = small_integers(y.shape, seed=5)
    (dx_torch,) = torch.autograd.grad(y_torch, x_torch, torch.tensor(first(dy).copy()))
    np.testing.assert_array_equal(first(ops.max_pool2d_dx(dy, argmax, (9, 11))), dx_torch.numpy())
    for count in (False, True):
        y = ops.avg_pool2d(x, kernel, count_include_pad=count, **more)
        y_torch = functional.avg_pool2d(x_torch, kernel, count_include_pad=count, **more)
        np.testing.assert_allclose(first(y), y_torch.detach().numpy(), rtol=1e-14)
        dy = small_integers(y.shape, seed=6)
        (dx_torch,) = torch.autograd.grad(y_torch, x_torch, torch.tensor(first(dy).copy()))
        dx = ops.avg_pool2d_dx(dy, kernel, (9, 11), count_include_pad=count, **more)
        np.testing.assert_allclose(first(dx), dx_torch.numpy(), rtol=1e-14, atol=1e-14)


def test_ceil_mode_drops_a_window_that_would_start_in_the_padding():
    x = np.arange(4.0).reshape(1, 4, 1)
    window = Window((1,), 2, ((0, 1),), ceil_mode=True)
    assert ops.max_pool1d(x, 1, stride=2, padding=((0, 1),), ceil_mode=True).shape[1] == window.output_size((4,))[0] == 2
