"""The libraries that refconv is compared with: which are installed, and how arrays get into them and out again."""

import contextlib
import importlib.util

import numpy as np

from benchmarks.side import Side

__all__ = [
    "CHANNELS_LAST",
    "CONTIGUOUS",
    "PEERS",
    "installed",
    "jax_side",
    "onnx_session_side",
    "onnx_side",
    "set_num_threads",
]

# The columns that each library fills.
PEERS = {"torch": ("PyTorch NCHW", "PyTorch NHWC"), "jax": ("JAX",), "onnxruntime": ("ONNX Runtime",)}
NEEDS = {"torch": ("torch",), "jax": ("jax",), "onnxruntime": ("onnxruntime", "onnx")}

_threads = 1


def installed(name):
    """Whether a library is there with all that is needed to ask it."""
    return all(importlib.util.find_spec(module) for module in NEEDS[name])


def set_num_threads(n, names):
    """Let these libraries run on n threads; JAX has no such setting and is left as it is."""
    global _threads
    _threads = n
    if "torch" in names:
        import torch

        torch.set_num_threads(n)


class Layout:
    """One of PyTorch's two memory formats for images and kernels; whatever has other than four axes stays as it is."""

    def __init__(self, name):
        self.name = name

    def image(self, array):
        """A tensor (N, C, H, W) with memory of its own, from an array (N, H, W, C)."""
        return self._tensor(array, (0, 3, 1, 2))

    def kernel(self, array, order=(3, 2, 0, 1)):
        """A tensor (O, C, kh, kw) with memory of its own, from an array (kh, kw, C, O)."""
        return self._tensor(array, order)

    def _tensor(self, array, order):
        import torch

        tensor = torch.from_numpy(array)
        if array.ndim != 4:
            return tensor.clone()
        return tensor.permute(order).clone(memory_format=getattr(torch, self.name))

    @staticmethod
    def read(tensor, order=(0, 2, 3, 1)):
        """The array (N, H, W, C) of a tensor (N, C, H, W); (2, 3, 1, 0) does the same for kernels."""
        return tensor.permute(order).numpy() if tensor.ndim == 4 else tensor.numpy()


CONTIGUOUS, CHANNELS_LAST = Layout("contiguous_format"), Layout("channels_last")


def jax_side(function, arrays, dy=None, wanted=None):
    """JAX's side of y = function(*arrays), compiled; or the derivatives of ⟨dy, y⟩ by the arrays at the places wanted."""
    import jax

    def back(dy, *arrays):
        def of_wanted(*some):
            every = list(arrays)
            for place, array in zip(wanted, some, strict=True):
                every[place] = array
            return function(*every)

        return jax.vjp(of_wanted, *(arrays[place] for place in wanted))[1](dy)

    with _precision(jax, arrays[0].dtype):
        given = [jax.numpy.asarray(array) for array in ([] if dy is None else [dy]) + list(arrays)]
    compiled = jax.jit(function if dy is None else back)

    def run():
        with _precision(jax, arrays[0].dtype):
            return jax.block_until_ready(compiled(*given))

    return Side(run, lambda result: [np.asarray(array) for array in jax.tree.leaves(result)])


def _precision(jax, dtype):
    """The context in which JAX keeps float64; it has moved from one place to another."""
    if dtype != np.float64:
        return contextlib.nullcontext()
    return jax.enable_x64(True) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64()


def onnx_side(operator, x, constants, output_shape, read, **attributes):
    """ONNX Runtime's side of one operator: its constants are known to the session, input and output stay where they are."""
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
    """ONNX Runtime's side of a model, given as bytes, from one input to one output."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # or it keeps the cores while others are timed
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
