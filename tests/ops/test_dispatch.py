"""Tests of the selection of loops or kernels by the engine setting."""

from evidence import needs_kernels
from refconv import _core, reference
from refconv._config import config
from refconv.ops.dispatch import implementation


@needs_kernels
def test_the_engine_selects_the_implementation():
    assert implementation("conv") is _core.kernels.conv
    with config(engine="reference"):
        assert implementation("conv") is reference.conv
    assert implementation("conv") is _core.kernels.conv


def test_every_family_has_both_implementations():
    for family in reference.__all__:
        with config(engine="reference"):
            assert implementation(family) is getattr(reference, family)
        if _core.ISA:
            assert implementation(family).__name__ == f"refconv._core.isa.{_core.ISA}.{family}"
