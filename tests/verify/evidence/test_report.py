"""Tests of the report on an outcome: mistake, smallest case, formula and source."""

from dataclasses import replace

from refconv.verify.catalogue import CATALOGUE, LAYERS, OPERATORS
from refconv.verify.evidence.kinds import gather
from refconv.verify.evidence.report import report
from refconv.verify.evidence.table import table, text
from refconv.verify.operator import Derivative

CONV = OPERATORS["conv2d"]


def doubled(operator, position=0):
    """Return the operator with one derivative multiplied by two."""
    first, *others = operator.derivatives[position:]
    wrong = replace(first, call=lambda function, a: 2 * first.call(function, a))
    return replace(operator, derivatives=(*operator.derivatives[:position], wrong, *others))


def test_a_refutation_contains_its_smallest_case():
    largest_first = sorted(CONV.fixed, key=lambda case: -case.elements)
    outcome = gather(replace(doubled(CONV), fixed=tuple(largest_first)), "symbolic")
    assert outcome.case.elements == min(case.elements for case in CONV.fixed)
    assert outcome.refuted.endswith(f"\n  in the case {outcome.case}")
    assert gather(doubled(CONV), "oracle").case is not None


def test_an_outcome_that_is_not_refuted_has_no_case():
    outcome = gather(CONV, "adjoint", quick=True)
    assert outcome.case is None
    assert report(outcome) == f"conv2d, adjoint: ✓ {outcome.cases:3} exact"


def test_the_report_names_the_wrong_derivative_with_its_formula_case_and_statement():
    outcome = gather(doubled(CONV, 1), "symbolic")
    first, *lines = report(outcome).splitlines()
    assert first == "conv2d, symbolic: refuted"
    assert [line.split()[0] for line in lines[1:]] == ["case", "formula", "code", "lectures"]
    assert f"  case       {outcome.case}" in lines
    assert "  formula    conv2d_dw: ∂e/∂w[m,n,c,o] = Σ_{b,i,j} x[b, i·S + m·D, j·S + n·D, c] · ∂e/∂y[b,i,j,o]" in lines
    assert "  lectures   B3   ∂e/∂w_ij = Σ_{k,l} ∂e/∂z_kl x_{k+i, l+j}" in lines
    assert any(line.startswith("  code       refconv/reference/conv.py:") for line in lines)


def test_the_report_of_an_oracle_names_the_derivative_that_it_contradicts():
    assert "  formula    conv2d_dx: " in report(gather(doubled(CONV), "oracle"))


def test_the_report_of_a_wrong_output_cites_the_publication():
    wrong = replace(CONV, forward=lambda conv, a: 2 * conv(a.x, a.w, a.b, **a.options))
    assert '  source     LeCun et al., "Gradient-based learning applied to document recognition", 1998' in report(
        gather(wrong, "oracle")
    )


def test_the_report_of_a_layer_contains_its_formula():
    layer = LAYERS["nn.Dense"]
    wrong = replace(layer, forward=lambda function, a: -layer.forward(function, a))
    text = report(gather(wrong, "symbolic"))
    assert text.startswith("nn.Dense, symbolic: refuted\n")
    assert f"  formula    nn.Dense: {layer.formula}" in text


def test_an_operator_outside_the_catalogue_is_reported_without_a_source():
    unknown = replace(
        CONV, name="relu", derivatives=(Derivative("relu_dx", ("x",), lambda dx, a: -a.x),), forward=lambda relu, a: relu(a.x)
    )
    outcome = replace(gather(unknown, "numeric"), operator="unknown", refuted="unknown is wrong")
    assert report(outcome).splitlines()[-1].startswith("  case ")


def test_the_table_of_outcomes_is_in_the_order_of_the_catalogue_and_marks_refutations():
    outcomes = [gather(doubled(OPERATORS["relu"]), "numeric"), gather(OPERATORS["conv1d"], "adjoint", quick=True)]
    head, first, second, *foot = text(outcomes, 1.0).splitlines()
    assert head.split() == ["numeric", "adjoint"]
    assert first.split()[0] == "conv1d"
    assert second.split() == ["relu", "✗"]
    assert foot[-1].startswith("operators: 2, pieces of evidence: 1, cases: 3; 1 refuted")


def test_the_printed_table_reports_refutations(monkeypatch, capsys):
    monkeypatch.setitem(CATALOGUE, "relu", doubled(OPERATORS["relu"]))
    table(["relu"], kinds=["numeric"])
    assert "\n  relu, numeric: refuted\n" in capsys.readouterr().out
