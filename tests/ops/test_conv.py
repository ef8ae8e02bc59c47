"""Tests of the public convolution operators: errors, layouts, dtypes and properties."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

import refconv
from evidence import ENGINES, assert_inputs_unchanged, assert_same_bits, assert_same_sums, needs_kernels
from refconv._config import config
from refconv.geometry import Window
from refconv.ops import conv
from refconv.ops.conv import conv1d, conv2d, conv2d_db, conv2d_dw, conv2d_dx
from strategies import conv_problems, problem, small_integers

WINDOW = Window((2, 3), (2, 1), ((1, 0), (0, 2)), (1, 2))
SIGNAL = Window((3,), 2, ((1, 2),), 2)


def four_passes(p, **options):
    """Return (function, arrays) for each of y, ∂e/∂x, ∂e/∂w and ∂e/∂b of one problem."""
    options = {**p.options, **options}
    layout = {k: v for k, v in options.items() if k == "data_format"}
    call = {name: getattr(conv, f"conv{p.window.ndim}d{name}") for name in ("", "_dx", "_dw", "_db")}
    return [
        (lambda x, w, b: call[""](x, w, b, **options), (p.x, p.w, p.b)),
        (lambda dy, w: call["_dx"](dy, w, p.size, **options), (p.dy, p.w)),
        (lambda x, dy: call["_dw"](x, dy, p.window.kernel, **options), (p.x, p.dy)),
        (lambda dy: call["_db"](dy, **layout), (p.dy,)),
    ]


def small_problem(**settings):
    return problem((5, 7), WINDOW, **{"C_g": 3, "O_g": 4, "groups": 2, **settings})


def ones(*shape):
    return np.ones(shape)


X, W, B, DY = ones(2, 5, 7, 6), ones(2, 3, 3, 8), ones(8), ones(2, 4, 5, 8)  # two groups, stride 1, no padding


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"x": ones(5, 7, 6)}, ValueError, r"x must have 4 axes \(batch, height, width, channels\).*\(5, 7, 6\)"),
        ({"x": ones(2, 5, 7, 0)}, ValueError, r"x must not be empty"),
        ({"x": ones(2, 5, 7, 5)}, ValueError, "groups must divide the 5 inputs, got 2"),
        ({"x": ones(2, 5, 7, 8)}, ValueError, r"x must have 6 channels for w of shape \(2, 3, 3, 8\) in 2 groups, got"),
        ({"x": ones(2, 1, 7, 6)}, ValueError, "input must be at least as large as the kernel.*axis 0"),
        ({"x": X.astype(np.float16)}, TypeError, "x must be an array of float32, float64 or integers, got float16"),
        ({"x": X.astype(np.float32)}, TypeError, "float32 for x, float64 for w, float64 for b"),
        ({"w": ones(2, 3, 8)}, ValueError, r"w must have 4 axes \(kernel height, kernel width, inputs / groups, out"),
        ({"w": ones(2, 0, 3, 8)}, ValueError, "w must not be empty"),
        (
            {"w": ones(2, 3, 6, 8)},
            ValueError,
            r"w must have shape \(kernel height, kernel width, 3, outputs\), got \(2, 3, 6, 8\)",
        ),
        ({"w": ones(2, 4, 2, 8)}, ValueError, r"x must have 4 channels for w of shape \(2, 4, 2, 8\) in 2 groups, got shape"),
        ({"w": ones(2, 3, 3, 7)}, ValueError, "groups must divide the 7 outputs, got 2"),
        ({"w": W.astype(complex)}, TypeError, "w must be an array of float32"),
        ({"b": ones(7)}, ValueError, r"b must have shape \(8,\), one for each output channel of w, got shape"),
        ({"b": ones(1, 8)}, ValueError, r"b must have shape \(8,\)"),
        ({"b": B.astype(np.float32)}, TypeError, "float32 for b"),
        ({"stride": 0}, ValueError, "stride must be at least 1"),
        ({"stride": (1, 2, 3)}, ValueError, "stride must be an integer or 2 integers"),
        ({"dilation": 1.5}, TypeError, "dilation must be an integer"),
        ({"dilation": (1, 4)}, ValueError, "the kernel's span 9 on axis 1"),
        ({"padding": "some"}, ValueError, "padding must be 'valid', 'same'"),
        ({"padding": ((1, 2),)}, ValueError, "padding must be a name"),
        ({"groups": 0}, ValueError, "groups must be at least 1"),
        ({"groups": 4}, ValueError, "groups must divide the . inputs"),
        ({"groups": "2"}, TypeError, "groups must be an integer"),
        ({"data_format": "NHWC"}, ValueError, "data_format must be 'channels_last' or 'channels_first'"),
    ],
)
def test_conv2d_errors_name_the_argument(changed, error, message):
    arguments = {"x": X, "w": W, "b": B, "groups": 2, **changed}
    with pytest.raises(error, match=message):
        conv2d(**arguments)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"dy": ones(4, 5, 8)}, ValueError, r"dy must have 4 axes \(batch, height, width, channels\)"),
        ({"dy": ones(2, 4, 6, 8)}, ValueError, r"dy .*must have shape \(2, 4, 5, 8\), the output of an.*\(5, 7\)"),
        ({"dy": ones(2, 4, 5, 6)}, ValueError, r"dy .*must have shape \(2, 4, 5, 8\)"),
        ({"dy": DY.astype(np.float32)}, TypeError, "float32 for dy, float64 for w"),
        ({"w": ones(2, 3, 3)}, ValueError, "w must have 4 axes"),
        ({"input_size": (5, 8)}, ValueError, r"dy .*must have shape \(2, 4, 6, 8\)"),
        ({"input_size": (5, 7, 6)}, ValueError, "input_size must be an integer or 2 integers"),
        ({"input_size": (5, 0)}, ValueError, "input_size must be at least 1"),
        ({"input_size": (5, 7.0)}, TypeError, "input_size must be integers"),
        ({"input_size": (1, 7)}, ValueError, "at least as large as the kernel"),
        ({"groups": 3}, ValueError, "groups must divide the . outputs"),
        ({"stride": -1}, ValueError, "stride must be at least 1"),
        ({"data_format": "first"}, ValueError, "data_format must be"),
    ],
)
def test_conv2d_dx_errors_name_the_argument(changed, error, message):
    arguments = {"dy": DY, "w": W, "input_size": (5, 7), "groups": 2, **changed}
    with pytest.raises(error, match=message):
        conv2d_dx(**arguments)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"x": ones(5, 7, 6)}, ValueError, "x must have 4 axes"),
        ({"dy": ones(5, 8)}, ValueError, "dy must have 4 axes"),
        ({"dy": ones(3, 4, 5, 8)}, ValueError, r"dy must have shape \(2, 4, 5, 8\), with the batch size of x"),
        ({"dy": ones(2, 5, 5, 8)}, ValueError, r"dy .*must have shape \(2, 4, 5, 8\)"),
        ({"dy": ones(2, 4, 5, 7)}, ValueError, "groups must divide the . outputs"),
        ({"dy": DY.astype(np.float32)}, TypeError, "float64 for x, float32 for dy"),
        ({"kernel_size": (3, 3)}, ValueError, r"dy .*must have shape \(2, 3, 5, 8\)"),
        ({"kernel_size": (2, 3, 3)}, ValueError, "kernel_size must be an integer or 2 integers"),
        ({"kernel_size": 0}, ValueError, "kernel_size must be at least 1"),
        ({"kernel_size": "2"}, TypeError, "kernel_size must be an integer"),
        ({"groups": 4}, ValueError, "groups must divide the . inputs"),
        ({"padding": None}, TypeError, "padding must be"),
    ],
)
def test_conv2d_dw_errors_name_the_argument(changed, error, message):
    arguments = {"x": X, "dy": DY, "kernel_size": (2, 3), "groups": 2, **changed}
    with pytest.raises(error, match=message):
        conv2d_dw(**arguments)


def test_conv2d_db_errors_name_the_argument():
    with pytest.raises(ValueError, match="dy must have 4 axes"):
        conv2d_db(ones(2, 3, 4))
    with pytest.raises(ValueError, match="data_format must be"):
        conv2d_db(DY, data_format="last")
    with pytest.raises(TypeError, match="dy must be an array of float32"):
        conv2d_db(DY.astype(object))


def test_errors_about_signals_name_their_axes():
    with pytest.raises(ValueError, match=r"x must have 3 axes \(batch, width, channels\), got shape \(2, 5, 7, 6\)"):
        conv1d(X, ones(3, 6, 8))
    with pytest.raises(ValueError, match=r"w must have 3 axes \(kernel width, inputs / groups, outputs\)"):
        conv1d(ones(2, 7, 6), W)
    with pytest.raises(ValueError, match=r"x must have 5 channels for w of shape \(3, 5, 8\), got shape \(2, 7, 6\)"):
        conv1d(ones(2, 7, 6), ones(3, 5, 8))


def test_options_are_keyword_only():
    with pytest.raises(TypeError, match="positional"):
        conv2d(X, W, B, 2)


@pytest.mark.parametrize("p", [small_problem(), problem((9,), SIGNAL, C_g=3, O_g=4, groups=2)], ids=["image", "signal"])
def test_both_data_formats_give_the_same_values(p):
    def first(a):
        return np.ascontiguousarray(np.moveaxis(a, -1, 1))

    images = [(True, False, False), (True, False), (True, True), (True,)]
    results_are_images = [True, True, False, False]
    passes = zip(four_passes(p), four_passes(p, data_format="channels_first"), images, results_are_images, strict=True)
    for (last_call, arrays), (first_call, _), are_images, is_image in passes:
        expected = last_call(*arrays)
        actual = first_call(*[first(a) if move else a for a, move in zip(arrays, are_images, strict=True)])
        assert_same_bits(actual, first(expected) if is_image else expected)
        assert actual.flags.c_contiguous


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_have_the_dtype_of_the_arguments(name, dtype):
    with config(engine=name):
        for call, arrays in four_passes(small_problem(dtype=dtype)):
            assert call(*arrays).dtype == dtype


def test_integers_and_lists_give_float64():
    p = small_problem(values=small_integers)
    for call, arrays in four_passes(p):
        expected = call(*arrays)
        assert_same_bits(call(*[a.astype(np.int16) for a in arrays]), expected)
        assert_same_bits(call(*[a.astype(int).tolist() for a in arrays]), expected)


def test_arguments_are_unchanged():
    for call, arrays in four_passes(small_problem()):
        assert_inputs_unchanged(call, *arrays)
    # With a 1×1 kernel and stride 1, a shortcut could return its argument.
    for call, arrays in four_passes(problem((5, 7), Window((1, 1)), N=1, C_g=1, O_g=1)):
        assert_inputs_unchanged(call, *arrays)


@pytest.mark.parametrize(
    "with_layout",
    [
        pytest.param(lambda a: np.repeat(a, 2, axis=-1)[..., ::2], id="strided"),
        pytest.param(lambda a: np.ascontiguousarray(a[::-1])[::-1], id="negative-strides"),
        pytest.param(np.asfortranarray, id="fortran-order"),
        pytest.param(lambda a: a.astype(a.dtype.newbyteorder()), id="other-byte-order"),
        pytest.param(lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape), id="read-only"),
        pytest.param(lambda a: np.frombuffer(b"?" + a.tobytes(), a.dtype, offset=1).reshape(a.shape), id="unaligned"),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_memory_layout_of_arrays_does_not_matter(with_layout, dtype):
    for call, arrays in four_passes(small_problem(dtype=dtype)):
        assert_same_bits(call(*[with_layout(a) for a in arrays]), call(*arrays))


@given(conv_problems(1))
def test_a_signal_equals_an_image_one_pixel_high(p):
    image = p.window.with_axis_before()
    row = {"stride": image.stride, "padding": image.padding, "dilation": image.dilation, "groups": p.groups}
    results = [call(*arrays) for call, arrays in four_passes(p)]
    x, w, dy = p.x[:, None], p.w[None], p.dy[:, None]
    assert_same_bits(results[0], conv2d(x, w, p.b, **row)[:, 0])
    assert_same_bits(results[1], conv2d_dx(dy, w, (1, *p.size), **row)[:, 0])
    assert_same_bits(results[2], conv2d_dw(x, dy, image.kernel, **row)[0])
    assert_same_bits(results[3], conv2d_db(dy))


@pytest.mark.parametrize(("stride", "dilation"), [((1, 1), (1, 1)), ((2, 3), (1, 2))])
def test_shifting_the_image_by_the_stride_shifts_the_output_by_one(stride, dilation):
    p = problem((11, 14), Window((3, 2), stride, "valid", dilation), N=1)
    moved = np.roll(p.x, stride, axis=(1, 2))
    y, z = (conv2d(x, p.w, p.b, stride=stride, dilation=dilation) for x in (p.x, moved))

    def shifted(x, w, b):
        return conv2d(x, w, b, stride=stride, dilation=dilation)[:, :-1, :-1]

    assert_same_sums(z[:, 1:, 1:], shifted, p.x, p.w, p.b, terms=p.w.size)
    assert not np.allclose(z[:, :-1, :-1], y[:, :-1, :-1])


def test_the_layer_is_linear_in_the_image_and_in_the_kernel():
    p, q = small_problem(values=small_integers), small_problem(values=small_integers, seed=9)
    y = conv2d(2 * p.x - q.x, p.w, **p.options)
    np.testing.assert_array_equal(y, 2 * conv2d(p.x, p.w, **p.options) - conv2d(q.x, p.w, **p.options))
    y = conv2d(p.x, 2 * p.w - q.w, **p.options)
    np.testing.assert_array_equal(y, 2 * conv2d(p.x, p.w, **p.options) - conv2d(p.x, q.w, **p.options))


def test_no_bias_equals_a_bias_of_zeros():
    p = small_problem()
    assert_same_bits(conv2d(p.x, p.w, **p.options), conv2d(p.x, p.w, 0 * p.b, **p.options))


SUMS = """
import hashlib, json
from refconv import _core
from ops.test_conv import Window, four_passes, np, problem, small_integers, small_problem
wide = dict(C_g=37, O_g=41, groups=1)
problems = [
    make
    for dtype in (np.float32, np.float64)
    for make in (small_problem(values=small_integers, dtype=dtype),
                 small_problem(values=small_integers, dtype=dtype, **wide),
                 problem((9,), Window((3,), 2, "same"), C_g=9, O_g=17, values=small_integers, dtype=dtype))
]
sums = [hashlib.sha256((call(*arrays) + 0).tobytes()).hexdigest() for p in problems for call, arrays in four_passes(p)]
print(json.dumps([_core.ISA, sums]))
"""


@pytest.mark.slow
@needs_kernels
def test_all_instruction_sets_of_this_machine_give_the_same_integers():
    path = os.pathsep.join([str(Path(refconv.__file__).parents[1]), str(Path(__file__).parents[1])])
    sums = {}
    for isa in refconv._core.instruction_sets():
        environment = {**os.environ, "PYTHONPATH": path, "REFCONV_ISA": isa}
        command = [sys.executable, "-c", SUMS]
        process = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, timeout=120)
        assert process.returncode == 0, process.stderr
        used, sums[isa] = json.loads(process.stdout)
        assert used == isa
    assert all(actual == sums["baseline"] for actual in sums.values())


def test_sizes_that_overflow_are_rejected_before_any_allocation():
    x, w = np.ones((1, 1, 1, 1)), np.ones((2, 2, 1, 1))
    for size in (2**32, 2**30):
        with pytest.raises(ValueError, match=r"must (be from [01] to|have at most) 2147483647"):
            conv2d(x, w, dilation=size - 1, padding=size, stride=2 * size)


LAYOUTS = [
    (ones(2, 3, 6, 7), "channels_last", r"channels last\? expected \(N, H, W, 3\), got \(2, 3, 6, 7\)"),
    (ones(2, 6, 7, 3), "channels_first", r"channels first\? expected \(N, 3, H, W\), got \(2, 6, 7, 3\)"),
    (ones(2, 6, 7, 5), "channels_last", r"got shape \(2, 6, 7, 5\)"),
    (ones(2, 5, 6, 7), "channels_first", r"got shape \(2, 5, 6, 7\)"),
]


@pytest.mark.parametrize(("x", "data_format", "message"), LAYOUTS)
def test_errors_recognise_a_batch_in_the_other_layout(x, data_format, message):
    w, transposed, pointwise = ones(2, 1, 3, 4), ones(2, 1, 4, 3), ones(1, 1, 12, 5)
    for weights, call in (
        ("w of shape (2, 1, 3, 4)", lambda: conv2d(x, w, data_format=data_format)),
        ("w of shape (2, 1, 3, 4)", lambda: refconv.depthwise_conv2d(x, w, data_format=data_format)),
        ("w of shape (2, 1, 4, 3)", lambda: refconv.conv_transpose2d(x, transposed, data_format=data_format)),
        ("depthwise of shape (2, 1, 3, 4)", lambda: refconv.separable_conv2d(x, w, pointwise, data_format=data_format)),
    ):
        with pytest.raises(ValueError, match=re.escape(f"x must have 3 channels for {weights}") + "[;,] " + message):
            call()


def test_errors_recognise_signals_in_the_other_layout():
    with pytest.raises(ValueError, match=r"x must have 3 channels .*channels last\? expected \(N, W, 3\), got \(2, 3, 7\)"):
        conv1d(ones(2, 3, 7), ones(2, 3, 4))


def test_errors_recognise_weights_in_pytorchs_order():
    with pytest.raises(
        ValueError, match=r"w must have shape .*got \(4, 6, 2, 3\); if that is \(outputs, .*w.transpose\(2, 3, 1, 0\)"
    ):
        conv2d(X, ones(4, 6, 2, 3))


def test_errors_name_the_integer_dtype_of_images():
    with pytest.raises(TypeError, match=r"got uint8 \(as float64\) for x, float32 for w; convert with .astype"):
        conv2d(np.ones((2, 5, 7, 6), np.uint8), np.ones((2, 3, 6, 8), np.float32))
