"""Gather evidence in a second process from the moment at which the tests are collected."""

import pytest

from gathering import Gathering

GATHERING = pytest.StashKey[Gathering]()
FEW = 20  # tests of evidence that are done before a second process has imported everything
DRAWN = ("numeric", "parity")  # kinds whose cases are drawn: the more, the better


def task(operator, kind, config):
    """Name, kind and whether fewer cases are enough.

    Each operator is proved in full in either lane. A layer calls operators, so in the fast lane two cases of it are enough.
    """
    fewer = kind in DRAWN or (kind == "symbolic" and operator.name.startswith("nn."))
    return operator.name, kind, fewer and not config.getoption("all")


def pytest_collection_finish(session):
    config = session.config
    params = [item.callspec.params for item in session.items if getattr(item, "originalname", "") == "test_evidence"]
    tasks = [task(given["operator"], given["kind"], config) for given in params]
    alone = len(tasks) < FEW or config.option.collectonly or config.pluginmanager.hasplugin("_cov")  # it sees one process
    config.stash[GATHERING] = Gathering([] if alone else tasks)


def pytest_sessionfinish(session):
    if gathering := session.config.stash.get(GATHERING, None):
        gathering.stop()


@pytest.fixture
def gather_evidence(pytestconfig):
    """Function of an operator and a kind that returns its outcome and the report."""
    return lambda operator, kind: pytestconfig.stash[GATHERING][task(operator, kind, pytestconfig)]
