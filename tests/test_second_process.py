"""Tests of the second process: which tests it runs, and that their results are reported.

Each test runs pytest in a separate process, with copies of the files that start the second process.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from second_process import MIN_TESTS

TESTS = Path(__file__).parent
COPIED = ("conftest.py", "second_process.py")
DELEGATED = f"""
import os, pathlib, pytest, time, warnings

@pytest.mark.parametrize("number", range({MIN_TESTS}))
def test_passes(number):
    pathlib.Path("delegated.txt").write_text(str(os.getpid()), "utf-8")
    time.sleep(1000 if "FAIL" in os.environ else 0)

def test_fails():
    print("printed before the failure", "-" * int(os.environ.get("PRINT", 0)))
    assert 2 * 3 == 7

@pytest.mark.skip(reason="not today")
def test_is_skipped():
    pass

@pytest.mark.xfail(strict=True)
def test_is_expected_to_fail():
    assert 0

@pytest.fixture
def broken():
    raise OSError("no such device")

def test_has_a_broken_fixture(broken):
    pass

def test_warns():
    warnings.warn("deprecated argument", DeprecationWarning)

def test_has_a_property(record_property):
    record_property("function", (lambda: 0) if "LAMBDA" in os.environ else 0)

@pytest.mark.skipif("os.environ.get('STOP') is None")
def test_ends_the_process_that_was_started():
    if os.getppid() == int(pathlib.Path("first.txt").read_text("utf-8")):
        os._exit(1)
"""
FIRST = """
import os, pathlib, pytest, time, tracemalloc

def test_runs_in_the_process_that_was_started_first():
    pathlib.Path("first.txt").write_text(str(os.getpid()), "utf-8")

@pytest.mark.skipif("os.environ.get('FAIL') is None")
def test_fails_while_the_second_process_waits():
    while not pathlib.Path("delegated.txt").exists():
        time.sleep(0.1)
    assert 0

@pytest.mark.skipif("os.environ.get('PRINT') is None")
def test_measures_memory_while_the_second_process_ends(request):
    (delegated,) = (value for value in request.config.stash._storage.values() if type(value).__name__ == "Delegated")
    tracemalloc.start()
    delegated._future.result()
    assert tracemalloc.get_traced_memory()[1] < int(os.environ["PRINT"])
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path):
    """Return a function that runs pytest on the tests above.

    It returns the output and the numbers of the processes that ran the first and the delegated tests.
    """
    (tmp_path / "tests/reference").mkdir(parents=True)
    for name in COPIED:
        shutil.copy(TESTS / name, tmp_path / "tests")
    (tmp_path / "tests/reference/test_delegated.py").write_text(DELEGATED, encoding="utf-8")
    (tmp_path / "tests/test_first.py").write_text(FIRST, encoding="utf-8")
    settings = "[pytest]\ntestpaths = tests\npythonpath = tests\naddopts = -p no:cacheprovider -ra --import-mode=importlib\n"
    (tmp_path / "pytest.ini").write_text(settings, encoding="utf-8")

    def outcome(*arguments, **environment):
        command = [sys.executable, "-X", "utf8", "-m", "pytest", *arguments]
        options = {"cwd": tmp_path, "capture_output": True, "encoding": "utf-8", "timeout": 300}
        printed = subprocess.run(command, **options, env={**os.environ, **environment}).stdout
        numbers = [(tmp_path / f"{name}.txt").read_text("utf-8") for name in ("first", "delegated")]
        return printed, *numbers

    return outcome


COUNTS = f"1 failed, {MIN_TESTS + 3} passed, 4 skipped, 1 xfailed, 1 warning, 1 error in"


def test_results_of_the_second_process_are_reported_like_others(run):
    printed, first, delegated = run()
    assert first != delegated
    assert COUNTS in printed
    for text in (
        "assert (2 * 3) == 7",
        "printed before the failure",
        "OSError: no such device",
        "not today",
        ": DeprecationWarning: deprecated argument",
    ):
        assert text in printed
    names = re.findall(r"^(?:FAILED|ERROR) (\S+)", printed, re.MULTILINE)
    assert sorted(names) == [f"tests/reference/test_delegated.py::test_{name}" for name in ("fails", "has_a_broken_fixture")]


@pytest.mark.parametrize("arguments", [["tests"], ["--pdb"], ["--basetemp=files"], ["--log-file=log.txt"]])
def test_some_options_need_one_process(run, arguments):
    _, first, delegated = run(*arguments, "-k", "passes or first")
    assert first == delegated


def test_options_apply_in_both_processes(run):
    printed, first, delegated = run("-k", "passes or first")
    assert first != delegated
    assert f"{MIN_TESTS + 1} passed, 2 skipped, 7 deselected in" in printed


def test_tests_of_a_process_that_ended_run_again(run):
    printed, first, delegated = run(STOP="1")
    assert first == delegated
    assert COUNTS.replace(f"{MIN_TESTS + 3} passed, 4", f"{MIN_TESTS + 4} passed, 3") in printed


def test_tests_run_again_if_a_report_cannot_be_sent(run):
    printed, first, delegated = run(LAMBDA="1")
    assert first == delegated
    assert COUNTS in printed


def test_a_run_that_ends_early_ends_the_second_process(run):
    printed, first, delegated = run("-x", FAIL="1")
    assert first != delegated
    assert "1 failed, 1 passed in" in printed


def test_results_of_the_second_process_do_not_count_as_memory_of_a_test(run):
    printed, first, delegated = run(PRINT="3000000")
    assert first != delegated
    assert COUNTS.replace(f"{MIN_TESTS + 3} passed, 4", f"{MIN_TESTS + 4} passed, 3") in printed
