"""Tests of benchmarks.digests, which lists the results that a change of the code changes."""

import json

import numpy as np
import pytest

from benchmarks import digests
from benchmarks.rows import chosen
from evidence import needs_kernels
from refconv import get_config


@pytest.fixture
def tasks(monkeypatch):
    """Replace the computations by two arrays on one instruction set; return the arrays by name."""
    arrays = {"a": np.array([1.0, 2.0]), "b": np.array([[3.0]])}
    monkeypatch.setattr(digests._core, "instruction_sets", lambda: ["v3"])
    monkeypatch.setattr(
        digests, "measure_in_subprocess", lambda isa: {name: digests.digest([array]) for name, array in arrays.items()}
    )
    return arrays


@pytest.mark.parametrize(
    "changed", [[[np.nextafter(3.0, 4.0)]], [3.0], np.array([[3.0]], np.float32)], ids=["one bit", "shape", "dtype"]
)
def test_compare_lists_a_changed_bit_shape_or_dtype(tasks, tmp_path, capsys, changed):
    file = tmp_path / "before.json"
    assert digests.main(["write", str(file)]) == 0
    assert digests.main(["compare", str(file)]) == 0
    tasks["b"] = np.asarray(changed)
    assert digests.main(["compare", str(file)]) == 1
    printed = capsys.readouterr().out
    assert "changed: v3: b\n2 digests before, 2 now, 1 changed\n" in printed
    assert "v3: a" not in printed


def test_compare_lists_results_that_are_new_or_no_longer_computed(tasks, tmp_path, capsys):
    file = tmp_path / "before.json"
    digests.main(["write", str(file)])
    assert len(json.loads(file.read_text(encoding="utf-8"))) == 2
    tasks["c"] = tasks.pop("a")
    assert digests.main(["compare", str(file)]) == 1
    assert "no longer computed: v3: a\nnew: v3: c\n" in capsys.readouterr().out


def test_a_result_that_depends_on_the_threads_is_an_error():
    with pytest.raises(RuntimeError, match="the result of sum must not depend on the number of threads"):
        digests.measure([("sum", lambda: [np.array(get_config().threads)])])


@needs_kernels
def test_rows_of_layers_are_computed_in_both_float_types():
    tasks = list(digests.row_tasks([*chosen(["max pool 2x2"]), *chosen(["LeNet-5"])]))
    assert [name for name, _ in tasks] == [
        f"{dtype} max pool 2×2, {work}" for work in ("forward", "backward") for dtype in ("float32", "float64")
    ]
    assert len(set(digests.measure(tasks).values())) == 4
