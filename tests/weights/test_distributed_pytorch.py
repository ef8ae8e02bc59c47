"""Test of docs/distributed_pytorch.py, which trains a network of refconv in PyTorch."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import refconv
from evidence import needs_kernels

ROOT = Path(refconv.__file__).parents[1]
SCRIPT = ROOT / "docs" / "distributed_pytorch.py"


@needs_kernels
@pytest.mark.slow
@pytest.mark.skipif(not SCRIPT.is_file(), reason="an installed package has no docs")
def test_two_processes_of_pytorch_train_a_network_that_refconv_reads(tmp_path):
    pytest.importorskip("torchvision")
    options = ("--data", "digits", "--images", "48", "--test-images", "40", "--batch-size", "16", "--out", "trained.pth")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", str(SCRIPT), *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", timeout=300)
    assert result.returncode == 0, result.stderr
    assert "epoch 1: loss of the last batch " in result.stdout
    first, second = (re.search(rf"accuracy in {name}: (.*) %", result.stdout)[1] for name in ("PyTorch", "refconv"))
    assert abs(float(first) - float(second)) < 100 / 40 + 0.01  # rounding may change one image near a boundary
    assert (tmp_path / "trained.pth").is_file()
