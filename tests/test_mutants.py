"""Tests that exactly the expected kinds of evidence refute each mutant."""

import dataclasses
import importlib
import importlib.util
import inspect
import os
import shutil
import subprocess
import sys
import sysconfig
import types
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from hypothesis import strategies as st

import refconv
from evidence import needs_kernels
from mutants import KERNELS, LOOPS, VECTORIZED
from refconv import _core
from refconv.ops import dispatch
from refconv.verify.catalogue import CATALOGUE, find
from refconv.verify.evidence import kinds
from refconv.verify.evidence.kinds import KINDS, gather
from row_mutants import ROWS

PACKAGE = Path(refconv.__file__).parent
SCRIPT = Path(__file__).parent / "kernel_mutant.py"


def mutated(mutant):
    """Return the mutant as a module, under the name of the original module."""
    path = PACKAGE / mutant.file
    module = types.ModuleType(".".join(["refconv", *Path(mutant.file).with_suffix("").parts]))
    exec(compile(mutant.patched(path.read_text("utf-8")), str(path), "exec"), vars(module))
    return module


@pytest.fixture
def in_place(monkeypatch):
    """Return a function that installs the functions and classes of a mutant.

    They replace the original ones wherever these have been imported.
    """

    def put(module):
        right = importlib.import_module(module.__name__)
        pairs = [(getattr(right, name), getattr(module, name)) for name in right.__all__]
        wrong = {id(one): other for one, other in pairs}
        for name, other in list(sys.modules.items()):
            if name.partition(".")[0] == "refconv":
                for attribute, value in list(vars(other).items()):
                    if id(value) in wrong:
                        monkeypatch.setattr(other, attribute, wrong[id(value)])
        for pair in pairs:
            put_methods(*pair)

    def put_methods(right, wrong):
        """Replace the methods of the original class that do not call super().

        Subclasses in other modules inherit from the original class.
        """
        if isinstance(right, type) and right.__subclasses__():
            for name, method in vars(wrong).items():
                if inspect.isfunction(method) and "__class__" not in method.__code__.co_freevars:
                    monkeypatch.setattr(right, name, method)

    return put


@pytest.mark.parametrize("mutant", [*LOOPS, *ROWS, *VECTORIZED, *KERNELS], ids=str)
def test_the_mutated_line_exists(mutant):
    """The slow tests below run seldom, so a line that has moved is found here."""
    source = (PACKAGE / mutant.file).read_text("utf-8")
    assert mutant.patched(source) != source


@pytest.fixture
def no_libraries(monkeypatch):
    """Restrict the oracle to the conventions: installed libraries differ between machines."""
    monkeypatch.setattr(kinds, "installed", lambda libraries=(): [name for name in libraries if name == "conventions"])


def with_fixed_cases(row):
    """Return a strategy that draws fixed cases of an operator and random ones."""
    return st.sampled_from(row.fixed) | row.cases()


@pytest.mark.slow
@pytest.mark.usefixtures("no_libraries")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("mutant", [*LOOPS, *ROWS], ids=str)
def test_a_mutant_of_a_loop_or_a_layer_is_refuted(mutant, in_place):
    in_place(mutated(mutant))
    # A few fixed cases are enough. Drawn cases differ between versions of Hypothesis, and only few of them reveal a given
    # mistake, so for parity, which has no fixed cases, these are also drawn.
    row, drawn = find(mutant.operator, CATALOGUE), ("numeric", "parity")
    rows = {"parity": dataclasses.replace(row, cases=partial(with_fixed_cases, row))}
    outcomes = [gather(rows.get(kind, row), kind, quick=kind not in drawn, engine_name="reference") for kind in KINDS]
    kinds = {outcome.kind for outcome in outcomes if outcome.refuted is not None}
    without_kernels = set() if _core.ISA else {"parity"}  # NumPy and the loops share some functions
    assert kinds - without_kernels == mutant.kinds - without_kernels


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("mutant", VECTORIZED, ids=str)
def test_a_mutant_in_numpy_is_refuted(mutant, monkeypatch):
    wrong = mutated(mutant)
    monkeypatch.setattr(dispatch, "vectorized", wrong)
    monkeypatch.setattr(dispatch.in_numpy, mutant.family, dispatch.vectorized_module(mutant.family))
    row = find(mutant.operator, CATALOGUE)
    outcome = gather(dataclasses.replace(row, cases=partial(with_fixed_cases, row)), "parity", engine_name="numpy")
    assert outcome.refuted is not None
    assert "NumPy gives" in outcome.refuted


@pytest.fixture(scope="session")
def verdicts(tmp_path_factory):
    """Return futures of the verdicts of parity on the mutants; two are compiled at a time."""
    found = {name: importlib.util.find_spec(name) for name in ("Cython", "setuptools")}
    found["a C compiler"] = shutil.which((sysconfig.get_config_var("CC") or "cl").split()[0])
    missing = [name for name in found if not found[name]]
    if missing:  # a skip would hide that no test checks whether parity can fail
        pytest.fail(f"compiling a mutant needs {' and '.join(missing)}: install refconv[test] and a C compiler", pytrace=False)

    def verdict(number, directory):
        command = [sys.executable, str(SCRIPT), str(number), str(directory)]
        environment = {**os.environ, "REFCONV_ISA": "baseline", "PYTHONPATH": str(PACKAGE.parent)}
        return subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, timeout=600)

    directories = [tmp_path_factory.mktemp("mutant") for _ in KERNELS]
    with ThreadPoolExecutor(2) as pool:
        yield [pool.submit(verdict, *numbered) for numbered in enumerate(directories)]


@pytest.mark.slow
@needs_kernels
@pytest.mark.parametrize("number", range(len(KERNELS)), ids=[str(mutant) for mutant in KERNELS])
def test_a_mutant_of_a_kernel_is_refuted(number, verdicts):
    done = verdicts[number].result()
    assert done.returncode == 0, done.stderr
    *_, refutation = done.stdout.splitlines()
    assert refutation != "None", "parity does not refute the mutant"
