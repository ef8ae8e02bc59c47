"""One hypothesis profile for the whole suite: the same examples in every run, and no deadlines."""

import os

import pytest
from hypothesis import settings

# Where the compiler's OpenMP runs the kernels, waiting threads must sleep: on a busy machine, thousands of tiny kernels that
# spin take ten times as long. It reads this when the first kernel module is loaded, so it is set before refconv is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

settings.register_profile("refconv", deadline=None, derandomize=True, print_blob=True, max_examples=40)
settings.load_profile("refconv")


@pytest.fixture(scope="session", autouse=True)
def public_names():
    """Import every public name now: one that is first used while a test replaces a function would keep the replacement."""
    import refconv

    for name in refconv.__all__:
        getattr(refconv, name)


@pytest.fixture(scope="module", params=["reference", "kernels"])
def each_engine(request):
    """The tests of a module that uses this fixture run on the loops, and once more on the kernels."""
    from refconv import _core
    from refconv._config import engine

    if request.param == "kernels" and _core.ISA is None:
        pytest.skip("refconv was built without kernels (REFCONV_PURE=1)")
    with engine(request.param):
        yield request.param
