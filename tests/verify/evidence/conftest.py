"""Fixtures and hooks that gather evidence in a second process, started after collection."""

import pytest

from gathering import Gathering

GATHERING = pytest.StashKey[Gathering]()
MIN_TASKS = 20  # fewer tests of evidence finish before a second process has imported everything
DRAWN = ("numeric", "parity")  # kinds whose cases are drawn at random, so that more cases are stronger evidence


def task(operator, kind, config):
    """Return the name, the kind and whether to try fewer cases.

    Each operator is proved completely in both lanes. A layer calls operators, so two of its cases are enough in the fast lane.
    """
    fewer = kind in DRAWN or (kind == "symbolic" and operator.name.startswith("nn."))
    return operator.name, kind, fewer and not config.getoption("all")


def pytest_collection_finish(session):
    config = session.config
    params = [item.callspec.params for item in session.items if getattr(item, "originalname", "") == "test_evidence"]
    tasks = [task(given["operator"], given["kind"], config) for given in params]
    # pytest-cov measures one process only.
    one_process = len(tasks) < MIN_TASKS or config.option.collectonly or config.pluginmanager.hasplugin("_cov")
    config.stash[GATHERING] = Gathering([] if one_process else tasks)


def pytest_sessionfinish(session):
    if gathering := session.config.stash.get(GATHERING, None):
        gathering.stop()


@pytest.fixture
def gather_evidence(pytestconfig):
    """Return a function that returns the outcome and the report for an operator and a kind."""
    return lambda operator, kind: pytestconfig.stash[GATHERING][task(operator, kind, pytestconfig)]
