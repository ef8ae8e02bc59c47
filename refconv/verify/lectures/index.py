"""Index of the lectures: each statement and the code that implements it, read from the code.

* loops: the functions of :mod:`refconv.reference` whose docstring cites the statement after ``Source:``, or, for a statement
  about a whole operator, the functions of the operator whose entry in the catalogue cites it;
* elsewhere: sizes, layers, optimisers, architectures, and operators without a loop, whose docstring cites the statement;
* properties: tests, or classes of tests, whose docstring begins with the id of the statement;
* demonstrations: experiments and figures that cite the statement.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import refconv
from refconv import _core, reference
from refconv._errors import ArgumentValueError
from refconv.verify.catalogue import CATALOGUE, did_you_mean, find
from refconv.verify.evidence.oracle import tables
from refconv.verify.lectures.plain import formula
from refconv.verify.lectures.statements import STATEMENTS, ids
from refconv.verify.operator import lookup

__all__ = ["Entry", "Loop", "entries", "evidence", "literature", "loops", "named", "root", "select"]

PACKAGE = Path(refconv.__file__).parent
# Packages whose docstrings may cite statements, apart from the loops.
STATED_IN = ("geometry", "ops", "nn", "optim", "models", "training", "analysis", "verify")
TEST_FOLDERS = ("reference", "_core", "ops", "nn", "models")


@dataclass(frozen=True)
class Loop:
    """Loop, or an operator, layer or optimiser without a loop.

    Locations are pairs (path relative to the parent folder of the package, line).
    """

    name: str
    family: str
    ids: tuple[str, ...]
    formula: str
    place: tuple[str, int]
    kernel: tuple[str, int] | None
    tests: tuple[str, ...]
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """Statement of the lectures with its code, property tests, experiments and figures.

    Code without a loop is a list of (dotted name, path, line). Experiments and figures are paths.
    """

    id: str
    statement: str
    loops: tuple[Loop, ...]
    elsewhere: tuple[tuple[str, str, int], ...]
    properties: tuple[str, ...]
    demonstrations: tuple[str, ...] = ()

    @property
    def evidence(self) -> tuple[str, ...]:
        """Kinds of evidence for the loops, layers and optimisers that implement the statement."""
        rows = [CATALOGUE[name] for name, *_ in self.elsewhere if name in CATALOGUE]
        row_evidence = [evidence(operator) for operator in rows if self.id in ids(operator.ids)]
        kinds_found = {kind for kinds in (*row_evidence, *(loop.evidence for loop in self.loops)) for kind in kinds}
        return tuple(kind for kind in ("symbolic", "numeric", "adjoint", "parity", "oracle") if kind in kinds_found)

    @property
    def is_implemented(self) -> bool:
        """True if any code implements it."""
        return bool(self.loops or self.elsewhere or self.properties)


def _is_about_models(path):
    """Return True for files that define models of the lectures, not files that only use models."""
    return path.startswith("refconv/models/") or path == "refconv/analysis/gabor.py"


def entries() -> list[Entry]:
    """Return all statements of the lectures in their order, with or without code."""
    return [
        Entry(
            id,
            statement,
            _slides_first(loop for loop in loops() if id in loop.ids),
            tuple(place for place, cited in _elsewhere() if id in cited and (id[0] != "M" or _is_about_models(place[1]))),
            tuple(name for name, cited in _properties() if id in cited),
            tuple(path for path, cited in _demonstrations() if id in cited),
        )
        for id, statement in STATEMENTS.items()
    ]


def select(names=()) -> list[Entry]:
    """Return the entries with these ids or names; by default all entries that have code.

    For a name, an entry contains only the parts with this name. A name that `refconv verify` lists and that belongs to no
    statement gets a separate entry without an id.

    >>> [(entry.id, [loop.name for loop in entry.loops]) for entry in select(["conv2d_dx"])]
    [('B4', ['conv2d_dx'])]
    """
    if not names:
        return [entry for entry in entries() if entry.is_implemented]
    cited = {loop.name for loop in loops()} | {place[0] for entry in entries() for place in entry.elsewhere}
    unlisted = [name for name in dict.fromkeys(names) if name.upper() not in STATEMENTS and name not in cited]
    for name in unlisted:
        if name not in _proved():
            similar = did_you_mean(name, sorted(cited | _proved()))
            raise ArgumentValueError(
                f"names must be ids such as B3, loops such as conv2d_dx or nn.Conv2D, got {name!r}{similar}"
            )
    chosen = []
    for entry in entries():
        selected_loops = tuple(loop for loop in entry.loops if loop.name in names)
        selected_places = tuple(place for place in entry.elsewhere if place[0] in names)
        if entry.id in map(str.upper, names):
            chosen.append(entry)
        elif selected_loops or selected_places:
            chosen.append(Entry(entry.id, entry.statement, selected_loops, selected_places, ()))
    other_loops = [loop for loop in map(named, unlisted) if loop is not None]
    return [*chosen, *(Entry("", loop.formula, (loop,), (), ()) for loop in other_loops)]


def named(name) -> Loop | None:
    """Return formula, location and evidence of a name that `refconv verify` accepts, or None.

    >>> named("optim.SGD").formula, named("optim.SGD").evidence
    ('v ← μ·v − α·(g + λ·θ); θ ← θ + v', ('symbolic', 'parity', 'oracle'))
    """
    if loop := next((loop for loop in loops() if loop.name == name), None):
        return loop
    if name not in _proved():
        return None
    operator = find(name, CATALOGUE)
    module = import_module(f"refconv.reference.{operator.family}") if operator.family in reference.__all__ else None
    if module and name in module.__all__:
        return _loop(module, operator.family, name)
    function = lookup(name)
    place = _location(Path(inspect.getsourcefile(function) or ""), rf"(?:def|class) {function.__name__}\b")
    tests = _tests(operator.family)
    return Loop(name, operator.family, tuple(ids(operator.ids)), operator.formula, place, None, tests, evidence(operator))


def _proved():
    """Return all names that `refconv verify` accepts."""
    return {name for operator in CATALOGUE.values() for name in (*operator.functions, *operator.loops)}


def root() -> Path | None:
    """Return the folder of the checkout; None if refconv is installed without its tests."""
    return PACKAGE.parent if (PACKAGE.parent / "tests" / "reference").is_dir() else None


@functools.cache
def loops() -> tuple[Loop, ...]:
    """Return the loops that cite the lectures, grouped by family."""
    modules = {family: import_module(f"refconv.reference.{family}") for family in reference.__all__}
    all_loops = [_loop(module, family, name) for family, module in modules.items() for name in module.__all__]
    return tuple(loop for loop in all_loops if loop.ids)


def _slides_first(loops_of_statement):
    """Sort loops: first those in the slides' notation (``centred_…``), then those for images."""
    prefixes = ("centred_", "conv2d")
    return tuple(
        sorted(
            loops_of_statement,
            key=lambda loop: next((n for n, begin in enumerate(prefixes) if loop.name.startswith(begin)), 2),
        )
    )


def _loop(module, family, name):
    function = getattr(module, name)
    operator = _operator(name, family)
    has_own_row = name in CATALOGUE  # the catalogue has an entry for this function itself
    cited = [*_cited(inspect.getdoc(function)), *(_of_the_operator(operator, module) if has_own_row else ())]
    return Loop(
        name,
        family,
        tuple(id for id in STATEMENTS if id in cited),
        operator.formula if has_own_row else formula(function),
        _location(Path(inspect.getsourcefile(function) or ""), rf"def {name}\("),
        _location(_core.source(family), rf"def {name}\("),
        _tests(family),
        evidence(operator),
    )


def _operator(name, family):
    """Return the operator that has this function, preferring a row with its name."""
    candidates = [o for o in CATALOGUE.values() if o.family == family and name in (*o.functions, *o.loops)]
    return CATALOGUE.get(name) or (candidates[0] if candidates else None)


def _of_the_operator(operator, module):
    """Return the ids that the catalogue lists for an operator and that no function of it cites."""
    known = [_cited(inspect.getdoc(getattr(module, name, None))) for name in operator.functions]
    return [id for id in ids(operator.ids) if not any(id in cited for cited in known)]


def evidence(operator):
    """Return the kinds of evidence for all functions of an operator, without other libraries."""
    if operator is None:
        return ()
    available = {
        "symbolic": operator.derivatives or operator.definition,
        "numeric": operator.derivatives,
        "adjoint": operator.derivatives,
        "parity": True,
        "oracle": operator.worked or next(tables(operator), None),
    }
    return tuple(kind for kind, is_available in available.items() if is_available and kind not in operator.without)


def _location(path, pattern):
    """Return (path, line) of the first line that begins with the pattern, or None."""
    if not path.exists():
        return None
    text = path.read_text(encoding="utf-8")
    match = re.search(f"^{pattern}", text, re.MULTILINE)
    return (_relative(path), text.count("\n", 0, match.start()) + 1) if match else None


def _relative(path):
    return path.relative_to(PACKAGE.parent).as_posix()


def _tests(family):
    checkout = root()
    files = [checkout / "tests" / package / f"test_{family}.py" for package in TEST_FOLDERS] if checkout else []
    return tuple(_relative(file) for file in files if file.exists())


def literature(function) -> str:
    """Return the publications that a docstring cites after the ids of ``Source:``, or "".

    >>> literature(refconv.conv2d)
    'LeCun et al., "Gradient-based learning applied to document recognition", 1998'
    """
    return " ".join(_source(inspect.getdoc(function)).partition(";")[2].split()).rstrip(".")


def _cited(docstring):
    """Return the ids after ``Source:``."""
    return ids(_source(docstring))


def _source(docstring):
    """Return the text after ``Source:`` to the end of its paragraph."""
    return (docstring or "").partition("Source:")[2].partition("\n\n")[0]


@functools.cache
def _elsewhere():
    """Return public code without a loop as pairs ((dotted name, path, line), cited ids)."""
    entries_by_place = []
    names_of_loops = [loop.name for loop in loops()]
    for path in _files(PACKAGE, "*.py"):
        package = path.relative_to(PACKAGE).with_suffix("").parts[0]
        if package not in STATED_IN:
            continue
        # Operators are called as refconv.f. Most of them have a loop, which is already listed.
        operators = [f for f in refconv.__all__ if f not in names_of_loops]
        public = operators if package == "ops" else import_module(f"refconv.{package}").__all__
        for name, line, docstring in _docstrings(path):
            if name.split(".")[0] in public and _cited(docstring):
                dotted = name if package == "ops" else f"{package}.{name}"
                entries_by_place.append(((dotted, _relative(path), line), _cited(docstring)))
    return tuple(entries_by_place)


@functools.cache
def _properties():
    """Return tests whose docstring begins with ids, as pairs (path::name, ids)."""
    checkout = root()
    files = _files(checkout / "tests", "test_*.py") if checkout else []
    return tuple(
        (f"{_relative(path)}::{name.replace('.', '::')}", ids(id_match[0]))
        for path in files
        for name, _, docstring in _docstrings(path)
        if name.rpartition(".")[2].startswith(("test_", "Test"))
        and (id_match := re.match(r"[ABCD]\d+(?:(?:[–, ]+| and )[ABCD]\d+)*(?=[.:,])", docstring))
    )


@functools.cache
def _demonstrations():
    """Return experiments and figures that cite statements, as pairs (path, ids)."""
    checkout = root()
    files = [file for folder in ("experiments", "figures") if checkout for file in _files(checkout / folder, "*.py")]
    return tuple(
        (_relative(path), cited) for path in files if (cited := _cited_in(ast.parse(path.read_text(encoding="utf-8"))))
    )


def _cited_in(module):
    """Return the ids that the docstrings of a parsed module and its experiments cite."""
    cited = _cited(ast.get_docstring(module))
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            cited += _cited(ast.get_docstring(node))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Experiment":
            cited += ids(node.args[2].value)  # name, statement, source
    return cited


def _files(folder, pattern):
    """Return the files below a folder, except in hidden folders such as .ipynb_checkpoints."""
    inside = ((path, path.relative_to(folder).parts) for path in folder.rglob(pattern))
    return sorted(path for path, parts in inside if not any(part.startswith(".") for part in parts))


def _docstrings(path):
    """Yield dotted name, line and docstring of each function, class and method in a file."""

    def definitions_in(body, prefix):
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield prefix + node.name, node.lineno, ast.get_docstring(node) or ""
                if isinstance(node, ast.ClassDef):
                    yield from definitions_in(node.body, f"{prefix}{node.name}.")

    yield from definitions_in(ast.parse(path.read_text(encoding="utf-8")).body, "")
