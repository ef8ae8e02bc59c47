"""Tests of the pages of docs/: links, paths, names and generated parts are up to date."""

import importlib
import inspect
import pkgutil
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import refconv
from evidence import needs_kernels

ROOT = Path(refconv.__file__).parents[1]
DOCS = ROOT / "docs"
if not DOCS.is_dir():
    pytest.skip("an installed package has no docs", allow_module_level=True)
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))
generator = importlib.import_module("docs.__main__")

PAGES = sorted(DOCS.rglob("*.md"))
RECORDS = sorted((DOCS / "decisions").glob("*.md"))
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
PATH = re.compile(rf"`((?:{'|'.join(generator.FOLDERS)})/[\w./*-]*)`")
NAME = re.compile(r"`(refconv(?:\.\w+)+)`")


def each_page(pages=PAGES):
    return pytest.mark.parametrize("page", pages, ids=[page.relative_to(DOCS).as_posix() for page in pages])


def missing(page):
    """Return the links and paths of a page whose target does not exist."""
    text = page.read_text("utf-8")
    links = {link for link in LINK.findall(text) if "://" not in link and not (page.parent / link).exists()}
    return links | {path for path in PATH.findall(text) if not any(ROOT.glob(path.rstrip("/")))}


@each_page()
def test_links_and_paths_exist(page):
    assert not missing(page)


def test_a_missing_file_is_found_in_a_link_and_in_a_path(tmp_path):
    page = tmp_path / "page.md"
    text = "[a](page.md) [b](nowhere.md#part) [c](https://example.org/d) `refconv/ops/` `refconv/nowhere.py` `a/b`"
    page.write_text(text, "utf-8")
    assert missing(page) == {"nowhere.md", "refconv/nowhere.py"}


@each_page()
def test_names_of_refconv_resolve(page):
    for name in NAME.findall(page.read_text("utf-8")):
        assert pkgutil.resolve_name(name) is not None


def test_names_of_refconv_in_the_glossary_resolve():
    rows = [line.split(" | ") for line in (DOCS / "glossary.md").read_text("utf-8").splitlines() if line.startswith("| ")]
    names = [name for row in rows for name in re.findall(r"`([a-z]+\.[A-Z]\w+|[a-z]+\.[a-z_]+)`", row[2])]
    names = [name for name in names if name.partition(".")[0] not in ("layer", "model", "parameter")]
    assert len(names) > 20
    for name in names:
        assert pkgutil.resolve_name(f"refconv.{name.removeprefix('refconv.')}") is not None


def test_the_generated_parts_are_up_to_date():
    text = generator.PAGE.read_text("utf-8")
    assert generator.updated(text) == text, "run: python -m docs"


@pytest.mark.skipif(not (ROOT / "benchmarks").is_dir(), reason="a source distribution has fewer folders")
def test_every_folder_with_code_is_in_the_tree():
    folders = {path.parent.name for path in ROOT.glob("[!.]*/*.py")} - {"build"}
    assert folders == set(generator.FOLDERS)


def test_a_package_is_one_level_above_the_highest_package_that_it_imports(monkeypatch):
    monkeypatch.setattr(generator, "imports", lambda: {"a": set(), "b": {"a"}, "c": set(), "d": {"a", "b"}})
    assert generator.levels() == [" 2   d", " 1   b", " 0   a   c"]
    assert [line.split() for line in generator.matrix()[1:]] == [
        ["1", "a", "·"],
        ["2", "b", "■", "·"],
        ["3", "c", "·"],
        ["4", "d", "■", "■", "·"],
    ]


def test_imports_are_read_from_the_sources_of_python_and_cython():
    imports = generator.imports()
    assert {"_core", "geometry", "reference"} <= imports["ops"]
    assert "ops" not in imports["reference"]


@needs_kernels
def test_a_call_passes_the_functions_in_the_order_of_the_page():
    section = generator.PAGE.read_text("utf-8").partition("## A call")[2].partition("A layer adds")[0]
    functions = {name: pkgutil.resolve_name(name) for name in dict.fromkeys(NAME.findall(section))}
    names = {f.__code__: name for name, f in functions.items() if inspect.isfunction(f) and not name.endswith("__getattr__")}
    called = {}

    def record(frame, event, argument):
        if event == "call" and frame.f_code in names:
            called[names[frame.f_code]] = None

    x, w = np.ones((1, 2, 5, 4)), np.ones((3, 2, 2, 3))
    sys.setprofile(record)
    try:
        refconv.conv2d(x, w, data_format="channels_first")
    finally:
        sys.setprofile(None)
    assert list(called) == list(dict.fromkeys(names.values()))


@each_page(RECORDS)
def test_a_decision_record_is_short_and_has_three_parts(page):
    text = page.read_text("utf-8")
    assert re.match(rf"# {int(page.name[:2])}\. \w", text)
    assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    assert len(text.splitlines()) <= 16


def test_the_architecture_page_lists_every_decision_record():
    linked = [link for link in LINK.findall(generator.PAGE.read_text("utf-8")) if link.startswith("decisions/")]
    assert linked == [record.relative_to(DOCS).as_posix() for record in RECORDS]


def test_both_commands_of_the_readme_share_one_environment():
    section = (ROOT / "README.md").read_text("utf-8").partition("## Two commands")[2].partition("\n## ")[0]
    first, second = re.findall(r"^(python3 -m venv .*|\.venv/bin/.*)$", section, re.MULTILINE)  # as in .ci/run
    assert first.startswith('python3 -m venv .venv && .venv/bin/pip install -e ".[test]" && .venv/bin/refconv train ')
    assert second == ".venv/bin/pytest"
