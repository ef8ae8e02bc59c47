"""ONNX operator tests: inputs and results from the ONNX standard, or recorded from PyTorch.

They are part of the package onnx: the tests of single operators in the standard, and models of one operator exported by
PyTorch with the results of PyTorch. A refconv operator runs on the inputs of each test that it can express; the others are
left out, and :func:`survey` returns the reasons.
"""

import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import refconv
from refconv._config import get_config
from refconv.verify.evidence.oracles.onnx_calls import CALLS, OTHER_AXES, Inexpressible
from refconv.verify.operator import Refuted

__all__ = ["cases", "survey"]

LARGEST_FOR_LOOPS = 100_000  # elements of a result; one test has more and would take the loops half a minute
KINDS = ("node", "pytorch-converted", "pytorch-operator")
ROUNDING = 1e-6  # error of float32 sums and exponentials, relative to the largest element

# Inputs and results of this test have four decimals, and the results were computed before the inputs were rounded: one result
# is 0.2841, while the average of the four inputs, also in PyTorch, is 0.28404.
FOUR_DECIMALS = {"test_averagepool_2d_ceil_last_window_starts_on_pad"}


@dataclass(frozen=True)
class Test:
    """Test of one operator with its attributes, inputs (None if missing) and first output."""

    name: str
    op: str
    version: int
    attributes: dict[str, Any]
    inputs: list[Any]
    output: np.ndarray


def cases(name, left_out=None):
    """Yield (test, refconv's result, expected result, tolerance) for all tests of an operator.

    On the loops, the largest test is skipped. For each test that the operator cannot express, the reason is appended to the
    list ``left_out``; tests for another number of axes belong to another operator and are not counted.

    Raises :class:`Refuted` if the operator raises.
    """
    for test in tests():
        if get_config().engine == "reference" and test.output.size > LARGEST_FOR_LOOPS:
            continue
        for op, call in CALLS.get(name, ()):
            if op == test.op:
                try:
                    result = call(getattr(refconv, name), test)
                except Inexpressible as reason:
                    if left_out is not None and str(reason) != OTHER_AXES:
                        left_out.append(str(reason))
                    continue
                except Exception as error:
                    message = f"{name} raises {type(error).__name__}: {error}\n  in the ONNX test {test.name}"
                    raise Refuted(message) from error
                yield test.name, np.asarray(result), test.output, 1e-4 if test.name in FOUR_DECIMALS else ROUNDING


def survey():
    """Return the operators that ran each test, and the reasons why other tests were skipped.

    Returns
    -------
    used : dict of str to list of str
        Names of refconv's operators, by name of the test.
    skipped : dict of str to str
        Reasons, by name of the test.
    """
    used, reasons = {}, {}
    for test in tests():
        for name, calls in CALLS.items():
            if not hasattr(refconv, name):
                continue
            for op, call in calls:
                if op == test.op:
                    try:
                        call(getattr(refconv, name), test)
                        used.setdefault(test.name, []).append(name)
                    except Inexpressible as reason:
                        reasons.setdefault(test.name, {})[str(reason)] = None
    return used, {test: "; ".join(test_reasons) for test, test_reasons in reasons.items() if test not in used}


@cache
def tests():
    """Return all tests of a single operator in :data:`CALLS`, in the order of the package."""
    from onnx.backend.test.loader import load_model_tests

    known = {op for calls in CALLS.values() for op, _ in calls}
    state = np.random.get_state()  # noqa: NPY002 creating the tests of the package seeds and uses the global generator
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings about operators that refconv does not have
        loaded = [case for kind in KINDS for case in load_model_tests(kind=kind)]
    np.random.set_state(state)  # noqa: NPY002
    converted = (_convert(case, known) for case in sorted(loaded, key=lambda case: (KINDS.index(case.kind), case.name)))
    return [test for test in converted if test is not None]


def _convert(case, known):
    """Convert a test of the package; return None unless its model is a single known operator."""
    import onnx
    from onnx.helper import get_attribute_value
    from onnx.numpy_helper import to_array

    model = case.model or onnx.load(Path(case.model_dir, "model.onnx"))
    if len(model.graph.node) != 1 or model.graph.node[0].op_type not in known:
        return None
    (node,) = model.graph.node
    inputs, outputs = case.data_sets[0] if case.data_sets else _read_arrays(Path(case.model_dir, "test_data_set_0"))
    arrays = {weights.name: to_array(weights) for weights in model.graph.initializer}
    arrays |= dict(zip([i.name for i in model.graph.input if i.name not in arrays], inputs, strict=True))
    attributes = {attribute.name: get_attribute_value(attribute) for attribute in node.attribute}
    return Test(
        name=case.name,
        op=node.op_type,
        version=max(opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")),
        attributes={name: v.decode() if isinstance(v, bytes) else v for name, v in attributes.items()},
        inputs=[arrays.get(name) for name in node.input],
        output=np.asarray(outputs[0]),
    )


def _read_arrays(folder):
    """Read the inputs and outputs of a test that the package stores on disk."""
    from onnx import TensorProto
    from onnx.numpy_helper import to_array

    def arrays(kind):
        count = len(list(folder.glob(f"{kind}_*.pb")))
        return [to_array(TensorProto.FromString((folder / f"{kind}_{i}.pb").read_bytes())) for i in range(count)]

    return arrays("input"), arrays("output")
