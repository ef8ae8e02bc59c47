"""The public face: everything in it exists, explains itself, and comes without what it does not need."""

import importlib
import importlib.metadata
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import refconv
from refconv import nn

OPERATORS = [name for name in refconv.__all__ if inspect.isfunction(getattr(refconv, name))]
STATE = {  # not operators
    "current_engine",
    "engine",
    "get_fusion",
    "get_num_threads",
    "get_precision",
    "keep_freed_memory",
    "set_fusion",
    "set_num_threads",
    "set_precision",
}
PYPROJECT = Path(refconv.__file__).parents[1] / "pyproject.toml"
LAYERS = [name for name in nn.__all__ if inspect.isclass(getattr(nn, name))]


@pytest.mark.parametrize("module", [refconv, refconv.nn, refconv.data, refconv.models, refconv.optim, refconv.training])
def test_every_public_name_exists_once(module):
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        assert hasattr(module, name), name


@pytest.mark.parametrize("name", [n for n in OPERATORS if n[0].islower() and n not in STATE])
def test_every_operator_documents_formula_arguments_errors_example_and_source(name):
    text = inspect.getdoc(getattr(refconv, name)) or ""
    for part in ("Parameters", "Raises", ">>>", "Source:"):
        assert part in text, f"{name} lacks {part}"
    for argument in inspect.signature(getattr(refconv, name)).parameters:
        assert argument in text, f"{name} does not explain {argument}"


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_has_a_docstring(name):
    assert len(inspect.getdoc(getattr(nn, name)) or "") > 20


def test_importing_loads_nothing_that_it_may_not_need():
    code = (
        "import sys, refconv; "
        "print([m for m in ('matplotlib', 'PIL', 'tqdm', 'pooch', 'safetensors', 'scipy', 'sympy', 'requests') "
        "if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True).stdout == "[]\n"


def requirements_of(*extras):
    """The requirements that pyproject.toml states for these extras, including those of the extras they name."""
    tomllib = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")  # pytest depends on tomli
    stated = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]["optional-dependencies"]
    found = []
    for requirement in (Requirement(text) for extra in extras for text in stated[extra]):
        found += requirements_of(*requirement.extras) if requirement.name == "refconv" else [requirement]
    return found


@pytest.mark.skipif(not PYPROJECT.is_file(), reason="an installed package has no pyproject.toml")
def test_the_test_extra_is_installed_in_the_stated_versions():
    # Tests skip where a library is missing, so a library that is missing here would hide them.
    for requirement in requirements_of("test"):
        assert importlib.metadata.version(requirement.name) in requirement.specifier, requirement


@pytest.mark.skipif(not PYPROJECT.is_file(), reason="an installed package has no pyproject.toml")
def test_the_test_extra_has_what_compiling_a_mutant_imports():
    assert {"Cython", "setuptools"} <= {requirement.name for requirement in requirements_of("test")}
