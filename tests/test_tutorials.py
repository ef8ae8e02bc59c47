"""Tests of the notebooks: they run, match their texts, and edited ones are not replaced."""

import base64
import importlib
import inspect
import io
import json
import re
import sys
from pathlib import Path

import pytest

import refconv
from evidence import needs_kernels

ROOT = Path(refconv.__file__).parents[1]
FOLDER = ROOT / "tutorials"
PAGES = [
    *sorted(FOLDER.glob("*.md")),
    FOLDER / "exercises" / "README.md",
    FOLDER / "solutions" / "README.md",
    ROOT / "figures" / "README.md",
]
TEXTS = sorted(text.stem for text in FOLDER.glob("[0-9]*.md"))

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="an installed package has no tutorials")

for extra in ("IPython", "ipykernel", "jupytext", "nbclient"):
    pytest.importorskip(extra)


@pytest.fixture(scope="module", autouse=True)
def notebooks_find_their_neighbours():
    """Let tests import lesson.py and the exercises, as notebooks do, which run in their folder."""
    sys.path.insert(0, str(FOLDER))
    yield
    sys.path.remove(str(FOLDER))


@pytest.fixture(scope="module")
def notebooks():
    sys.path.insert(0, str(ROOT))
    yield importlib.import_module("tutorials.__main__")
    sys.path.remove(str(ROOT))


@pytest.mark.slow
@needs_kernels
@pytest.mark.parametrize("name", TEXTS)
def test_a_notebook_runs_from_its_first_cell_to_its_last(name, notebooks, monkeypatch):
    monkeypatch.delenv("PYTHONWARNDEFAULTENCODING", raising=False)  # packages of the notebook would print EncodingWarnings
    notebook = notebooks.run(FOLDER / f"{name}.md")
    outputs = "".join(str(output) for cell in notebook.cells for output in cell.get("outputs", ()))
    assert "Warning" not in outputs


@pytest.mark.parametrize("name", TEXTS)
def test_the_rendered_notebook_matches_its_text_and_has_outputs(name, notebooks):
    import nbformat

    rendered = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    text = notebooks.read(FOLDER / f"{name}.md")
    assert [cell.source for cell in rendered.cells] == [cell.source for cell in text.cells], (
        f"python -m tutorials {name} --in-place"
    )
    assert all(cell.execution_count for cell in rendered.cells if cell.cell_type == "code")


@pytest.mark.parametrize("name", TEXTS)
def test_a_notebook_states_its_aims_and_has_three_to_five_exercises(name):
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert "**You will be able to**" in text
    assert re.search(r"^\*\*Slides\*\*: [ABCFM]\d", text, re.MULTILINE)
    assert 3 <= len(set(re.findall(r"exercises\.check_\d", text))) <= 5


@pytest.mark.parametrize("name", TEXTS)
def test_the_worked_answers_are_linked_below_the_last_exercise(name):
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert text.index("(solutions/") > text.rindex("exercises.check_")
    assert "(exercises/" not in text
    module = (FOLDER / "exercises" / f"{re.search(r'from exercises import (.*) as', text)[1]}.py").read_text(encoding="utf-8")
    assert not re.search(r"(answer|mistake)_\d", module)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_each_link_of_a_notebook_has_a_target(page):
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)  # [f](x) in code is a call
    links = [link for link in re.findall(r"\]\(([^()\s]+)\)", text) if not link.startswith(("http:", "https:"))]
    broken = [link for link in links if not _has_target(page, *link.partition("#")[::2])]
    assert not broken, f"{page.name} has broken links: {', '.join(broken)}"


def _has_target(page, path, part):
    """Return True if the file exists and contains the heading ``part``, if one is given."""
    target = page.parent / path if path else page
    if not part or target.suffix != ".md":
        return target.is_file()
    headings = re.findall(r"^#+ (.*)", target.read_text(encoding="utf-8"), re.MULTILINE)
    return part in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_a_loop_is_shown_with_its_formula_and_without_its_docstring():
    lesson = importlib.import_module("lesson")
    shown = lesson.source(refconv.reference.conv.conv2d).data
    assert shown.startswith("$$ y_{b,i,j,o}")
    assert "y[b, i, j, o] += x[pixel] * w[m, n, c, o]" in shown
    assert '"""' not in shown
    first = inspect.getsourcelines(refconv.reference.conv.conv2d)[1]
    assert f"(../refconv/reference/conv.py#L{first})" in shown


def test_small_matrices_are_shown_with_their_numbers_and_large_ones_without(monkeypatch):
    lesson = importlib.import_module("lesson")
    monkeypatch.setattr(lesson.plt, "show", lambda: None)
    lesson.show({"x": [[1, -2.25]], "digit": [[0] * 28] * 28}, {"x": [(0, 1, 1, 1)]})
    small, large = lesson.plt.gcf().axes
    assert [text.get_text() for text in small.texts] == ["1", "−2.2"]
    assert (small.get_title(), len(small.patches)) == ("x", 1)
    assert (large.get_title(), len(large.texts), len(large.patches)) == ("digit", 0, 0)
    lesson.plt.close()


def test_two_consecutive_formulas_are_shown_separately():
    shown = importlib.import_module("lesson").source(refconv.reference.norm.batch_norm_grads).data
    assert shown.count("$$") == 4
    assert "math::" not in shown


@pytest.fixture
def rendering(notebooks, tmp_path, monkeypatch):
    """Render notebook 01 in place without running it; return a render function and the path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path / "tutorials")
    monkeypatch.setattr(notebooks, "run", notebooks.read)

    def render(*options):
        notebooks.main(["01", *(options or ("--in-place",))])

    render()
    return render, tmp_path / "tutorials" / "01_one_sum.ipynb"


def edit(path, change):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    change(notebook["cells"])
    path.write_text(json.dumps(notebook), encoding="utf-8")  # an editor lays the file out differently from nbformat


ANSWER = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": "x = 3", "id": "5eed"}
EDITS = {
    "a changed cell": lambda cells: cells[3].update(source=["my answer\n", "of two lines"]),
    "a new cell": lambda cells: cells.append(ANSWER),
    "a moved cell": lambda cells: cells.insert(0, cells.pop(4)),
    "a deleted cell": lambda cells: cells.pop(2),
    "a deleted last cell": lambda cells: cells.pop(),
    "an emptied cell": lambda cells: cells[5].update(source=[]),
    "an answer instead of the last cells": lambda cells: cells.__setitem__(slice(-2, None), [ANSWER]),
    "cells without names": lambda cells: [cell.pop("id") for cell in cells],
}


@pytest.mark.parametrize("change", EDITS)
def test_a_notebook_edited_by_hand_is_replaced_only_with_overwrite(rendering, change):
    render, path = rendering
    edit(path, EDITS[change])
    before = path.read_bytes()
    with pytest.raises(SystemExit, match=r"edited by hand, so not replaced: .*01_one_sum\.ipynb\. Rename"):
        render()
    assert path.read_bytes() == before
    render("--in-place", "--overwrite")
    assert path.read_bytes() != before


@pytest.mark.parametrize("change", [*EDITS, "outputs only", "deleted"])
def test_a_notebook_beside_the_texts_is_not_changed_by_default(rendering, notebooks, tmp_path, change):
    _, path = rendering
    if change in EDITS:
        edit(path, EDITS[change])
    elif change == "outputs only":
        edit(path, lambda cells: cells[1].update(metadata={"collapsed": True}))
    else:
        path.unlink()
    before = path.read_bytes() if path.exists() else None
    notebooks.main(["01"])
    assert before == (path.read_bytes() if path.exists() else None)
    assert len(json.loads((tmp_path / "rendered" / path.name).read_text(encoding="utf-8"))["cells"]) > 10


def test_an_edited_notebook_in_the_folder_of_rendered_notebooks_is_not_replaced(rendering, notebooks, tmp_path):
    notebooks.main(["01"])
    path = tmp_path / "rendered" / "01_one_sum.ipynb"
    edit(path, EDITS["a changed cell"])
    with pytest.raises(SystemExit, match="edited by hand, so not replaced"):
        notebooks.main(["01"])
    assert "my answer" in path.read_text(encoding="utf-8")


def test_an_unknown_notebook_is_refused_with_a_suggestion(notebooks, capsys):
    with pytest.raises(SystemExit, match="2"):
        notebooks.main(["05_lennet"])
    message = capsys.readouterr().err.splitlines()[0]
    assert re.match(
        r"python -m tutorials: argument NAME: must be one of 01_one_sum, .* got '05_lennet'; did you mean 05_", message
    )


@pytest.mark.parametrize("name", TEXTS)
def test_a_notebook_of_an_earlier_version_counts_as_edited_once_a_cell_is_missing(name, notebooks, tmp_path):
    path = tmp_path / f"{name}.ipynb"
    notebook = json.loads((FOLDER / path.name).read_text(encoding="utf-8"))
    notebook["metadata"].pop("refconv", None)
    path.write_text(json.dumps(notebook), encoding="utf-8")
    assert not notebooks.is_edited(FOLDER / path.name)
    assert not notebooks.is_edited(path)
    edit(path, EDITS["a deleted last cell"])
    assert notebooks.is_edited(path)


@pytest.mark.parametrize("options", [(), ("--in-place", "--overwrite")])
def test_a_folder_with_the_name_of_a_notebook_is_refused_before_anything_runs(rendering, notebooks, monkeypatch, options):
    render, path = rendering
    path.unlink()
    path.mkdir()
    monkeypatch.setattr(notebooks, "run", None)
    with pytest.raises(SystemExit, match=r"a notebook's path must not be a folder, got .*01_one_sum\.ipynb\. Rename it"):
        render(*options)
    assert notebooks.is_edited(path)


def test_a_folder_that_cannot_be_written_is_refused_before_anything_runs(rendering, notebooks, tmp_path, monkeypatch):
    render, _ = rendering
    monkeypatch.setattr(notebooks, "run", None)
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match=r"file cannot be written: .*file"):
        render("--output", str(tmp_path / "file"))


def test_a_damaged_notebook_is_not_replaced_without_overwrite(rendering):
    render, path = rendering
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(SystemExit, match="edited by hand, so not replaced"):
        render()
    assert len(path.read_bytes()) == 500


def test_a_notebook_that_was_only_run_is_replaced(rendering):
    render, path = rendering
    rendered = path.read_bytes()

    def run_and_append_an_empty_cell(cells):
        cells[1].update(metadata={"collapsed": True})
        cells.append({**ANSWER, "source": ""})

    edit(path, run_and_append_an_empty_cell)
    render()
    assert path.read_bytes() == rendered


def test_a_notebook_edited_while_it_is_rendered_is_not_replaced(rendering, notebooks, monkeypatch):
    render, path = rendering

    def run(text):
        edit(path, EDITS["a changed cell"])
        return notebooks.read(text)

    monkeypatch.setattr(notebooks, "run", run)
    with pytest.raises(SystemExit, match="edited by hand, so not replaced"):
        render()
    assert "my answer" in path.read_text(encoding="utf-8")


def test_rendering_into_another_folder_does_not_change_an_edited_notebook(rendering, tmp_path):
    render, path = rendering
    edit(path, EDITS["a changed cell"])
    render("--output", str(tmp_path / "fresh"))
    assert "my answer" in path.read_text(encoding="utf-8")
    assert "my answer" not in (tmp_path / "fresh" / path.name).read_text(encoding="utf-8")


def test_a_transparent_picture_of_a_notebook_is_rendered_on_white(notebooks):
    from nbformat import v4
    from PIL import Image

    content = io.BytesIO()
    Image.new("RGBA", (5, 3), (0, 0, 0, 0)).save(content, "PNG")
    picture = v4.new_output("display_data", {"image/png": base64.b64encode(content.getvalue()).decode()})
    notebook = notebooks.with_fewer_colours(v4.new_notebook(cells=[v4.new_code_cell(outputs=[picture])]))
    light = base64.b64decode(notebook.cells[0].outputs[0].data["image/png"])
    assert Image.open(io.BytesIO(light)).convert("RGB").getpixel((4, 2)) == (255, 255, 255)
