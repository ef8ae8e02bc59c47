"""Compiled Cython kernels with the names and arguments of ``refconv.reference``.

README.md explains the folders. ``kernels`` contains the compiled modules, such as ``kernels.conv``. ``ISA`` is the name of
their instruction set, or None if the package was built without kernels (``REFCONV_PURE=1``). If kernels are missing in any
other build, the import fails, because NumPy, which would replace them, is several times slower.

Long sums are added in blocks; common/sums.h states the bound on their rounding error.
"""

from refconv._core._load import ALGORITHMS, ISA, PURE_MARKER, instruction_sets, kernels, load, source

__all__ = [
    "ALGORITHMS",
    "ISA",
    "PURE_MARKER",
    "available_threads",
    "instruction_sets",
    "keep_freed_memory",
    "kernels",
    "load",
    "source",
    "threads_survive_fork",
    "use_settings",
]


def available_threads() -> int:
    """Return the number of processors that kernels can use.

    It is 0 if the build has no OpenMP or no kernels.
    """
    return load("cpu", "baseline").available_threads() if ISA else 0


def threads_survive_fork() -> bool:
    """Return True if a forked child may set any number of threads.

    OpenMP's threads hang in a forked child. A build without threads accepts any number, which has no effect.
    """
    return not available_threads() or load("cpu", "baseline").has_own_team()


def keep_freed_memory() -> bool:
    """Let the C library keep freed memory for the next allocation.

    Return False if the C library has no such setting.
    """
    return load("cpu", "baseline").keep_freed_memory() if ISA else False


def use_settings(threads: int, tile_side: int) -> None:
    """Set the number of threads and the side of Winograd's tiles for the calling thread.

    The side is 2 or 4. Kernels that other threads call keep their own settings.
    """
    if ISA:
        load("cpu", "baseline").use_settings(threads, tile_side)
