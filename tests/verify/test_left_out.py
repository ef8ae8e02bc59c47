"""Cases in which there is nothing to compare are counted; legal cases in which refconv raises are refuted, never dropped."""

import sys
import types
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import strategies as st

from refconv import _core
from refconv.geometry import Window
from refconv.verify import evidence, oracle
from refconv.verify.case import Case
from refconv.verify.catalogue import OPERATORS
from refconv.verify.evidence import gather
from refconv.verify.report import table


def drawing(case):
    """An operator for which this case is drawn again and again."""
    return replace(OPERATORS["max_pool1d"], cases=lambda: st.just(case) | st.just(LEGAL))


LEGAL = Case({"x": (1, 4, 1)}, {"stride": 2}, {"window": 2})
NOTHING = "a window holds nothing but padding"


def test_cases_that_must_be_refused_are_counted_with_their_reason_and_message():
    case = Case({"x": (1, 4, 1)}, {"padding": 2, "stride": 1}, {"window": 2}, refused=NOTHING)
    outcome = gather(drawing(case), "numeric", quick=True)
    assert outcome.refuted is None
    (left_out,) = outcome.left_out
    assert (left_out.reason, left_out.cases) == (NOTHING, 1)
    assert left_out.error.startswith("padding ((2, 2),) makes a window (2,) with stride (1,) and dilation (1,) hold nothing")
    assert outcome.cases == len(OPERATORS["max_pool1d"].fixed[:2]) + 1


def test_a_case_that_is_accepted_but_must_be_refused_is_refuted():
    outcome = gather(drawing(replace(LEGAL, options={"stride": 1}, refused=NOTHING)), "numeric", quick=True)
    assert outcome.refuted.startswith(f"max_pool1d accepts a case in which {NOTHING}\n  in the case x (1, 4, 1)")


@pytest.mark.parametrize("kind", ["numeric", "parity", "oracle"])
@pytest.mark.parametrize("name", ["conv_transpose2d", "max_pool2d", "avg_pool1d", "col2im"])
def test_legal_cases_are_not_dropped_where_the_geometry_raises(name, kind, monkeypatch):
    if kind == "parity" and _core.ISA is None:
        pytest.skip("parity needs kernels")

    def refuse(window, *sizes):
        raise ValueError("no such size")

    operator = replace(OPERATORS[name], fixed=())
    monkeypatch.setattr(Window, "output_size", refuse)
    monkeypatch.setattr(Window, "transposed_output_size", refuse)
    monkeypatch.setattr(evidence, "tables", lambda operator: iter(()))
    assert "raises ValueError" in gather(operator, kind).refuted


def test_an_error_while_a_case_is_drawn_is_refuted():
    def broken(case):
        raise KeyError("no such option")

    operator = replace(OPERATORS["relu"], fixed=(), cases=lambda: st.just(LEGAL).map(broken))
    assert gather(operator, "numeric").refuted == "drawing a case of relu raises KeyError: 'no such option'"


def test_a_library_that_accepts_what_is_refused_is_named(monkeypatch):
    def evaluate(name, a):
        return {"y": np.zeros(1)}

    other = types.SimpleNamespace(evaluate=evaluate)
    monkeypatch.setitem(sys.modules, "refconv.verify.oracles.other_library", other)
    monkeypatch.setattr(oracle, "installed", lambda libraries=(): ["conventions", "other_library"])
    case = Case({"x": (1, 4, 1)}, {"padding": 2, "stride": 1}, {"window": 2}, refused=NOTHING)
    assert oracle.accepting(OPERATORS["max_pool1d"], case) == ["other_library"]
    monkeypatch.setattr(other, "evaluate", lambda name, a: None)
    assert oracle.accepting(OPERATORS["max_pool1d"], case) == []


def test_the_report_counts_what_was_not_compared_and_shows_each_message_once(capsys, monkeypatch):
    case = Case({"x": (1, 4, 1)}, {"padding": 2, "stride": 1}, {"window": 2}, refused=NOTHING)
    monkeypatch.setitem(OPERATORS, "max_pool1d", drawing(case))
    table(["max_pool1d", "relu"], kinds=["numeric"])
    printed = capsys.readouterr().out
    assert "cases not compared: 1\n" in printed
    assert printed.count(f"  max_pool1d: 1 in which {NOTHING}, refused") == 1
    assert printed.count("hold nothing but padding at -2 on axis 0 of an input of size (4,)") == 1
