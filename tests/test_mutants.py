"""The evidence can fail: each mutant of a loop or a kernel is refuted, by exactly the kinds of evidence that can see it."""

import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import refconv
from evidence import needs_kernels
from mutants import KERNELS, LOOPS
from refconv import _core
from refconv.verify.catalogue import find
from refconv.verify.evidence import gather

PACKAGE = Path(refconv.__file__).parent
SCRIPT = Path(__file__).parent / "kernel_mutant.py"
# Other libraries are not asked: which of them are here differs from machine to machine.
KINDS = ["symbolic", "numeric", "adjoint", "parity"]


def mutated(mutant):
    """The mutant as a module, under the name of the right one."""
    path = PACKAGE / mutant.file
    module = types.ModuleType(f"refconv.reference.{path.stem}")
    exec(compile(mutant.patched(path.read_text("utf-8")), str(path), "exec"), vars(module))
    return module


@pytest.fixture
def in_place(monkeypatch):
    """Puts the functions of a module of loops in the place of the right ones, wherever these have been imported."""

    def put(module):
        wrong = {id(right): getattr(module, right.__name__) for right in loops_of(importlib.import_module(module.__name__))}
        for path in (PACKAGE / "reference").glob("[a-z]*.py"):
            family = importlib.import_module(f"refconv.reference.{path.stem}")
            for name, value in list(vars(family).items()):
                if id(value) in wrong:
                    monkeypatch.setattr(family, name, wrong[id(value)])

    return put


def loops_of(module):
    return [getattr(module, name) for name in module.__all__]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("mutant", LOOPS, ids=str)
def test_a_mutant_of_a_loop_is_refuted(mutant, in_place):
    in_place(mutated(mutant))
    # A few fixed cases are enough. Drawn cases differ between versions of hypothesis, and few have what a mistake needs.
    drawn = ("numeric", "parity")
    outcomes = [gather(find(mutant.operator), kind, quick=kind not in drawn, engine_name="reference") for kind in KINDS]
    kinds = {outcome.kind for outcome in outcomes if outcome.refuted is not None}
    assert kinds == mutant.kinds - (set() if _core.ISA else {"parity"})


@pytest.fixture(scope="session")
def verdicts(tmp_path_factory):
    """What parity says about each mutant of a kernel; they are compiled two at a time."""
    there = {name: importlib.util.find_spec(name) for name in ("Cython", "setuptools")}
    there["a C compiler"] = shutil.which((sysconfig.get_config_var("CC") or "cl").split()[0])
    missing = [name for name in there if not there[name]]
    if missing:  # a skip would hide that nothing tests whether parity can fail
        pytest.fail(f"compiling a mutant needs {' and '.join(missing)}: install refconv[test] and a C compiler", pytrace=False)

    def verdict(number, directory):
        command = [sys.executable, str(SCRIPT), str(number), str(directory)]
        environment = {**os.environ, "REFCONV_ISA": "baseline", "PYTHONPATH": str(PACKAGE.parent)}
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)

    directories = [tmp_path_factory.mktemp("mutant") for _ in KERNELS]
    with ThreadPoolExecutor(2) as pool:
        yield [pool.submit(verdict, *numbered) for numbered in enumerate(directories)]


@needs_kernels
@pytest.mark.parametrize("number", range(len(KERNELS)), ids=[str(mutant) for mutant in KERNELS])
def test_a_mutant_of_a_kernel_is_refuted(number, verdicts):
    done = verdicts[number].result()
    assert done.returncode == 0, done.stderr
    *_, words = done.stdout.splitlines()
    assert words != "None", "parity sees nothing wrong"
