"""Two test lanes: ``pytest`` skips the tests marked ``slow``, ``pytest --all`` runs every test.

Hypothesis draws fewer cases without ``--all``. Both lanes end with the table operator × evidence, made of the outcomes that
``tests/verify/evidence/test_evidence.py`` records.
"""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# Tests and doctests import the experiments, which are not installed. The folder comes last in the list, so that an installed
# refconv takes precedence over this folder's.
sys.path.append(str(Path(__file__).parent))

# Where the compiler's OpenMP runs the kernels, waiting threads must sleep: on a busy machine, thousands of tiny kernels that
# spin take ten times as long. It reads this when the first kernel module is loaded, so it is set before refconv is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# The same cases in every run, and no deadlines. `max_examples` in tests/strategies.py is for tests with a number of their own.
FULL_EXAMPLES, FAST_EXAMPLES = 40, 10
COMMON = {"deadline": None, "derandomize": True, "print_blob": True}
settings.register_profile("full", max_examples=FULL_EXAMPLES, **COMMON)
settings.register_profile("fast", max_examples=FAST_EXAMPLES, **COMMON)

SKIPPED = pytest.StashKey[int]()


def pytest_addoption(parser):
    parser.addoption("--all", action="store_true", help="run the slow tests too, and draw more cases (takes minutes)")


@pytest.hookimpl(tryfirst=True)  # before Hypothesis loads the profile of --hypothesis-profile
def pytest_configure(config):
    config.addinivalue_line("markers", "slow: not run by plain pytest; run by pytest --all, by -m and by node id")
    settings.load_profile("full" if config.getoption("all") else "fast")


@pytest.hookimpl(trylast=True)  # after -k, so that only selected tests are counted
def pytest_collection_modifyitems(config, items):
    """Deselect the slow tests, unless a test is named by its node id or -m selects by marker."""
    if config.getoption("all") or config.getoption("markexpr") or any("::" in name for name in config.args):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        items[:] = [item for item in items if not item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)
        config.stash[SKIPPED] = len(slow)


@pytest.hookimpl(wrapper=True, tryfirst=True)  # outermost, so that the table is the last thing printed
def pytest_terminal_summary(terminalreporter, config):
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
    return result
