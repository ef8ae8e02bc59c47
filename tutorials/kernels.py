"""Excerpts of the compiled kernels for notebook 12: their source and their machine code."""

import shutil
import sys
import textwrap
from pathlib import Path

from IPython.display import Markdown

from benchmarks import assembly
from refconv import _core

__all__ = ["excerpt", "hottest_loop"]

CORE = Path(_core.__file__).parent


def excerpt(name, first, last, language="") -> Markdown:
    """Return lines of a kernel's source file, so that a notebook shows the current source.

    Parameters
    ----------
    name : str
        A file below refconv/_core, such as "conv/direct.pyx".
    first, last : str
        A part of the first line, and a part of the last line; the excerpt ends at the first match after the start.
    language : str
        Language for syntax highlighting.
    """
    lines = (CORE / name).read_text(encoding="utf-8").splitlines()
    start = next(k for k, line in enumerate(lines) if first in line)
    end = next(k for k, line in enumerate(lines[start:], start) if last in line)
    code = textwrap.dedent("\n".join(line.rstrip("\\ ") for line in lines[start : end + 1]))
    where = f"[refconv/_core/{name}, line {start + 1}](../refconv/_core/{name}#L{start + 1})"
    return Markdown(f"```{language}\n{code}\n```\n\n{where}")


def hottest_loop(shown=9):
    """Print a summary and the first instructions of the tile's compiled loop; needs objdump."""
    if sys.platform != "linux" or _core.ISA not in ("v3", "v4") or not shutil.which("objdump"):
        print("not available: this needs Linux, a processor with AVX2, and objdump")
        return
    function = assembly.disassembled("direct", "wide_tile_float")
    loop = assembly.hot_loop(function)
    counts = zip(assembly.COLUMNS[1:], assembly.described(function, loop), strict=True)
    print(*(f"{name} {count}" for name, count in counts), sep=", ", end="\n\n")
    print(*(f"{line.name:14}{line.operands}" for line in loop[:shown]), "…", sep="\n")
