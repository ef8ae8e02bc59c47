"""Hypothesis strategies for windows, sizes and cases.

Hypothesis draws sizes and options; the numbers in arrays come from seeds. So drawing is fast, and a failing example shrinks
to small sizes and a simple window. The sizes in one case are mutually distinct, so that swapped axes are detected.

This module and :mod:`refconv.verify.catalogue.axis` determine which cases are valid, independently of refconv: a valid case
that refconv refuses must not be skipped.
"""

import math
from dataclasses import replace

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from refconv.geometry import Window
from refconv.verify.case import Case
from refconv.verify.catalogue.axis import axes_of, transposed_axes

__all__ = [
    "FORMATS",
    "activation_cases",
    "adaptive_pool_cases",
    "answer_cases",
    "col2im_cases",
    "conv_cases",
    "conv_transpose_cases",
    "convolve_cases",
    "dense_cases",
    "depthwise_cases",
    "dropout_cases",
    "global_pool_cases",
    "group_norm_cases",
    "holds_pixels",
    "im2col_cases",
    "input_sizes",
    "layout",
    "least_size",
    "loss_cases",
    "norm_cases",
    "pad_cases",
    "paddings",
    "pool_cases",
    "response_norm_cases",
    "score_cases",
    "separable_cases",
    "squared_error_cases",
    "toeplitz_cases",
    "unlike",
    "upsample_cases",
    "window_options",
    "windows",
    "zero_stuff_cases",
]

FORMATS = ("channels_last", "channels_first")


def unlike(excluded, low, high):
    """Return a strategy for integers from low to high that are not in ``excluded``.

    If all of them are excluded, it draws the next larger number.
    """
    available = sorted(set(range(low, high + 1)) - set(excluded))
    return st.sampled_from(available) if available else st.just(max(high, *excluded) + 1)


@st.composite
def paddings(draw, ndim, most=3):
    """Draw a padding: a name, a number, or a number or (before, after) pair for each axis."""
    numbers = st.integers(0, most)
    return draw(
        st.sampled_from(["valid", "same", "same_lower", "full"])
        | numbers
        | st.tuples(*[numbers] * ndim)
        | st.tuples(*[st.tuples(numbers, numbers)] * ndim)
    )


@st.composite
def windows(draw, ndim=2, *, paddings=paddings, most_kernel=3, most_stride=3, most_dilation=3):
    """Draw a window with any stride, dilation, padding and kernel, which is never square.

    ``paddings(ndim)`` returns the strategy for the padding, for an operator that does not accept every padding.
    """
    kernel = draw(st.lists(st.integers(1, most_kernel + ndim - 1), min_size=ndim, max_size=ndim, unique=True))
    stride = draw(st.tuples(*[st.integers(1, most_stride)] * ndim))
    dilation = draw(st.tuples(*[st.integers(1, most_dilation)] * ndim))
    return Window(kernel, stride, draw(paddings(ndim)), dilation)


def least_size(window):
    """Return the smallest input that the window fits, along each axis."""
    if window.padding in ("same", "same_lower", "full"):
        return (1,) * window.ndim
    pads = ((0, 0),) * window.ndim if window.padding == "valid" else window.padding
    may_leave = [S - 1 if window.ceil_mode else 0 for S in window.stride]
    by_axis = zip(window.span, pads, may_leave, strict=True)
    return tuple(max(span - before - after - uncovered, 1) for span, (before, after), uncovered in by_axis)


@st.composite
def input_sizes(draw, window, *, excluded=(), extra=4):
    """Draw distinct sizes of an image that the window fits, up to ``extra`` above the minimum."""
    size = []
    for least in least_size(window):
        size.append(draw(unlike({*size, *excluded}, least, least + extra)))
    return tuple(size)


def channels(most):
    """Return a strategy for numbers of channels: mostly few, sometimes around a vector's length."""
    small = st.integers(1, most)
    return st.one_of(small, small, small, st.sampled_from([8, 15, 16, 17, 33]))


def layout(N, size, C, data_format):
    """Return the shape of a batch in a data format."""
    return (N, C, *size) if data_format == "channels_first" else (N, *size, C)


@st.composite
def conv_cases(draw, ndim=2, *, most_channels=3, most_groups=3, most_batch=3, extra=3):
    """Draw a case of the convolution layer with any window, data format and groups.

    Batch, sizes, channels and outputs are mutually distinct.
    """
    window = draw(windows(ndim))
    groups = draw(st.integers(1, most_groups))
    C_g = draw(st.integers(1, most_channels))
    O_g = draw(unlike({C_g}, 1, most_channels) if groups > 1 else channels(most_channels).filter(lambda O: C_g != O))
    excluded = {C_g * groups, O_g * groups}
    N = draw(unlike(excluded, 1, most_batch)) if O_g <= most_channels else 1  # otherwise the loops would take long
    size = draw(input_sizes(window, excluded={N, *excluded}, extra=extra))
    data_format = draw(st.sampled_from(FORMATS))
    shapes = {
        "x": layout(N, size, C_g * groups, data_format),
        "w": (*window.kernel, C_g, O_g * groups),
        "b": (O_g * groups,),
    }
    return Case(shapes, {**window_options(window), "groups": groups, "data_format": data_format})


@st.composite
def conv_transpose_cases(draw, ndim=2, *, most_channels=3, most_groups=3, most_batch=3, most_size=3, refused=False):
    """Draw a case of the transposed convolution with any window and output padding.

    With ``refused``, the padding leaves no output; otherwise there is an output.
    """
    window = draw(windows(ndim))
    groups = draw(st.integers(1, most_groups))
    C_g = draw(st.integers(1, most_channels))
    O_g = draw(unlike({C_g}, 1, most_channels))
    excluded = {C_g * groups, O_g * groups}
    N = draw(unlike(excluded, 1, most_batch))
    size = tuple(draw(st.lists(st.integers(1, most_size + ndim), min_size=ndim, max_size=ndim, unique=True)))
    numbers = [st.integers(0, max(S, D) - 1) for S, D in zip(window.stride, window.dilation, strict=True)]
    output_padding = draw(st.tuples(*numbers) | st.tuples(*numbers) | st.none())
    axes = transposed_axes(size, window.kernel, window.stride, window.padding, window.dilation, output_padding)
    refusal = "" if min(axis.size for axis in axes) > 0 else "the padding leaves no output"
    assume(bool(refusal) == refused)
    data_format = draw(st.sampled_from(FORMATS))
    shapes = {
        "x": layout(N, size, C_g * groups, data_format),
        "w": (*window.kernel, O_g, C_g * groups),
        "b": (O_g * groups,),
    }
    options = {"output_padding": output_padding, "groups": groups, "data_format": data_format}
    return Case(shapes, {**window_options(window), **options}, refused=refusal)


@st.composite
def depthwise_cases(draw, most_channels=3, most_batch=3):
    """Draw a case of the depthwise convolution, with several outputs for each channel."""
    window = draw(windows(2))
    C, Q = draw(st.lists(st.integers(1, most_channels), min_size=2, max_size=2, unique=True))
    N = draw(unlike({C, Q, C * Q}, 1, most_batch))
    size = draw(input_sizes(window, excluded={N, C}))
    data_format = draw(st.sampled_from(FORMATS))
    shapes = {"x": layout(N, size, C, data_format), "w": (*window.kernel, C, Q), "b": (C * Q,)}
    return Case(shapes, {**window_options(window), "data_format": data_format})


@st.composite
def separable_cases(draw):
    """Draw a case of the depthwise separable convolution."""
    case = draw(depthwise_cases())
    O = draw(unlike(case.shapes["b"], 1, 4))
    shapes = {
        "x": case.shapes["x"],
        "depthwise": case.shapes["w"],
        "pointwise": (1, 1, *case.shapes["b"], O),
        "b": (O,),
    }
    return Case(shapes, case.options)


@st.composite
def pad_cases(draw):
    """Draw signals or images and a padding of any mode, at most as wide as reflection allows."""
    size = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=2, unique=True)))
    mode = draw(st.sampled_from(["zeros", "reflect", "edge"]))
    widths = [st.integers(0, n - 1 if mode == "reflect" else 3) for n in size]
    padding = tuple((draw(width), draw(width)) for width in widths)
    data_format = draw(st.sampled_from(FORMATS))
    shapes = {"x": layout(draw(st.integers(1, 3)), size, draw(channels(3)), data_format)}
    return Case(shapes, {"mode": mode, "data_format": data_format}, {"padding": padding})


@st.composite
def upsample_cases(draw):
    """Draw images of any size, a scale and a mode."""
    N, H, W = draw(st.lists(st.integers(1, 4), min_size=3, max_size=3, unique=True))
    data_format = draw(st.sampled_from(FORMATS))
    options = {"mode": draw(st.sampled_from(["nearest", "bilinear"])), "data_format": data_format}
    scale = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    return Case({"x": layout(N, (H, W), draw(channels(3)), data_format)}, options, {"scale": scale})


@st.composite
def adaptive_pool_cases(draw):
    """Draw images of any size and a smaller or larger output size."""
    N, H, W = draw(st.lists(st.integers(1, 7), min_size=3, max_size=3, unique=True))
    data_format = draw(st.sampled_from(FORMATS))
    shapes = {"x": layout(N, (H, W), draw(channels(3)), data_format)}
    return Case(shapes, {"data_format": data_format}, {"output_size": (draw(st.integers(1, 5)), draw(st.integers(1, 5)))})


@st.composite
def dropout_cases(draw):
    """Draw an array of any shape, a rate and a seed."""
    shape = tuple(draw(st.lists(st.integers(0, 5), max_size=4)))
    given = {"rate": draw(st.sampled_from([0.0, 0.25, 0.4, 0.9])), "seed": draw(st.integers(0, 99))}
    return Case({"x": shape}, given=given)


@st.composite
def im2col_cases(draw, most_channels=3, most_batch=3):
    """Draw images and any window for im2col."""
    window = draw(windows(2))
    C = draw(channels(most_channels))
    N = draw(unlike({C}, 1, most_batch))
    size = draw(input_sizes(window, excluded={N, C}))
    data_format = draw(st.sampled_from(FORMATS))
    options = {**window_options(window), "data_format": data_format}
    return Case({"x": layout(N, size, C, data_format)}, options, {"kernel_size": window.kernel})


@st.composite
def col2im_cases(draw, most_channels=3, most_batch=3):
    """Draw columns and any window for col2im."""
    window = draw(windows(2))
    C = draw(st.integers(1, most_channels))
    N = draw(unlike({C}, 1, most_batch))
    size = draw(input_sizes(window, excluded={N, C}))
    outputs = (axis.outputs for axis in axes_of(size, window.kernel, window.stride, window.padding, window.dilation))
    columns = (math.prod(window.kernel) * C, N * math.prod(outputs))
    options = {**window_options(window), "data_format": draw(st.sampled_from(FORMATS))}
    return Case({"x": columns}, options, {"input_size": size, "kernel_size": window.kernel})


@st.composite
def toeplitz_cases(draw, ndim=2):
    """Draw a kernel with any window and groups, and an input size."""
    window = draw(windows(ndim, most_stride=2, most_dilation=2))
    groups, C_g, O_g = draw(st.integers(1, 2)), draw(st.integers(1, 2)), draw(st.integers(1, 3))
    options = {**window_options(window), "groups": groups}
    return Case({"w": (*window.kernel, C_g, O_g * groups)}, options, {"input_size": draw(input_sizes(window, extra=3))})


@st.composite
def zero_stuff_cases(draw):
    """Draw signals or images and a stride for each axis."""
    size = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=2)))
    stride = tuple(draw(st.integers(1, 3)) for _ in size)
    data_format = draw(st.sampled_from(FORMATS))
    return Case({"x": layout(2, size, 3, data_format)}, {"data_format": data_format}, {"stride": stride})


@st.composite
def convolve_cases(draw, ndim):
    """Draw a signal or image, a kernel that is not square, and a mode."""
    mode = draw(st.sampled_from(["valid", "same", "full"]))
    kernel = draw(st.lists(st.integers(1, 4), min_size=ndim, max_size=ndim, unique=True))
    size = [draw(unlike({k}, k if mode == "valid" else 1, k + 3)) for k in kernel]
    return Case({"x": tuple(size), "w": tuple(kernel)}, {"mode": mode})


@st.composite
def dense_cases(draw, most=6):
    """Draw mutually distinct sizes of batch, input and output."""
    N, C, O = draw(st.lists(st.integers(1, most), min_size=3, max_size=3, unique=True))
    return Case({"x": (N, C), "w": (C, O), "b": (O,)})


@st.composite
def pool_cases(draw, ndim=2, *, average=False, most_channels=3, most_batch=3, refused=False):
    """Draw a case of pooling whose windows all contain a pixel, unless ``refused``."""
    window = draw(windows(ndim, most_dilation=2))
    C = draw(channels(most_channels))
    N = draw(unlike({C}, 1, most_batch))
    data_format, ceil_mode = draw(st.sampled_from(FORMATS)), draw(st.booleans())
    window = Window(window.kernel, window.stride, window.padding, window.dilation, ceil_mode)
    size = draw(input_sizes(window, excluded={N, C}))
    refusal = _refusal(window, size)
    assume(bool(refusal) == refused)
    options = {**window_options(window, "stride", "padding", "dilation"), "ceil_mode": ceil_mode, "data_format": data_format}
    options |= {"count_include_pad": draw(st.booleans())} if average else {}
    return Case({"x": layout(N, size, C, data_format)}, options, {"kernel_size": window.kernel}, refused=refusal)


@st.composite
def global_pool_cases(draw, ndim):
    """Draw signals or images with mutually distinct batch size, sizes and channels."""
    N, C, *size = draw(st.lists(st.integers(1, 6), min_size=2 + ndim, max_size=2 + ndim, unique=True))
    data_format = draw(st.sampled_from(FORMATS))
    return Case({"x": layout(N, tuple(size), C, data_format)}, {"data_format": data_format})


def holds_pixels(window, size):
    """Return True if the window contains at least one pixel of the input at each position."""
    return not _refusal(window, size)


def _refusal(window, size):
    """Return the reason why pooling must refuse this window and size; empty if it must not."""
    axes = axes_of(size, window.kernel, window.stride, window.padding, window.dilation, window.ceil_mode)
    return next((axis.refusal for axis in axes if axis.refusal), "")


@st.composite
def norm_cases(draw, *, given=False):
    """Draw rows, signals or images, with vectors that have a number for each channel."""
    space = draw(st.lists(st.integers(2, 4), max_size=2, unique=True))
    C = draw(channels(5))
    N = draw(unlike({C}, 2, 5))
    data_format = draw(st.sampled_from(FORMATS))
    vectors = ("gamma", "beta", "mean", "var") if given else ("gamma", "beta")
    shapes = {"x": layout(N, tuple(space), C, data_format), **dict.fromkeys(vectors, (C,))}
    options = {"eps": draw(st.sampled_from([0.125, 1.0])), "data_format": data_format}
    return Case(shapes, options, positive=("var",) if given else ())


@st.composite
def group_norm_cases(draw, *, groups=False):
    """Draw the cases of norm_cases, with a number of groups if ``groups`` is True."""
    case = draw(norm_cases())
    if not groups:
        return case
    (C,) = case.shapes["gamma"]
    return replace(case, options={**case.options, "groups": draw(st.sampled_from([G for G in range(1, C + 1) if C % G == 0]))})


@st.composite
def response_norm_cases(draw):
    """Draw rows, signals or images, with neighbourhoods smaller or larger than the channels."""
    space = draw(st.lists(st.integers(1, 4), max_size=2, unique=True))
    C = draw(channels(7))
    N = draw(unlike({C}, 1, 7))
    options = {
        "size": draw(st.integers(1, 9)),
        "alpha": draw(st.sampled_from([1e-4, 0.3])),
        "beta": draw(st.sampled_from([0.75, 0.5, 1.25])),
        "divide_by_size": draw(st.booleans()),
        "data_format": draw(st.sampled_from(FORMATS)),
    }
    return Case({"x": layout(N, tuple(space), C, options["data_format"])}, options)


def activation_cases(factors, **options):
    """Return a strategy for arrays of any shape, including scalars, empty and long arrays."""
    shapes = st.lists(st.integers(0, 4), max_size=4) | st.lists(st.integers(0, 70), max_size=1)
    return shapes.map(lambda shape: Case({"x": tuple(shape)}, options, factors=factors))


@st.composite
def score_cases(draw):
    """Draw scores (…, classes)."""
    return Case({"x": (*draw(st.lists(st.integers(1, 4), max_size=2)), draw(st.integers(1, 6)))})


@st.composite
def loss_cases(draw):
    """Draw scores (…, K) of examples or pixels with labels, label smoothing and class weights."""
    shape, K = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)), draw(st.integers(1, 6))
    labels = np.array(draw(st.lists(st.integers(0, K - 1), min_size=math.prod(shape), max_size=math.prod(shape))))
    weights = draw(st.none() | st.tuples(*[st.sampled_from([0.25, 1.0, 7.0])] * K))
    options = {"label_smoothing": draw(st.sampled_from([0.0, 0.1, 1.0])), "class_weights": weights}
    return Case({"logits": (*shape, K)}, options, {"labels": labels.reshape(shape)})


@st.composite
def squared_error_cases(draw):
    """Draw predictions and targets of the same shape, including long ones."""
    shape = tuple(draw(st.lists(st.integers(1, 4), max_size=4) | st.lists(st.integers(1, 70), min_size=1, max_size=1)))
    return Case({"predictions": shape, "targets": shape})


@st.composite
def answer_cases(draw):
    """Draw logits of any shape with targets from 0 to 1, mostly 0 and 1."""
    shape = tuple(draw(st.lists(st.integers(1, 4), max_size=3) | st.lists(st.integers(1, 70), min_size=1, max_size=1)))
    count = math.prod(shape)
    targets = np.array(draw(st.lists(st.sampled_from([0.0, 1.0, 0.3]), min_size=count, max_size=count)))
    return Case({"logits": shape}, {"pos_weight": draw(st.sampled_from([1.0, 0.5, 3.0]))}, {"targets": targets.reshape(shape)})


def window_options(window, *names):
    """Return a window as keyword arguments of an operator."""
    options = {"stride": window.stride, "padding": window.padding, "dilation": window.dilation}
    return {name: options[name] for name in names or options}
