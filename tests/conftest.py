"""Fixtures for several test folders, and hooks that let a second process run some of them.

The two test lanes and the profiles of Hypothesis are in ../conftest.py.
"""

import pytest

from second_process import Delegated, can_delegate, is_delegated, stop

DELEGATED = pytest.StashKey[Delegated]()


@pytest.hookimpl(tryfirst=True)  # before evidence is submitted to the same process
def pytest_collection_finish(session):
    """Start the second process.

    Its tests are moved to the end, so that their results are ready. The evidence, its next task, is moved before them.
    """
    if can_delegate(session.config, session.items):
        session.config.stash[DELEGATED] = Delegated(session.config, session.items)
        session.items.sort(key=lambda item: (is_delegated(item), getattr(item, "originalname", "") == "test_evidence"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item):
    """Report the results of the second process instead of running its tests again."""
    delegated = item.config.stash.get(DELEGATED, None)
    reports = delegated.reports(item) if delegated and is_delegated(item) else []
    if not reports:
        return None  # the test runs here
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_sessionfinish(session):
    """End the second process."""
    stop(session.config)


@pytest.fixture(scope="session", autouse=True)
def public_names():
    """Import every public name before the first test.

    A name that is first imported while a test replaces a function would keep the replacement.
    """
    import refconv

    for name in refconv.__all__:
        getattr(refconv, name)


@pytest.fixture(scope="module", params=["reference", "kernels"])
def each_engine(request):
    """Run each test of the module on the loops and then on the kernels."""
    from refconv import _core
    from refconv._config import config

    if request.param == "kernels" and _core.ISA is None:
        pytest.skip("refconv was built without kernels (REFCONV_PURE=1)")
    with config(engine=request.param):
        yield request.param
