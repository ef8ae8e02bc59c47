"""Programs that run ONNX files, and random parameters, for tests of refconv.onnx."""

import numpy as np
import pytest

__all__ = ["RUNTIMES", "disturb", "relative_error", "run"]


def _onnxruntime(data, x):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def _openvino(data, x):
    openvino = pytest.importorskip("openvino")
    core = openvino.Core()
    # By default, OpenVINO computes in bfloat16 on processors that have it.
    compiled = core.compile_model(core.read_model(data), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled(x)[0]


RUNTIMES = {"ONNX Runtime": _onnxruntime, "OpenVINO": _openvino}


def run(runtime, data, x):
    """Return the output of an ONNX file, given as bytes, for a batch."""
    return RUNTIMES[runtime](data, x)


def disturb(model, seed=0):
    """Make biases, normalisation and running averages random; build has made them equal."""
    rng = np.random.default_rng(seed)
    for name, parameter in model.named_parameters().items():
        value, kind = parameter.value, name.rpartition(".")[2]
        if kind in ("gamma", "var", "a"):
            value[...] = rng.uniform(0.5, 1.5, value.shape)
        elif kind in ("b", "beta", "mean"):
            value[...] = rng.normal(0, 0.3, value.shape)
    return model


def relative_error(output, expected):
    """Return the largest error relative to the largest element."""
    assert output.shape == expected.shape
    return float(np.abs(output - expected).max() / np.abs(expected).max())
