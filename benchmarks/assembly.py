"""What the compiler made of the innermost loops: multiply-adds, loads, and whether sums left their registers.

    python -m benchmarks.assembly

Of each function below, the loop with the most multiply-adds and no loop inside. A vector that is read from the stack or
written to it in the loop was spilled: there should be none. Nor around it, where sums that have a place in memory are carried
there before the loop and back behind it; a short sum spends much of its time so. A pointer that waits on the stack costs a
load, which has room beside the multiply-adds. Needs objdump, and an x86 processor with FMA.
"""

import argparse
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from refconv import _core
from refconv._ascii import use_ascii_forms

HOT = (
    ("direct", "wide_tile_float", "the sum of products, 2 vectors of outputs"),
    ("direct", "narrow_tile_float", "1 vector of outputs"),
    ("direct", "wide_tile_double", "float64"),
    ("conv_relu_pool", "windows_float", "one channel, 2×2 pooled"),
    ("conv_relu_pool_grads", "patches_6x5_float", "the way back through a pool, to the inputs"),
    ("conv_relu_pool_grads", "patches_5x4_float", "and to the weights"),
    ("depthwise", "sweep_float_16_1", "depthwise"),
)
COLUMNS = (
    "function",
    "instructions",
    "multiply-adds",
    "registers",
    "vector loads",
    "broadcasts",
    "pointers waiting",
    "spills",
    "spills around",
)


@dataclass(frozen=True)
class Instruction:
    """One line of the disassembly."""

    address: int
    name: str
    operands: str

    @property
    def multiplies(self):
        return self.name.startswith("vfmadd")

    @property
    def stack(self):
        """Whether it touches the stack."""
        return bool(re.search(r"\(%r[sb]p", self.operands))

    @property
    def vectors(self):
        return set(re.findall(r"%[xyz]mm\d+", self.operands))


def disassembled(module, function):
    """The instructions of a function, also of a copy that the compiler made of it; none if it is not there."""
    (library,) = Path(_core.__file__).parent.glob(f"isa/{_core.ISA}/{module}.*.so")
    text = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", library], check=True, capture_output=True, encoding="utf-8"
    ).stdout
    body = re.search(rf"<{function}(?:\.\w+)*>:\n((?:.+\n)+)", text)
    lines = re.findall(r"^\s*([0-9a-f]+):\s+(\S+)\s*(.*)$", body.group(1) if body else "", re.MULTILINE)
    return [Instruction(int(address, 16), name, operands) for address, name, operands in lines]


def hot_loop(instructions):
    """The instructions of the loop with the most multiply-adds and no loop inside."""
    loops = []
    for end, jump in enumerate(instructions):
        target = re.match(r"([0-9a-f]+) <", jump.operands) if jump.name.startswith("j") else None
        starts = [k for k, i in enumerate(instructions[:end]) if target and i.address == int(target.group(1), 16)]
        loops += [(start, end) for start in starts]
    innermost = [a for a in loops if not any(a != b and a[0] <= b[0] and b[1] <= a[1] for b in loops)]
    bodies = [instructions[start : end + 1] for start, end in innermost]
    return max(bodies, key=lambda body: sum(i.multiplies for i in body), default=[])


def described(function, loop):
    """The cells of the table for a function and its loop."""
    loads = [i for i in loop if "(" in i.operands and i.vectors and not i.stack]
    registers = set().union(*(i.vectors for i in loop)) if loop else set()
    broadcasts = [i for i in loads if i.name.startswith("vbroadcast") or "{1to" in i.operands]
    return (
        len(loop),
        sum(i.multiplies for i in loop),
        len(registers),
        len(loads) - len(broadcasts),
        len(broadcasts),
        sum(i.stack and not i.vectors for i in loop),
        _spills(loop),
        _spills(function) - _spills(loop),
    )


def _spills(instructions):
    return sum(i.stack and bool(i.vectors) for i in instructions)


def main(arguments=None):
    """The command."""
    use_ascii_forms()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.assembly", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args(arguments)
    if _core.ISA not in ("v3", "v4") or not shutil.which("objdump"):
        parser.error(f"needs kernels for v3 or v4 (here: {_core.ISA}) and objdump")
    print("The kernels of", _core.ISA)
    print(f"{COLUMNS[0]:24}" + "".join(f"{name:>17}" for name in COLUMNS[1:]))
    for module, function, what in HOT:
        instructions = disassembled(module, function)
        if loop := hot_loop(instructions):
            print(f"{function:24}" + "".join(f"{number:17}" for number in described(instructions, loop)) + f"   {what}")


if __name__ == "__main__":
    sys.exit(main())
