"""Tests of the measurement beside busy processes: turns and output, but no speed."""

import re

import pytest

from evidence import needs_kernels
from outside import benchmark

busy = benchmark("busy")


class Side:
    """Side of a comparison that returns durations from a list."""

    def __init__(self, *times):
        self.times = list(times)

    def seconds(self):
        return self.times.pop(0)


def test_each_side_is_measured_beside_each_number_of_processes_and_the_median_counts():
    sides = {"new": Side(1.0, 3.0, 9.0, 5.0, 2.0, 4.0), "old": Side(10.0, 30.0, 20.0, 50.0, 70.0, 40.0)}
    seconds = busy.measure(sides, [0, 1], rounds=3)
    assert seconds == {("new", 0): 2.0, ("new", 1): 4.0, ("old", 0): 20.0, ("old", 1): 40.0}
    assert [re.findall(r"[\d.]+", line) for line in busy.table(["new"], [0, 1], seconds)] == [
        ["0", "1"],
        ["2.000000", "1.00", "4.000000", "2.00"],
    ]


def test_busy_processes_run_until_the_block_ends(monkeypatch):
    started, popen = [], busy.subprocess.Popen
    monkeypatch.setattr(busy.subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1])
    with busy.busy_processes(2):
        assert [process.poll() for process in started] == [None, None]
    assert all(process.poll() is not None for process in started)


@pytest.mark.slow
@needs_kernels
@pytest.mark.parametrize("entry", ["import", "command"])
def test_epochs_are_trained_from_both_entries(capsys, entry):
    for module in ("tqdm", "matplotlib"):
        pytest.importorskip(module)
    busy.main(["--busy", "0", "--rounds", "1", "--images", "130", "--from", entry, "--rows"])
    heading, line = capsys.readouterr().out.splitlines()
    assert heading == "seconds of an epoch or a call, beside busy processes: 0"
    assert re.fullmatch(rf".*, {entry} +\d+\.\d+ \(1\.00×\)", line)


@pytest.mark.slow
@needs_kernels
def test_operators_are_measured(capsys):
    busy.main(["--busy", "0", "--rounds", "1", "--from", "--rows", busy.ROWS[-1]])
    assert re.fullmatch(rf".*, {busy.ROWS[-1]} +\d+\.\d+ \(1\.00×\)", capsys.readouterr().out.splitlines()[1])


def test_the_measured_rows_exist():
    from benchmarks.rows import ROWS

    assert set(busy.ROWS) <= {row.name for row in ROWS}
