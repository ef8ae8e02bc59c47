"""Tests of the public transposed convolution: lecture, errors, layouts and PyTorch."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given

from evidence import ENGINES, all_engines, assert_inputs_unchanged, assert_same_bits, assert_same_sums, fractions
from refconv._config import config
from refconv.geometry import Window
from refconv.ops import conv_transpose
from refconv.ops.conv import conv1d, conv1d_dx, conv2d, conv2d_dx
from refconv.ops.conv_transpose import (
    conv_transpose1d,
    conv_transpose1d_dw,
    conv_transpose1d_dx,
    conv_transpose2d,
    conv_transpose2d_db,
    conv_transpose2d_dw,
    conv_transpose2d_dx,
)
from strategies import small_floats, small_integers
from transpose_strategies import transpose_problem, transpose_problems

WINDOW = Window((2, 3), (2, 3), ((1, 0), (0, 2)), (1, 2))  # an output of 6 × 8 pixels has output padding 1 on each axis
SIGNAL = Window((3,), 2, ((1, 2),), 2)


def four_passes(p, **options):
    """Return (function, arrays) for each of y, ∂e/∂x, ∂e/∂w and ∂e/∂b of one problem."""
    options = {**p.transposed_options, **options}
    layout = {k: v for k, v in options.items() if k == "data_format"}
    call = {name: getattr(conv_transpose, f"conv_transpose{p.window.ndim}d{name}") for name in ("", "_dx", "_dw", "_db")}
    return [
        (lambda x, w, b: call[""](x, w, b, **options), (p.x, p.w, p.b)),
        (lambda dy, w: call["_dx"](dy, w, **options), (p.dy, p.w)),
        (lambda x, dy: call["_dw"](x, dy, p.window.kernel, **options), (p.x, p.dy)),
        (lambda dy: call["_db"](dy, **layout), (p.dy,)),
    ]


def small_problem(**settings):
    return transpose_problem((6, 8), WINDOW, **{"C_g": 4, "O_g": 3, "groups": 2, **settings})


def ones(*shape):
    return np.ones(shape)


class TestTheLecturesCases:
    """C1 and C3: sizes after a convolution and its transpose, with our own values."""

    def test_four_to_two_and_back(self):
        x, w = small_floats((1, 4, 4, 1), 1), small_floats((3, 3, 1, 1), 2)
        y = conv2d(x, w)
        assert y.shape == (1, 2, 2, 1)
        transposed = conv_transpose2d(y, w)
        assert transposed.shape == x.shape
        assert not np.isclose(transposed, x).any()  # only the shape is inverted, not the values

    def test_five_to_three_and_back_with_stride_two_and_padding_one(self):
        x, w = small_floats((1, 5, 5, 1), 1), small_floats((3, 3, 1, 1), 2)
        y = conv2d(x, w, stride=2, padding=1)
        assert y.shape == (1, 3, 3, 1)
        transposed = conv_transpose2d(y, w, stride=2, padding=1)
        assert transposed.shape == x.shape
        assert not np.isclose(transposed, x).any()

    @pytest.mark.parametrize(("size", "output_padding"), [(5, 0), (6, 1)])
    def test_five_and_six_both_give_three_and_output_padding_selects_one(self, size, output_padding):
        x, w = small_floats((1, size, size, 1), 1), small_floats((3, 3, 1, 1), 2)
        y = conv2d(x, w, stride=2, padding=1)
        assert y.shape == (1, 3, 3, 1)
        transposed = conv_transpose2d(y, w, stride=2, padding=1, output_padding=output_padding)
        assert transposed.shape == x.shape
        assert_same_bits(transposed, conv2d_dx(y, w, (size, size), stride=2, padding=1))

    def test_output_padding_selects_the_size_of_signals(self):
        for size, output_padding in ((5, 0), (6, 1)):
            x, w = small_floats((1, size, 1), 1), small_floats((3, 1, 1), 2)
            y = conv1d(x, w, stride=2, padding=1)
            assert y.shape == (1, 3, 1)
            transposed = conv_transpose1d(y, w, stride=2, padding=1, output_padding=output_padding)
            assert_same_bits(transposed, conv1d_dx(y, w, size, stride=2, padding=1))

    @pytest.mark.parametrize("padding", ["same", "same_lower"])
    def test_same_padding_gives_the_smallest_size_and_output_padding_the_others(self, padding):
        w = small_floats((3, 2, 2, 4), 1)
        for H, W in ((7, 10), (8, 11), (9, 12)):  # 3 × 4 outputs, with stride 3
            y = conv2d(small_floats((1, H, W, 2), 2), w, stride=3, padding=padding)
            assert y.shape == (1, 3, 4, 4)
            transposed = conv_transpose2d(y, w, stride=3, padding=padding, output_padding=(H - 7, W - 10))
            assert_same_bits(transposed, conv2d_dx(y, w, (H, W), stride=3, padding=padding))


@given(transpose_problems(2, below_stride=True))
def test_it_equals_dx_of_the_convolution_plus_a_bias(p):
    y = conv_transpose2d(p.x, p.w, p.b, output_padding=p.output_padding, **p.options)
    assert_same_bits(y, conv2d_dx(p.x, p.w, p.output_size, **p.options) + p.b)
    assert_same_bits(conv_transpose2d_dx(p.dy, p.w, **p.options), conv2d(p.dy, p.w, **p.options))


def test_groups_equal_concatenated_layers():
    p = small_problem()
    one_group = {**p.options, "groups": 1}

    def concatenated(x, w, b):
        halves = zip(np.split(x, 2, -1), np.split(w, 2, -1), np.split(b, 2), strict=True)
        return np.concatenate([conv_transpose2d(*half, **one_group) for half in halves], axis=-1)

    grouped = conv_transpose2d(p.x, p.w, p.b, **p.options)
    assert_same_sums(grouped, concatenated, p.x, p.w, p.b, terms=p.w.size)


class TestTheSizesOfOtherLibraries:
    """Sizes with ``output_padding=None``: Keras, TensorFlow, JAX, and ONNX's ``auto_pad``."""

    # Along one axis: inputs, k, S, D, outputs with padding "valid", outputs with padding "same"
    SIZES = (
        (3, 3, 1, 1, 5, 3),
        (3, 3, 2, 1, 7, 6),
        (3, 4, 2, 1, 8, 6),
        (4, 2, 2, 1, 8, 8),
        (4, 2, 3, 1, 12, 12),  # the kernel is smaller than the stride: PyTorch has 11 outputs
        (5, 1, 4, 1, 20, 20),
        (3, 2, 2, 3, 8, 6),
    )

    @pytest.mark.parametrize(("n", "k", "S", "D", "valid", "same"), SIZES)
    def test_the_output_has_the_size_that_keras_selects(self, n, k, S, D, valid, same):
        x, w = small_floats((1, n, 2), 1), small_floats((k, 3, 2), 2)
        options = {"stride": S, "dilation": D, "output_padding": None}
        assert conv_transpose1d(x, w, **options).shape == (1, valid, 3)
        for padding in ("same", "same_lower"):
            y = conv_transpose1d(x, w, padding=padding, **options)
            assert y.shape == (1, same, 3) == (1, n * S, 3)
            # The same as an explicit output padding of S − 1, and the adjoint of the convolution of n·S elements.
            assert_same_bits(y, conv_transpose1d(x, w, padding=padding, **{**options, "output_padding": S - 1}))
            assert_same_bits(y, conv1d_dx(x, w, n * S, stride=S, padding=padding, dilation=D))

    def test_the_zero_padding_of_onnx_is_cut_off(self):
        # SAME_UPPER cuts ⌊(k − S) / 2⌋ elements at the beginning, SAME_LOWER ⌈(k − S) / 2⌉.
        x, w = np.array([1.0, 0, 0]).reshape(1, 3, 1), np.array([1.0, 2, 3]).reshape(3, 1, 1)
        options = {"stride": 2, "output_padding": None}
        assert conv_transpose1d(x, w, padding="same", **options).ravel().tolist() == [1, 2, 3, 0, 0, 0]
        assert conv_transpose1d(x, w, padding="same_lower", **options).ravel().tolist() == [2, 3, 0, 0, 0, 0]

    @pytest.mark.parametrize(("n", "k", "S", "D", "valid", "same"), SIZES)
    def test_results_agree_with_jax(self, n, k, S, D, valid, same):
        jax = pytest.importorskip("jax")
        x, w = small_floats((2, n, 4), 1, np.float32), small_floats((k, 3, 4), 2, np.float32)
        for padding in ("valid", "same"):
            y = conv_transpose1d(x, w, stride=S, padding=padding, dilation=D, output_padding=None)
            flipped = np.flip(w, 0).swapaxes(-1, -2)  # JAX's kernel belongs to the convolution of the stuffed input
            expected = jax.lax.conv_transpose(
                x, flipped, (S,), padding.upper(), rhs_dilation=(D,), dimension_numbers=("NWC", "WIO", "NWC")
            )
            np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5, strict=True)

    @pytest.mark.parametrize(("padding", "auto_pad"), [("same", "SAME_UPPER"), ("same_lower", "SAME_LOWER")])
    def test_results_agree_with_auto_pad_of_onnx_runtime(self, padding, auto_pad):
        onnxruntime, onnx = pytest.importorskip("onnxruntime"), pytest.importorskip("onnx")
        for n, k, S, D, _, _ in self.SIZES:
            if (k - 1) * D + 1 < S:
                continue  # ONNX Runtime returns fewer than n·S elements there, unlike the specification
            x, w = small_floats((2, n, 4), 1, np.float32), small_floats((k, 3, 4), 2, np.float32)
            y = conv_transpose1d(x, w, stride=S, padding=padding, dilation=D, output_padding=None)
            node = onnx.helper.make_node("ConvTranspose", ["x", "w"], ["y"], auto_pad=auto_pad, strides=[S], dilations=[D])
            values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in "xwy"]
            graph = onnx.helper.make_graph([node], "graph", values[:2], values[2:])
            model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
            session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
            (expected,) = session.run(None, {"x": np.moveaxis(x, -1, 1), "w": np.transpose(w, (2, 1, 0))})
            np.testing.assert_allclose(y, np.moveaxis(expected, 1, -1), rtol=1e-5, atol=1e-5, strict=True)


class TestOutputPaddingBelowTheDilation:
    """D10: PyTorch accepts an output padding below the stride or the dilation."""

    def test_elements_after_all_stamps_are_the_bias(self):
        x, w = np.array([1.0, 10]).reshape(1, 2, 1), np.array([1.0, 2]).reshape(2, 1, 1)
        for y in all_engines(lambda: conv_transpose1d(x, w, [0.5], stride=2, dilation=5, output_padding=4)):
            assert y.ravel().tolist() == [1.5, 0.5, 10.5, 0.5, 0.5, 2.5, 0.5, 20.5, 0.5, 0.5, 0.5, 0.5]

    def test_more_of_the_stamps_remains_if_the_padding_cuts_the_end(self):
        x, w = np.array([1.0, 10]).reshape(1, 2, 1), np.array([1.0, 2]).reshape(2, 1, 1)
        options = {"padding": ((1, 2),), "dilation": 3}
        for y, larger in all_engines(
            lambda: (conv_transpose1d(x, w, **options), conv_transpose1d(x, w, output_padding=2, **options))
        ):
            assert y.ravel().tolist() == [10, 0]
            assert larger.ravel().tolist() == [10, 0, 2, 20]

    def test_the_derivatives_have_the_shapes_of_the_arguments(self):
        x, w = small_floats((2, 3, 4, 2), 1), small_floats((2, 1, 3, 2), 2)
        options = {"dilation": (5, 1), "output_padding": (4, 0)}
        y = conv_transpose2d(x, w, **options)
        assert y.shape == (2, 12, 4, 3)
        assert conv_transpose2d_dx(y, w, **options).shape == x.shape
        assert conv_transpose2d_dw(x, y, (2, 1), **options).shape == w.shape
        with pytest.raises(ValueError, match=r"x .*must have shape \(2, 7, 4, 2\), the input of an output of size \(12, 4\)"):
            conv_transpose2d_dw(x, y, (2, 1), dilation=(5, 1))


TORCH = [  # kernel, stride, padding, output_padding, dilation
    pytest.param((2, 3), (1, 1), (0, 0), (0, 0), (1, 1), id="plain"),
    pytest.param((3, 2), (2, 3), (1, 0), (1, 2), (1, 1), id="output-padding"),
    pytest.param((3, 4), (3, 2), (2, 1), (0, 1), (2, 3), id="dilation"),
    pytest.param((1, 2), (2, 4), (0, 0), (1, 3), (1, 1), id="gaps"),
    pytest.param((4,), (3,), (2,), (1,), (2,), id="signal"),
    pytest.param((2, 3), (2, 1), (1, 3), (4, 1), (5, 2), id="output-padding-below-the-dilation"),
    pytest.param((3,), (1,), (0,), (3,), (4,), id="signal-with-output-padding-below-the-dilation"),
]


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("kernel", "stride", "padding", "output_padding", "dilation"), TORCH)
def test_results_agree_with_pytorch(kernel, stride, padding, output_padding, dilation, groups, dtype):
    torch = pytest.importorskip("torch")
    ndim, C_g, O_g = len(kernel), 2, 3
    window = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    x = small_floats((2, *(4, 5)[-ndim:], C_g * groups), 1, dtype)
    w, b = small_floats((*kernel, O_g, C_g * groups), 2, dtype), small_floats((O_g * groups,), 3, dtype)

    # PyTorch's channels come first, and its weights are (inputs, outputs / groups, *kernel).
    theirs = (np.moveaxis(x, -1, 1), np.moveaxis(w, (-1, -2), (0, 1)), b)
    x_torch, w_torch, b_torch = (torch.tensor(a, requires_grad=True) for a in theirs)
    layer = getattr(torch.nn.functional, f"conv_transpose{ndim}d")
    y_torch = layer(x_torch, w_torch, b_torch, output_padding=output_padding, **window)
    dy = small_floats(np.moveaxis(y_torch.detach().numpy(), 1, -1).shape, 4, dtype)
    grads = torch.autograd.grad(y_torch, (x_torch, w_torch, b_torch), torch.tensor(np.moveaxis(dy, -1, 1)))
    dx, dw, db = (g.numpy() for g in grads)

    def close(ours, theirs):
        assert ours.dtype == dtype
        np.testing.assert_allclose(ours, theirs, rtol=64 * np.finfo(dtype).eps, atol=256 * np.finfo(dtype).eps)

    ours = {name: getattr(conv_transpose, f"conv_transpose{ndim}d{name}") for name in ("", "_dx", "_dw", "_db")}
    close(ours[""](x, w, b, output_padding=output_padding, **window), np.moveaxis(y_torch.detach().numpy(), 1, -1))
    close(ours["_dx"](dy, w, output_padding=output_padding, **window), np.moveaxis(dx, 1, -1))
    close(ours["_dw"](x, dy, kernel, output_padding=output_padding, **window), np.moveaxis(dw, (0, 1), (-1, -2)))
    close(ours["_db"](dy), db)


X, W, B, DY = ones(2, 4, 5, 8), ones(2, 3, 3, 8), ones(6), ones(2, 5, 7, 6)  # two groups, stride 1, no padding


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"x": ones(4, 5, 8)}, ValueError, r"x must have 4 axes \(batch, height, width, channels\).*\(4, 5, 8\)"),
        ({"x": ones(2, 4, 0, 8)}, ValueError, "x must not be empty"),
        ({"x": ones(2, 4, 5, 7)}, ValueError, "groups must divide the 7 inputs, got 2"),
        (
            {"x": ones(2, 4, 5, 6)},
            ValueError,
            r"x must have 8 channels for w of shape \(2, 3, 3, 8\), got shape \(2, 4, 5, 6\)",
        ),
        ({"x": X.astype(np.float16)}, TypeError, "x must be an array of float32, float64 or integers, got float16"),
        ({"x": X.astype(np.float32)}, TypeError, "float32 for x, float64 for w, float64 for b"),
        ({"w": ones(2, 3, 8)}, ValueError, r"w must have 4 axes \(kernel height, kernel width, outputs / groups, inputs\)"),
        ({"w": ones(2, 3, 0, 8)}, ValueError, "w must not be empty"),
        ({"w": ones(2, 3, 8, 3)}, ValueError, r"x must have 3 channels for w of shape \(2, 3, 8, 3\), got shape"),
        ({"b": ones(3)}, ValueError, r"b must have shape \(6,\), one for each output channel, .* got shape \(3,\)"),
        ({"b": B.astype(np.float32)}, TypeError, "float32 for b"),
        ({"stride": 0}, ValueError, "stride must be at least 1"),
        ({"dilation": 1.5}, TypeError, "dilation must be an integer"),
        ({"padding": "some"}, ValueError, "padding must be 'valid', 'same'"),
        (
            {"padding": 3},
            ValueError,
            r"x must give a valid output size, got size \(4, 5\).*output_size must .*, got 4 on axis 0.*have -1 elem",
        ),
        (
            {"output_padding": 1},
            ValueError,
            "^output_padding must be smaller than the stride 1 or the dilation 1 on axis 0, got 1",
        ),
        (
            {"output_padding": (1, 3), "dilation": 2},
            ValueError,
            "^output_padding must .*the stride 1 or the dilation 2 on axis 1, got 3",
        ),
        (
            {"output_padding": (1, 2), "stride": 2},
            ValueError,
            "^output_padding must .*the stride 2 or the dilation 1 on axis 1, got 2",
        ),
        ({"output_padding": -1}, ValueError, "^output_padding must be at least 0"),
        ({"output_padding": (0, 0, 0)}, ValueError, "^output_padding must be an integer or 2 integers"),
        ({"output_padding": 0.5}, TypeError, "^output_padding must be an integer"),
        ({"groups": 0}, ValueError, "groups must be at least 1"),
        ({"groups": 3}, ValueError, "groups must divide the . inputs"),
        ({"data_format": "NHWC"}, ValueError, "data_format must be 'channels_last' or 'channels_first'"),
    ],
)
def test_conv_transpose2d_errors_name_the_argument(changed, error, message):
    arguments = {"x": X, "w": W, "b": B, "groups": 2, **changed}
    with pytest.raises(error, match=message):
        conv_transpose2d(**arguments)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"dy": ones(5, 7, 6)}, ValueError, r"dy must have 4 axes \(batch, height, width, channels\)"),
        (
            {"dy": ones(2, 5, 7, 4)},
            ValueError,
            r"w must have outputs / groups = 4 / 2 = 2 .*axis 2, got shape \(2, 3, 3, 8",
        ),
        ({"dy": ones(2, 5, 7, 3)}, ValueError, "groups must divide the 3 outputs, got 2"),
        (
            {"dy": ones(2, 1, 7, 6)},
            ValueError,
            r"dy must have the size of an output, got \(1, 7\): the padded input must be at least as large",
        ),
        ({"dy": DY.astype(np.float32)}, TypeError, "float32 for dy, float64 for w"),
        ({"w": ones(2, 3, 3)}, ValueError, "w must have 4 axes"),
        ({"w": ones(2, 3, 3, 7)}, ValueError, "groups must divide the . inputs"),
        ({"stride": -1}, ValueError, "stride must be at least 1"),
        ({"output_padding": 1}, ValueError, "^output_padding must be smaller than the stride 1 or the dilation 1 on axis 0"),
        (
            {"output_padding": (0, 1), "stride": 2},
            ValueError,
            r"dy must .*: output_size must be possible with output_padding 1, got 7 on axis 1",
        ),
        ({"data_format": "first"}, ValueError, "data_format must be"),
    ],
)
def test_conv_transpose2d_dx_errors_name_the_argument(changed, error, message):
    with pytest.raises(error, match=message):
        conv_transpose2d_dx(**{"dy": DY, "w": W, "groups": 2, **changed})


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"x": ones(4, 5, 8)}, ValueError, "x must have 4 axes"),
        ({"x": ones(2, 4, 6, 8)}, ValueError, r"x .*must have shape \(2, 4, 5, 8\), the input of an output of size \(5, 7\)"),
        ({"dy": ones(3, 5, 7, 6)}, ValueError, r"dy must have shape \(2, 5, 7, 6\), with the batch size of x"),
        ({"dy": ones(2, 5, 2, 6)}, ValueError, r"dy must have the size of an output, got \(5, 2\)"),
        ({"dy": ones(2, 5, 7, 5)}, ValueError, "groups must divide the . outputs"),
        ({"dy": DY.astype(np.float32)}, TypeError, "float64 for x, float32 for dy"),
        ({"kernel_size": (3, 3)}, ValueError, r"x .*must have shape \(2, 3, 5, 8\)"),
        ({"kernel_size": (2, 3, 3)}, ValueError, "kernel_size must be an integer or 2 integers"),
        ({"kernel_size": "2"}, TypeError, "kernel_size must be an integer"),
        ({"groups": 3}, ValueError, "groups must divide the . inputs"),
    ],
)
def test_conv_transpose2d_dw_errors_name_the_argument(changed, error, message):
    with pytest.raises(error, match=message):
        conv_transpose2d_dw(**{"x": X, "dy": DY, "kernel_size": (2, 3), "groups": 2, **changed})


def test_conv_transpose2d_db_errors_name_the_argument():
    with pytest.raises(ValueError, match="dy must have 4 axes"):
        conv_transpose2d_db(ones(2, 3, 4))
    with pytest.raises(TypeError, match="dy must be an array of float32"):
        conv_transpose2d_db(DY.astype(complex))


def test_errors_about_signals_name_their_axes():
    with pytest.raises(ValueError, match=r"x must have 3 axes \(batch, width, channels\), got shape \(2, 4, 5, 8\)"):
        conv_transpose1d(X, ones(3, 6, 8))
    with pytest.raises(ValueError, match=r"w must have 3 axes \(kernel width, outputs / groups, inputs\)"):
        conv_transpose1d(ones(2, 5, 8), W)
    with pytest.raises(ValueError, match="w must have outputs / groups = 6 / 1 = 6 channels on axis 1"):
        conv_transpose1d_dx(ones(2, 7, 6), ones(3, 5, 8))
    with pytest.raises(ValueError, match="kernel_size must be one integer, got"):
        conv_transpose1d_dw(ones(2, 5, 8), ones(2, 7, 6), (3, 3))


def test_options_are_keyword_only():
    with pytest.raises(TypeError, match="positional"):
        conv_transpose2d(X, W, B, 2)


def test_sizes_that_overflow_are_rejected_before_any_allocation():
    with pytest.raises(ValueError, match=r"x must give a valid output size, got size \(2, 2\): .* at most"):
        conv_transpose2d(ones(1, 2, 2, 1), ones(1, 1, 1, 1), stride=2**30)


PROBLEMS = pytest.mark.parametrize(
    "p", [small_problem(), transpose_problem((9,), SIGNAL, C_g=4, O_g=3, groups=2)], ids=["image", "signal"]
)


@PROBLEMS
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
def test_results_have_the_dtype_and_shape_of_the_arguments(name, dtype):
    p = small_problem(dtype=dtype)
    with config(engine=name):
        results = [call(*arrays) for call, arrays in four_passes(p)]
    assert {result.dtype for result in results} == {np.dtype(dtype)}
    assert [result.shape for result in results] == [a.shape for a in (p.dy, p.x, p.w, p.b)]


def test_integers_and_lists_give_float64():
    p = small_problem(values=small_integers)
    for call, arrays in four_passes(p):
        assert_same_bits(call(*[a.astype(int).tolist() for a in arrays]), call(*arrays))


@PROBLEMS
def test_the_loops_accept_fractions(p):
    with config(engine="reference"):
        for call, arrays in four_passes(p):
            result = call(*[fractions(a.shape, seed) for seed, a in enumerate(arrays)])
            assert all(isinstance(number, Fraction) for number in result.flat)


@PROBLEMS
def test_arguments_are_unchanged(p):
    for call, arrays in four_passes(p):
        assert_inputs_unchanged(call, *arrays)
    # With a 1×1 kernel and stride 1, a shortcut could return its argument.
    for call, arrays in four_passes(transpose_problem((5, 7), Window((1, 1)), N=1, C_g=1, O_g=1)):
        assert_inputs_unchanged(call, *arrays)


@pytest.mark.parametrize(
    "with_layout",
    [
        pytest.param(lambda a: np.repeat(a, 2, axis=-1)[..., ::2], id="strided"),
        pytest.param(np.asfortranarray, id="fortran-order"),
        pytest.param(lambda a: a.astype(a.dtype.newbyteorder()), id="other-byte-order"),
    ],
)
def test_the_memory_layout_of_arrays_does_not_matter(with_layout):
    for call, arrays in four_passes(small_problem()):
        assert_same_bits(call(*[with_layout(a) for a in arrays]), call(*arrays))


def test_no_bias_equals_a_bias_of_zeros():
    p = small_problem()
    y, z = (conv_transpose2d(p.x, p.w, b, **p.options) for b in (None, 0 * p.b))
    np.testing.assert_array_equal(y, z)
