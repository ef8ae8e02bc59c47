"""Tests of public padding and upsampling: errors, layouts, dtypes and PyTorch."""

from fractions import Fraction

import numpy as np
import pytest

from evidence import assert_inputs_unchanged, assert_same_bits, assert_same_sums, engines
from refconv._config import config
from refconv.ops.conv import conv2d
from refconv.ops.resize import adaptive_avg_pool2d, adaptive_avg_pool2d_dx, pad, pad_dx, upsample2d, upsample2d_dx
from strategies import small_floats

X = np.ones((2, 3, 4, 5))
PADS = ((1, 2), (3, 0))


def passes(dtype=np.float64, **options):
    """Yield (function of one array, array) for each operator and mode."""
    x, dy = small_floats((2, 3, 4, 5), 1, dtype), small_floats((2, 6, 7, 5), 2, dtype)
    big = small_floats((2, 6, 12, 5), 3, dtype)
    for mode in ("zeros", "reflect", "edge"):
        yield lambda x, mode=mode: pad(x, PADS, mode=mode, **options), x
        yield lambda dy, mode=mode: pad_dx(dy, PADS, mode=mode, **options), dy
    for mode in ("nearest", "bilinear"):
        yield lambda x, mode=mode: upsample2d(x, (2, 3), mode=mode, **options), x
        yield lambda dy, mode=mode: upsample2d_dx(dy, (2, 3), mode=mode, **options), big
    yield lambda x: adaptive_avg_pool2d(x, (2, 3), **options), x
    yield lambda dy: adaptive_avg_pool2d_dx(dy, (4, 5), **options), dy


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: pad(X[0, 0], 1), ValueError, r"x must have 4 axes \(images\) or 3 axes .*\(4, 5\)"),
        (lambda: pad(X.astype(complex), 1), TypeError, "x must be an array of float32"),
        (lambda: pad(X, 1, mode="symmetric"), ValueError, "mode must be 'zeros', 'reflect' or 'edge', got 'symmetric'"),
        (lambda: pad(X, "same"), TypeError, "padding must be numbers of pixels, got 'same'"),
        (lambda: pad(X, -1), ValueError, "padding must be at least 0"),
        (lambda: pad(X, 1.5), TypeError, "padding must be an integer"),
        (lambda: pad(X, ((1, 2),)), ValueError, "padding must be a name, an integer, 2 integers"),
        (lambda: pad(X[:, 0], PADS), ValueError, "padding must be a name, an integer, 1 integers"),
        (lambda: pad(X, (2, 4), mode="reflect"), ValueError, r"smaller than the image .*4 \+ 4 on axis 1 of 4 pixels"),
        (lambda: pad(X, ((0, 3), (0, 0)), mode="reflect"), ValueError, r"0 \+ 3 on axis 0 of 3 pixels"),
        (lambda: pad(X, 2**30), ValueError, "the padded input must have at most"),
        (lambda: pad(X, 1, data_format="NHWC"), ValueError, "data_format must be"),
        (lambda: pad_dx(X, (1, 2)), ValueError, r"dy must be larger than its padding .*\(2, 3, 4, 5\)"),
        (lambda: pad_dx(X, (1, 1), mode="reflect"), ValueError, r"1 \+ 1 on axis 0 of 1 pixels"),
        (lambda: pad_dx(X[0, 0], 1), ValueError, "dy must have 4 axes"),
        (lambda: pad_dx(X, 1, mode="mirror"), ValueError, "mode must be"),
        (lambda: upsample2d(X[0], 2), ValueError, "x must have 4 axes"),
        (lambda: upsample2d(X, 0), ValueError, "scale must be at least 1"),
        (lambda: upsample2d(X, 1.5), TypeError, "scale must be an integer"),
        (lambda: upsample2d(X, (1, 2, 3)), ValueError, "scale must be an integer or 2 integers"),
        (lambda: upsample2d(X, 2**16), ValueError, "scale must give an output of at most"),
        (lambda: upsample2d(X, 2, mode="bicubic"), ValueError, "mode must be 'nearest' or 'bilinear', got 'bicubic'"),
        (lambda: upsample2d(X, 2, data_format="first"), ValueError, "data_format must be"),
        (lambda: adaptive_avg_pool2d(X[0], 2), ValueError, "x must have 4 axes"),
        (lambda: adaptive_avg_pool2d(X, 0), ValueError, "output_size must be at least 1"),
        (lambda: adaptive_avg_pool2d(X, None), TypeError, "output_size must be an integer"),
        (lambda: adaptive_avg_pool2d(X, 2**16), ValueError, "output_size must have at most"),
        (lambda: adaptive_avg_pool2d(X[:, :0], 2), ValueError, "x must not be empty"),
        (lambda: adaptive_avg_pool2d_dx(X, (0, 4)), ValueError, "input_size must be at least 1"),
        (lambda: upsample2d_dx(X, (3, 3)), ValueError, r"dy must have a multiple of \(3, 3\) pixels.*\(2, 3, 4, 5\)"),
        (lambda: upsample2d_dx(X, (3, 2), mode="area"), ValueError, "mode must be"),
        (lambda: upsample2d_dx(X.astype(complex), (3, 2)), TypeError, "dy must be an array of float32"),
    ],
)
def test_invalid_arguments_are_rejected_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()


@engines
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_both_data_formats_give_the_same_values_and_dtype(dtype):
    for (last, array), (first, _) in zip(passes(dtype), passes(dtype, data_format="channels_first"), strict=True):
        expected, actual = last(array), first(np.ascontiguousarray(np.moveaxis(array, -1, 1)))
        assert_same_bits(actual, np.ascontiguousarray(np.moveaxis(expected, -1, 1)))
        assert actual.flags.c_contiguous
        assert expected.flags.c_contiguous
        assert expected.dtype == dtype


@engines
def test_arguments_are_unchanged():
    for call, array in passes():
        assert_inputs_unchanged(call, array)
    # With padding 0 or scale 1, a shortcut could return its argument.
    for call in (pad, pad_dx):
        assert_inputs_unchanged(lambda x, call=call: call(x, 0, mode="edge"), small_floats((1, 3, 1, 1), 1))
        assert_inputs_unchanged(lambda x, call=call: call(x, 0), small_floats((1, 3, 1), 1))
    for call in (upsample2d, upsample2d_dx):
        assert_inputs_unchanged(lambda x, call=call: call(x, 1), small_floats((1, 3, 1, 1), 1))


@engines
def test_a_signal_equals_an_image_one_pixel_high():
    x, dy = small_floats((2, 5, 3), 1), small_floats((2, 9, 3), 2)
    for mode in ("zeros", "reflect", "edge"):
        image = pad(x[:, None], ((0, 0), (1, 3)), mode=mode)[:, 0]
        assert_same_bits(pad(x, ((1, 3),), mode=mode), image)
        image = pad_dx(dy[:, None], ((0, 0), (1, 3)), mode=mode)[:, 0]
        assert_same_bits(pad_dx(dy, ((1, 3),), mode=mode), image)
    assert_same_bits(pad(x, 2), pad(x, (2,)))


def test_padding_of_a_layer_equals_pad_with_zeros():
    x, w = small_floats((2, 4, 5, 3), 1), small_floats((2, 3, 3, 4), 2)
    assert_same_sums(conv2d(pad(x, PADS), w), lambda x, w: conv2d(x, w, padding=PADS), x, w, terms=3 * 3 * 3)


def test_the_loops_are_exact_for_fractions():
    first, last = Fraction(1, 3), Fraction(5, 7)
    third = (last - first) / 3
    x = np.array([first, last]).reshape(1, 1, 2, 1)
    with config(engine="reference"):
        y = upsample2d(x, (1, 3), mode="bilinear")[0, 0, :, 0].tolist()
        assert pad(x, 1, mode="edge")[0, 2, 3, 0] == last
    assert y == [first, first, first + third, last - third, last, last]


@engines
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [(2, 2), (3, 2), (1, 4), (5, 3)])
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_upsampling_agrees_with_pytorch(mode, scale, dtype):
    torch = pytest.importorskip("torch")
    x, dy = small_floats((2, 4, 5, 3), 1, dtype), small_floats((2, 4 * scale[0], 5 * scale[1], 3), 2, dtype)
    x_t = torch.tensor(np.moveaxis(x, -1, 1).copy(), requires_grad=True)
    centres = {"align_corners": False} if mode == "bilinear" else {}
    y_t = torch.nn.functional.interpolate(x_t, scale_factor=scale, mode=mode, **centres)
    y_t.backward(torch.tensor(np.moveaxis(dy, -1, 1).copy()))
    within = {"rtol": 0, "atol": 300 * np.finfo(dtype).eps}  # sums of up to 60 values, each at most 2
    np.testing.assert_allclose(upsample2d(x, scale, mode=mode), np.moveaxis(y_t.detach().numpy(), 1, -1), **within)
    np.testing.assert_allclose(upsample2d_dx(dy, scale, mode=mode), np.moveaxis(x_t.grad.numpy(), 1, -1), **within)


@engines
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [(4, 4), (3, 7), (14, 5), (16, 1)])
def test_adaptive_pooling_agrees_with_pytorch(size, dtype):
    torch = pytest.importorskip("torch")
    x, dy = small_floats((2, 14, 5, 3), 1, dtype), small_floats((2, *size, 3), 2, dtype)
    x_t = torch.tensor(np.moveaxis(x, -1, 1).copy(), requires_grad=True)
    y_t = torch.nn.functional.adaptive_avg_pool2d(x_t, size)
    y_t.backward(torch.tensor(np.moveaxis(dy, -1, 1).copy()))
    within = {"rtol": 0, "atol": 100 * np.finfo(dtype).eps}  # means of up to 25 values, each at most 2
    np.testing.assert_allclose(adaptive_avg_pool2d(x, size), np.moveaxis(y_t.detach().numpy(), 1, -1), **within)
    actual = adaptive_avg_pool2d_dx(dy, (14, 5))
    np.testing.assert_allclose(actual, np.moveaxis(x_t.grad.numpy(), 1, -1), **within)


@engines
@pytest.mark.parametrize(("mode", "torch_mode"), [("zeros", "constant"), ("reflect", "reflect"), ("edge", "replicate")])
def test_padding_agrees_with_pytorch(mode, torch_mode):
    torch = pytest.importorskip("torch")
    x, dy = small_floats((2, 3, 4, 5), 1), small_floats((2, 6, 7, 5), 2)
    x_t = torch.tensor(np.moveaxis(x, -1, 1).copy(), requires_grad=True)
    y_t = torch.nn.functional.pad(x_t, (*PADS[1], *PADS[0]), mode=torch_mode)
    y_t.backward(torch.tensor(np.moveaxis(dy, -1, 1).copy()))
    np.testing.assert_array_equal(pad(x, PADS, mode=mode), np.moveaxis(y_t.detach().numpy(), 1, -1))
    actual = pad_dx(dy, PADS, mode=mode)
    np.testing.assert_allclose(actual, np.moveaxis(x_t.grad.numpy(), 1, -1), rtol=1e-12, atol=1e-12)
