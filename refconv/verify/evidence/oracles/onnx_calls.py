"""How ONNX calls what we call: its attributes as our options, and its layouts as ours.

ONNX knows channels_first alone, kernels (outputs, inputs / groups, kh, kw), and pads as all beginnings and then all ends.
"""

import numpy as np

__all__ = ["CALLS", "OTHER_AXES", "Inexpressible"]

FIRST = "channels_first"
OTHER_AXES = "another number of axes"


class Inexpressible(Exception):  # noqa: N818 a reason to pass on, not an error
    """A test asks for something that our operator has no word for; the message is what it asks for."""


def demand(holds, otherwise):
    if not holds:
        raise Inexpressible(otherwise)


def of_axes(ndim, call):
    """A call for tests on signals (1) or images (2)."""

    def checked(function, test):
        demand(test.inputs[0].ndim == ndim + 2, OTHER_AXES)
        return call(function, test)

    return checked


def padding(test):
    """ONNX's padding in our words, for images or signals."""
    auto = test.attributes.get("auto_pad", "NOTSET")
    if auto != "NOTSET":
        return {"SAME_UPPER": "same", "SAME_LOWER": "same_lower", "VALID": "valid"}[auto]
    return pairs(test.attributes.get("pads", [0] * 2 * (test.inputs[0].ndim - 2)))


def pairs(pads):
    """Beginnings and ends as (before, after) pairs."""
    half = len(pads) // 2
    return tuple((int(before), int(after)) for before, after in zip(pads[:half], pads[half:], strict=True))


def sliding(test):
    """Stride, padding and dilation of a window."""
    ones = [1] * (test.inputs[0].ndim - 2)
    return {
        "stride": test.attributes.get("strides", ones),
        "padding": padding(test),
        "dilation": test.attributes.get("dilations", ones),
        "data_format": FIRST,
    }


def conv(function, test):
    x, w, *b = test.inputs
    return function(x, kernel_last(w), *b, **sliding(test), groups=test.attributes.get("group", 1))


def depthwise_conv(function, test):
    x, w, *b = test.inputs
    demand(test.attributes.get("group", 1) == x.shape[1] > 1, "another number of groups than channels")
    _, _, kh, kw = w.shape
    return function(x, kernel_last(w).reshape(kh, kw, x.shape[1], -1), *b, **sliding(test))


def conv_transpose(function, test):
    x, w, *b = test.inputs
    options, told = sliding(test), test.attributes
    extra = told.get("output_padding", [0] * (x.ndim - 2))
    if options["padding"] in ("same", "same_lower"):
        extra = [S - 1 for S in options["stride"]]  # the largest input with this output, n·S
    elif "output_shape" in told:
        spans = [(k - 1) * D + 1 for k, D in zip(w.shape[2:], options["dilation"], strict=True)]
        touched = [(n - 1) * S + span for n, S, span in zip(x.shape[2:], options["stride"], spans, strict=True)]
        extra = [asked - n for asked, n in zip(told["output_shape"], touched, strict=True)]
        demand(min(extra) >= 0, "a part of the output")
    return function(x, kernel_last(w), *b, **options, output_padding=extra, groups=told.get("group", 1))


def kernel_last(w):
    """(p, q, …) as (…, q, p), so that what is last comes last in our kernels."""
    return np.moveaxis(w, (1, 0), (-2, -1))


def max_pool(function, test):
    options = {**sliding(test), "ceil_mode": bool(test.attributes.get("ceil_mode", 0))}
    return function(test.inputs[0], test.attributes["kernel_shape"], **options)


def global_max_pool(function, test):
    (x,) = test.inputs
    return function(x, x.shape[2:], data_format=FIRST)


def avg_pool(function, test):
    options = sliding(test)
    demand(set(options.pop("dilation")) == {1}, "an average with dilation")
    options["ceil_mode"] = bool(test.attributes.get("ceil_mode", 0))
    options["count_include_pad"] = bool(test.attributes.get("count_include_pad", 0))
    return function(test.inputs[0], test.attributes["kernel_shape"], **options)


def global_avg_pool(function, test):
    (x,) = test.inputs
    return function(x, data_format=FIRST).reshape(*x.shape[:2], *[1] * (x.ndim - 2))


def batch_norm(function, test):
    demand(test.attributes.get("training_mode", 0), "a mean and a variance that are given")
    x, gamma, beta, *_ = test.inputs
    return function(x, gamma, beta, **norm(test))[0]


def batch_norm_inference(function, test):
    demand(not test.attributes.get("training_mode", 0), "the mean and the variance of the batch")
    return function(*test.inputs, **norm(test))


def norm(test):
    demand(test.inputs[0].ndim <= 4, "another number of axes")
    return {"eps": test.attributes.get("epsilon", 1e-5), "data_format": FIRST}


def local_response_norm(function, test):
    return function(
        test.inputs[0],
        test.attributes["size"],
        test.attributes.get("alpha", 1e-4),
        test.attributes.get("beta", 0.75),
        test.attributes.get("bias", 1.0),
        divide_by_size=True,
        data_format=FIRST,
    )


def plain(function, test):
    return function(*test.inputs)


def leaky_relu(function, test):
    return function(*test.inputs, test.attributes.get("alpha", 0.01))


def elu(function, test):
    return function(*test.inputs, test.attributes.get("alpha", 1.0))


def softmax(function, test):
    """ONNX takes any axis; before version 13 it takes all axes from this one on together."""
    (x,) = test.inputs
    axis = test.attributes.get("axis", -1)
    demand(test.version >= 13 or axis == x.ndim - 1, "several axes together")
    return np.moveaxis(function(np.moveaxis(x, axis, -1)), -1, axis)


def softmax_cross_entropy(function, test):
    demand(test.attributes.get("reduction", "mean") == "mean", "the losses themselves or their sum")
    demand("ignore_index" not in test.attributes, "labels to ignore")
    logits, labels, *weights = test.inputs
    return function(np.moveaxis(logits, 1, -1), labels, **dict(zip(["class_weights"], weights, strict=False)))[0]


def dense(function, test):
    """Gemm: α·A·B + β·C."""
    a, w, *c = test.inputs
    demand(test.attributes.get("alpha", 1.0) == test.attributes.get("beta", 1.0) == 1, "scaled products")
    a = a.T if test.attributes.get("transA", 0) else a
    w = w.T if test.attributes.get("transB", 0) else w
    demand(all(b.ndim < 2 or len(b) == 1 for b in c), "a bias for each example")
    return function(a, w, *(np.broadcast_to(b.reshape(-1), w.shape[1:]) for b in c))


def dropout(function, test):
    demand(len(test.inputs) == 3 and test.inputs[2], "inference, which is the layer's")
    demand(test.inputs[1] == 0, "random numbers of its own")
    return function(test.inputs[0], 0.0, 0)[0]


def pad(function, test):
    x, *given = test.inputs
    pads, value, axes = [*given, None, None, None][:3]
    pads = pairs(test.attributes["pads"] if pads is None else pads)
    axes = range(x.ndim) if axes is None else [int(axis) % x.ndim for axis in axes]
    pads = [dict(zip(axes, pads, strict=True)).get(axis, (0, 0)) for axis in range(x.ndim)]
    mode = {"constant": "zeros", "reflect": "reflect", "edge": "edge"}.get(test.attributes.get("mode", "constant"))
    value = test.attributes.get("value", 0.0) if value is None else value
    demand(mode is not None, "the other end's pixels")
    demand(mode != "zeros" or value == 0, "a padding that is not zero")
    in_space = x.ndim in (3, 4) and not any(map(any, pads[:2]))
    demand(in_space and min(map(min, pads)) >= 0, "padding along other axes, or a negative one")
    return function(x, pads[2:], mode=mode, data_format=FIRST)


def upsample(function, test):
    mode = {"nearest": "nearest", "linear": "bilinear"}.get(test.attributes.get("mode", "nearest"))
    demand(mode is not None, "a cubic")
    x, *given = test.inputs
    if test.op == "Resize":
        scales = resize(test)
    else:
        scales = given[0] if given else np.array(test.attributes["scales"])
    demand((scales == scales.round()).all() and (scales[:2] == 1).all() and x.ndim == 4, "scales that are not whole")
    return function(x, scales[2:].astype(int).tolist(), mode=mode, data_format=FIRST)


# Which positions mean half-pixel centres if the scales are whole, by mode and coordinate_transformation_mode; and for
# the nearest pixel, which ways to round.
SAME_PLACES = {
    ("linear", "half_pixel"),
    ("linear", "half_pixel_symmetric"),
    ("nearest", "half_pixel", "round_prefer_floor"),
    ("nearest", "half_pixel", "round_prefer_ceil"),
    ("nearest", "asymmetric", "floor"),
}


def resize(test):
    """The scales of a Resize, if it puts its pixels where we do."""
    x, _, scales, sizes = [*test.inputs, None, None, None][:4]
    told = test.attributes
    places = told.get("mode", "nearest"), told.get("coordinate_transformation_mode", "half_pixel")
    if places[0] == "nearest":
        places = (*places, told.get("nearest_mode", "round_prefer_floor"))
    demand(places in SAME_PLACES, "pixels in other places")
    demand(told.get("keep_aspect_ratio_policy", "stretch") == "stretch", "sizes in one proportion")
    axes = told.get("axes", range(x.ndim))
    if scales is None or not scales.size:
        scales = np.array(sizes) / np.array(x.shape)[list(axes)]
    all_scales = np.ones(x.ndim)
    all_scales[list(axes)] = scales
    demand((all_scales >= 1).all(), "a smaller image")
    return all_scales


def col2im(function, test):
    columns, size, kernel = test.inputs
    demand(len(size) == 2, "another number of axes")
    told = test.attributes
    taps = int(np.prod(kernel))
    # From (N, C·taps, places) to (taps·C, N·places).
    N, _, places = columns.shape
    columns = columns.reshape(N, -1, taps, places).transpose(2, 1, 0, 3).reshape(-1, N * places)
    return function(
        columns,
        tuple(map(int, size)),
        tuple(map(int, kernel)),
        stride=told.get("strides", 1),
        padding=pairs(told.get("pads", [0] * 4)),
        dilation=told.get("dilations", 1),
        data_format=FIRST,
    )


# By the names of our operators: which ONNX operators are the same thing, and how they are called.
CALLS = {
    "conv1d": [("Conv", of_axes(1, conv))],
    "conv2d": [("Conv", of_axes(2, conv))],
    "depthwise_conv2d": [("Conv", of_axes(2, depthwise_conv))],
    "conv_transpose1d": [("ConvTranspose", of_axes(1, conv_transpose))],
    "conv_transpose2d": [("ConvTranspose", of_axes(2, conv_transpose))],
    "max_pool1d": [("MaxPool", of_axes(1, max_pool))],
    "max_pool2d": [("MaxPool", of_axes(2, max_pool)), ("GlobalMaxPool", of_axes(2, global_max_pool))],
    "avg_pool1d": [("AveragePool", of_axes(1, avg_pool))],
    "avg_pool2d": [("AveragePool", of_axes(2, avg_pool))],
    "global_avg_pool2d": [("GlobalAveragePool", of_axes(2, global_avg_pool))],
    "batch_norm": [("BatchNormalization", batch_norm)],
    "batch_norm_inference": [("BatchNormalization", batch_norm_inference)],
    "local_response_norm": [("LRN", local_response_norm)],
    "relu": [("Relu", plain)],
    "leaky_relu": [("LeakyRelu", leaky_relu)],
    "elu": [("Elu", elu)],
    "sigmoid": [("Sigmoid", plain)],
    "tanh": [("Tanh", plain)],
    "softmax": [("Softmax", softmax)],
    "log_softmax": [("LogSoftmax", softmax)],
    "softmax_cross_entropy": [("SoftmaxCrossEntropyLoss", softmax_cross_entropy)],
    "dense": [("Gemm", dense)],
    "dropout": [("Dropout", dropout)],
    "pad": [("Pad", pad)],
    "upsample2d": [("Resize", upsample), ("Upsample", upsample)],
    "col2im": [("Col2Im", col2im)],
}
