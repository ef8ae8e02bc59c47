"""Machine code of the innermost loops: multiply-adds, loads and spilled registers.

    python -m benchmarks.assembly

For each function below, the table shows the innermost loop with the most multiply-adds. A vector that the loop reads from the
stack or writes to the stack was spilled; there should be none. There should also be none around the loop: if the sums are kept
in memory, they are stored before the loop and loaded after it, and for a short sum this takes much of the time. A pointer that
is kept on the stack costs a load, which can run in parallel with the multiply-adds. Needs objdump, and an x86 processor with
FMA.
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
    ("conv_relu_pool_grads", "patches_6x5_float", "gradient of the inputs through a pool"),
    ("conv_relu_pool_grads", "patches_5x4_float", "gradient of the weights through a pool"),
    ("depthwise", "sweep_float_16_1", "depthwise"),
)
COLUMNS = (
    "function",
    "instructions",
    "multiply-adds",
    "registers",
    "vector loads",
    "broadcasts",
    "pointer loads",
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
        """True if the instruction reads from or writes to the stack."""
        return bool(re.search(r"\(%r[sb]p", self.operands))

    @property
    def vectors(self):
        return set(re.findall(r"%[xyz]mm\d+", self.operands))


def disassembled(module, function):
    """Return the instructions of a function, or an empty list if the module does not contain it.

    The function may also be a copy that the compiler has made of it.
    """
    (library,) = Path(_core.__file__).parent.glob(f"isa/{_core.ISA}/{module}.*.so")
    text = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", library], check=True, capture_output=True, encoding="utf-8"
    ).stdout
    body = re.search(rf"<{function}(?:\.\w+)*>:\n((?:.+\n)+)", text)
    lines = re.findall(r"^\s*([0-9a-f]+):\s+(\S+)\s*(.*)$", body.group(1) if body else "", re.MULTILINE)
    return [Instruction(int(address, 16), name, operands) for address, name, operands in lines]


def hot_loop(instructions):
    """Return the instructions of the innermost loop with the most multiply-adds."""
    loops = []
    for end, jump in enumerate(instructions):
        target = re.match(r"([0-9a-f]+) <", jump.operands) if jump.name.startswith("j") else None
        starts = [k for k, i in enumerate(instructions[:end]) if target and i.address == int(target.group(1), 16)]
        loops += [(start, end) for start in starts]
    innermost = [a for a in loops if not any(a != b and a[0] <= b[0] and b[1] <= a[1] for b in loops)]
    bodies = [instructions[start : end + 1] for start, end in innermost]
    return max(bodies, key=lambda body: sum(i.multiplies for i in body), default=[])


def described(function, loop):
    """Return the cells of the table for a function and its loop."""
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
    """Run the command."""
    use_ascii_forms()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.assembly", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args(arguments)
    if _core.ISA not in ("v3", "v4") or not shutil.which("objdump"):
        parser.error(f"the benchmark needs objdump and kernels for v3 or v4, got kernels for {_core.ISA}")
    print("The kernels of", _core.ISA)
    print(f"{COLUMNS[0]:24}" + "".join(f"{name:>17}" for name in COLUMNS[1:]))
    for module, function, what in HOT:
        instructions = disassembled(module, function)
        if loop := hot_loop(instructions):
            print(f"{function:24}" + "".join(f"{number:17}" for number in described(instructions, loop)) + f"   {what}")


if __name__ == "__main__":
    sys.exit(main())
