"""Tests that damaged files of PyTorch are refused, and that fuzzing counts all faults."""

import importlib.util
import os
import time
from pathlib import Path

import pytest

import refconv
from outside import benchmark
from refconv import nn

fuzzing, torch_fuzz = benchmark("fuzzing"), benchmark("torch_fuzz")
if not hasattr(os, "fork"):
    pytest.skip("fuzzing needs fork", allow_module_level=True)

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of a process with threads


def outcome_of(read, cases=2):
    """Return the counts and crashes of cases that are read with this function."""
    return fuzzing.run(cases, lambda rng: ("kind", b"content"), lambda: read, "case.bin")


def test_outcomes_are_counted_by_kind():
    results = iter(["loaded", "refused", "refused"])
    assert outcome_of(lambda path: next(results), 3) == ({("kind", "loaded"): 1, ("kind", "refused"): 2}, [])


def unexpected(path):
    raise KeyError(path.read_bytes())


@pytest.mark.parametrize(
    ("read", "reason"),
    [
        (lambda path: os.kill(os.getpid(), 9), "exit status -9"),
        (unexpected, "KeyError: b'content'"),
        (lambda path: fuzzing.refusal(ValueError("damaged"), path), "a refusal without the name of the file: damaged"),
        (lambda path: fuzzing.refusal(ValueError(f"{path}: can't allocate"), path), "a refusal after an allocation"),
    ],
)
def test_crashes_and_faults_are_reported_by_case(read, reason):
    counts, crashes = outcome_of(read)
    assert not counts
    assert [case for case, _ in crashes] == [0, 1]
    assert all(reason in text for _, text in crashes)


def endless(path):
    while True:
        pass


@pytest.mark.parametrize("read", [endless, lambda path: time.sleep(60)])
def test_a_case_that_does_not_end_is_a_crash(monkeypatch, read):
    monkeypatch.setattr(fuzzing, "SECONDS", 0.05)
    monkeypatch.setattr(fuzzing, "WAITING_SECONDS", 0.2 if read is not endless else 60)
    assert outcome_of(read, 1)[1][0][1].startswith("exit status")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is limited on Linux only")
def test_a_case_that_needs_too_much_memory_is_reported(monkeypatch):
    monkeypatch.setattr(fuzzing, "MAX_BYTES", 2**26)
    # More than the allocator may have kept of memory that other tests freed.
    assert "MemoryError" in outcome_of(lambda path: bytes(2**33), 1)[1][0][1]


def test_a_refusal_that_changes_the_network_is_a_fault(tmp_path, monkeypatch):
    model = nn.Dense(3)
    model.build((2,), rng=0)

    def changing(model, path, strict):
        model.parameters["b"].value[...] = 7
        raise refconv.ArgumentError(f"{path} is damaged")

    monkeypatch.setattr(torch_fuzz, "from_torch", changing)
    with pytest.raises(AssertionError):
        torch_fuzz.outcome(tmp_path / "w", model)


def test_valid_files_are_loaded_by_the_network_of_the_fuzzer(tmp_path):
    contents = [torch_fuzz.saved()]
    if importlib.util.find_spec("torch"):
        contents += [torch_fuzz.saved_by_torch(False), torch_fuzz.saved_by_torch(True)]
    for content in contents:
        (tmp_path / "w").write_bytes(content)
        assert torch_fuzz.outcome(tmp_path / "w", torch_fuzz.valid_network()) == "loaded"


def test_damaged_safetensors_files_are_loaded_or_refused(monkeypatch):
    monkeypatch.setattr(torch_fuzz, "SAVED_BY_TORCH", {})
    counts, crashes = torch_fuzz.run(60)
    assert not crashes
    assert {result for _, result in counts} == {"loaded", "refused"}
    assert {kind for kind, _ in counts} == set(torch_fuzz.SAFETENSORS)


@pytest.mark.slow
def test_damaged_files_of_torch_save_are_loaded_or_refused():
    pytest.importorskip("torch")
    counts, crashes = torch_fuzz.run(300, seed=1)
    assert not crashes
    assert {kind for kind, _ in counts} == {*torch_fuzz.SAFETENSORS, *torch_fuzz.SAVED_BY_TORCH}
