"""Tests of formulas in plain text: the formulas of all loops, and each LaTeX construction."""

import inspect
from importlib import import_module

import pytest

from refconv import reference
from refconv.verify.columns import aligned, width
from refconv.verify.lectures.plain import formula, plain

FAMILIES = [import_module(f"refconv.reference.{family}") for family in reference.__all__]
LOOPS = [getattr(family, name) for family in FAMILIES for name in family.__all__]
WITH_FORMULA = [loop for loop in LOOPS if ".. math::" in (inspect.getdoc(loop) or "")]


@pytest.mark.parametrize("loop", WITH_FORMULA, ids=[loop.__name__ for loop in WITH_FORMULA])
def test_the_formulas_of_the_loops_contain_no_latex(loop):
    text = formula(loop)
    assert "=" in text
    assert not set("\\$&~") & set(text)
    assert text.count("[") == text.count("]")
    assert text.count("(") == text.count(")")
    assert "  " not in text
    assert "\n" not in text


def test_a_function_without_a_formula_has_none():
    assert formula(reference.max_pool.wins) == formula(lambda: None) == ""


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        (r"x_i", "x[i]"),
        (r"x_{i+1,\,j}", "x[i+1, j]"),
        (r"\sum_i x_i", "Σ_i x[i]"),
        (r"\sum_{i=1}^{n} x_i", "Σ_{i=1}^n x[i]"),
        (r"\max_{m,n} \; x_m", "max_{m,n} x[m]"),
        (r"\max(0, x)", "max(0, x)"),
        (r"\mathrm{argmax}_{i} = u W + v", "argmax[i] = u · W + v"),
        (r"x_{u W + v}", "x[u·W + v]"),
        (r"a - b \cdot c", "a − b · c"),
        (r"\frac{1}{N} \sum_b x_b", "1 / N · Σ_b x[b]"),
        (r"\frac{a + b}{c}", "(a + b) / c"),
        (r"\frac{a}{b c}", "a / (b · c)"),
        (r"\frac{\partial e}{\partial x_{i}}", "∂e/∂x[i]"),
        (r"\sigma^2_c", "σ²[c]"),
        (r"e^{-x}", "e^(−x)"),
        (r"e^x", "e^x"),
        (r"(a)^{3/2}", "(a)^(3/2)"),
        (r"\sqrt{\sigma^2 + \varepsilon}", "√(σ² + ε)"),
        (r"\hat{x}_c", "x̂[c]"),
        (r"\log \sum_j e^{x_j}", "log Σ_j e^x[j]"),
        (r"\left( a \right)", "(a)"),
        (r"\begin{cases} x & x > 0 \\ 0 & \text{else} \end{cases}", "(x if x > 0; 0 otherwise)"),
        (r"a, \quad \text{zero elsewhere}", "a, zero elsewhere"),
        (r"\unheardof x", "unheardof · x"),
    ],
)
def test_plain_converts_each_latex_construction(latex, text):
    assert plain(latex) == text


def test_columns_are_aligned_whatever_the_width_of_their_characters():
    rows = [["μ̂", 1, ""], ["畳", 20, ""], ["abc", 300, ""]]
    assert aligned(rows, "<><") == ["μ̂      1", "畳    20", "abc  300"]
    assert {width(line) for line in aligned(rows, "<><")} == {8}
