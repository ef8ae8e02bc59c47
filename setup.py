"""Build script: compiles each kernel once for each instruction set.

The kernels are the .pyx files below refconv/_core. They are compiled with OpenMP if the compiler supports it.

Environment:

REFCONV_PURE=1     build no kernels; the package then computes in NumPy, and pure_build.txt records that this is intended
REFCONV_NATIVE=1   use all features of this machine's processor in every instruction set; not for wheels you distribute
"""

import contextlib
import functools
import gzip
import logging
import multiprocessing
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import threading
import time
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

CORE = Path("refconv/_core")
PURE_MARKER = CORE / "pure_build.txt"  # without this file, importing a package that has no kernels fails
SHARED = "refconv._core.isa.baseline.memoryviews"  # Cython's code for arrays, compiled once instead of once per module

# Compiler flags of each instruction set. Before a module is imported, refconv/_core/machine/cpu.pyx checks that the processor
# has exactly these features. -mtune enables no further instructions. It is needed because GCC, when it tunes for processors in
# general and has no more general registers, keeps pointers in vector registers; reading those occupies the units that
# multiply.
GCC_FLAGS = {
    "baseline": [],
    "v3": ["-mavx", "-mavx2", "-mfma", "-mtune=haswell"],
    "v4": ["-mavx", "-mavx2", "-mfma", *(f"-mavx512{part}" for part in ("f", "cd", "bw", "dq", "vl")), "-mtune=haswell"],
}
MSVC_FLAGS = {"baseline": [], "v3": ["/arch:AVX2"], "v4": ["/arch:AVX512"]}
MSVC_ALWAYS = ["/O2", "/std:c11", "/utf-8"]  # C11 for _Generic; without /utf-8, MSVC reads sources in the system's encoding

# -ffast-math is not used: it would switch denormals off for the whole process, also for other packages.
# -g0 removes the debugging symbols that Python's own flags request: they take a quarter of the build time and most of the
# size.
GCC_ALWAYS = ["-O3", "-g0", "-fno-math-errno", "-fno-trapping-math", "-Wno-unused-function"]

ISA_NAMES = {"baseline": "baseline", "v3": "AVX2", "v4": "AVX-512"}  # for the progress messages of the build
TERMINAL = "CONOUT$" if sys.platform == "win32" else "/dev/tty"

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "embedsignature": True,
    "freethreading_compatible": True,
}


def on_x86():
    """Return True if the kernels are compiled for x86-64.

    The target of the compiler decides, and not this machine. On macOS, ARCHFLAGS states the target.
    """
    target = os.environ.get("ARCHFLAGS") or target_of(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    return ("x86_64" in target or "amd64" in target) and "arm64" not in target


def target_of(compiler):
    """Return the target of a compiler, such as "aarch64-linux-gnu".

    If the compiler names none, return the platform of this Python.
    """
    try:
        return subprocess.check_output([*shlex.split(compiler), "-dumpmachine"], encoding="utf-8", stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):  # MSVC, or no compiler, which the build reports later
        return sysconfig.get_platform()


def extensions():
    """Return the extension modules: one per kernel source and instruction set.

    The module ``cpu``, which detects the processor's instruction sets, is built for the baseline only.
    """
    sets = MSVC_FLAGS if sys.platform == "win32" else GCC_FLAGS
    flags_of = {isa: flags(sets[isa]) for isa in (sets if on_x86() else ["baseline"])}
    *kernels, shared = translate(sorted(CORE.glob("*/*.pyx")))
    return [module(SHARED, shared, *flags_of["baseline"])] + [
        module(f"refconv._core.isa.{isa}.{kernel.name.rpartition('.')[2]}", kernel, *flags_of[isa])
        for isa in flags_of
        for kernel in kernels
        if isa == "baseline" or not kernel.name.endswith(".cpu")
    ]


def translate(sources):
    """Translate the kernels to C; return an extension for each, then one for shared code.

    All instruction sets use the same C files, so these do not contain the name of a set. The shared code is Cython's code for
    arrays, which would otherwise be repeated in each module.
    """
    from Cython.Build import cythonize

    names = [".".join(source.with_suffix("").parts) for source in sources]
    kernels = [
        Extension(name, [source.as_posix()], depends=headers(source)) for name, source in zip(names, sources, strict=True)
    ]
    return cythonize(
        [*kernels, Extension(SHARED, [f"{SHARED.replace('.', '/')}.c"])],
        build_dir="build/cython",
        include_path=[".", CORE.as_posix()],
        compiler_directives=DIRECTIVES,
        annotate=bool(os.environ.get("REFCONV_ANNOTATE")),
        nthreads=min(processes(), len(sources)),
        shared_utility_qualified_name=SHARED,
    )


def processes():
    """Return the number of processes that translate in parallel; 0 means in this process.

    The processes need semaphores, so the result is 0 on a system without them.
    """
    try:
        multiprocessing.Lock()
    except (ImportError, OSError):  # for example in a sandbox without /dev/shm
        return 0
    return (os.cpu_count() or 1) if os.name == "posix" else 0


def module(name, translated, compile_args, link_args):
    """Return the extension module of one kernel for one instruction set.

    Its C file is copied, because the object file is named after the C file: a shared one would be overwritten.
    """
    (c_file,) = map(Path, translated.sources)
    copy = Path("build/cython", *name.split(".")[2:]).with_suffix(".c")
    copy.parent.mkdir(parents=True, exist_ok=True)
    if not copy.exists() or copy.read_bytes() != c_file.read_bytes():
        shutil.copyfile(c_file, copy)
    return Extension(
        name,
        [copy.as_posix()],
        include_dirs=[CORE.as_posix()],
        depends=translated.depends,
        extra_compile_args=compile_args,
        extra_link_args=link_args,
    )


def flags(isa_flags):
    """Return the compiler flags and the linker flags for one instruction set."""
    openmp = openmp_flags()
    if sys.platform == "win32":
        return [*MSVC_ALWAYS, *isa_flags, *openmp.extra_compile_args], openmp.extra_link_args
    native = ["-march=native"] if os.environ.get("REFCONV_NATIVE") else []
    return [*GCC_ALWAYS, *isa_flags, *native, *openmp.extra_compile_args], openmp.extra_link_args


@functools.cache
def openmp_flags():
    """Return an extension that is never built, with the flags for OpenMP."""
    from extension_helpers import add_openmp_flags_if_available

    openmp = Extension("openmp", [])
    if not add_openmp_flags_if_available(openmp):
        print("refconv: this compiler has no OpenMP; the kernels will run on one thread", file=sys.stderr)
    return openmp


def without_run_path(words):
    """Return arguments of the linker without the folder of this Python's libraries.

    Other machines do not have this folder. Modules compiled by GCC for Linux need no library from there: they run on refconv's
    own threads. Those compiled by clang may need its OpenMP library. Folders in LDFLAGS are kept.
    """
    wanted = os.environ.get("LDFLAGS", "").split()
    return [word for word in words if word in wanted or not word.startswith("-Wl,-rpath")]


@functools.cache
def headers(source):
    """Return the C headers that a kernel source includes, directly or through other files.

    The kernel is compiled again when one of them changes.
    """
    paths = {source.as_posix()} if source.suffix == ".h" else set()
    text = source.read_text(encoding="utf-8")
    for file, module in re.findall(r'"(\w+/\w+\.(?:h|pxi))"|refconv\._core\.([\w.]+) cimport', text):
        paths |= set(headers(CORE / (file or f"{module.replace('.', '/')}.pxd")))
    return sorted(paths)


def report(text):
    """Print a line of progress, also when pip hides the output of the build.

    Under pip, the line is also written to the terminal.
    """
    print(text, flush=True)
    if "PIP_BUILD_TRACKER" in os.environ:
        with contextlib.suppress(OSError), open(TERMINAL, "w", encoding="ascii") as terminal:  # there may be no terminal
            terminal.write(f"\r  {text:<56} ")  # each line overwrites the last; pip shows its spinner in the last column


class BuildKernels(build_ext):
    """Build command that compiles the kernels in parallel and prints a line for each.

    If the compilation fails, the message explains how to install without a compiler.
    """

    def build_extensions(self):
        self.parallel = self.parallel or os.cpu_count()
        if sys.platform == "linux" and "clang" not in " ".join(getattr(self.compiler, "compiler_so", ["clang"])):
            self.compiler.linker_so = without_run_path(self.compiler.linker_so)
            for extension in self.extensions:
                extension.extra_link_args = without_run_path(extension.extra_link_args)
        self.compiled, self.compiled_lock = 0, threading.Lock()
        if self.verbose <= 1:  # setup.py -v build_ext prints the compiler's command lines
            logging.getLogger().setLevel(logging.WARNING)
        try:
            super().build_extensions()
        except Exception as error:
            raise SystemExit(
                f"refconv: the kernels did not compile ({error}).\n"
                "A C compiler is needed; without one, REFCONV_PURE=1 pip install … installs the package without kernels."
            ) from error

    def build_extension(self, ext):
        super().build_extension(ext)
        with self.compiled_lock:  # modules are compiled by several threads
            self.compiled += 1
            total = len(self.extensions)
            isa, name = ext.name.split(".")[-2:]
            report(f"[{self.compiled:{len(str(total))}}/{total}] {name} ({ISA_NAMES[isa]})")


class BuildPython(build_py):
    """Build command that copies the Python modules and marks a build without kernels."""

    def run(self):
        super().run()
        marker = PURE_MARKER if self.editable_mode else Path(self.build_lib, PURE_MARKER)
        if os.environ.get("REFCONV_PURE"):
            marker.parent.mkdir(parents=True, exist_ok=True)
            marker.write_text("Built with REFCONV_PURE=1: without kernels.\n", encoding="utf-8")
        else:
            marker.unlink(missing_ok=True)


class SourceArchive(sdist):
    """Build command that writes an archive whose bytes depend only on the files and its date.

    The date is SOURCE_DATE_EPOCH, in seconds since 1970, or else the current time.
    """

    def make_archive(self, base_name, format, root_dir=None, base_dir=None, owner=None, group=None):
        if format != "gztar":
            return super().make_archive(base_name, format, root_dir, base_dir, owner, group)
        date = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))

        def without_origin(entry):
            entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = date, 0, 0, "", ""
            entry.mode = 0o755 if entry.mode & 0o100 else 0o644
            return entry

        path = f"{base_name}.tar.gz"
        with (
            open(path, "wb") as file,
            gzip.GzipFile("", "wb", fileobj=file, mtime=date) as content,
            tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            archive.add(base_dir, filter=without_origin)  # in the order of names
        return path


if __name__ == "__main__":  # the processes that translate import this file, too, and must not start a build
    setup(
        ext_modules=[] if os.environ.get("REFCONV_PURE") else extensions(),
        cmdclass={"build_ext": BuildKernels, "build_py": BuildPython, "sdist": SourceArchive},
    )
