"""ONNX's own operator tests, run through refconv.onnx.load on both engines.

    python -m tests.onnx_operators

prints how many pass, and how many are refused for which reason. Any Python with the package onnx will do. A wrong output is a
failure. The tests are part of the package onnx; :mod:`refconv.verify.evidence.oracles.onnx` uses them for single operators.
"""

import collections
import re
import tempfile
import warnings
from pathlib import Path

import numpy as np

import refconv

__all__ = ["Failed", "cases", "is_small", "outcome"]

KINDS = ("node", "pytorch-converted", "pytorch-operator")
JOINS = {"Add", "Concat", "Div", "Mean", "Mul", "Sub", "Sum"}  # operators whose inputs are all computed by the network
ACTIVATIONS = (
    "Celu Elu Gelu HardSigmoid HardSwish Hardmax LeakyRelu LogSoftmax Mish PRelu Relu Selu Sigmoid Softmax Softplus Softsign "
    "Swish Tanh ThresholdedRelu"
)
OTHERS = (
    "Add AveragePool BatchNormalization Clip Concat Conv ConvTranspose Div Dropout Flatten Gather Gemm GlobalAveragePool "
    "GlobalMaxPool Identity InstanceNormalization LRN LayerNormalization MatMul MaxPool Mean Mul Pad Pow Reciprocal "
    "ReduceMean Reshape Resize Slice Sqrt Squeeze Sub Sum Transpose Unsqueeze Upsample"
)
OPERATORS = {*ACTIVATIONS.split(), *OTHERS.split()}
HELPERS = {"Constant", "Shape"}
TOLERANCE = 1e-5  # relative to the largest element
FOUR_DECIMALS = {"test_averagepool_2d_ceil_last_window_starts_on_pad"}  # its inputs were rounded after the output was computed
NODE = re.compile(r"^(?:node '[^']*' \((\w+)\)|a node (\w+)) ")
MAX_LOOP_ELEMENTS = 20_000  # of the largest array, for the loops


class Failed(Exception):  # noqa: N818 an outcome
    """A wrong output, or an exception that is not a refusal by name."""


def cases():
    """Yield the name, the model and the data sets of each test of these operators."""
    import onnx
    from onnx.backend.test.loader import load_model_tests

    state = np.random.get_state()  # noqa: NPY002 the package uses the global generator
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = [case for kind in KINDS for case in load_model_tests(kind=kind)]
    np.random.set_state(state)  # noqa: NPY002
    for case in loaded:
        model = case.model or onnx.load(Path(case.model_dir, "model.onnx"))
        ops = {node.op_type for node in model.graph.node}
        if ops & OPERATORS and ops <= OPERATORS | HELPERS and (case.kind != "node" or len(model.graph.node) == 1):
            data = case.data_sets[0] if case.data_sets else _stored(Path(case.model_dir, "test_data_set_0"), model.graph)
            yield case.name, model, data


def _stored(folder, graph):
    """Return the inputs and outputs of a test that are arrays.

    Other values are left out, because their graphs are refused.
    """
    from onnx import TensorProto
    from onnx.numpy_helper import to_array

    def arrays(kind, values):
        paths = [folder / f"{kind}_{k}.pb" for k in range(len([*folder.glob(f"{kind}_*.pb")]))]
        described = zip(paths, values, strict=False)  # old graphs also list their weights as inputs
        return [to_array(TensorProto.FromString(p.read_bytes())) for p, v in described if v.type.HasField("tensor_type")]

    return arrays("input", graph.input), arrays("output", graph.output)


def is_small(data):
    """Return True if the loops can compute a test in reasonable time."""
    return max(np.size(array) for arrays in data for array in arrays) <= MAX_LOOP_ELEMENTS


def outcome(name, model, data, folder):
    """Return "" if the test passes, or the reason of its refusal; else raise :class:`Failed`."""
    model, inputs = _with_weights(model, data[0])
    path = Path(folder) / "model.onnx"
    path.write_bytes(model.SerializeToString())
    try:
        network = refconv.onnx.load(path)
        y = network(inputs[0] if len(inputs) == 1 else tuple(inputs))
    except (refconv.onnx.InvalidModelError, refconv.onnx.UnsupportedModelError) as error:
        return NODE.sub(r"\1\2: ", str(error).removeprefix(f"{path}: "))
    except Exception as error:
        raise Failed(f"{name} raises {type(error).__name__}: {error}") from error
    expected = np.asarray(data[1][0])
    if (y.shape, y.dtype) != (expected.shape, expected.dtype):
        raise Failed(f"{name} returns {y.dtype} {y.shape}, expected {expected.dtype} {expected.shape}")
    largest = np.abs(expected).max(initial=0, where=np.isfinite(expected))
    limit = 1e-4 if name in FOUR_DECIMALS else TOLERANCE * largest
    if not np.allclose(y, expected, rtol=0, atol=limit, equal_nan=True):
        raise Failed(f"{name} differs by {np.abs(y - expected).max()}, allowed {limit}")
    return ""


def _with_weights(model, inputs):
    """Return a copy of the model whose weights are constants, and the remaining inputs."""
    import onnx

    model = type(model).FromString(model.SerializeToString())
    graph = model.graph
    if [node.op_type for node in graph.node] == ["LayerNormalization"]:
        del graph.output[1:]  # mean and deviation, which only training uses
    computed = {node.input[0] for node in graph.node if node.input}
    computed |= {name for node in graph.node if node.op_type in JOINS for name in node.input}
    given = {value.name for value in graph.initializer}
    declared = [value for value in graph.input if value.name not in given]
    arrays = dict(zip([value.name for value in declared], map(_as_array, inputs), strict=False))
    for value in declared:
        if value.name not in computed and isinstance(arrays.get(value.name), np.ndarray):
            graph.initializer.append(onnx.numpy_helper.from_array(arrays.pop(value.name), value.name))
    return model, [*arrays.values()]


def _as_array(value):
    """Return numbers as arrays; sequences and missing inputs are refused by the reader."""
    return np.asarray(value) if isinstance(value, np.generic) else value


def main():
    """Run the command."""
    tests = [*cases()]
    for engine in ("kernels", "numpy", "reference"):
        chosen = [test for test in tests if engine != "reference" or is_small(test[2])]
        with tempfile.TemporaryDirectory() as folder, refconv.config(engine=engine):
            outcomes = [(_operator(model), *_run(name, model, data, folder)) for name, model, data in chosen]
        kinds = collections.Counter(kind for _, kind, _ in outcomes)
        print(
            f"engine {engine}: {kinds['passed']} passed, {kinds['refused']} refused, {kinds['failed']} failed, "
            f"{len(chosen)} in total; {len(tests) - len(chosen)} with more than {MAX_LOOP_ELEMENTS} elements not run"
        )
        for _, kind, text in outcomes:
            if kind == "failed":
                print(f"  FAILED {text}")
        if engine == "kernels":
            _print_tables(outcomes)


def _operator(model):
    """Return the operator that a test is about."""
    ops = {node.op_type for node in model.graph.node} - HELPERS
    return ops.pop() if len(ops) == 1 else "several"


def _run(name, model, data, folder):
    try:
        reason = outcome(name, model, data, folder)
    except Failed as failure:
        return "failed", str(failure)
    return ("refused", reason) if reason else ("passed", "")


def _print_tables(outcomes):
    counts = collections.Counter((op, kind) for op, kind, _ in outcomes)
    print("| operator | passed | refused |\n|---|---:|---:|")
    for op in sorted({op for op, *_ in outcomes}):
        print(f"| {op} | {counts[op, 'passed']} | {counts[op, 'refused']} |")
    reasons = collections.Counter(text for _, kind, text in outcomes if kind == "refused")
    for reason, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0])):
        print(f"  {count:4}  {reason}")


if __name__ == "__main__":
    main()
