"""Tests of ``refconv info``, which prints the settings in use."""

import re

import pytest

from command_line import refconv
from refconv import _core


def test_info_prints_engine_kernels_and_threads(tmp_path):
    printed = refconv("info", cwd=tmp_path, OMP_NUM_THREADS="2")
    assert re.search(r"^engine +" + ("kernels" if _core.ISA else "numpy"), printed, re.M)
    assert re.search(r"^kernels +" + (_core.ISA or "none: built with REFCONV_PURE=1"), printed, re.M)
    assert re.search(r"^precision +standard\nfusion +on$", printed, re.M)
    if _core.available_threads():
        assert re.search(r"^threads +2 \(OMP_NUM_THREADS=2\)$", printed, re.M)


@pytest.mark.skipif(not _core.available_threads(), reason="built without OpenMP")
@pytest.mark.parametrize(
    ("value", "line"), [("1025", "1024 (OMP_NUM_THREADS=1025; at most 1024)"), ("4,2", "4 (OMP_NUM_THREADS=4,2)")]
)
def test_any_value_of_omp_num_threads_is_accepted(tmp_path, value, line):
    assert f"threads    {line}\n" in refconv("info", cwd=tmp_path, OMP_NUM_THREADS=value)
