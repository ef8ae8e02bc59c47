"""The public face: everything in it exists, explains itself, and comes without what it does not need."""

import inspect
import subprocess
import sys

import pytest

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
