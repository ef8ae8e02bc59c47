"""Tests that each family of operators in refconv.families has a module in every package."""

import os
import shutil
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

import refconv
from refconv import _core, reference
from refconv.families import FAMILIES
from refconv.verify.catalogue import OPERATORS, UPDATES
from refconv.verify.student.mistakes import MISTAKES

PACKAGE = Path(refconv.__file__).parent
TESTS = Path(__file__).parent
HELPERS = {"functions", "padding"}  # modules of reference/ that several families use


def missing(family):
    """Return the required files that a family lacks, relative to the root of the project."""
    module = f"refconv.verify.catalogue.{family}"
    public = bool(getattr(import_module(module), "OPERATORS", ())) if find_spec(module) else True
    files = [
        f"refconv/reference/{family}.py",
        f"refconv/verify/catalogue/{family}.py",
        f"tests/reference/test_{family}.py",
        f"tests/_core/test_{family}.py",
    ]
    if public:  # optimisers are classes of refconv.optim, with their own tests
        files += [f"refconv/ops/{family}.py", f"refconv/verify/student/mistakes/{family}.py", f"tests/ops/test_{family}.py"]
    folders = {"refconv": PACKAGE.parent, "tests": TESTS.parent}
    absent = [file for file in files if not (folders[file.partition("/")[0]] / file).exists()]
    if not any((PACKAGE / "_core").glob(f"*/{family}.pyx")):
        absent.append(f"refconv/_core/*/{family}.pyx")
    return absent


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_has_its_modules_and_tests(family):
    assert missing(family) == []


def test_the_files_that_a_new_family_needs_are_named():
    assert missing("wavelet") == [
        "refconv/reference/wavelet.py",
        "refconv/verify/catalogue/wavelet.py",
        "tests/reference/test_wavelet.py",
        "tests/_core/test_wavelet.py",
        "refconv/ops/wavelet.py",
        "refconv/verify/student/mistakes/wavelet.py",
        "tests/ops/test_wavelet.py",
        "refconv/_core/*/wavelet.pyx",
    ]


def test_every_module_of_loops_is_a_family_or_a_helper():
    modules = {path.stem for path in (PACKAGE / "reference").glob("[!_]*.py")}
    assert modules == {*FAMILIES, *HELPERS}
    assert reference.__all__ == list(FAMILIES)


def test_the_catalogue_has_rows_of_every_family_in_their_order():
    assert list(dict.fromkeys(row.family for row in (OPERATORS | UPDATES).values())) == list(FAMILIES)


@pytest.mark.parametrize("family", {row.family: None for row in OPERATORS.values()})
def test_the_operators_of_a_family_are_exported_and_have_common_mistakes(family):
    functions = {name for row in OPERATORS.values() if row.family == family for name in row.functions}
    assert functions <= set(refconv.__all__)
    assert functions & set(MISTAKES)


@pytest.mark.skipif(_core.ISA is None, reason="refconv was built without kernels (REFCONV_PURE=1)")
@pytest.mark.parametrize("family", FAMILIES)
def test_the_kernels_of_a_family_are_loaded(family):
    assert hasattr(_core.kernels, family)


LOOP = '''
"""Doubling."""
import numpy as np
__all__ = ["double", "double_dx"]

def double(x):
    return np.array([2 * number for number in x.flat]).reshape(x.shape)

def double_dx(dy):
    return double(dy)
'''
ROW = '''
"""Doubling."""
from hypothesis import strategies as st
from refconv.verify.case import Case
from refconv.verify.operator import Derivative, Operator
OPERATORS = (
    Operator("double", "doubling", "A1", "y = 2·x", lambda double, a: double(a.x),
             (Derivative("double_dx", ("x",), lambda dx, a: dx(a.dy)),),
             (Case({"x": (2, 3)}),), lambda: st.just(Case({"x": (3,)}))),
)
'''
MISTAKE = '''
"""Mistakes in doubling."""
from refconv.verify.student.mistakes.mistake import Mistake
MISTAKES = {"double": (Mistake("the factor is missing", lambda a: a.x),)}
'''
USE = """
from refconv import reference
from refconv.verify.catalogue import find
from refconv.verify.evidence.kinds import KINDS, gather
from refconv.verify.student.mistakes import MISTAKES
print(reference.doubling.double.__name__, MISTAKES["double"][0].words)
print([gather(find("double_dx"), kind).cell for kind in ("symbolic", "adjoint")])
"""


@pytest.fixture
def copied(tmp_path):
    """Return the folder of a copy of the package, without kernels and with one more family."""
    shutil.copytree(PACKAGE, tmp_path / "refconv", ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"))
    (tmp_path / "refconv" / "_core" / _core.PURE_MARKER.name).touch()
    path = tmp_path / "refconv" / "families.py"
    path.write_text(path.read_text("utf-8").replace("FAMILIES = (", 'FAMILIES = (\n    "doubling",'), "utf-8")
    return tmp_path


def run(folder):
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONIOENCODING": "utf-8"}
    return subprocess.run([sys.executable, "-c", USE], env=environment, cwd=folder, capture_output=True, encoding="utf-8")


def test_a_name_in_the_list_and_the_files_of_the_family_suffice(copied):
    for folder, text in (("reference", LOOP), ("verify/catalogue", ROW), ("verify/student/mistakes", MISTAKE)):
        (copied / "refconv" / folder / "doubling.py").write_text(text, "utf-8")
    done = run(copied)
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["double the factor is missing", "['✓   1 exact', '✓   1 exact']"]


def test_a_family_without_its_files_is_refused_by_name(copied):
    assert "No module named 'refconv.reference.doubling'" in run(copied).stderr
    (copied / "refconv" / "reference" / "doubling.py").write_text(LOOP, "utf-8")
    assert "No module named 'refconv.verify.catalogue.doubling'" in run(copied).stderr
