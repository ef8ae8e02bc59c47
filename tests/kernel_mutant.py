"""Program that compiles one mutant of a kernel and prints how parity refutes it.

    python tests/kernel_mutant.py NUMBER DIRECTORY

It runs as a separate program, so that no other process loads the wrong kernel. The mutant is compiled without the usual
optimisations and without OpenMP. All other kernels that import the original kernel import the mutant instead.
"""

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec, spec_from_file_location
from pathlib import Path

from mutants import KERNELS

CORE = Path(find_spec("refconv").origin).parent / "_core"


def compiled(mutant, directory):
    """Compile the mutant for the baseline in this directory; return the extension module's file."""
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


class FileOverride(MetaPathFinder):
    """Import hook that loads one module from another file."""

    def __init__(self, name, file):
        self.name, self.file = name, file

    def find_spec(self, name, path, target=None):
        return spec_from_file_location(name, self.file) if name == self.name else None


def main(number, directory):
    mutant = KERNELS[int(number)]
    file = compiled(mutant, Path(directory))
    sys.meta_path.insert(0, FileOverride(f"refconv._core.isa.baseline.{mutant.family}", file))

    from refconv._core import kernels
    from refconv.verify.catalogue import OPERATORS
    from refconv.verify.evidence.kinds import gather

    assert getattr(kernels, mutant.family).__file__ == str(file)
    print(gather(OPERATORS[mutant.operator], "parity").refuted)


if __name__ == "__main__":
    main(*sys.argv[1:])
