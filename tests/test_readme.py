"""Tests that the Python code in the README runs and that quoted lines are in the sources."""

import re
from pathlib import Path

import numpy as np
import pytest

import refconv
from evidence import needs_kernels
from refconv import models, nn, optim, softmax_cross_entropy

ROOT = Path(refconv.__file__).parents[1]
README = ROOT / "README.md"

pytestmark = pytest.mark.skipif(not README.is_file(), reason="an installed package has no README")


def blocks():
    return re.findall(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.M | re.S) if README.is_file() else []


def quotation():
    return next(block for block in blocks() if block.startswith("y[b, i, j, o] += "))


def my_conv2d(x, w):
    y = np.zeros((len(x), x.shape[1] - w.shape[0] + 1, x.shape[2] - w.shape[1] + 1, w.shape[3]))
    for m, n in np.ndindex(w.shape[:2]):
        y += x[:, m : m + y.shape[1], n : n + y.shape[2]] @ w[m, n]
    return y


def names_of_the_text():
    """Return the names that the text before a block defines, such as a network and a batch."""
    rng = np.random.default_rng(0)
    model = models.create("lenet")
    model.build((32, 32, 1), rng=0)
    return {
        "my_conv2d": my_conv2d,
        "MyLayer": nn.ReLU,
        "model": model,
        "optimizer": optim.SGD(model, lr=0.1),
        "softmax_cross_entropy": softmax_cross_entropy,
        "x": rng.random((3, 32, 32, 1), np.float32),
        "labels": np.array([7, 0, 2]),
    }


@needs_kernels
@pytest.mark.parametrize(
    "block", [block for block in blocks() if block != quotation()], ids=lambda block: block.splitlines()[0]
)
def test_a_program_of_the_readme_runs(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), names_of_the_text())


def test_the_three_lines_that_the_readme_quotes_are_in_the_loops():
    source = (ROOT / "refconv" / "reference" / "conv.py").read_text(encoding="utf-8")
    quoted = [line.partition("  #")[0] for line in quotation().splitlines()]
    assert len(quoted) == 3
    assert all(f"    {line}\n" in source for line in quoted)


def test_each_command_of_the_readme_is_a_command():
    from refconv.cli import COMMANDS

    commands = set(re.findall(r"(?:^|[`/])refconv ([a-z]+)", README.read_text(encoding="utf-8"), re.M))
    assert {"train", "verify", "trace"} <= commands
    assert commands <= {command.name for command in COMMANDS}
