"""Tests of the list of kernel modules and of loading them for an instruction set."""

from evidence import needs_kernels
from refconv import _core
from refconv.families import FAMILIES

FILES = {(path.parent.name, path.stem) for path in _core.source("conv").parents[1].glob("*/*.pyx")}


def test_every_kernel_source_outside_machine_is_a_family_or_an_algorithm():
    names = [module for folder, module in FILES if folder != "machine"]
    assert sorted(names) == sorted((*FAMILIES, *_core.ALGORITHMS))  # unique names, because compiled modules have no folders


@needs_kernels
def test_all_modules_outside_machine_are_imported():
    assert vars(_core.kernels).keys() == {module for folder, module in FILES if folder != "machine"}
    for name, module in vars(_core.kernels).items():
        assert module.__name__ == f"refconv._core.isa.{_core.ISA}.{name}"
        assert _core.load(name) is module


@needs_kernels
def test_kernels_of_another_instruction_set_can_be_loaded():
    assert _core.ISA in _core.instruction_sets()
    assert _core.load("limits", "baseline").__name__ == "refconv._core.isa.baseline.limits"
