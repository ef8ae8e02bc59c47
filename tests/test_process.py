"""Tests that refconv does not change the environment, signals or allocator of a process."""

import json
import subprocess
import sys

import numpy as np
import pytest

import refconv
from refconv import _core, nn, optim, training

# Modules whose import needs an optional package, or that run a program.
LEFT_OUT = ("refconv.__main__", "refconv._core.isa", "refconv.verify.evidence.oracles")

IMPORT_ALL = """
import json, os, signal, sys, warnings
import numpy as np

def state():
    handlers = {str(number): str(signal.getsignal(number)) for number in signal.valid_signals()}
    mask = sorted(map(str, signal.pthread_sigmask(signal.SIG_BLOCK, []))) if hasattr(signal, "pthread_sigmask") else []
    return [dict(os.environ), os.getcwd(), handlers, mask, [str(f) for f in warnings.filters], np.geterr(), sys.argv, sys.path]

import hypothesis, matplotlib, scipy, sympy  # imported first: refconv is not responsible for their changes
before = state()
import importlib, pkgutil, refconv
for module in pkgutil.walk_packages(refconv.__path__, "refconv."):
    if not module.name.startswith(LEFT_OUT):
        importlib.import_module(module.name)
for name in refconv.__all__:
    getattr(refconv, name)
refconv.conv2d(np.ones((2, 41, 37, 3), np.float32), np.ones((3, 2, 3, 5), np.float32))
print(json.dumps([name for name, old, new in zip(NAMES, before, state()) if old != new]))
"""
NAMES = ["environment", "folder", "signal handlers", "signal mask", "warning filters", "numpy errors", "sys.argv", "sys.path"]


def test_importing_every_module_changes_nothing_in_the_process():
    for package in ("hypothesis", "matplotlib", "scipy", "sympy"):
        pytest.importorskip(package)
    script = f"LEFT_OUT = {LEFT_OUT!r}\nNAMES = {NAMES!r}\n{IMPORT_ALL}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stderr
    assert (json.loads(done.stdout), done.stderr) == ([], "")


def test_training_leaves_the_allocator_alone(monkeypatch):
    monkeypatch.setattr(_core, "keep_freed_memory", lambda: pytest.fail("the allocator of the process was changed"))
    model = nn.Sequential(nn.Flatten(), nn.Dense(3))
    model.build((2, 4, 1), rng=1)
    batches = [(np.ones((5, 2, 4, 1), np.float32), np.array([0, 1, 2, 1, 0]))]
    training.fit(model, batches, optim.SGD(model, lr=0.1), epochs=1)


def test_a_program_may_keep_freed_memory(monkeypatch):
    monkeypatch.setattr(_core, "keep_freed_memory", lambda: "called")
    assert refconv.keep_freed_memory() == "called"
