"""Fixtures for several test folders.

The two test lanes and the profiles of Hypothesis are in ../conftest.py.
"""

import pytest


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
