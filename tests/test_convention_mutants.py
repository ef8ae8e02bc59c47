"""Tests that wrong conventions shared by loops and kernels are refuted."""

import pytest

from convention_mutants import MUTANTS, applied
from refconv.verify.catalogue import find
from refconv.verify.evidence import oracle
from refconv.verify.evidence.kinds import gather

PAIRS = [
    pytest.param(mutant, name, id=f"{mutant.name} is refuted for {name}") for mutant in MUTANTS for name in mutant.operators
]


@pytest.fixture(autouse=True)
def verify_extra_alone(monkeypatch):
    """Hide torch, JAX and ONNX, so that NumPy and SciPy alone must refute the mutants."""
    monkeypatch.setattr(oracle, "importable", lambda name: name == "scipy")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("mutant", "name"), PAIRS)
def test_a_shared_convention_that_is_wrong_is_refuted(mutant, name):
    # The loops run, because a kernel with a wrong geometry could access memory outside its arrays.
    with applied(mutant):
        outcome = gather(find(name), "oracle", quick=True, engine_name="reference")
    assert outcome.refuted is not None


def test_a_mutant_leaves_nothing_behind():
    with applied(MUTANTS[0]):
        assert gather(find("conv1d"), "oracle", quick=True, engine_name="reference").refuted is not None
    assert gather(find("conv1d"), "oracle", quick=True, engine_name="reference").refuted is None
