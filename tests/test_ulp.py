"""Tests of benchmarks.ulp, which measures rounding errors in units in the last place."""

import numpy as np
import pytest

from evidence import needs_kernels
from outside import benchmark
from refconv import nn

ulp = benchmark("ulp")

pytestmark = [
    needs_kernels,
    pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="the exact results need an 80-bit long double"),
]


def test_half_a_unit_is_the_error_of_a_rounded_number():
    exact = np.longdouble([1 + 2.0**-24, -3])
    assert ulp.largest_error(np.float32(exact), exact, np.abs(exact), np.float32) == 0.5
    assert ulp.largest_error(np.float32([1, -3.5]), exact, np.longdouble(4), np.float32) == 0.5 * 2**21


def test_elements_that_overflow_are_not_compared():
    exact = np.longdouble([1e39, np.nan, 2])
    assert ulp.largest_error(np.float32([np.inf, np.nan, 2]), exact, np.abs(exact), np.float32) == 0


@pytest.mark.parametrize(
    ("name", "most"), [("zero_stuff", 0), ("relu", 0), ("dense", 40), ("fft_convolve1d", 40), ("optim.SGD", 40)]
)
def test_errors_of_an_operator_are_small(name, most):
    for error in ulp.measure(ulp.ROWS[name], 200):
        assert 0 <= error <= most


def test_an_operator_that_rounds_to_half_the_digits_has_a_large_error(monkeypatch):
    exact = ulp.in_long_double
    monkeypatch.setattr(ulp, "in_long_double", lambda *a: {name: y * (1 + 2.0**-13) for name, y in exact(*a).items()})
    assert min(ulp.measure(ulp.ROWS["dense"], 200)) > 100


@pytest.mark.parametrize("kind", ulp.KINDS)
def test_numbers_are_finite_and_have_the_shape(kind):
    x = kind((3, 5), np.random.default_rng(0), np.finfo(np.float32).eps, True)
    assert x.shape == (3, 5)
    assert np.isfinite(x).all()


def test_the_table_has_a_column_for_each_instruction_set_and_type():
    lines = ulp.table({"baseline": {"dense": [1.234, 0]}, "v3": {"dense": [2, 3]}}, ["dense"])
    assert lines[0] == "| operator | unit | baseline, float32 | baseline, float64 | v3, float32 | v3, float64 |"
    assert lines[2] == "| `dense` | Σ | 1.2 | 0 | 2 | 3 |"


def test_weights_of_two_runs_are_compared(tmp_path, capsys):
    for number in range(2):
        model = nn.Dense(2)
        model.build((3,), rng=0)
        model.parameters["w"].value = np.array([[1, 2], [3, 4], [5, 8.0 + number]])
        (tmp_path / str(number)).mkdir()
        model.save(tmp_path / str(number) / "model.safetensors")
    ulp.main(["--compare", str(tmp_path / "0"), str(tmp_path / "1")])
    assert "0.12\n" in capsys.readouterr().out


def test_the_published_table_has_every_operator():
    page = ulp.PAGE.read_text("utf-8")
    rows = page.partition("<!-- python -m benchmarks.ulp -->")[2].partition("<!-- end -->")[0]
    assert [line.split("`")[1] for line in rows.splitlines() if "`" in line] == list(ulp.ROWS)
