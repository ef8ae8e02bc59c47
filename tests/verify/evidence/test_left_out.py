"""Tests of cases without a comparison: they are counted, and valid cases are never dropped."""

import re
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import strategies as st

from refconv import _core
from refconv.geometry import Window
from refconv.verify.case import Case
from refconv.verify.catalogue import CATALOGUE, OPERATORS
from refconv.verify.evidence import kinds, oracle
from refconv.verify.evidence.kinds import gather
from refconv.verify.evidence.table import table
from refconv.verify.operator import Refuted

POOLS = ("max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d")


ONLY_PADDING = "a window contains only padding"
REFUSED = Case({"x": (1, 4, 1)}, {"padding": 2, "stride": 1}, {"kernel_size": 2}, refused=ONLY_PADDING)


def refusing(case):
    """Return an operator that must refuse this case."""
    return replace(OPERATORS["max_pool1d"], refused_cases=lambda: st.just(case))


def test_refused_cases_are_counted_with_their_reason_and_message():
    outcome = gather(refusing(REFUSED), "oracle")
    assert outcome.refuted is None
    left_out = outcome.left_out[0]
    assert (left_out.reason, left_out.cases) == (ONLY_PADDING, 1)
    assert left_out.error.startswith("padding must leave an input element in each window, got only padding at -2")


def test_an_operator_that_accepts_a_case_it_must_refuse_is_refuted():
    accepted = replace(REFUSED, options={"stride": 1})
    refuted = gather(refusing(accepted), "oracle").refuted
    assert refuted.startswith(f"max_pool1d accepts a case in which {ONLY_PADDING}\n  in the case x (1, 4, 1)")


def test_quick_evidence_checks_cases_that_must_be_refused():
    accepted = replace(REFUSED, options={"stride": 1})
    refuted = gather(refusing(accepted), "oracle", quick=True).refuted
    assert refuted.startswith(f"max_pool1d accepts a case in which {ONLY_PADDING}")
    assert gather(refusing(REFUSED), "oracle", quick=True).left_out[0].cases == 1


@pytest.mark.parametrize("name", ["conv_transpose1d", "conv_transpose2d", *POOLS])
def test_each_operator_with_refused_cases_refuses_them(name):
    outcome = gather(OPERATORS[name], "oracle")
    assert outcome.refuted is None
    assert outcome.left_out[0].cases >= 10
    assert outcome.left_out[0].error


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["numeric", "parity", "oracle"])
@pytest.mark.parametrize("name", ["conv_transpose2d", "max_pool2d", "avg_pool1d", "col2im"])
def test_valid_cases_are_not_dropped_if_the_geometry_raises(name, kind, monkeypatch):
    if kind == "parity" and _core.ISA is None:
        pytest.skip("parity needs kernels")

    def refuse(window, *sizes):
        raise ValueError("no such size")

    operator = replace(OPERATORS[name], fixed=())
    monkeypatch.setattr(Window, "output_size", refuse)
    monkeypatch.setattr(Window, "transposed_output_size", refuse)
    monkeypatch.setattr(kinds, "tables", lambda operator: iter(()))
    assert re.search("raises (Argument)?ValueError", gather(operator, kind).refuted)


def test_an_error_while_a_case_is_drawn_counts_as_a_refutation():
    def broken(case):
        raise KeyError("no such option")

    operator = replace(OPERATORS["relu"], fixed=(), cases=lambda: st.just(REFUSED).map(broken))
    assert gather(operator, "numeric").refuted == "drawing a case of relu raises KeyError: 'no such option'"


def test_a_library_that_accepts_a_refused_case_is_named(monkeypatch):
    def evaluate(name, a):
        return {"y": np.zeros(1)}

    other = types.SimpleNamespace(evaluate=evaluate)
    monkeypatch.setitem(sys.modules, "refconv.verify.evidence.oracles.other_library", other)
    monkeypatch.setattr(oracle, "installed", lambda libraries=(): ["conventions", "other_library"])
    assert oracle.accepting(OPERATORS["max_pool1d"], REFUSED) == ["other_library"]
    monkeypatch.setattr(other, "evaluate", lambda name, a: None)
    assert oracle.accepting(OPERATORS["max_pool1d"], REFUSED) == []


def test_an_error_of_a_library_is_not_blamed_on_the_operator(monkeypatch):
    def evaluate(name, a):
        raise RuntimeError("no such size")

    monkeypatch.setitem(sys.modules, "refconv.verify.evidence.oracles.other_library", types.SimpleNamespace(evaluate=evaluate))
    with pytest.raises(Refuted, match="relu returns a result, but other_library raises RuntimeError: no such size"):
        oracle.oracle(OPERATORS["relu"], Case({"x": (3,)}), ["other_library"])


def test_the_report_counts_the_cases_not_compared_and_shows_each_message_once(capsys, monkeypatch):
    monkeypatch.setitem(CATALOGUE, "max_pool1d", refusing(REFUSED))
    monkeypatch.setattr(kinds, "written_tests", lambda operator, left_out: left_out.extend(["A", "B", "A"]) or ())
    table(["max_pool1d", "relu"], kinds=["oracle"])
    printed = capsys.readouterr().out
    assert "cases not compared: 7\n" in printed
    assert printed.count(f"  max_pool1d: 1 in which {ONLY_PADDING}, refused") == 1
    assert printed.count("got only padding at -2 on axis 0 with window") == 1
    assert "  relu: 2 in which an ONNX test requires A\n" in printed
