"""Tests of the public API: each name exists, is documented and is imported when first used."""

import ast
import functools
import importlib
import importlib.metadata
import inspect
import pickle
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import refconv
from refconv import nn, verify

OPERATORS = [name for name in refconv.__all__ if inspect.isfunction(getattr(refconv, name))]
STATE = {"config", "get_config", "keep_freed_memory", "set_config"}  # not operators
ERRORS = {"ArgumentError", "ArgumentTypeError", "ArgumentValueError"}
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


@pytest.mark.parametrize("name", ["check", "check_layer", "table", "trace"])
def test_help_of_every_check_explains_its_arguments(name):
    function = getattr(verify, name)
    text = inspect.getdoc(function) or ""
    for part in ("Parameters\n---", "Returns\n---", "Raises\n---", *inspect.signature(function).parameters):
        assert part in text, f"{name} lacks {part}"


def test_drawing_is_imported_on_use_and_the_error_about_verify_shows_its_import():
    code = "import sys, refconv; assert 'refconv.drawing' not in sys.modules; print(refconv.drawing.__name__); refconv.verify"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False)
    assert run.stdout == "refconv.drawing\n"
    assert run.stderr.splitlines()[-1].startswith(
        "AttributeError: module 'refconv' has no attribute 'verify': write `from refconv import verify`"
    )


NAMED_LAYERS = {
    "Concat",
    "Heads",
    "Mean",
    "Sequential",
    "Sum",
}  # keyword arguments of these classes are the names of inner layers


@pytest.mark.parametrize("name", [name for name in LAYERS if name not in NAMED_LAYERS])
def test_the_signature_of_a_layer_shows_every_option(name):
    kinds = {p.kind for p in inspect.signature(getattr(nn, name)).parameters.values()}
    assert inspect.Parameter.VAR_KEYWORD not in kinds


WITHOUT_WINDOW = re.compile("lobal|daptive|Group|_dx$")  # poolings whose window follows from the sizes


@pytest.mark.parametrize("name", [n for n in [*OPERATORS, *LAYERS] if "ool" in n and not WITHOUT_WINDOW.search(n)])
def test_operators_and_layers_have_one_name_for_the_size_of_a_window(name):
    function = getattr(refconv, name) if name in OPERATORS else getattr(nn, name)
    assert "kernel_size" in inspect.signature(function).parameters


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_has_a_docstring(name):
    assert len(inspect.getdoc(getattr(nn, name)) or "") > 20


def run_python(script):
    """Return the output of a script in a new interpreter."""
    return subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=True).stdout.strip()


@functools.cache
def loaded_by(statement):
    """Return the names of all modules that a statement loads in a new interpreter."""
    return set(run_python(f"import sys; {statement}; print(*sys.modules)").split())


ENGINE = {
    "_arguments",
    "_config",
    "_core",
    "_errors",
    "_version",
    "families",
    "geometry",
    "reference",
    "typing",
}  # packages of refconv


def test_import_refconv_loads_the_engine_only():
    loaded = loaded_by("import refconv")
    assert {name.split(".")[1] for name in loaded if name.startswith("refconv.")} <= ENGINE
    slow = {"csv", "gzip", "importlib.metadata", "json", "logging", "numpy.random", "tempfile", "unittest"}
    assert not (loaded - loaded_by("import numpy")) & slow  # older versions of NumPy load some of them


def test_an_operator_loads_its_family_only():
    loaded = loaded_by("import refconv; refconv.conv2d")
    assert {name for name in loaded if name.startswith("refconv.ops.")} == {
        f"refconv.ops.{module}" for module in ("check", "conv", "conv_checks", "dispatch")
    }
    assert "refconv.nn" not in loaded


def test_loading_a_network_loads_no_exchange_with_other_libraries():
    exchange = {"refconv.weights.keras", "refconv.weights.pytorch"}
    assert not loaded_by("import refconv; refconv.load") & exchange
    assert exchange <= loaded_by("from refconv.weights import *")


@pytest.mark.parametrize("statement", ["from refconv import *", "import refconv; help(refconv)"])
def test_every_public_name_is_loaded_without_optional_packages(statement):
    optional = {"PIL", "hypothesis", "matplotlib", "pooch", "requests", "safetensors", "scipy", "sympy", "tqdm"}
    loaded = loaded_by(statement)
    assert "refconv.training.fit" in loaded
    assert not loaded & optional


def test_editors_see_the_names_that_python_imports():
    (block,) = [node for node in ast.parse(Path(refconv.__file__).read_text("utf-8")).body if isinstance(node, ast.If)]
    seen = {alias.name: node.module for node in block.body for alias in node.names}
    expected = {name: module for name, module in refconv._MODULE_OF.items() if name not in refconv._SUBMODULES}
    assert seen == {**expected, **dict.fromkeys(refconv._SUBMODULES, "refconv")}
    assert set(refconv.__all__) == {*seen, *STATE, "__version__", "reference", *ERRORS}


def test_dir_lists_names_before_they_are_imported():
    printed = run_python("import refconv; print({'conv2d', 'nn', 'Window'} <= set(dir(refconv)), 'conv2d' in vars(refconv))")
    assert printed == "True False"


def test_a_name_that_is_not_public_is_refused():
    with pytest.raises(AttributeError, match=r"module 'refconv' has no attribute 'convolve3d'"):
        refconv.convolve3d  # noqa: B018
    assert not hasattr(refconv, "FAMILIES")


def test_one_thread_at_a_time_imports_public_names(monkeypatch):
    active, most = 0, 0

    def import_module(name):
        nonlocal active, most
        active += 1
        most = max(most, active)
        time.sleep(0.01)  # gives other threads time to enter
        active -= 1
        return sys.modules[name]

    monkeypatch.setattr(refconv.importlib, "import_module", import_module)
    names = ["conv2d", "max_pool2d", "Window", "models", "nn"]
    with ThreadPoolExecutor(len(names)) as pool:
        values = list(pool.map(refconv.__getattr__, names))
    assert values == [getattr(refconv, name) for name in names]
    assert most == 1


def test_an_operator_is_pickled_by_its_name():
    assert pickle.loads(pickle.dumps(refconv.conv2d)) is refconv.conv2d


def requirements_of(*extras):
    """Return the requirements of these extras, and of the extras they name, in pyproject.toml."""
    tomllib = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")  # pytest depends on tomli
    extras_table = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]["optional-dependencies"]
    requirements = []
    for requirement in (Requirement(text) for extra in extras for text in extras_table[extra]):
        requirements += requirements_of(*requirement.extras) if requirement.name == "refconv" else [requirement]
    return requirements


@pytest.mark.skipif(not PYPROJECT.is_file(), reason="an installed package has no pyproject.toml")
def test_the_test_extra_is_installed_in_the_stated_versions():
    # Tests are skipped if their library is missing, so a missing library would hide failures.
    for requirement in requirements_of("test"):
        assert importlib.metadata.version(requirement.name) in requirement.specifier, requirement


@pytest.mark.skipif(not PYPROJECT.is_file(), reason="an installed package has no pyproject.toml")
def test_the_test_extra_contains_the_packages_that_compile_a_mutant():
    assert {"Cython", "setuptools"} <= {requirement.name for requirement in requirements_of("test")}


@pytest.mark.skipif(not PYPROJECT.is_file(), reason="an installed package has no pyproject.toml")
def test_developers_get_what_setup_py_needs_without_isolation():
    """``python setup.py build_ext`` needs the same versions as the build that pip isolates."""
    text = PYPROJECT.read_text("utf-8")
    needed = re.findall(r'"([^"]+)"', re.search(r"^requires = \[(.*)\]$", text, re.MULTILINE)[1])
    assert len(needed) >= 3
    for requirement in needed:
        assert re.search(rf'^(?:dev|test) = .*"{re.escape(requirement)}"', text, re.MULTILINE), requirement


# Derivatives whose arrays may have the same shape: exchanging them by mistake would give wrong results without an error.
BY_KEYWORD = {
    "batch_norm_grads": ("x", "gamma", "mean", "var"),
    "batch_norm_inference_grads": ("x", "gamma", "mean", "var"),
    "dropout_dx": ("mask",),
    "elu_dx": ("x",),
    "leaky_relu_dx": ("x",),
    "local_response_norm_dx": ("x",),
    "log_softmax_dx": ("y",),
    "relu_dx": ("x",),
    "separable_conv2d_grads": ("x", "depthwise", "pointwise"),
    "sigmoid_dx": ("y",),
    "softmax_dx": ("y",),
    "tanh_dx": ("y",),
}


@pytest.mark.parametrize("name", BY_KEYWORD)
def test_the_arrays_of_a_derivative_other_than_dy_are_keyword_only(name):
    family = refconv._MODULE_OF[name].rpartition(".")[2]
    for function in (getattr(refconv, name), getattr(getattr(refconv.reference, family), name)):
        parameters = inspect.signature(function).parameters
        arrays = [parameters[array] for array in BY_KEYWORD[name]]
        assert all(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in arrays)
    with pytest.raises(TypeError):
        getattr(refconv, name)([[1.0, 2, 3]], [[4.0, 5, 6]])


def test_modules_of_operators_are_attributes():
    printed = run_python("import refconv; print(refconv.ops.conv.__name__, refconv.geometry.Window.__name__)")
    assert printed.split() == ["refconv.ops.conv", "Window"]
    with pytest.raises(AttributeError, match=r"module 'refconv.ops' has no attribute 'convolve3d'"):
        refconv.ops.convolve3d  # noqa: B018


def test_the_citation_has_the_version_of_the_package():
    path = PYPROJECT.parent / "CITATION.cff"
    if not path.exists():
        pytest.skip("an installed package has no CITATION.cff")
    assert f"\nversion: {refconv.__version__}\n" in path.read_text("utf-8")
