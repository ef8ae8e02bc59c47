"""Tests that randomly changed ONNX files are loaded or refused."""

import os
import random
import sys

import pytest

import refconv
from outside import benchmark

pytest.importorskip("onnx")
benchmark("fuzzing")  # which onnx_fuzz imports
if not hasattr(os, "fork"):
    pytest.skip("fuzzing needs fork", allow_module_level=True)

import onnx_fuzz  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of a process with threads


def test_unchanged_files_are_loaded_and_each_kind_of_change_occurs(tmp_path):
    protos = onnx_fuzz.seeds()
    for proto in protos:
        (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
        assert onnx_fuzz.outcome(tmp_path / "m.onnx") == "loaded"
    rng = random.Random(0)
    kinds, contents = zip(*(onnx_fuzz.mutated(protos, rng) for _ in range(100)), strict=True)
    assert set(kinds) == set(onnx_fuzz.KINDS)
    assert len(set(contents)) > 80


@pytest.mark.parametrize("error", [KeyError("x"), MemoryError()])
def test_an_error_that_no_check_catches_is_a_fault(monkeypatch, error):
    def fails(path):
        raise error

    monkeypatch.setattr(refconv.onnx, "load", fails)
    counts, crashes = onnx_fuzz.run(2)
    assert not counts
    assert [case for case, _ in crashes] == [0, 1]
    assert all(type(error).__name__ in reason for _, reason in crashes)


def test_an_unexpected_error_inside_the_reader_is_a_fault(monkeypatch):
    reading = sys.modules["refconv.onnx.reading.load"]  # the package has a function of the same name
    monkeypatch.setattr(reading, "fold_transpositions", lambda steps, output: steps[None])
    counts, crashes = onnx_fuzz.run(40)
    assert sum(counts.values()) + len(crashes) == 40
    assert any("an error that no check has caught" in reason for _, reason in crashes)


@pytest.mark.slow
def test_random_changes_never_crash_the_reader(capsys):
    assert onnx_fuzz.main(["--cases", "300", "--seed", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith(" 0 crashes or faults")
