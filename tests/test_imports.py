"""Tests that the imports in the sources have one direction and each loop has its kernel."""

import ast
import functools
import re
import sys

import pytest

import refconv
from package_layout import ANY, DEFERRED, PACKAGE, PACKAGES, deferred, imported, package_of, packages_imported
from refconv import _core, reference

# Third-party packages that a module may import at its top. All others are optional: the function that needs one imports it.
THIRD_PARTY = {
    "geometry": set(),
    "_ascii": set(),
    "_optional": set(),
    "_version": set(),
    "verify": {"hypothesis", "numpy", "scipy", "sympy"},  # import refconv does not import refconv.verify
}

# Formulas of the slides that are only compared with an operator and need no kernel.
LOOPS_ONLY = {
    "avg_pool": {"counts"},
    "conv": {"centred_correlation", "centred_correlation_dw", "centred_correlation_dx"},
    "conv_transpose": {"zero_stuffed_conv_transpose2d"},
    "max_pool": {"wins"},
    "norm": {"corrected_average", "folded_batch_norm", "running_average"},
    "response_norm": {"denominators"},
}

CYTHON_DEF = re.compile(r"^def (\w+)\((.*?)\):$", re.MULTILINE | re.DOTALL)


def sources(*suffixes):
    paths = [path for path in sorted(PACKAGE.rglob("*")) if path.suffix in suffixes]
    return pytest.mark.parametrize("path", paths, ids=[path.relative_to(PACKAGE).as_posix() for path in paths])


@sources(".py", ".pyx", ".pxd", ".pxi")
def test_a_package_imports_only_what_the_layout_allows(path):
    package = package_of(path)
    assert package in PACKAGES, f"{package} is new: add it to tests/package_layout.py"
    if PACKAGES[package].imports != ANY:
        assert packages_imported(path) <= PACKAGES[package].imports


def test_the_layout_lists_existing_packages_from_the_lowest_to_the_highest():
    assert set(PACKAGES) == {package_of(path) for path in PACKAGE.rglob("*.py")}
    earlier = set()
    for name, (_, imports) in PACKAGES.items():
        assert imports == ANY or imports <= earlier, (
            f"{name} may import {imports - earlier}, which must precede it in the list"
        )
        earlier.add(name)


def import_graph(folder, name):
    """Return, for each module of a package, the modules of the same package that it imports.

    Imports at the top and inside functions count.
    """
    paths = {".".join((name, *path.relative_to(folder).with_suffix("").parts)): path for path in folder.rglob("*.py")}
    paths = {module.removesuffix(".__init__"): path for module, path in paths.items()}

    def module_of(dotted):  # for example, refconv.geometry.Window is a name in the module refconv.geometry
        while dotted and dotted not in paths:
            dotted = dotted.rpartition(".")[0]
        return dotted

    def imports(path):
        later = tuple(f"{name}.{package}" for package in deferred(path))
        return {module_of(dotted) for dotted in imported(path) if not dotted.startswith(later)}

    return {module: imports(path) - {module, ""} for module, path in paths.items()}


@pytest.mark.parametrize("file", DEFERRED)
def test_deferred_imports_exist_and_are_inside_functions(file):
    later = [f"refconv.{package}" for package in DEFERRED[file]]
    top = {ast.unparse(node) for node in top_imports(PACKAGE / file)}
    assert all(any(name.startswith(package) for name in imported(PACKAGE / file)) for package in later)
    assert not [statement for statement in top if any(package in statement for package in later)]


def cycles(graph):
    """Return the groups of modules that import each other.

    These are the strongly connected components with more than one module.
    """
    reachable = {module: reached_from(module, graph) for module in graph}
    groups = {tuple(sorted({n for n in reachable[m] if m in reachable[n]} | {m})) for m in graph}
    return [list(group) for group in sorted(groups) if len(group) > 1]


def reached_from(module, graph):
    reached, pending = set(), [*graph[module]]
    while pending:
        other = pending.pop()
        if other not in reached:
            reached.add(other)
            pending += graph[other]
    return reached


def test_no_modules_import_each_other():
    assert cycles(import_graph(PACKAGE, "refconv")) == []


def test_a_cycle_through_a_function_and_a_package_is_found(tmp_path):
    (tmp_path / "sub").mkdir()
    for name, text in {
        "__init__": "import net.a",
        "a": "def f():\n    from net import sub",
        "sub/__init__": "from net.sub.b import g",
        "sub/b": "from net.a import f\ndef g():\n    import numpy",
        "sub/c": "from net.sub.b import g",
    }.items():
        (tmp_path / f"{name}.py").write_text(text, "utf-8")
    assert cycles(import_graph(tmp_path, "net")) == [["net.a", "net.sub", "net.sub.b"]]


def packages_below(names):
    """Return these packages and all packages that they may import."""
    return {*names}.union(*(packages_below(PACKAGES[name].imports) for name in names))


@functools.cache
def top_imports(path):
    """Return the import statements at the top of a module."""
    return [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.Import | ast.ImportFrom)]


def test_no_module_imports_lazy_names_of_refconv_at_its_top():
    # ``from refconv import nn`` waits for the lock of refconv/__init__.py, and the thread that owns the lock may be waiting
    # for this module: a deadlock. ``import refconv.nn as nn`` does not need the lock.
    earlier = packages_below(refconv._SUBMODULES)
    lazy = {
        f"{path.relative_to(PACKAGE)}: {alias.name}"
        for path in PACKAGE.rglob("*.py")
        if package_of(path) in earlier
        for node in top_imports(path)
        if isinstance(node, ast.ImportFrom) and node.module == "refconv"
        for alias in node.names
        if alias.name in refconv._MODULE_OF
    }
    assert not lazy


@sources(".py", ".pyx", ".pxd", ".pxi")
def test_the_package_imports_nothing_from_other_folders_of_the_project(path):
    outside = {"tests", "strategies", "evidence", "conftest", "tutorials", "figures", "benchmarks", "experiments"}
    assert not {name.split(".")[0] for name in imported(path)} & outside


@sources(".py")
def test_importing_a_module_imports_no_third_party_package_but_numpy(path):
    top = top_imports(path)
    names = {alias.name for node in top if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in top if isinstance(node, ast.ImportFrom)}
    others = {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"refconv"}
    assert others <= THIRD_PARTY.get(package_of(path), {"numpy"})


def test_imported_reads_every_form_of_import(tmp_path):
    python, cython = tmp_path / "a.py", tmp_path / "b.pyx"
    python.write_text(
        "import refconv.nn\ndef f():\n    from refconv import ops\n    from refconv.data.idx import read_idx\n", "utf-8"
    )
    cython.write_text("from refconv._core.tile.tile cimport (\n    tile)\ncimport numpy\nimport refconv.ops.check\n", "utf-8")
    assert imported(python) == {"refconv.nn", "refconv.ops", "refconv.data.idx.read_idx"}
    assert imported(cython) == {"refconv._core.tile.tile", "numpy", "refconv.ops.check"}


def loops(family):
    """Return the parameters of the public functions of a module of reference, by name."""
    tree = ast.parse((PACKAGE / "reference" / f"{family}.py").read_text(encoding="utf-8"))
    (public,) = [
        ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "__all__"
    ]
    functions = {node.name: node.args for node in tree.body if isinstance(node, ast.FunctionDef)}
    return {name: _arguments(functions[name]) for name in public}


def _arguments(arguments):
    """Return the names in order, with "*" before the keyword-only arguments."""
    keywords = [arg.arg for arg in arguments.kwonlyargs]
    return [*(arg.arg for arg in arguments.args), *(["*", *keywords] if keywords else [])]


def kernels(family):
    """Return the parameters of the functions of a kernel module, by name and without types."""
    text = _core.source(family).read_text(encoding="utf-8")
    return {name: _parameters(inside) for name, inside in CYTHON_DEF.findall(text)}


def _parameters(inside):
    flat = re.sub(r"\[[^\]]*\]", "", inside)  # a memoryview's axes contain commas
    return [part.partition("=")[0].split()[-1] for part in flat.split(",") if part.strip()]


@pytest.mark.parametrize("family", reference.__all__)
def test_every_loop_has_a_kernel_of_the_same_name_and_parameters(family):
    expected = {name: args for name, args in loops(family).items() if name not in LOOPS_ONLY.get(family, ())}
    compiled = kernels(family)
    assert {name: compiled.get(name) for name in expected} == expected


@pytest.mark.parametrize("family", reference.__all__)
def test_each_loop_in_the_list_of_loops_without_a_kernel_has_none(family):
    assert LOOPS_ONLY.get(family, set()) <= set(loops(family)) - set(kernels(family))
