"""Tests that ONNX's own operator tests pass on both engines or are refused by name."""

import functools

import pytest

import refconv
from evidence import ENGINES

pytest.importorskip("onnx")
from onnx_operators import cases, is_small, outcome

# Operators of which at least one test must pass, so that a reader cannot refuse everything.
READ = (
    "Add AveragePool BatchNormalization Clip Concat Conv ConvTranspose Dropout Elu Flatten Gather Gemm GlobalAveragePool "
    "GlobalMaxPool Identity InstanceNormalization LRN LayerNormalization LeakyRelu MatMul MaxPool Mean Mul Pad ReduceMean "
    "Relu Reshape Resize Sigmoid Slice Softmax Squeeze Sub Sum Tanh Transpose Unsqueeze Upsample"
)


@functools.cache
def all_cases():
    return [*cases()]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_operator_tests_pass_or_are_refused(engine, tmp_path):
    passed = set()
    with refconv.config(engine=engine):
        for name, model, data in all_cases():
            if engine == "reference" and not is_small(data):
                continue
            refusal = outcome(name, model, data, tmp_path)
            if not refusal or refusal.startswith("the opset must be"):  # onnx 1.16 tests a few operators in opset 1 only
                passed |= {node.op_type for node in model.graph.node}
    assert passed >= {*READ.split()}
