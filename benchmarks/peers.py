"""Libraries that refconv is compared with, and conversion of arrays for them."""

import contextlib
import importlib.util

import numpy as np

from benchmarks.side import Side

__all__ = [
    "ALL",
    "CHANNELS_LAST",
    "CONTIGUOUS",
    "NEEDS",
    "ON_REQUEST",
    "PEERS",
    "TORCH",
    "installed",
    "jax_side",
    "onnx_session_side",
    "onnx_side",
    "openvino_side",
    "set_num_threads",
]

# The columns of the table that each library fills.
PEERS = {
    "torch": ("PyTorch NCHW", "PyTorch NHWC"),
    "torch.compile": ("torch.compile",),
    "jax": ("JAX",),
    "onnxruntime": ("ONNX Runtime",),
    "openvino": ("OpenVINO",),
}
TORCH = PEERS["torch"]
ALL = tuple(column for columns in PEERS.values() for column in columns)
NEEDS = {
    "torch": ("torch",),
    "torch.compile": ("torch",),
    "jax": ("jax",),
    "onnxruntime": ("onnxruntime", "onnx"),
    "openvino": ("openvino", "torch", "onnx"),
}
ON_REQUEST = ("torch.compile",)  # compiling a network takes up to a minute and needs a C++ compiler

_threads = 1


def installed(name):
    """Return True if a library is installed with all modules that the comparison needs."""
    return all(importlib.util.find_spec(module) for module in NEEDS[name])


def set_num_threads(n, names):
    """Set the number of threads of these libraries; JAX has no such setting."""
    global _threads
    _threads = n
    if {"torch", "torch.compile"} & set(names):
        import torch

        torch.set_num_threads(n)


class Layout:
    """One of PyTorch's two memory formats for images and kernels.

    Arrays that do not have four axes are not permuted.
    """

    def __init__(self, name):
        self.name = name

    def image(self, array):
        """Return an array (N, H, W, C) as a new tensor (N, C, H, W)."""
        return self._tensor(array, (0, 3, 1, 2))

    def kernel(self, array, order=(3, 2, 0, 1)):
        """Return an array (kh, kw, C, O) as a new tensor (O, C, kh, kw)."""
        return self._tensor(array, order)

    def _tensor(self, array, order):
        import torch

        tensor = torch.from_numpy(array)
        if array.ndim != 4:
            return tensor.clone()
        return tensor.permute(order).clone(memory_format=getattr(torch, self.name))

    @staticmethod
    def read(tensor, order=(0, 2, 3, 1)):
        """Return a tensor (N, C, H, W) as an array (N, H, W, C).

        The order (2, 3, 1, 0) does the same for kernels.
        """
        return tensor.permute(order).numpy() if tensor.ndim == 4 else tensor.numpy()


CONTIGUOUS, CHANNELS_LAST = Layout("contiguous_format"), Layout("channels_last")


def jax_side(function, arrays, dy=None, wanted=None):
    """Return JAX's side of y = function(*arrays), compiled, or of its derivatives.

    If dy is given, they are the derivatives of ⟨dy, y⟩ by the arrays whose positions are in ``wanted``.
    """
    import jax

    def back(dy, *arrays):
        def of_variables(*variables):
            inputs = list(arrays)
            for place, array in zip(wanted, variables, strict=True):
                inputs[place] = array
            return function(*inputs)

        return jax.vjp(of_variables, *(arrays[place] for place in wanted))[1](dy)

    with _precision(jax, arrays[0].dtype):
        given = [jax.numpy.asarray(array) for array in ([] if dy is None else [dy]) + list(arrays)]
    compiled = jax.jit(function if dy is None else back)

    def run():
        with _precision(jax, arrays[0].dtype):
            return jax.block_until_ready(compiled(*given))

    return Side(run, lambda result: [np.asarray(array) for array in jax.tree.leaves(result)])


def _precision(jax, dtype):
    """Return the context in which JAX keeps float64; its place depends on JAX's version."""
    if dtype != np.float64:
        return contextlib.nullcontext()
    return jax.enable_x64(True) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64()


def onnx_side(operator, x, constants, output_shape, read, **attributes):
    """Return ONNX Runtime's side of one operator.

    The constants are part of the model; the input and output buffers are bound once and reused.
    """
    import onnx
    from onnx import helper, numpy_helper

    kind = helper.np_dtype_to_tensor_dtype(x.dtype)
    graph = helper.make_graph(
        [helper.make_node(operator, ["x", *constants], ["y"], **attributes)],
        "row",
        [helper.make_tensor_value_info("x", kind, x.shape)],
        [helper.make_tensor_value_info("y", kind, output_shape)],
        [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return onnx_session_side(model.SerializeToString(), x, output_shape, read)


def onnx_session_side(model, x, output_shape, read):
    """Return ONNX Runtime's side of a model with one input and one output, given as bytes."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # spinning would slow the others
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    given = onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(x))
    result = onnxruntime.OrtValue.ortvalue_from_shape_and_type(list(output_shape), x.dtype.type)
    bound = session.io_binding()
    bound.bind_ortvalue_input(session.get_inputs()[0].name, given)
    bound.bind_ortvalue_output(session.get_outputs()[0].name, result)

    def run():
        session.run_with_iobinding(bound)
        return result

    return Side(run, lambda value: [read(value.numpy())])


def openvino_side(model, x, read):
    """Return OpenVINO's side of a model with one input and one output, in float32."""
    import openvino

    core = openvino.Core()
    settings = {
        "INFERENCE_NUM_THREADS": _threads,
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
    }
    request = core.compile_model(core.read_model(model, b""), "CPU", settings).create_infer_request()
    given = np.ascontiguousarray(x)

    def run():
        return request.infer([given], share_inputs=True, share_outputs=True)

    return Side(run, lambda result: [read(result[0])])
