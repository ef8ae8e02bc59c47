"""ONNX Runtime: windows with a named padding (``auto_pad``), forward only, in float32.

Padding in numbers is left to the other libraries: here only the name is passed, and ONNX Runtime computes the padding.
"""

import numpy as np

from refconv._arguments import per_axis
from refconv.verify.evidence.oracles.options import FIRST, options

__all__ = ["ROUNDING", "evaluate"]

# Error of a sum of at most 36 products, none larger than 4, in float32: 36·36·4·2⁻²⁴ = 3.1e-4.
ROUNDING = 4e-4

AUTO_PAD = {"same": "SAME_UPPER", "same_lower": "SAME_LOWER", "valid": "VALID"}
IR_VERSION, OPSET = 8, 17  # versions of the models that older runtimes also support


def evaluate(name, a):
    """Return the output, or None if this module cannot compute it.

    It computes only operators with a window, without numeric padding, ``ceil_mode`` or dilation.
    """
    if name not in FUNCTIONS:
        return None
    o = options(name, a)
    ndim = a.x.ndim - 2
    if not isinstance(o.padding, str) or o.padding not in AUTO_PAD or getattr(o, "ceil_mode", False):
        return None
    if max(per_axis("dilation", getattr(o, "dilation", 1), ndim)) > 1:
        return None  # ONNX Runtime refuses auto_pad with dilation
    kernel = per_axis("kernel", a.w.shape[:ndim] if "w" in a.arrays else o.kernel_size, ndim)
    stride = kernel if o.stride is None else per_axis("stride", o.stride, ndim)
    if any(k < S for S, k in zip(stride, kernel, strict=True)):
        return None  # the padding would be negative, which ONNX Runtime refuses
    x = a.x if o.data_format == FIRST else np.moveaxis(a.x, -1, 1)
    y = FUNCTIONS[name](o, a, x, ndim)
    return {"y": y if o.data_format == FIRST else np.moveaxis(y, 1, -1)}


def run(operator, arrays, **attributes):
    """Return the output of a model with one node."""
    import onnxruntime
    from onnx import TensorProto, helper

    arrays = {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape) for name, array in arrays.items()]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([helper.make_node(operator, [*arrays], ["y"], **attributes)], "one", inputs, [output])
    model = helper.make_model(graph, ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)])
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    return session.run(None, arrays)[0].astype(np.float64)


def conv(o, a, x, ndim, groups=None):
    arrays = {"x": x, "w": np.moveaxis(a.w, (-1, -2), (0, 1)), "b": a.b}
    strides = per_axis("stride", o.stride, ndim)
    return run("Conv", arrays, auto_pad=AUTO_PAD[o.padding], group=groups or o.groups, strides=strides)


def depthwise_conv(o, a, x, ndim):
    w = a.w.reshape(*a.w.shape[:-2], 1, -1)
    return conv(o, a.with_arrays(w=w), x, ndim, groups=x.shape[1])


def pool(operator):
    """Return a function that runs the pooling operator of this name."""

    def call(o, a, x, ndim):
        kernel = per_axis("kernel_size", o.kernel_size, ndim)
        attributes = {"kernel_shape": kernel, "strides": kernel if o.stride is None else per_axis("stride", o.stride, ndim)}
        if operator == "AveragePool":
            attributes["count_include_pad"] = int(o.count_include_pad)
        return run(operator, {"x": x}, auto_pad=AUTO_PAD[o.padding], **attributes)

    return call


FUNCTIONS = {
    "conv1d": conv,
    "conv2d": conv,
    "depthwise_conv2d": depthwise_conv,
    "max_pool1d": pool("MaxPool"),
    "max_pool2d": pool("MaxPool"),
    "avg_pool1d": pool("AveragePool"),
    "avg_pool2d": pool("AveragePool"),
}
