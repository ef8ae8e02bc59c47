"""Tests of the measurement of the start-up: its commands and output, but no durations."""

import re
from pathlib import Path

import pytest

import refconv
from outside import benchmark

ROOT = Path(refconv.__file__).parents[1]
startup = benchmark("startup")


def test_minimum_and_median_of_each_statement_are_printed_in_milliseconds():
    heading, line = startup.import_table({"import numpy": [0.003, 0.001, 0.0045, 0.002]})
    assert heading.split() == ["milliseconds", "minimum", "median"]
    assert line.split() == ["import", "numpy", "1.0", "2.5"]


def test_imports_are_measured_in_new_processes(capsys):
    startup.main(["import", "--processes", "2"])
    printed = capsys.readouterr().out.splitlines()[1:]
    assert [line[:24].rstrip() for line in printed] == [*startup.STATEMENTS, "all of these"]
    minima = [float(line.split()[-2]) for line in printed]
    assert minima[0] > 1  # NumPy is imported again in each process
    assert minima[-1] >= sum(minima[:-1]) - 0.5


def test_a_build_compiles_a_copy_without_compiled_files(monkeypatch, tmp_path):
    (tmp_path / "refconv/_core/isa/v3").mkdir(parents=True)
    for name in ("setup.py", ".secret", "refconv/_core/direct.pyx", "refconv/_core/isa/v3/direct.so"):
        (tmp_path / name).touch()
    (tmp_path / "build").mkdir()
    copied = []

    def timed(command, folder):
        copied.extend(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())
        return " ".join(command)

    monkeypatch.setattr(startup, "ROOT", tmp_path)
    monkeypatch.setattr(startup, "timed", timed)
    assert startup.build() == "setup.py build_ext --inplace"
    assert sorted(copied) == ["refconv/_core/direct.pyx", "setup.py"]


@pytest.mark.parametrize(("options", "command"), [([], "pytest -q"), (["--all"], "pytest -q --all")])
def test_both_lanes_can_be_measured(monkeypatch, capsys, options, command):
    monkeypatch.setattr(startup, "timed", lambda command, folder: f"{folder == ROOT} {command}")
    startup.main(["tests", *options])
    assert capsys.readouterr().out == f"{command}: True {['-m', *command.split()]}\n"


def test_elapsed_and_processor_time_of_a_command_are_printed(tmp_path):
    text = startup.timed(["-c", "sum(range(10**6))"], tmp_path)
    assert re.fullmatch(r"\d+ s elapsed, \d+ s of processor time", text)


def test_a_command_that_fails_ends_the_measurement_with_its_output(tmp_path):
    with pytest.raises(SystemExit, match=r"(?s)-c import nowhere failed:.*No module named 'nowhere'"):
        startup.timed(["-c", "import nowhere"], tmp_path)


def test_an_unknown_part_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        startup.main(["lanes"])
    assert "PART must be one of import, build, tests, got 'lanes'" in capsys.readouterr().err
