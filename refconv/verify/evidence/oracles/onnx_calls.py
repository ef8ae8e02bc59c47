"""Conversion of ONNX calls to refconv's: attributes to options, and data layouts.

ONNX supports only channels_first, kernels (outputs, inputs / groups, kh, kw), and pads as all beginnings and then all ends.
"""

import numpy as np

__all__ = ["CALLS", "OTHER_AXES", "Inexpressible"]

FIRST = "channels_first"
OTHER_AXES = "another number of axes"


class Inexpressible(Exception):  # noqa: N818 a reason to report, not an error
    """Raised if a test requires an option that refconv does not have; the message names it."""


def require(condition, missing_option):
    if not condition:
        raise Inexpressible(missing_option)


def of_axes(ndim, call):
    """Restrict a call to tests on signals (ndim 1) or images (ndim 2)."""

    def checked(function, test):
        require(test.inputs[0].ndim == ndim + 2, OTHER_AXES)
        return call(function, test)

    return checked


def padding(test):
    """Return the padding of a test as refconv's option, for images or signals."""
    auto = test.attributes.get("auto_pad", "NOTSET")
    if auto != "NOTSET":
        return {"SAME_UPPER": "same", "SAME_LOWER": "same_lower", "VALID": "valid"}[auto]
    return pairs(test.attributes.get("pads", [0] * 2 * (test.inputs[0].ndim - 2)))


def pairs(pads):
    """Convert beginnings and ends to (before, after) pairs."""
    half = len(pads) // 2
    return tuple((int(before), int(after)) for before, after in zip(pads[:half], pads[half:], strict=True))


def sliding(test):
    """Return stride, padding, dilation and data format of a window as options."""
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
    require(test.attributes.get("group", 1) == x.shape[1] > 1, "a number of groups other than the number of channels")
    _, _, kh, kw = w.shape
    return function(x, kernel_last(w).reshape(kh, kw, x.shape[1], -1), *b, **sliding(test))


def conv_transpose(function, test):
    x, w, *b = test.inputs
    options, attributes = sliding(test), test.attributes
    extra = attributes.get("output_padding", [0] * (x.ndim - 2))
    if options["padding"] in ("same", "same_lower"):
        extra = None  # n·S outputs
    elif "output_shape" in attributes:
        spans = [(k - 1) * D + 1 for k, D in zip(w.shape[2:], options["dilation"], strict=True)]
        reached = [(n - 1) * S + span for n, S, span in zip(x.shape[2:], options["stride"], spans, strict=True)]
        extra = [requested - n for requested, n in zip(attributes["output_shape"], reached, strict=True)]
        require(min(extra) >= 0, "only a part of the output")
    return function(x, kernel_last(w), *b, **options, output_padding=extra, groups=attributes.get("group", 1))


def kernel_last(w):
    """Transpose a kernel from (p, q, …) to (…, q, p)."""
    return np.moveaxis(w, (1, 0), (-2, -1))


def max_pool(function, test):
    options = {**sliding(test), "ceil_mode": bool(test.attributes.get("ceil_mode", 0))}
    return function(test.inputs[0], test.attributes["kernel_shape"], **options)


def global_max_pool(function, test):
    (x,) = test.inputs
    return function(x, x.shape[2:], data_format=FIRST)


def avg_pool(function, test):
    options = sliding(test)
    options["ceil_mode"] = bool(test.attributes.get("ceil_mode", 0))
    options["count_include_pad"] = bool(test.attributes.get("count_include_pad", 0))
    return function(test.inputs[0], test.attributes["kernel_shape"], **options)


def global_avg_pool(function, test):
    (x,) = test.inputs
    return function(x, data_format=FIRST).reshape(*x.shape[:2], *[1] * (x.ndim - 2))


def batch_norm(function, test):
    require(test.attributes.get("training_mode", 0), "a given mean and variance")
    x, gamma, beta, *_ = test.inputs
    return function(x, gamma, beta, **norm(test))[0]


def batch_norm_inference(function, test):
    require(not test.attributes.get("training_mode", 0), "the mean and the variance of the batch")
    return function(*test.inputs, **norm(test))


def norm(test):
    require(test.inputs[0].ndim <= 4, "another number of axes")
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
    """Apply softmax along any axis; before version 13, ONNX combines all axes from this one on."""
    (x,) = test.inputs
    axis = test.attributes.get("axis", -1)
    require(test.version >= 13 or axis == x.ndim - 1, "softmax over several axes")
    return np.moveaxis(function(np.moveaxis(x, axis, -1)), -1, axis)


def softmax_cross_entropy(function, test):
    require(test.attributes.get("reduction", "mean") == "mean", "unreduced losses or their sum")
    require("ignore_index" not in test.attributes, "labels to ignore")
    logits, labels, *weights = test.inputs
    return function(np.moveaxis(logits, 1, -1), labels, **dict(zip(["class_weights"], weights, strict=False)))[0]


def dense(function, test):
    """Compute Gemm, α·A·B + β·C."""
    a, w, *c = test.inputs
    require(test.attributes.get("alpha", 1.0) == test.attributes.get("beta", 1.0) == 1, "scaled products")
    a = a.T if test.attributes.get("transA", 0) else a
    w = w.T if test.attributes.get("transB", 0) else w
    require(all(b.ndim < 2 or len(b) == 1 for b in c), "a bias for each example")
    return function(a, w, *(np.broadcast_to(b.reshape(-1), w.shape[1:]) for b in c))


def dropout(function, test):
    require(len(test.inputs) == 3 and test.inputs[2], "inference mode, which only the layer has")
    require(test.inputs[1] == 0, "its own random numbers")
    return function(test.inputs[0], 0.0, 0)[0]


def pad(function, test):
    x, *given = test.inputs
    pads, value, axes = [*given, None, None, None][:3]
    pads = pairs(test.attributes["pads"] if pads is None else pads)
    axes = range(x.ndim) if axes is None else [int(axis) % x.ndim for axis in axes]
    pads = [dict(zip(axes, pads, strict=True)).get(axis, (0, 0)) for axis in range(x.ndim)]
    mode = {"constant": "zeros", "reflect": "reflect", "edge": "edge"}.get(test.attributes.get("mode", "constant"))
    value = test.attributes.get("value", 0.0) if value is None else value
    require(mode is not None, "periodic padding")
    require(mode != "zeros" or value == 0, "padding with a constant other than zero")
    in_space = x.ndim in (3, 4) and not any(map(any, pads[:2]))
    require(in_space and min(map(min, pads)) >= 0, "padding along other axes, or negative padding")
    return function(x, pads[2:], mode=mode, data_format=FIRST)


def upsample(function, test):
    mode = {"nearest": "nearest", "linear": "bilinear"}.get(test.attributes.get("mode", "nearest"))
    require(mode is not None, "cubic interpolation")
    x, *given = test.inputs
    if test.op == "Resize":
        scales = resize(test)
    else:
        scales = given[0] if given else np.array(test.attributes["scales"])
    require((scales == scales.round()).all() and (scales[:2] == 1).all() and x.ndim == 4, "scales that are not whole numbers")
    return function(x, scales[2:].astype(int).tolist(), mode=mode, data_format=FIRST)


# Attributes that are equivalent to half-pixel centres if the scales are whole: mode, coordinate_transformation_mode, and for
# the nearest pixel the rounding.
SAME_SAMPLING = {
    ("linear", "half_pixel"),
    ("linear", "half_pixel_symmetric"),
    ("nearest", "half_pixel", "round_prefer_floor"),
    ("nearest", "half_pixel", "round_prefer_ceil"),
    ("nearest", "asymmetric", "floor"),
}


def resize(test):
    """Return the scales of a Resize that samples at the same positions as refconv."""
    x, _, scales, sizes = [*test.inputs, None, None, None][:4]
    attributes = test.attributes
    sampling = attributes.get("mode", "nearest"), attributes.get("coordinate_transformation_mode", "half_pixel")
    if sampling[0] == "nearest":
        sampling = (*sampling, attributes.get("nearest_mode", "round_prefer_floor"))
    require(sampling in SAME_SAMPLING, "other sampling positions")
    require(attributes.get("keep_aspect_ratio_policy", "stretch") == "stretch", "a fixed aspect ratio")
    axes = attributes.get("axes", range(x.ndim))
    if scales is None or not scales.size:
        scales = np.array(sizes) / np.array(x.shape)[list(axes)]
    all_scales = np.ones(x.ndim)
    all_scales[list(axes)] = scales
    require((all_scales >= 1).all(), "a smaller output image")
    return all_scales


def col2im(function, test):
    columns, size, kernel = test.inputs
    require(len(size) == 2, "another number of axes")
    attributes = test.attributes
    taps = int(np.prod(kernel))
    # From (N, C·taps, positions) to (taps·C, N·positions).
    N, _, positions = columns.shape
    columns = columns.reshape(N, -1, taps, positions).transpose(2, 1, 0, 3).reshape(-1, N * positions)
    return function(
        columns,
        tuple(map(int, size)),
        tuple(map(int, kernel)),
        stride=attributes.get("strides", 1),
        padding=pairs(attributes.get("pads", [0] * 4)),
        dilation=attributes.get("dilations", 1),
        data_format=FIRST,
    )


# The equivalent ONNX operators and how to call them, by name of refconv's operator.
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
