"""Test lanes: ``pytest`` skips tests marked ``slow``, ``pytest --all`` runs every test.

Without ``--all``, Hypothesis draws fewer cases. After both lanes, a table of operators × evidence is printed. It contains the
outcomes that ``tests/verify/evidence/test_evidence.py`` records.
"""

import gc
import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Tests and doctests import the experiments, which are not installed. This folder is appended to the end of the path, so that
# an installed refconv takes precedence over the one in this folder.
sys.path.append(str(Path(__file__).parent))

# If the compiler's OpenMP runs the kernels, waiting threads must sleep: on a busy machine, thousands of tiny kernels whose
# threads spin take ten times as long. OpenMP reads the variable when the first kernel module is loaded, so it is set before
# refconv is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Every run draws the same cases. Without deadlines, tests also pass beside other load and in an emulator. A test that sets its
# own number of cases uses `max_examples` of tests/strategies.py.
FULL_EXAMPLES, FAST_EXAMPLES = 40, 10
COMMON = {"deadline": None, "derandomize": True, "print_blob": True, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("full", max_examples=FULL_EXAMPLES, **COMMON)
settings.register_profile("fast", max_examples=FAST_EXAMPLES, **COMMON)

SKIPPED = pytest.StashKey[int]()


def pytest_addoption(parser):
    """Add the option ``--all``."""
    parser.addoption("--all", action="store_true", help="run the slow tests too, and draw more cases (takes minutes)")


@pytest.hookimpl(tryfirst=True)  # before Hypothesis loads the profile that --hypothesis-profile names
def pytest_configure(config):
    """Register the marker ``slow`` and choose the number of cases that Hypothesis generates."""
    config.addinivalue_line("markers", "slow: not run by plain pytest; run by pytest --all, by -m and by node id")
    settings.load_profile("full" if config.getoption("all") else "fast")


@pytest.hookimpl(wrapper=True)
def pytest_collection(session):
    """Disable the garbage collector during the collection.

    It takes a fifth of that time, since the heap grows, and finds little garbage. The collected tests are not frozen with
    ``gc.freeze``: Hypothesis 6.100 looks for the owner of NumPy's generator, and does not find it among frozen objects.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.hookimpl(trylast=True)  # after -k, so that only selected tests are counted
def pytest_collection_modifyitems(config, items):
    """Deselect the slow tests, unless --all, -m or a node id is given."""
    if config.getoption("all") or config.getoption("markexpr") or any("::" in name for name in config.args):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        items[:] = [item for item in items if not item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)
        config.stash[SKIPPED] = len(slow)


@pytest.hookimpl(wrapper=True, tryfirst=True)  # the outermost wrapper, so that the table is printed last
def pytest_terminal_summary(terminalreporter, config):
    """Print the table of evidence, the number of skipped tests and the names of failed tests.

    pytest has printed the names above the table, where the end of a long log does not show them.
    """
    result = yield
    outcomes = [
        outcome
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, outcome in report.user_properties
        if name == "evidence"
    ]
    if outcomes:
        from refconv.verify.evidence.table import text

        terminalreporter.section("evidence")
        terminalreporter.write_line(text(outcomes, sum(outcome.seconds for outcome in outcomes)))
    if number := config.stash.get(SKIPPED, 0):
        terminalreporter.write_line(f"{number:,} slow test{'s' * (number > 1)} not run: pytest --all")
    for outcome in ("failed", "error"):
        for report in terminalreporter.getreports(outcome):
            terminalreporter.write_line(f"{outcome}: {report.nodeid}", red=True)
    return result
