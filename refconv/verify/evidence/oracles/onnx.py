"""The ONNX operator tests: inputs and results that others wrote down, or recorded from PyTorch.

They ship with the package onnx: the tests of single operators in its standard, and models of one operator that PyTorch
exported, with what it computed. An operator of ours runs on the inputs of each test that it can express; the others are
left out, and :func:`survey` says why.
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

LARGEST_FOR_LOOPS = 100_000  # elements of a result; one test has more, and the loops would take half a minute over it
KINDS = ("node", "pytorch-converted", "pytorch-operator")
ROUNDING = 1e-6  # relative to the largest element, of float32 sums and exponentials

# Inputs and results of this test are written with four decimals, and the results were not computed from inputs so rounded:
# it says 0.2841 where the average of its four numbers, PyTorch's too, is 0.28404.
FOUR_DECIMALS = {"test_averagepool_2d_ceil_last_window_starts_on_pad"}


@dataclass(frozen=True)
class Test:
    """One test: an operator with its attributes, its inputs, of which a missing one is None, and its first output."""

    name: str
    op: str
    version: int
    attributes: dict[str, Any]
    inputs: list[Any]
    output: np.ndarray


def cases(name, left_out=None):
    """Run the operator of this name on all tests that it can express: yields (test, our result, theirs, allowed error).

    The loops are spared the largest test. For each other test that the operator cannot express, the reason is appended to
    the list ``left_out``; tests for another number of axes belong to another operator and do not count.

    Raises :class:`Refuted` if the operator itself raises.
    """
    for test in tests():
        if get_config().engine == "reference" and test.output.size > LARGEST_FOR_LOOPS:
            continue
        for op, call in CALLS.get(name, ()):
            if op == test.op:
                try:
                    ours = call(getattr(refconv, name), test)
                except Inexpressible as reason:
                    if left_out is not None and str(reason) != OTHER_AXES:
                        left_out.append(str(reason))
                    continue
                except Exception as error:
                    words = f"{name} raises {type(error).__name__}: {error}\n  in the ONNX test {test.name}"
                    raise Refuted(words) from error
                yield test.name, np.asarray(ours), test.output, 1e-4 if test.name in FOUR_DECIMALS else ROUNDING


def survey():
    """What became of each test of an operator that we have: the names of ours that ran it, or why none could.

    Returns
    -------
    used : dict of str to list of str
        Names of our operators, by the name of the test.
    skipped : dict of str to str
        Reasons, by the name of the test.
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
    return used, {test: "; ".join(said) for test, said in reasons.items() if test not in used}


@cache
def tests():
    """All tests of one operator that has a name in :data:`CALLS`, in the order of the package."""
    from onnx.backend.test.loader import load_model_tests

    known = {op for calls in CALLS.values() for op, _ in calls}
    state = np.random.get_state()  # noqa: NPY002 the tests of the package are made with it, and seed it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about operators that we do not have
        loaded = [case for kind in KINDS for case in load_model_tests(kind=kind)]
    np.random.set_state(state)  # noqa: NPY002
    found = (_read(case, known) for case in sorted(loaded, key=lambda case: (KINDS.index(case.kind), case.name)))
    return [test for test in found if test is not None]


def _read(case, known):
    """A test of the package as one of ours; None if its model is more than one operator that we know."""
    import onnx
    from onnx.helper import get_attribute_value
    from onnx.numpy_helper import to_array

    model = case.model or onnx.load(Path(case.model_dir, "model.onnx"))
    if len(model.graph.node) != 1 or model.graph.node[0].op_type not in known:
        return None
    (node,) = model.graph.node
    inputs, outputs = case.data_sets[0] if case.data_sets else _recorded(Path(case.model_dir, "test_data_set_0"))
    named = {weights.name: to_array(weights) for weights in model.graph.initializer}
    named |= dict(zip([i.name for i in model.graph.input if i.name not in named], inputs, strict=True))
    attributes = {attribute.name: get_attribute_value(attribute) for attribute in node.attribute}
    return Test(
        name=case.name,
        op=node.op_type,
        version=max(opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")),
        attributes={name: v.decode() if isinstance(v, bytes) else v for name, v in attributes.items()},
        inputs=[named.get(name) for name in node.input],
        output=np.asarray(outputs[0]),
    )


def _recorded(folder):
    """Inputs and outputs of a test as the package keeps them on disk."""
    from onnx import TensorProto
    from onnx.numpy_helper import to_array

    def arrays(kind):
        count = len(list(folder.glob(f"{kind}_*.pb")))
        return [to_array(TensorProto.FromString((folder / f"{kind}_{i}.pb").read_bytes())) for i in range(count)]

    return arrays("input"), arrays("output")
