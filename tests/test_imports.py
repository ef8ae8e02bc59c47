"""Imports go one way, and every loop has its kernel: read from the sources, without importing anything."""

import ast
import re
import sys
from pathlib import Path

import pytest

import refconv
from refconv._core import FAMILIES

PACKAGE = Path(refconv.__file__).parent

# What a room, a folder or module directly in refconv, may import of the others. ANY may import them all.
ANY = frozenset({"everything"})
MAY_IMPORT = {
    "__init__": ANY,
    "__main__": ANY,
    "_ascii": set(),
    "_core": {"geometry"},
    "_extras": set(),
    "_version": set(),
    "cli": ANY,
    "data": {"_extras", "geometry", "labels"},
    "drawing": {"_extras", "nn"},
    "geometry": set(),
    "labels": set(),
    "models": {"geometry", "labels", "nn"},
    "neighbours": set(),
    "nn": {"_ascii", "geometry", "neighbours", "ops"},
    "ops": {"_core", "geometry", "labels", "reference"},
    "optim": {"geometry", "neighbours", "ops"},
    "reference": {"geometry"},
    "report": {"_extras"},
    "training": {"_extras", "data", "geometry", "labels", "models", "nn", "ops", "optim", "weights"},
    "verify": ANY,
    "weights": {"_extras", "models", "nn"},
}

# Beside the standard library. Everything else is optional, and imported by the function that needs it.
THIRD_PARTY = {
    "geometry": set(),
    "_ascii": set(),
    "_extras": set(),
    "_version": set(),
    "verify": {"hypothesis", "numpy", "scipy", "sympy"},  # none of it is imported with refconv itself
}

# Formulas of the slides that are there to be read, and are compared with the layer: no kernel of their own.
LOOPS_ONLY = {
    "avg_pool": {"counts"},
    "conv": {"centred_correlation", "centred_correlation_dw", "centred_correlation_dx"},
    "conv_transpose": {"zero_stuffed_conv_transpose2d"},
    "max_pool": {"wins"},
    "norm": {"running_average"},
    "response_norm": {"denominators"},
}

CYTHON_IMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+c?import\b|c?import\s+([\w.]+))", re.MULTILINE)
CYTHON_DEF = re.compile(r"^def (\w+)\((.*?)\):$", re.MULTILINE | re.DOTALL)


def room_of(path):
    inside = path.relative_to(PACKAGE)
    return inside.parts[0] if len(inside.parts) > 1 else inside.stem


def sources(*suffixes):
    found = [path for path in sorted(PACKAGE.rglob("*")) if path.suffix in suffixes]
    return pytest.mark.parametrize("path", found, ids=[path.relative_to(PACKAGE).as_posix() for path in found])


def imported(path):
    """Dotted names of all that a module imports, wherever in it the statement stands."""
    if path.suffix != ".py":
        return {a or b for a, b in CYTHON_IMPORT.findall(path.read_text(encoding="utf-8"))}
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path.name}, line {node.lineno}: a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def rooms_imported(path):
    parts = [name.split(".") for name in imported(path) if name.split(".")[0] == "refconv"]
    return {names[1] if len(names) > 1 else "__init__" for names in parts} - {room_of(path)}


@sources(".py", ".pyx", ".pxd", ".pxi")
def test_a_room_imports_only_the_rooms_below_it(path):
    room = room_of(path)
    assert room in MAY_IMPORT, f"{room} is a new room: say in MAY_IMPORT what it may import"
    if MAY_IMPORT[room] is not ANY:
        assert rooms_imported(path) <= MAY_IMPORT[room]


@sources(".py", ".pyx", ".pxd", ".pxi")
def test_nothing_imports_what_stands_beside_the_package(path):
    outside = {"tests", "strategies", "evidence", "conftest", "tutorials", "figures", "benchmarks", "experiments"}
    assert not {name.split(".")[0] for name in imported(path)} & outside


@sources(".py")
def test_numpy_is_all_that_is_imported_when_a_module_is(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in top if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in top if isinstance(node, ast.ImportFrom)}
    others = {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"refconv"}
    assert others <= THIRD_PARTY.get(room_of(path), {"numpy"})


def test_the_reader_of_imports_sees_every_form(tmp_path):
    python, cython = tmp_path / "a.py", tmp_path / "b.pyx"
    python.write_text(
        "import refconv.nn\ndef f():\n    from refconv import ops\n    from refconv.data.idx import read_idx\n", "utf-8"
    )
    cython.write_text("from refconv._core.tile cimport (\n    tile)\ncimport numpy\nimport refconv.ops.check\n", "utf-8")
    assert imported(python) == {"refconv.nn", "refconv.ops", "refconv.data.idx.read_idx"}
    assert imported(cython) == {"refconv._core.tile", "numpy", "refconv.ops.check"}


def loops(family):
    """Public functions of a module of the book: name -> parameters."""
    tree = ast.parse((PACKAGE / "reference" / f"{family}.py").read_text(encoding="utf-8"))
    (public,) = [
        ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "__all__"
    ]
    functions = {node.name: node.args for node in tree.body if isinstance(node, ast.FunctionDef)}
    return {name: [arg.arg for arg in functions[name].args] for name in public}


def kernels(family):
    """Functions of a module of the engine: name -> parameters, without their types."""
    text = (PACKAGE / "_core" / f"{family}.pyx").read_text(encoding="utf-8")
    return {name: _parameters(inside) for name, inside in CYTHON_DEF.findall(text)}


def _parameters(inside):
    flat = re.sub(r"\[[^\]]*\]", "", inside)  # the commas of a memoryview's axes
    return [part.partition("=")[0].split()[-1] for part in flat.split(",") if part.strip()]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_loop_has_a_kernel_of_the_same_name_and_parameters(family):
    expected = {name: args for name, args in loops(family).items() if name not in LOOPS_ONLY.get(family, ())}
    have = kernels(family)
    assert {name: have.get(name) for name in expected} == expected


@pytest.mark.parametrize("family", FAMILIES)
def test_the_list_of_loops_without_a_kernel_is_no_longer_than_it_must_be(family):
    assert LOOPS_ONLY.get(family, set()) <= set(loops(family)) - set(kernels(family))
