"""Tests that each kind of evidence refutes wrong operators and names the place."""

import re
from dataclasses import replace

import numpy as np
import pytest
import sympy
from hypothesis import strategies as st

import refconv
from evidence import assert_parity, needs_kernels
from refconv.verify import check
from refconv.verify.case import Case
from refconv.verify.catalogue import CATALOGUE, OPERATORS, find
from refconv.verify.evidence.dual import Dual
from refconv.verify.evidence.kinds import gather
from refconv.verify.evidence.oracle import installed
from refconv.verify.evidence.symbols import Located, vanishes
from refconv.verify.evidence.table import table
from refconv.verify.operator import Derivative

CONV = OPERATORS["conv2d"]


def with_derivative(operator, wrong):
    """Return the operator with another call of its first derivative."""
    first, *others = operator.derivatives
    return replace(operator, derivatives=(Derivative(first.name, first.wrt, wrong), *others))


def shifted_where_strided(dx, a):
    """Return a wrong ∂e/∂x with the correct shape, which is shifted if the stride is not 1."""
    right = dx(a.dy, a.w, a.size, **a.options)
    return right + (np.roll(right, 1, axis=1) - right if a.options.get("stride", 1) != 1 else 0)


@pytest.mark.parametrize("kind", ["symbolic", "numeric", "adjoint"])
@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda dx, a: dx(a.dy, a.w[::-1, ::-1], a.size, **a.options), id="kernel-flipped"),
        pytest.param(lambda dx, a: 2 * dx(a.dy, a.w, a.size, **a.options), id="twice"),
        pytest.param(shifted_where_strided, id="shifted-where-strided"),
        pytest.param(lambda dx, a: dx(a.dy, a.w, a.size, **a.options)[:, :-1], id="shape"),
    ],
)
def test_a_wrong_derivative_is_refuted(kind, wrong):
    outcome = gather(with_derivative(CONV, wrong), kind)
    assert outcome.refuted is not None
    assert "conv2d_dx" in outcome.refuted
    assert "in the case" in outcome.refuted


@pytest.mark.parametrize("kind", ["symbolic", "numeric", "adjoint"])
def test_a_derivative_that_holds_the_variance_constant_is_refuted(kind):
    def constant(grads, a):
        _, mean, var = refconv.batch_norm(a.x, a.gamma, a.beta, **a.options)
        return refconv.batch_norm_inference_grads(a.dy, x=a.x, gamma=a.gamma, mean=mean, var=var, **a.options)

    assert gather(with_derivative(OPERATORS["batch_norm"], constant), kind).refuted is not None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "faulty"),
    [
        pytest.param("batch_norm", lambda a: a.x.ndim == 4 and len(a.x) > 1, id="images"),
        pytest.param("batch_norm", lambda a: a.options["data_format"] == "channels_first", id="channels-first"),
        pytest.param("conv2d", lambda a: a.options.get("padding") == "same_lower", id="same-lower"),
        pytest.param("conv2d", lambda a: a.options.get("groups", 1) > 2, id="groups"),
        pytest.param(
            "depthwise_conv2d", lambda a: max(a.options.get("stride", (1,))) > 1 < max(a.options["dilation"]), id="both"
        ),
        pytest.param("avg_pool2d", lambda a: a.options.get("count_include_pad") and not a.options["ceil_mode"], id="pad"),
        pytest.param("upsample2d", lambda a: a.options.get("mode") == "nearest", id="nearest"),
    ],
)
def test_a_derivative_that_is_wrong_for_some_options_only_is_refuted(name, faulty):
    operator = OPERATORS[name]
    first = operator.derivatives[0]

    def wrong(function, a):
        right = first.call(function, a)
        if not (a.options and {"stride", "data_format", "mode"} & a.options.keys() and faulty(a)):
            return right
        return (2 * right[0], *right[1:]) if isinstance(right, tuple) else 2 * right

    assert gather(with_derivative(operator, wrong), "numeric").refuted is not None


@needs_kernels
def test_a_kernel_that_is_wrong_only_for_long_rows_is_refuted():
    def wide(f, a):
        y = f(a.x)
        return 2 * y if refconv.get_config().engine == "kernels" and a.x.shape[-1:] > (15,) else y

    assert gather(replace(OPERATORS["relu"], forward=wide), "parity").refuted is not None


def kept_sum(y, x, cache, rng):
    return cache.setdefault((y.shape, y.dtype), np.zeros_like(y)).__iadd__(y).copy()


def cached_by_shape(y, x, cache, rng):
    return cache.setdefault((y.shape, y.dtype), y).copy()


def kept_buffer(y, x, cache, rng):
    buffer = cache.setdefault((y.shape, y.dtype), np.zeros_like(y))
    buffer[...] = y
    return buffer


def buffer_of_the_first_type(y, x, cache, rng):
    buffer = cache.setdefault(y.shape, np.zeros_like(y))
    buffer[...] = y
    return buffer.astype(y.dtype)


def wrong_in_2_percent_of_the_calls(y, x, cache, rng):
    return y + y.dtype.type(rng.random() < 0.02)


def argument_overwritten(y, x, cache, rng):
    x[...] = 0
    return y


STATEFUL = [
    kept_sum,
    cached_by_shape,
    kept_buffer,
    buffer_of_the_first_type,
    wrong_in_2_percent_of_the_calls,
    argument_overwritten,
]


@needs_kernels
@pytest.mark.parametrize("engine", ["reference", "numpy", "kernels"])
@pytest.mark.parametrize("version", STATEFUL)
def test_a_function_that_depends_on_more_than_its_arguments_is_refuted(version, engine):
    cache, rng = {}, np.random.default_rng(0)

    def stateful(f, a):
        y = f(a.x)
        return version(y, a.x, cache, rng) if refconv.get_config().engine == engine else y

    outcome = gather(replace(OPERATORS["relu"], forward=stateful, derivatives=()), "parity")
    assert outcome.refuted is not None


@needs_kernels
@pytest.mark.parametrize(
    ("version", "message"),
    [
        (kept_buffer, "a later call changes the result of an earlier one"),
        (wrong_in_2_percent_of_the_calls, "wrong in one call, but right in another with the same input: relu"),
        (argument_overwritten, "the call changes argument 0 in place"),
    ],
)
def test_the_refutation_of_a_function_with_state_describes_the_state(version, message):
    cache, rng = {}, np.random.default_rng(0)
    stateful = replace(
        OPERATORS["relu"],
        forward=lambda f, a: version(f(a.x), a.x, cache, rng),
        derivatives=(),
        cases=lambda: st.just(FIVE_ELEMENTS),
    )
    if version is wrong_in_2_percent_of_the_calls:
        stateful = replace(stateful, cases=OPERATORS["relu"].cases)
    assert message in gather(stateful, "parity").refuted


FIVE_ELEMENTS = Case({"x": (5,)})


def test_a_kernel_that_adds_to_a_kept_buffer_is_wrong_in_its_second_call():
    cache = {}  # the loops are called first and add to it
    with pytest.raises(
        AssertionError, match=r"the second call with the same input gives .*6.*, not .*4.*, at \(1,\): it keeps state"
    ):
        assert_parity(lambda x: kept_sum(np.maximum(x, 0), x, cache, None), np.array([-1.0, 2.0]))


def test_an_operator_that_is_wrong_in_float32_only_is_refuted():
    def doubled(f, a):
        return f(a.x) * (2 if a.x.dtype == np.float32 else 1)

    assert "float64 gives" in gather(replace(OPERATORS["relu"], forward=doubled), "parity").refuted


def test_a_library_that_cannot_be_imported_does_not_count_as_installed(tmp_path, monkeypatch):
    (tmp_path / "broken_library.py").write_text("raise ImportError('undefined symbol')", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert installed(("broken_library", "no_such_library", "numpy")) == ["numpy"]


def test_a_wrong_derivative_at_a_kink_is_refuted():
    def upper(dx, a):
        return dx(a.dy, x=np.where(a.x == 0, 1, a.x), **a.options)

    outcome = gather(with_derivative(OPERATORS["relu"], upper), "symbolic")
    assert "the derivative at 0" in outcome.refuted
    assert gather(with_derivative(OPERATORS["relu"], upper), "numeric").refuted is None


@pytest.mark.slow
@needs_kernels
@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda x: x * (1 + 2e-6), id="rounding"),
        pytest.param(lambda x: x.astype(np.float64), id="type"),
        pytest.param(lambda x: x[:, :-1], id="shape"),
    ],
)
def test_a_kernel_that_differs_from_its_loop_is_refuted(wrong):
    def on_kernels(conv, a):
        y = conv(a.x, a.w, a.b, **a.options)
        return wrong(y) if refconv.get_config().engine == "kernels" else y

    assert "conv2d" in gather(replace(CONV, forward=on_kernels), "parity").refuted


@needs_kernels
def test_a_kernel_that_does_not_write_an_element_is_refuted():
    def incomplete(f, a):
        y = np.empty(a.x.shape, a.x.dtype)
        y[1:] = f(a.x)[1:]
        return y if refconv.get_config().engine == "kernels" else f(a.x)

    operator = replace(OPERATORS["relu"], forward=incomplete, cases=lambda: st.just(Case({"x": (3,)})))
    assert gather(operator, "parity").refuted is not None


def test_an_operator_that_an_oracle_contradicts_is_refuted():
    shifted = replace(
        OPERATORS["convolve1d"], forward=lambda convolve, a: convolve(a.x, a.w[::-1], **a.options), derivatives=()
    )
    assert "conventions gives" in gather(shifted, "oracle").refuted


def test_an_operator_that_raises_is_refuted_with_its_message():
    broken = replace(CONV, forward=lambda conv, a: conv(a.x, a.w, a.b, stride=0))
    assert "stride must be at least 1" in gather(broken, "numeric").refuted


def test_the_table_counts_the_evidence_and_the_refutations(capsys, monkeypatch):
    outcomes = table(["conv1d", "conv1d_dx", "relu"], quick=True, kinds=["symbolic", "numeric"])
    assert [(o.operator, o.kind) for o in outcomes] == [
        *(("conv1d", "symbolic"), ("conv1d", "numeric")),
        *(("relu", "symbolic"), ("relu", "numeric")),
    ]
    assert "operators: 2, pieces of evidence: 4" in capsys.readouterr().out
    wrong = with_derivative(OPERATORS["relu"], lambda dx, a: -dx(a.dy, a.x))
    monkeypatch.setitem(CATALOGUE, "relu", wrong)
    assert any(o.refuted for o in table(["relu"], kinds=["numeric"]))
    assert "1 refuted" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [{"names": ["conv3d"]}, {"kinds": ["magic"]}])
def test_unknown_names_are_refused(arguments):
    with pytest.raises(ValueError, match="must be"):
        table(**arguments)


def test_find_accepts_names_of_derivatives():
    assert find("max_pool2d_dx") is OPERATORS["max_pool2d"]
    assert find("cross_correlate1d").name == "cross_correlate1d"  # also the derivative of convolve1d
    assert find("centred_correlation_dw", CATALOGUE).name == "centred_correlation"
    with pytest.raises(ValueError, match=r"lists, but no layer or optimiser, got 'optim.SGD'$"):
        find("optim.SGD")  # an optimiser cannot be traced or compared with a user's function


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("Conv2D", "; did you mean nn.Conv2D or conv2d?"),
        ("nn.conv2d", "; did you mean nn.Conv2D or conv2d?"),
        ("CONV2D_DX", "; did you mean conv2d_dx?"),
        ("sdg", "; did you mean optim.SGD or sgd?"),
        ("conv2d_dz", "; did you mean conv2d_dx, conv2d_dw or conv2d_db?"),
        ("xyzzy", ""),
        (3, ""),
    ],
)
def test_an_unknown_name_is_refused_with_similar_names(name, names):
    message = f"operator must be a name that `refconv verify` lists, got {name!r}{names}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        find(name, CATALOGUE)


def test_only_operators_are_suggested_if_layers_are_not_accepted():
    with pytest.raises(ValueError, match=r"got 'Conv2D'; did you mean conv2d\?$"):
        check(refconv.conv2d, "Conv2D")


def test_vanishes_recognises_zero_with_roots_and_exponentials_and_nothing_else():
    x, y = sympy.symbols("x y", real=True)
    root = sympy.sqrt(x**2 + y + sympy.Rational(1, 7))
    assert vanishes((x + y) ** 2 - x**2 - 2 * x * y - y**2)
    assert vanishes(x / root - x * root / (x**2 + y + sympy.Rational(1, 7)))
    assert vanishes(sympy.diff(root, x) - x / root)
    assert vanishes(sympy.exp(x) * sympy.exp(-y) - sympy.exp(x - y))
    assert vanishes(sympy.tanh(x) - (1 - sympy.exp(-2 * x)) / (1 + sympy.exp(-2 * x)))
    for wrong in (x, root - x, sympy.exp(x) - 1, x / root - x * root, sympy.Rational(1, 10**9)):
        assert not vanishes(wrong)
    assert not vanishes(root * (x - sympy.Rational(50, 97)))  # zero at the point that vanishes tries first
    assert not vanishes(root / 10**12)


def test_located_symbols_compare_by_their_value_and_compute_as_symbols():
    x, y = Located("x", 1.5), Located("y", -2.0)
    assert x > y
    assert x >= 1.5
    assert y < 0
    assert y <= x
    assert sympy.diff(x**2 * y, x) == 2 * x * y


@pytest.mark.parametrize(
    ("function", "derivative"),
    [
        (lambda x: 3 / x - x / 2, lambda x: -3 / x**2 - 1 / 2),
        (lambda x: (2 - x) * x**3 - 1, lambda x: 6 * x**2 - 4 * x**3),
        (lambda x: -np.exp(x) + np.expm1(x) * np.log(x), lambda x: -np.exp(x) + np.exp(x) * np.log(x) + np.expm1(x) / x),
        (lambda x: np.sqrt(x) * np.tanh(x), lambda x: np.tanh(x) / 2 / np.sqrt(x) + np.sqrt(x) / np.cosh(x) ** 2),
    ],
)
def test_dual_numbers_carry_the_derivative(function, derivative):
    moved = function(Dual(1.75, 10.0))
    np.testing.assert_allclose(moved.value, function(1.75), rtol=1e-14)
    np.testing.assert_allclose(moved.rate, 10 * derivative(1.75), rtol=1e-14)
