"""Tests of the comparison of kernels with plain loops in C, which needs no Python."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAM = ROOT / ".ci" / "kernels.c"
COMPILER = shutil.which("gcc") or shutil.which("clang")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PROGRAM.is_file(), reason="an installed package has no .ci"),
    pytest.mark.skipif(COMPILER is None, reason="there is no compiler"),
]


@pytest.mark.parametrize("flags", [[], ["-DREFCONV_SCALAR"]])
def test_the_tile_and_pooling_equal_plain_loops(tmp_path, flags):
    words = [
        "-std=gnu11",
        "-O1",
        "-w",
        f"-I{ROOT / 'refconv' / '_core'}",
        str(PROGRAM),
        "-o",
        str(tmp_path / "kernels"),
        "-lm",
    ]
    subprocess.run([COMPILER, *flags, *words], check=True, timeout=300)
    run = subprocess.run([tmp_path / "kernels"], capture_output=True, encoding="utf-8", timeout=300)
    assert (run.returncode, run.stdout) == (0, "equal\n")
