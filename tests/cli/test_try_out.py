"""Tests of ``refconv try``, which runs each model once and prints time and memory."""

import re

import numpy as np
import pytest

from evidence import needs_kernels
from refconv import models, nn
from refconv.cli import main
from refconv.cli.try_out import measure


@needs_kernels
def test_try_prints_a_line_for_each_model(capsys):
    assert main(["try", "lenet", "neocognitron", "--batch", "2", "--backward"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^lenet +2×32×32×1 +61,706( +\d+\.\d\d s){3} +(\d+ MiB|unknown)$", printed, re.M)
    assert re.search(r"^neocognitron +2×16×16×1 +15,072 ", printed, re.M)


@needs_kernels
def test_the_backward_pass_includes_auxiliary_heads():
    measured = measure("googlenet-small", batch=2, backward=True)
    assert measured.cells()[:2] == ("googlenet", "2×32×32×3")
    assert measured.finite


@pytest.mark.slow
@needs_kernels
def test_try_accepts_any_valid_input_size(capsys):
    assert main(["try", "resnet18-small", "nin-small", "--backward", "--input", "40x36", "--batch", "2"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^resnet18 +2×40×36×3 ", printed, re.M)
    assert measure("lenet", size=(32, 40, 1)).cells()[1] == "1×32×40×1"
    assert main(["try", "resnet18-small", "unet", "--input", "40x36"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "40" in err or "36" in err or "shapes" in err


def test_a_non_finite_output_is_reported(monkeypatch):
    broken = nn.Sequential(nn.Dense(3, initializer=lambda rng, shape: np.full(shape, np.inf)))
    monkeypatch.setattr(models, "create", lambda name: broken)
    monkeypatch.setattr(models, "input_shape", lambda name: (5,))
    assert not measure("broken").finite


def test_an_unknown_model_is_refused_before_any_model_runs(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["try", "lenet", "lenet6"])
    out, err = capsys.readouterr()
    assert out == ""
    assert "got 'lenet6'" in err
