"""Build the kernels: each .pyx of refconv/_core once for each instruction set, with OpenMP where the compiler has it.

Environment:

REFCONV_PURE=1     build no kernels; the package then works on its loops
REFCONV_NATIVE=1   tune the kernels of every instruction set for this very processor; not for binaries that travel
"""

import os
import platform
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

CORE = Path("refconv/_core")

# What a module of each set may use. refconv/_core/cpu.pyx asks the processor for exactly these before one is imported.
GCC_FLAGS = {
    "baseline": [],
    "v3": ["-mavx", "-mavx2", "-mfma"],
    "v4": ["-mavx", "-mavx2", "-mfma", "-mavx512f", "-mavx512cd", "-mavx512bw", "-mavx512dq", "-mavx512vl"],
}
MSVC_FLAGS = {"baseline": [], "v3": ["/arch:AVX2"], "v4": ["/arch:AVX512"]}

# Nothing that changes arithmetic for others: -ffast-math would switch denormals off for the whole process.
GCC_ALWAYS = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-Wno-unused-function"]


def on_x86():
    target = os.environ.get("ARCHFLAGS", "") + platform.machine().lower()
    return ("x86_64" in target or "amd64" in target) and "arm64" not in target


def extensions():
    from Cython.Build import cythonize
    from extension_helpers import add_openmp_flags_if_available

    msvc = sys.platform == "win32"
    openmp = Extension("openmp", [])
    if not add_openmp_flags_if_available(openmp):
        print("refconv: this compiler has no OpenMP; the kernels will run on one thread", file=sys.stderr)
    native = ["-march=native"] if os.environ.get("REFCONV_NATIVE") and not msvc else []
    built = []
    for isa, flags in (MSVC_FLAGS if msvc else GCC_FLAGS).items():
        if isa != "baseline" and not on_x86():
            continue
        always = ["/O2"] if msvc else GCC_ALWAYS
        modules = [
            Extension(
                f"refconv._core.{isa}.{source.stem}",
                [source.as_posix()],
                include_dirs=[CORE.as_posix()],
                depends=[header.as_posix() for header in CORE.glob("*.h")],
                extra_compile_args=[*always, *flags, *native, *openmp.extra_compile_args],
                extra_link_args=openmp.extra_link_args,
            )
            for source in sorted(CORE.glob("*.pyx"))
            if isa == "baseline" or source.stem != "cpu"
        ]
        # A directory for each set: they are the same sources, and must not share the C and object files made of them.
        built += cythonize(
            modules,
            build_dir=f"build/cython/{isa}",
            include_path=["."],
            compiler_directives={
                "language_level": 3,
                "boundscheck": False,
                "wraparound": False,
                "cdivision": True,
                "initializedcheck": False,
                "embedsignature": True,
                "freethreading_compatible": True,
            },
            annotate=bool(os.environ.get("REFCONV_ANNOTATE")),
        )
    return built


class BuildKernels(build_ext):
    """build_ext, with a way out for those who have no compiler."""

    def build_extensions(self):
        self.parallel = self.parallel or os.cpu_count()
        try:
            super().build_extensions()
        except Exception as error:
            raise SystemExit(
                f"refconv: the kernels did not compile ({error}).\n"
                "A C compiler is needed; without one, REFCONV_PURE=1 pip install … installs the package on its loops."
            ) from error


setup(ext_modules=[] if os.environ.get("REFCONV_PURE") else extensions(), cmdclass={"build_ext": BuildKernels})
