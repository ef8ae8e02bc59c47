"""``refconv info`` prints what is in use."""

import re

import pytest

from command_line import refconv
from refconv import _core


def test_info_says_what_runs(tmp_path):
    printed = refconv("info", cwd=tmp_path, OMP_NUM_THREADS="2")
    assert re.search(r"^engine +" + ("kernels" if _core.ISA else "reference"), printed, re.M)
    assert re.search(r"^kernels +" + (_core.ISA or "none: built with REFCONV_PURE=1"), printed, re.M)
    assert re.search(r"^precision +standard\nfusion +on$", printed, re.M)
    if _core.available_threads():
        assert re.search(r"^threads +2 \(OMP_NUM_THREADS=2\)$", printed, re.M)


@pytest.mark.skipif(not _core.available_threads(), reason="built without OpenMP")
@pytest.mark.parametrize(
    ("asked", "line"), [("1025", "1024 (OMP_NUM_THREADS=1025; at most 1024)"), ("4,2", "4 (OMP_NUM_THREADS=4,2)")]
)
def test_omp_num_threads_never_breaks_a_command(tmp_path, asked, line):
    assert f"threads    {line}\n" in refconv("info", cwd=tmp_path, OMP_NUM_THREADS=asked)
