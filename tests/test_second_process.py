"""Tests of the second process: which tests it runs, and that their results are reported.

Each test runs pytest in a separate process, with copies of the files that start the second process. The second process begins
with the last file, and the first process waits in its first test until the second one has run that file.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import second_process
from second_process import MIN_TESTS

TESTS = Path(__file__).parent
COPIED = ("conftest.py", "second_process.py")
FIRST = """
import os, pathlib, pytest, time, tracemalloc

def test_first():
    pathlib.Path("first.txt").write_text(str(os.getpid()), "utf-8")
    while not pathlib.Path(os.environ["AWAITED"]).exists():
        time.sleep(0.1)

@pytest.mark.skipif("os.environ.get('FAIL') is None")
def test_fails_while_the_second_process_works():
    assert 0

@pytest.mark.skipif("os.environ.get('PRINT') is None")
def test_measures_memory_while_the_second_process_ends(request):
    (second,) = (value for value in request.config.stash._storage.values() if type(value).__name__ == "SecondProcess")
    tracemalloc.start()
    second._future.result()
    assert tracemalloc.get_traced_memory()[1] < int(os.environ["PRINT"])
"""
MIDDLE = f"""
import pytest

@pytest.mark.parametrize("number", range({MIN_TESTS}))
def test_passes(number):
    pass
"""
LAST = """
import os, pathlib, pytest, time, warnings

def test_last():
    pathlib.Path("last.txt").write_text(str(os.getpid()), "utf-8")

def test_fails():
    print("printed before the failure", "-" * int(os.environ.get("PRINT", 0)))
    assert 2 * 3 == 7

@pytest.mark.skip(reason="not today")
def test_is_skipped():
    pass

@pytest.mark.parametrize("value", [object()], ids=repr)
def test_has_an_id_that_differs_between_the_processes(value):
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
        pathlib.Path("stopped.txt").touch()
        os._exit(1)

@pytest.mark.skipif("os.environ.get('FAIL') is None")
def test_sleeps():
    pathlib.Path("last.txt").write_text(str(os.getpid()), "utf-8")
    time.sleep(1000)
"""
FILES = {"test_1.py": FIRST, "test_2.py": MIDDLE, "test_3.py": LAST}

pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path):
    """Return a function that runs pytest on the tests above.

    It returns the output and the numbers of the processes that ran the first and the last tests. ``AWAITED`` is the file that
    the first test waits for.
    """
    (tmp_path / "tests").mkdir()
    for name in COPIED:
        shutil.copy(TESTS / name, tmp_path / "tests")
    for name, text in FILES.items():
        (tmp_path / "tests" / name).write_text(text, encoding="utf-8")
    settings = "[pytest]\ntestpaths = tests\npythonpath = tests\naddopts = -p no:cacheprovider -ra --import-mode=importlib\n"
    (tmp_path / "pytest.ini").write_text(settings, encoding="utf-8")

    def outcome(*arguments, **environment):
        command = [sys.executable, "-X", "utf8", "-m", "pytest", *arguments]
        options = {"cwd": tmp_path, "capture_output": True, "encoding": "utf-8", "timeout": 300}
        environment = {**os.environ, "AWAITED": "last.txt", **environment}
        printed = subprocess.run(command, **options, env=environment).stdout
        numbers = [(tmp_path / f"{name}.txt").read_text("utf-8") for name in ("first", "last")]
        return printed, *numbers

    return outcome


PASSED = MIN_TESTS + 5
COUNTS = f"1 failed, {PASSED} passed, 5 skipped, 1 xfailed, 1 warning, 1 error in"


def test_results_of_the_second_process_are_reported_like_others(run):
    printed, first, last = run()
    assert first != last
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
    assert sorted(names) == [f"tests/test_3.py::test_{name}" for name in ("fails", "has_a_broken_fixture")]


ONE_PROCESS = [["--pdb"], ["-s"], ["--basetemp=files"], ["--log-file=log.txt"], ["--deselect=tests/test_2.py"]]


@pytest.mark.parametrize("arguments", ONE_PROCESS, ids=" ".join)
def test_some_options_and_few_tests_need_one_process(run, arguments):
    _, first, last = run(*arguments, "-k", "first or passes or test_last", AWAITED="tests")
    assert first == last


@pytest.mark.parametrize("arguments", [[], ["tests"]], ids=["no folder", "a folder"])
def test_options_apply_in_both_processes(run, arguments):
    printed, first, last = run(*arguments, "-k", "first or passes or test_last")
    assert first != last
    assert f"{MIN_TESTS + 2} passed, 11 deselected in" in printed


def test_tests_of_a_process_that_ended_run_again(run):
    printed, first, last = run(STOP="1", AWAITED="stopped.txt")
    assert first == last
    assert COUNTS.replace(f"{PASSED} passed, 5", f"{PASSED + 1} passed, 4") in printed


def test_tests_run_again_if_a_report_cannot_be_sent(run):
    printed, first, last = run(LAMBDA="1")
    assert first == last
    assert COUNTS in printed


def test_a_run_that_ends_early_ends_the_second_process(run):
    printed, first, last = run("-x", FAIL="1")
    assert first != last
    assert "1 failed, 1 passed in" in printed


def test_the_second_process_runs_no_further_tests_after_the_first_was_killed(tmp_path, monkeypatch):
    recorder = second_process.Recorder(tmp_path, {"a": 0, "b": 1})
    first = SimpleNamespace(is_alive=lambda: True)
    monkeypatch.setattr(second_process, "parent_process", lambda: first)
    assert recorder.pytest_runtest_protocol(SimpleNamespace(nodeid="b")) is None
    first.is_alive = lambda: False
    assert recorder.pytest_runtest_protocol(SimpleNamespace(nodeid="a")) is True


def test_results_of_the_second_process_do_not_count_as_memory_of_a_test(run):
    printed, first, last = run(PRINT="3000000")
    assert first != last
    assert COUNTS.replace(f"{PASSED} passed, 5", f"{PASSED + 1} passed, 4") in printed
