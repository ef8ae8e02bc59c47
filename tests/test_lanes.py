"""Tests of the two test lanes of ../conftest.py.

Each test runs pytest in a separate process, with a copy of that file.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from strategies import max_examples

CONFTEST = Path(__file__).parents[1] / "conftest.py"
TESTS = """
import pytest
from hypothesis import settings
from refconv.verify.evidence.kinds import Outcome

def test_evidence(record_property):
    record_property("evidence", Outcome("conv1d", "adjoint", 3, 0.0, 0.1))

def test_wrong_evidence(record_property):
    record_property("evidence", Outcome("relu", "numeric", 7, 1e-9, 0.1, "relu_dx: wrong"))
    pytest.fail()

@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 2])
def test_slow(number):
    assert settings.default.max_examples == 40

@pytest.fixture
def fault():
    yield
    pytest.fail()

@pytest.mark.slow
def test_with_error(fault):
    pass
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CONFTEST.is_file(), reason="an installed package has no conftest.py"),
]


@pytest.fixture
def run(tmp_path):
    """Return a function that runs pytest on the tests above and returns its output."""
    shutil.copy(CONFTEST, tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider -ra", encoding="utf-8")
    (tmp_path / "test_few.py").write_text(TESTS, encoding="utf-8")

    def printed(*arguments):
        command = [sys.executable, "-X", "utf8", "-m", "pytest", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=300).stdout

    return printed


def test_plain_pytest_counts_slow_tests_and_ends_with_the_table_and_the_failures(run):
    *lines, failure, last = run().splitlines()
    assert failure == "failed: test_few.py::test_wrong_evidence"
    assert re.search(r"1 failed, 1 passed, 3 deselected", last)
    table = lines[lines.index(next(line for line in lines if "= evidence =" in line)) + 1 :]
    assert table[0].split() == ["numeric", "adjoint"]
    assert [line.split() for line in table[1:3]] == [["conv1d", "✓", "3", "exact"], ["relu", "✗"]]
    assert "operators: 2, pieces of evidence: 1, cases: 3; 1 refuted, 0 s" in table
    assert table[-1] == "3 slow tests not run: pytest --all"


def test_all_runs_slow_tests_with_all_examples(run):
    printed = run("--all")
    assert "1 failed, 4 passed, 1 error" in printed
    assert "error: test_few.py::test_with_error" in printed.splitlines()
    assert "slow tests not run" not in printed


@pytest.mark.parametrize(
    ("arguments", "counts", "without"),
    [
        (["test_few.py::test_slow[1]"], "1 failed", "evidence"),  # it runs, and the fast lane draws fewer examples
        (["-m", "slow"], "2 failed, 1 passed, 2 deselected, 1 error", "evidence"),
        (["-k", "slow and 1"], "5 deselected", "evidence"),
        (["-k", "wrong"], "1 failed, 4 deselected", "conv1d"),
    ],
)
def test_a_selection_runs_the_slow_tests_that_it_names_and_prints_only_their_rows(run, arguments, counts, without):
    printed = run(*arguments)
    assert counts in printed
    assert without not in printed


def test_explicit_numbers_of_examples_are_scaled_with_the_lane():
    running = settings.default.max_examples
    assert max_examples(200).max_examples == 5 * running
    assert max_examples(1).max_examples == 1
