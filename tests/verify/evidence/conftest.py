"""Fixtures and hooks that gather evidence in a second process, started after collection."""

import pytest

from gathering import Gathering
from second_process import executor_of, is_possible

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
    two_processes = len(tasks) >= MIN_TASKS and is_possible(config)
    config.stash[GATHERING] = Gathering(tasks, executor_of(config)) if two_processes else Gathering()


@pytest.fixture
def gather_evidence(pytestconfig):
    """Return a function that returns the outcome and the report for an operator and a kind."""
    return lambda operator, kind: pytestconfig.stash[GATHERING][task(operator, kind, pytestconfig)]
