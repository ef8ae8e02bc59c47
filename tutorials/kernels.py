"""What lies under the operators, for two paragraphs to stand around: a kernel's text, and what the compiler made of it."""

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
    """Lines of a kernel's text as they stand in the package, so that they are what was compiled.

    Parameters
    ----------
    name : str
        A file below refconv/_core, such as "conv/direct.pyx".
    first, last : str
        Parts of the first line, and of the next one that is the last.
    language : str
        Whose colours the text gets.
    """
    lines = (CORE / name).read_text(encoding="utf-8").splitlines()
    start = next(k for k, line in enumerate(lines) if first in line)
    end = next(k for k, line in enumerate(lines[start:], start) if last in line)
    code = textwrap.dedent("\n".join(line.rstrip("\\ ") for line in lines[start : end + 1]))
    where = f"[refconv/_core/{name}, line {start + 1}](../refconv/_core/{name}#L{start + 1})"
    return Markdown(f"```{language}\n{code}\n```\n\n{where}")


def hottest_loop(shown=9):
    """Print what the compiler made of the tile's loop: a count, and its first instructions; needs objdump."""
    if sys.platform != "linux" or _core.ISA not in ("v3", "v4") or not shutil.which("objdump"):
        print("not here: it takes Linux, a processor with AVX2, and objdump")
        return
    function = assembly.disassembled("direct", "wide_tile_float")
    loop = assembly.hot_loop(function)
    counts = zip(assembly.COLUMNS[1:], assembly.described(function, loop), strict=True)
    print(*(f"{name} {count}" for name, count in counts), sep=", ", end="\n\n")
    print(*(f"{line.name:14}{line.operands}" for line in loop[:shown]), "…", sep="\n")
