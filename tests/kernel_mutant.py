"""Compile one mutant of a kernel and say whether parity refutes it: ``python tests/kernel_mutant.py NUMBER DIRECTORY``.

It is a program of its own, so that the wrong kernel is in nobody else's process. It is compiled plainly and without OpenMP,
and imported in place of the right one by all of its siblings as well.
"""

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec, spec_from_file_location
from pathlib import Path

from mutants import KERNELS

CORE = Path(find_spec("refconv").origin).parent / "_core"


def compiled(mutant, directory):
    """The mutant as an extension module for the baseline, in this directory; returns its file."""
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension

    (family,) = CORE.glob(f"*/{mutant.family}.pyx")
    for original in {CORE.parent / mutant.file, family}:
        source, copy = original.read_text("utf-8"), directory / original.relative_to(CORE)
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(mutant.patched(source) if original == CORE.parent / mutant.file else source, "utf-8")
    name = f"refconv._core.isa.baseline.{mutant.family}"
    extension = Extension(name, [str(directory / family.relative_to(CORE))], include_dirs=[str(directory), str(CORE)])
    extension.extra_compile_args = [] if sys.platform == "win32" else ["-O1", "-w"]
    directives = {"language_level": 3, "boundscheck": False, "wraparound": False, "cdivision": True, "initializedcheck": False}
    paths = [str(CORE.parent.parent), str(CORE)]
    modules = cythonize([extension], include_path=paths, compiler_directives=directives, quiet=True)
    build = Distribution({"ext_modules": modules}).get_command_obj("build_ext")
    build.build_lib = build.build_temp = str(directory)
    build.ensure_finalized()
    build.run()
    return directory / f"refconv/_core/isa/baseline/{mutant.family}{EXTENSION_SUFFIXES[0]}"


class Instead(MetaPathFinder):
    """Finds one module in a file that is not where it would be looked for."""

    def __init__(self, name, file):
        self.name, self.file = name, file

    def find_spec(self, name, path, target=None):
        return spec_from_file_location(name, self.file) if name == self.name else None


def main(number, directory):
    mutant = KERNELS[int(number)]
    file = compiled(mutant, Path(directory))
    sys.meta_path.insert(0, Instead(f"refconv._core.isa.baseline.{mutant.family}", file))

    from refconv._core import kernels
    from refconv.verify.catalogue import OPERATORS
    from refconv.verify.evidence.kinds import gather

    assert getattr(kernels, mutant.family).__file__ == str(file)
    print(gather(OPERATORS[mutant.operator], "parity").refuted)


if __name__ == "__main__":
    main(*sys.argv[1:])
