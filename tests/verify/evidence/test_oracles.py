"""Tests that other libraries agree with refconv on drawn cases and refute wrong operators."""

import functools
import importlib
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import refconv
from refconv.geometry import Window
from refconv.verify.case import Arguments, Case, fill, spread
from refconv.verify.catalogue import OPERATORS
from refconv.verify.evidence import oracle as oracles
from refconv.verify.evidence.kinds import gather
from refconv.verify.evidence.oracles import conventions, onnx, onnx_calls, options
from refconv.verify.evidence.oracles import torch as torch_oracle
from refconv.verify.operator import Refuted
from strategies import max_examples

# Number of cases drawn for each library. JAX compiles a program for each case, so its number is small.
LIBRARIES = {"conventions": 30, "scipy": 30, "torch": 30, "jax": 3, "onnxruntime": 10}
BUILT_IN = {"conventions"}


def needs(*libraries):
    missing = [name for name in libraries if name not in BUILT_IN and find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{' and '.join(missing)} not installed")


def supported():
    """Yield each library with each operator that it has."""
    for library in LIBRARIES:
        functions = importlib.import_module(f"refconv.verify.evidence.oracles.{library}").FUNCTIONS
        for name in functions:
            if name in OPERATORS:
                yield pytest.param(library, OPERATORS[name], marks=needs(library), id=f"{library}-{name}")


SUPPORTED = list(supported())


def claimed(operator, case):
    """Return False for mode "same" with a kernel of even size, which has no claimed derivatives.

    There, the odd zero of the padding is before the input in the forward and in the backward pass.
    """
    return operator.family != "convolve" or case.options["mode"] != "same" or all(k % 2 for k in case.shapes["w"])


@pytest.mark.parametrize(("library", "operator"), SUPPORTED)
def test_libraries_agree_on_drawn_cases(library, operator):
    @max_examples(LIBRARIES[library])
    @given(st.data())
    def run(data):
        case = data.draw(operator.cases())
        assume(claimed(operator, case))
        oracles.oracle(operator, case, [library])

    run()


@pytest.mark.parametrize(("library", "operator"), [p for p in SUPPORTED if p.values[0] in ("torch", "jax")])
def test_a_library_with_automatic_differentiation_computes_every_derivative(library, operator):
    module = importlib.import_module(f"refconv.verify.evidence.oracles.{library}")
    a = fill(operator.fixed[0], spread)
    theirs = module.evaluate(operator.name, a.with_arrays(dy=np.ones_like(operator(a))))
    assert set(theirs) >= {"y", *(name for derivative in operator.derivatives for name in derivative.wrt)}


@pytest.mark.parametrize("library", [pytest.param(library, marks=needs(library)) for library in LIBRARIES])
def test_a_library_returns_none_for_an_operator_that_it_does_not_have(library):
    assert importlib.import_module(f"refconv.verify.evidence.oracles.{library}").evaluate("no_such_operator", None) is None


@needs("jax")
def test_jax_does_not_compute_the_derivative_of_a_maximum_with_dilation():
    a = Arguments({"x": np.arange(12.0).reshape(1, 6, 2), "dy": np.ones((1, 2, 2))}, {"dilation": 2}, {"kernel_size": 2})
    assert set(importlib.import_module("refconv.verify.evidence.oracles.jax").evaluate("max_pool1d", a)) == {"y"}


def twice(f, *arguments, **keywords):
    return 2 * f(*arguments, **keywords)


def mirrored(padding):
    """Return the padding with before and after exchanged on each axis."""
    return padding if isinstance(padding, str) else [pair[::-1] for pair in Window((1, 1), padding=padding).padding]


ALL = ("torch", "jax", "onnx")
MUTANTS = {
    "kernel-flipped-1d": ("convolve1d", "convolve1d", lambda f, x, w, mode: f(x, w[::-1], mode), ("scipy", "jax")),
    "kernel-not-flipped": ("convolve2d", "convolve2d", lambda f, x, w, mode: f(x, w[::-1, ::-1], mode), ("scipy", "jax")),
    "correlation-doubled-in-the-backward-pass": ("convolve1d", "cross_correlate1d", twice, ("jax",)),
    "kernel-flipped": ("conv2d", "conv2d", lambda f, x, w, b=None, **o: f(x, w[::-1, ::-1], b, **o), ALL),
    "kernel-flipped-in-conv1d": ("conv1d", "conv1d", lambda f, x, w, b=None, **o: f(x, w[::-1], b, **o), ALL),
    "no-bias": ("conv2d", "conv2d", lambda f, x, w, b=None, **o: f(x, w, **o), ALL),
    "padding-mirrored": (
        "conv2d",
        "conv2d",
        lambda f, x, w, b=None, **o: f(x, w, b, **o | {"padding": mirrored(o.get("padding", "valid"))}),
        ("torch", "jax"),
    ),
    "groups-interleaved": (
        "conv2d",
        "conv2d",
        lambda f, x, w, b=None, groups=1, **o: f(
            x, w.reshape(*w.shape[:-1], groups, -1).swapaxes(-1, -2).reshape(w.shape), b, groups=groups, **o
        ),
        ALL,
    ),
    "dx-flipped": ("conv2d", "conv2d_dx", lambda f, dy, w, *a, **o: f(dy, w[::-1, ::-1], *a, **o), ("torch", "jax")),
    "dw-reversed": ("conv2d", "conv2d_dw", lambda f, *a, **o: np.ascontiguousarray(f(*a, **o)[::-1]), ("torch", "jax")),
    "db-averaged": ("conv2d", "conv2d_db", lambda f, dy, **o: f(dy, **o) / len(dy), ("torch", "jax")),
    "transposed-kernel-flipped": (
        "conv_transpose2d",
        "conv_transpose2d",
        lambda f, x, w, b=None, **o: f(x, w[::-1, ::-1], b, **o),
        ALL,
    ),
    "transposed-dx-doubled": ("conv_transpose1d", "conv_transpose1d_dx", twice, ("torch", "jax")),
    "rows-in-another-order": (
        "im2col",
        "im2col",
        lambda f, x, k, **o: np.concatenate([f(x, k, **o)[tap :: np.prod(k)] for tap in range(np.prod(k))]),
        ("torch", "jax"),
    ),
    "overlaps-averaged": ("col2im", "col2im", lambda f, *a, **o: f(*a, **o) / 2, ALL),
    "kernel-flipped-in-a-matrix": ("toeplitz1d", "toeplitz1d", lambda f, w, *a, **o: f(w[::-1], *a, **o), ("torch",)),
    "stuffed-with-ones": ("zero_stuff", "zero_stuff", lambda f, *a, **o: np.where(f(*a, **o), f(*a, **o), 1), ("jax",)),
    "padding-wins": ("max_pool2d", "max_pool2d", lambda f, *a, **o: np.maximum(f(*a, **o), 0), ("torch", "jax")),
    "minimum": ("max_pool2d", "max_pool2d", lambda f, x, *a, **o: -f(-np.asarray(x, float), *a, **o), ALL),
    "gradient-of-the-winner-halved": ("max_pool1d", "max_pool1d_dx", lambda f, *a, **o: f(*a, **o) / 2, ("torch", "jax")),
    "counts-padding": (
        "avg_pool2d",
        "avg_pool2d",
        lambda f, *a, **o: f(*a, **o | {"count_include_pad": not o.get("count_include_pad", False)}),
        ALL,
    ),
    "mean-doubled": ("global_avg_pool2d", "global_avg_pool2d", twice, ALL),
    "normalised-across-the-batch": (
        "local_response_norm",
        "local_response_norm",
        lambda f, x, *a, data_format="channels_last", **o: np.moveaxis(
            f(np.moveaxis(x, 0, -1), *a, **o, data_format="channels_last"), -1, 0
        ),
        ("torch", "onnx"),
    ),
    "division-by-size-inverted": (
        "local_response_norm",
        "local_response_norm",
        lambda f, *a, **o: f(*a, **o | {"divide_by_size": not o.get("divide_by_size", False)}),
        ("torch", "onnx"),
    ),
    "epsilon-doubled": ("batch_norm", "batch_norm", lambda f, *a, **o: f(*a, **o | {"eps": 2 * float(o["eps"])}), ALL),
    "deviation-instead-of-variance": (
        "batch_norm_inference",
        "batch_norm_inference",
        lambda f, x, gamma, beta, mean, var, **o: f(x, gamma, beta, mean, np.sqrt(var), **o),
        ALL,
    ),
    "mean-held-constant": (
        "batch_norm",
        "batch_norm_grads",
        lambda f, dy, **a: refconv.batch_norm_inference_grads(dy, **a),
        ("torch", "jax"),
    ),
    "relu-twice": ("relu", "relu", twice, ALL),
    "other-slope": ("leaky_relu", "leaky_relu", lambda f, x, slope: f(x, slope / 2), ALL),
    "alpha-ignored": ("elu", "elu", lambda f, x, alpha: f(x), ALL),
    "tanh-instead-of-sigmoid": ("sigmoid", "sigmoid", lambda f, x: refconv.tanh(x), ALL),
    "sigmoid-instead-of-tanh": ("tanh", "tanh", lambda f, x: refconv.sigmoid(x), ALL),
    "along-the-first-axis": ("softmax", "softmax", lambda f, x: np.moveaxis(f(np.moveaxis(x, 0, -1)), -1, 0), ALL),
    "logarithm-to-base-2": ("log_softmax", "log_softmax", lambda f, x: f(x) / np.log(2), ALL),
    "bias-twice": ("dense", "dense", lambda f, x, w, b=None: f(x, w, b) + (0 if b is None else b), ALL),
    "summed": (
        "softmax_cross_entropy",
        "softmax_cross_entropy",
        lambda f, logits, *a, **o: tuple(len(logits) * result for result in f(logits, *a, **o)),
        ("torch", "onnx"),
    ),
    "not-smoothed": ("softmax_cross_entropy", "softmax_cross_entropy", lambda f, x, t, **o: f(x, t), ("torch",)),
}


def mutations():
    for description, (operator, function, change, libraries) in MUTANTS.items():
        # The conventions have no batch_norm_grads.
        has_conventions = operator in conventions.FUNCTIONS and function != "batch_norm_grads"
        for library in (*libraries, "conventions") if has_conventions else libraries:
            name = f"{library}-{description}"
            yield pytest.param(OPERATORS[operator], function, change, library, marks=needs(library), id=name)


@pytest.mark.parametrize(("operator", "function", "change", "library"), list(mutations()))
def test_each_library_refutes_a_wrong_operator(operator, function, change, library, monkeypatch):
    right = getattr(refconv, function)
    monkeypatch.setattr(refconv, function, functools.wraps(right)(lambda *a, **o: change(right, *a, **o)))
    with pytest.raises(Refuted, match="the ONNX test" if library == "onnx" else f"{library} gives"):
        compare(library, operator)


@pytest.mark.parametrize("library", [pytest.param(name, marks=needs(name)) for name in ("torch", "jax")])
def test_an_odd_zero_on_the_wrong_side_is_refuted(library, monkeypatch):
    case = Case({"x": (1, 4, 7, 2), "w": (2, 3, 2, 3), "b": (3,)}, {"stride": (1, 2), "padding": "same"})
    oracles.oracle(OPERATORS["conv2d"], case, [library])
    right = refconv.conv2d
    wrong = functools.wraps(right)(lambda *a, **o: right(*a, **o | {"padding": "same_lower"}))
    monkeypatch.setattr(refconv, "conv2d", wrong)
    with pytest.raises(Refuted, match=f"conv2d is .* and {library} gives"):
        oracles.oracle(OPERATORS["conv2d"], case, [library])


def compare(library, operator):
    """Compare an operator with a library in all fixed cases, or in all ONNX tests."""
    if library == "onnx":
        list(oracles.written_tests(operator))
    else:
        for case in operator.fixed:
            oracles.oracle(operator, case, [library])


@needs("onnx")
@pytest.mark.parametrize("name", [name for name in onnx_calls.CALLS if hasattr(refconv, name)])
def test_each_operator_that_onnx_has_runs_some_of_its_tests(name):
    cases = list(onnx.cases(name))
    assert cases
    for test, ours, theirs, allowed in cases:
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=allowed * max(1, np.max(np.abs(theirs))), err_msg=test)


@needs("onnx")
def test_the_survey_lists_the_onnx_tests_that_are_used_and_why_others_are_not():
    used, skipped = onnx.survey()
    assert not used.keys() & skipped.keys()
    assert used["test_conv_with_strides_and_asymmetric_padding"] == ["conv2d"]
    assert used["test_Conv1d_groups"] == ["conv1d"]
    assert used["test_averagepool_2d_dilations"] == ["avg_pool2d"]
    assert skipped["test_Conv3d"] == "another number of axes"
    assert len(used) > 100


@needs("onnx")
def test_four_decimals_of_one_onnx_test_show_whether_padding_counts():
    (name,) = onnx.FOUR_DECIMALS
    test = next((test for test in onnx.tests() if test.name == name), None)
    if test is None:
        pytest.skip("this version of onnx does not have the test")
    counted, not_counted = (
        refconv.avg_pool2d(
            test.inputs[0], 3, stride=3, padding=1, ceil_mode=True, count_include_pad=c, data_format=options.FIRST
        )
        for c in (True, False)
    )
    assert 1e-6 < np.abs(counted - test.output).max() < 1e-4 < np.abs(not_counted - test.output).max()


@needs("onnx")
def test_reading_the_onnx_tests_does_not_change_the_global_generator_of_numpy(monkeypatch):
    loader = importlib.import_module("onnx.backend.test.loader")
    monkeypatch.setattr(loader, "load_model_tests", lambda kind: np.random.seed(0) or [])  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    assert onnx.tests.__wrapped__() == []
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


@needs("onnx")
def test_an_operator_that_raises_in_an_onnx_test_is_refuted_with_its_name(monkeypatch):
    def broken(x):
        raise ValueError("no such luck")

    monkeypatch.setattr(refconv, "relu", broken)
    with pytest.raises(Refuted, match="relu raises ValueError: no such luck\n  in the ONNX test test_relu"):
        list(oracles.written_tests(OPERATORS["relu"]))


@needs("onnx")
def test_the_onnx_tests_are_part_of_the_evidence_unless_quick():
    few, all = (gather(OPERATORS["conv2d"], "oracle", quick=quick).cases for quick in (True, False))
    operator, others = OPERATORS["conv2d"], oracles.installed(oracles.QUICK_OTHERS)
    literal = [case for _, case in oracles.tables(operator)]
    compared = [case for case in literal if oracles.oracle(operator, case, others) is not None]
    assert few == len(literal) + 1
    assert all == len(literal) + len(compared) + len(operator.fixed) + 10 + len(list(onnx.cases("conv2d")))


@needs("onnx")
def test_the_loops_run_all_onnx_tests_but_the_largest():
    with refconv.config(engine="reference"):
        loops = {name for name, *_ in onnx.cases("conv2d")}
    assert {name for name, *_ in onnx.cases("conv2d")} - loops == {"test_operator_conv"}


@pytest.fixture
def nothing_installed(monkeypatch):
    """Hide all oracles: None in ``sys.modules`` makes ``import`` raise ImportError."""
    for library in {*oracles.LIBRARIES, "onnx"} - BUILT_IN:
        monkeypatch.setitem(sys.modules, library, None)
    oracles.importable.cache_clear()
    yield
    oracles.importable.cache_clear()


def test_libraries_that_are_not_installed_are_not_used(nothing_installed):
    assert oracles.installed() == ["conventions"]
    assert gather(OPERATORS["relu"], "oracle").cell == "–"


@needs("torch")
def test_pytorch_pads_itself_only_if_it_can():
    for padding, itself in ((1, True), (((1, 0), (0, 1)), False), ((2, 1), False)):
        window = Window((3, 2), padding=padding)
        assert torch_oracle.supports_padding(window, (5, 4)) is itself


@pytest.mark.parametrize("ceil_mode", [False, True])
def test_reach_is_the_padding_up_to_the_end_of_the_last_window(ceil_mode):
    for size in range(5, 12):
        window = Window((3,), stride=4, padding=((1, 2),), dilation=2, ceil_mode=ceil_mode)
        ((before, after),) = options.reach(window, (size,))
        reached = Window((3,), stride=4, padding=((before, after),), dilation=2)
        assert before == 1
        assert reached.output_size((size,)) == window.output_size((size,))


def test_options_are_completed_by_the_defaults_of_the_operator():
    complete = options.options("max_pool2d", fill(Case({"x": (1, 2, 3, 4)}, {"padding": 1}, {"kernel_size": (2, 1)}), spread))
    assert (complete.kernel_size, complete.stride, complete.padding) == ((2, 1), None, 1)
    assert complete.data_format == "channels_last"
    assert options.window(complete, complete.kernel_size, 2).stride == (2, 1)
