"""Tests of prepared convolutions: prologue, epilogue, slices of channels, packed weights."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refconv
from evidence import assert_same_bits, fenced, needs_kernels, threads
from refconv._core import kernels
from refconv._core.conv.choose import Layer
from refconv.geometry import Window
from refconv.ops import conv as ops
from refconv.ops import dispatch
from strategies import conv_problems, max_examples, problem, small_floats, small_integers

pytestmark = needs_kernels

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
UNEVEN = ((1, 0), (2, 1))

# A layer for each algorithm, with remainders of vectors and tiles: window, image size and channels.
LAYERS = {
    "direct": (Window((3, 2), (2, 1), UNEVEN, (1, 2)), (11, 9), {"C_g": 5, "O_g": 37}),
    "direct in groups": (Window((2, 3), (1, 2), UNEVEN), (7, 9), {"C_g": 3, "O_g": 19, "groups": 2}),
    "direct 1×1": (Window((1, 1)), (5, 14), {"C_g": 33, "O_g": 70}),
    "direct 1×1 with a stride": (Window((1, 1), (2, 3)), (6, 11), {"C_g": 6, "O_g": 17}),
    "direct columns": (Window((3, 1), padding=((1, 1), (0, 0))), (8, 3), {"C_g": 4, "O_g": 5}),
    "direct with long sums": (Window((3, 3)), (4, 5), {"C_g": 66, "O_g": 7}),
    "winograd 2×2": (Window((3, 3), padding=UNEVEN), (13, 12), {"C_g": 33, "O_g": 35, "N": 1}),
    "winograd 4×4": (Window((3, 3), padding=UNEVEN), (33, 34), {"C_g": 33, "O_g": 32, "N": 1}),
    "depthwise": (Window((3, 3), padding=UNEVEN), (9, 11), {"C_g": 1, "O_g": 1, "groups": 23}),
    "depthwise with a stride": (Window((3, 3), 2, padding=1), (17, 15), {"C_g": 1, "O_g": 1, "groups": 20}),
    "depthwise pairs": (Window((2, 5), (1, 2), UNEVEN), (6, 13), {"C_g": 2, "O_g": 2, "groups": 9}),
    "depthwise with long sums": (Window((23, 23), padding=11), (9, 10), {"C_g": 1, "O_g": 1, "groups": 18}),
    "one channel": (Window((3, 5), (2, 1), UNEVEN), (8, 27), {"C_g": 1, "O_g": 7}),
}
LAYER = pytest.mark.parametrize("name", LAYERS)


def layer(name, dtype=np.float32, values=small_integers):
    window, size, channels = LAYERS[name]
    return problem(size, window, dtype=dtype, values=values, **{"N": 2, **channels})


def prepared(p):
    dispatch.kernels()  # passes the settings to the kernels
    return kernels.conv.prepare(layer_of(p), p.w, p.b)


def layer_of(p):
    """Return the sizes of the convolution."""
    return Layer(p.window, len(p.x), p.size, p.x.shape[3], p.w.shape[3], p.groups, p.w.itemsize)


def precision(name):
    """Set the precision with which conv2d uses the tiles of this layer."""
    return refconv.config(precision="fast" if "4×4" in name else "standard")


def prepared_layer(name, p):
    with precision(name):
        result = prepared(p)
    # Compilers without vectors have no kernel for pairs of channels.
    pairs_are_direct = not kernels.depthwise.takes(2, 18, 9, p.x.dtype)
    assert name.startswith(result.algorithm) or (name == "depthwise pairs" and pairs_are_direct)
    return result


def in_slice(array, before, after, sentinel=7.0):
    """Return a copy of the array as a slice of the channels of a wider array, and that array."""
    wide = np.full((*array.shape[:3], before + array.shape[3] + after), sentinel, array.dtype)
    part = wide[..., before : before + array.shape[3]]
    part[...] = array
    return part, wide


def finished(y, add, low, high):
    """Apply the epilogue with NumPy; comparisons keep a NaN."""
    y = y if add is None else y + add
    y = y if low is None else np.where(y < low, np.asarray(low, y.dtype), y)
    return y if high is None else np.where(y > high, np.asarray(high, y.dtype), y)


def rectified(x, scale, shift):
    """Apply the prologue with NumPy."""
    if scale is None:
        return x
    x = scale * x + shift
    return np.where(x < 0, np.zeros_like(x), x)


def arguments(p, add, limits, prologue, seed=5):
    """Return the arguments of a prepared convolution besides x and y."""
    C = p.x.shape[3]
    return {
        "add": small_integers(p.dy.shape, seed, p.x.dtype, most=9) if add else None,
        "low": limits[0],
        "high": limits[1],
        "scale": small_integers((C,), seed + 1, p.x.dtype) if prologue else None,
        "shift": small_integers((C,), seed + 2, p.x.dtype) if prologue else None,
    }


def expected(p, add, low, high, scale, shift):
    return finished(ops.conv2d(rectified(p.x, scale, shift), p.w, p.b, **p.options), add, low, high)


def assert_call_is_right(run, p, options, slices=((0, 0), (0, 0), (0, 0))):
    """Assert that the call writes the expected output into a slice of y, and nothing beside it."""
    x, wide_x = in_slice(p.x, *slices[0], sentinel=np.nan)
    y, wide_y = in_slice(np.full_like(p.dy, np.nan), *slices[1])
    if options["add"] is not None:
        options = {**options, "add": in_slice(options["add"], *slices[2], sentinel=np.nan)[0]}
    before = [a.tobytes() for a in (wide_x, p.w, p.b)]
    assert run(x, y, **options) is None
    np.testing.assert_array_equal(y, expected(p, **options), strict=True)
    y[...] = 7  # as the channels beside it
    assert (wide_y == 7).all()
    assert before == [a.tobytes() for a in (wide_x, p.w, p.b)]


limits = st.sampled_from([(None, None), (0, None), (0, 6.0), (-2.5, 11), (None, 3)])
margins = st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 3)


@max_examples(200)
@given(conv_problems(values=small_integers, most_channels=5), st.booleans(), limits, st.booleans(), margins)
def test_any_layer_equals_a_convolution_and_numpy(p, add, low_high, prologue, slices):
    assert_call_is_right(prepared(p), p, arguments(p, add, low_high, prologue), slices)


@LAYER
@DTYPES
@pytest.mark.parametrize("prologue", [False, True])
def test_every_algorithm_equals_a_convolution_and_numpy(name, dtype, prologue):
    p = layer(name, dtype)
    run = prepared_layer(name, p)
    for add, low_high, slices in [
        (True, (0, None), ((0, 0), (0, 0), (0, 0))),
        (False, (0, 6), ((2, 1), (0, 0), (0, 0))),
        (True, (-9, 99), ((0, 1), (1, 2), (3, 0))),
        (False, (None, None), ((1, 0), (0, 5), (0, 0))),
    ]:
        with precision(name):
            assert_call_is_right(run, p, arguments(p, add, low_high, prologue), slices)


@LAYER
@DTYPES
def test_outputs_have_the_bits_of_conv2d(name, dtype):
    p = layer(name, dtype, small_floats)
    run, y = prepared_layer(name, p), np.full_like(p.dy, np.nan)
    run(p.x, y)
    with precision(name):
        assert_same_bits(y, ops.conv2d(p.x, p.w, p.b, **p.options))
    part, _ = in_slice(np.full_like(p.dy, np.nan), 1, 2)
    # The taps of a kernel row are not contiguous in a slice of x, so the blocks of long sums are others.
    run(p.x if "long sums" in name else in_slice(p.x, 3, 1)[0], part)
    assert_same_bits(np.ascontiguousarray(part), y)


@LAYER
def test_same_bits_at_any_thread_count(name):
    p = layer(name, values=small_floats)
    run = prepared_layer(name, p)
    options = arguments(p, True, (0, 6), True)
    outputs = []
    for n in (1, 2, 5):
        with threads(n):
            dispatch.kernels()
            outputs.append(np.full_like(p.dy, np.nan))
            run(p.x, outputs[-1], **options)
    assert_same_bits(outputs[0], outputs[1])
    assert_same_bits(outputs[0], outputs[2])


@DTYPES
@pytest.mark.parametrize(
    ("size", "window", "channels"),
    [
        pytest.param((7, 7), Window((1, 1)), {"C_g": 300, "O_g": 530}, id="1×1"),
        pytest.param((14, 13), Window((3, 3), 2, 1), {"C_g": 20, "O_g": 260, "groups": 2}, id="groups"),
        pytest.param((5, 6), Window((3, 3), padding=1), {"C_g": 70, "O_g": 129}, id="few-pixels"),
    ],
)
def test_tasks_that_share_the_channels_of_one_image(size, window, channels, dtype):
    p = problem(size, window, N=1, dtype=dtype, values=small_integers, **channels)
    run, many = prepared(p), np.repeat(p.x, 20, axis=0)
    for n in (1, 2, 5):
        with threads(n):
            dispatch.kernels()
            assert_call_is_right(run, p, arguments(p, True, (0, None), True), ((1, 0), (2, 1), (0, 3)))
            y = np.full_like(p.dy, np.nan)
            run(p.x, y)
            assert_same_bits(y, ops.conv2d(many, p.w, p.b, **p.options)[:1])  # tasks of whole images


@LAYER
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_non_finite_numbers_spread_as_in_the_formula(name, poison):
    for poisoned in ("x", "w", "add"):
        p, options = layer(name), arguments(layer(name), True, (0, 6), False)
        target = options["add"] if poisoned == "add" else getattr(p, poisoned)
        target.flat[target.size // 2] = poison
        run = prepared(p) if poisoned == "w" else prepared_layer(name, p)
        y = np.full_like(p.dy, 3)
        with np.errstate(invalid="ignore"), precision(name):
            run(p.x, y, **options)
            np.testing.assert_array_equal(y, expected(p, **options), strict=True)


@LAYER
def test_the_prologue_is_applied_to_pixels_and_not_to_padding(name):
    p = layer(name)
    options = arguments(p, False, (None, None), True)
    options["scale"][...], options["shift"][...] = 0, 1  # every pixel becomes 1
    y = np.full_like(p.dy, np.nan)
    prepared_layer(name, p)(p.x, y, **options)
    with precision(name):
        np.testing.assert_array_equal(y, ops.conv2d(np.ones_like(p.x), p.w, p.b, **p.options))


@pytest.mark.skipif(sys.platform == "win32", reason="needs mprotect")
@LAYER
@pytest.mark.parametrize("side", ["start", "end"])
def test_nothing_outside_the_arrays_is_accessed(name, side):
    p = layer(name)
    run = prepared_layer(name, p)
    for prologue in (False, True):
        options = arguments(p, True, (0, None), prologue)
        margin = (0, 3) if side == "start" else (3, 0)
        x, y, add = (fenced(in_slice(a, *margin)[1], side) for a in (p.x, p.dy, options["add"]))
        parts = [a[..., margin[0] : a.shape[3] - margin[1]] for a in (x, y, add)]
        run(parts[0], parts[1], **{**options, "add": parts[2]})
        with precision(name):
            np.testing.assert_array_equal(parts[1], expected(p, **options))


@LAYER
def test_one_pixel_and_one_image_may_have_any_strides(name):
    window, _, channels = LAYERS[name]
    p = problem((1, 1), Window(window.kernel, 1, tuple((k // 2, k - k // 2) for k in window.kernel)), **{**channels, "N": 1})
    x = np.lib.stride_tricks.as_strided(p.x, strides=(0, 8, 16, p.x.strides[3]))
    y = np.full_like(p.dy, np.nan)
    prepared(p)(x, y)
    assert_same_bits(y, ops.conv2d(p.x, p.w, p.b, **p.options))


@pytest.mark.parametrize("name", ["direct", "depthwise"])
def test_an_empty_batch_has_no_outputs(name):
    window, size, channels = LAYERS[name]
    p = problem(size, window, **channels, N=0)
    run = prepared(p)
    assert run(p.x, p.dy.copy()) is None
    assert run(p.x, p.dy.copy(), add=p.dy, low=0, scale=p.x[0:0].sum((0, 1, 2)), shift=p.x[0:0].sum((0, 1, 2))) is None


@LAYER
def test_other_shapes_and_transposed_arrays_are_rejected(name):
    p = layer(name)
    run, y = prepared_layer(name, p), p.dy.copy()
    for x, out, add in [
        (p.x[:, 1:], y, None),
        (p.x, y[:, :, 1:], None),
        (p.x, y, y[..., 1:]),
        (p.x[:, :, ::-1], y, None),
        (p.x, np.empty((len(y), y.shape[2], y.shape[1], y.shape[3]), y.dtype).swapaxes(1, 2), None),
    ]:
        with pytest.raises(ValueError, match="must"):
            run(x, out, add)


def test_nbytes_counts_packed_weights():
    layers = {name: prepared_layer(name, layer(name)) for name in LAYERS}
    sizes = {name: run.nbytes for name, run in layers.items()}
    assert all((size == 0) == (layers[name].algorithm == "depthwise") for name, size in sizes.items())
    assert sizes["winograd 2×2"] >= 16 / 9 * layer("winograd 2×2").w.nbytes
    assert sizes["winograd 4×4"] >= 4 * layer("winograd 4×4").w.nbytes
    assert sizes["direct 1×1"] >= layer("direct 1×1").w.nbytes


def test_direct_keeps_packed_weights():
    p = layer("direct")
    run, y = prepared(p), np.empty_like(p.dy)
    before = expected(p, **arguments(p, False, (None, None), False))
    p.w[...] = 0
    run(p.x, y)
    np.testing.assert_array_equal(y, before)
