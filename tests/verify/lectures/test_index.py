"""Tests of the index of the lectures: formulas have loops, citations have statements."""

import functools
import operator
import re
import shutil
import subprocess
import sys

import pytest

import refconv
from refconv import nn, optim, reference
from refconv.cli import main
from refconv.cli.formulas import markdown, text
from refconv.verify.catalogue import CATALOGUE, FORMS, LAYERS, OPERATORS, UPDATES, find
from refconv.verify.evidence.kinds import case_results
from refconv.verify.lectures import index
from refconv.verify.lectures.index import PACKAGE, entries, loops, root, select
from refconv.verify.lectures.statements import FORMULAS, SIZES, STATEMENTS, ids

ENTRIES = {entry.id: entry for entry in entries()}
BEGIN, END = "<!-- refconv formulas --format markdown -->\n", "<!-- end -->"

in_a_checkout = pytest.mark.skipif(root() is None, reason="refconv is installed without its tests")


def test_the_lectures_rows_are_numbered_without_a_gap():
    further = [id for id in ids("D1–D12") if id in STATEMENTS]  # the other rows that refconv implements
    assert list(STATEMENTS) == [*ids("A1–A23, B1–B11, C1–C11"), *further, *ids("M1–M19")]


@pytest.mark.parametrize("id", FORMULAS)
def test_every_formula_has_a_loop_or_an_operator(id):
    implementations = ENTRIES[id].loops or [name for name, *_ in ENTRIES[id].elsewhere if "." not in name]
    assert implementations, f"{id}, {STATEMENTS[id]}: no loop and no operator of the catalogue cites it after Source:"


@pytest.mark.parametrize("id", SIZES)
def test_the_geometry_implements_every_statement_about_sizes(id):
    assert any(name.startswith("geometry.") for name, *_ in ENTRIES[id].elsewhere)


@pytest.mark.parametrize("id", ids("A1, A4, A8, A11–A13, A17, B7, C1, C3, C4, C6, C8, C10"))
@in_a_checkout
def test_every_property_that_the_lectures_claim_has_a_test(id):
    assert ENTRIES[id].properties


@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_and_derivative_is_in_the_index(name):
    known = {loop.name for loop in loops()}
    missing = [function for function in OPERATORS[name].functions if function not in known]
    assert not missing, f"these loops cite no statement of the lectures after Source: {missing}"


@pytest.mark.parametrize("path", sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.pyx")]), ids=lambda path: path.stem)
def test_every_citation_is_a_statement_of_the_lectures(path):
    cited = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip().startswith("Source:")]
    assert set(ids("\n".join(cited))) <= set(STATEMENTS)


@pytest.mark.parametrize("loop", loops(), ids=lambda loop: loop.name)
def test_every_line_number_is_correct(loop):
    for place in filter(None, (loop.place, loop.kernel)):
        path, line = place
        assert (PACKAGE.parent / path).read_text(encoding="utf-8").splitlines()[line - 1].startswith(f"def {loop.name}(")
    assert all((PACKAGE.parent / file).exists() for file in loop.tests)
    assert loop.formula or not loop.evidence or loop.name.endswith(("grads", "pool1d", "pool2d"))


def test_names_outside_the_loops_exist_and_have_docstrings():
    names = {name for entry in ENTRIES.values() for name, *_ in entry.elsewhere}
    assert {"geometry.Window.transposed_output_size", "nn.Conv2D", "optim.SGD", "models.lenet"} <= names
    assert all(operator.attrgetter(name)(refconv).__doc__ for name in names)
    assert not names & {loop.name for loop in loops()}


@pytest.mark.slow
@pytest.mark.parametrize("name", CATALOGUE)
@pytest.mark.parametrize("kind", ["symbolic", "numeric", "adjoint"])
def test_exactly_the_listed_kinds_of_evidence_exist(name, kind):
    exists = next(case_results(find(name, CATALOGUE), kind, True), None) is not None
    assert exists == (kind in index.evidence(CATALOGUE[name]))


def test_loops_that_an_optimiser_calls_have_the_evidence_of_the_optimiser():
    listed = {loop.name: loop.evidence for loop in loops() if loop.family == "update"}
    proved = ("symbolic", "parity", "oracle")
    assert listed == {"rmsprop": proved, "sgd": proved, "sum_of_squares": ("parity", "oracle")}


@pytest.mark.parametrize(
    ("id", "kinds"),
    [
        ("A12", "symbolic, parity, oracle"),
        ("A14", "symbolic, parity, oracle"),
        ("A20", "symbolic, parity, oracle"),
        ("A23", "symbolic, numeric, adjoint, parity"),
        ("B7", ""),
        ("C2", "symbolic, numeric, adjoint, parity, oracle"),
        ("C6", "parity, oracle"),
    ],
)
def test_the_evidence_of_a_statement_is_the_evidence_of_its_rows(id, kinds):
    assert ", ".join(ENTRIES[id].evidence) == kinds


def test_every_layer_optimiser_and_loop_without_a_kernel_has_a_row():
    layers = {f"nn.{name}" for name in nn.__all__ if isinstance(getattr(nn, name), type)}
    assert layers - {"nn.Layer", "nn.Parameter", "nn.Spec"} | {"models.SCells", "models.CCells"} == set(LAYERS)
    optimisers = {f"optim.{name}" for name in optim.__all__ if isinstance(getattr(optim, name), type)}
    assert optimisers - {"optim.Optimizer", "optim.Plateau", "optim.Schedule"} <= set(UPDATES)
    functions = {name for form in FORMS.values() for name in form.functions}
    assert {"centred_correlation", "zero_stuffed_conv_transpose2d", "running_average", "separate_rank1"} <= functions


@in_a_checkout
def test_sources_md_is_up_to_date():
    written = (root() / "SOURCES.md").read_text(encoding="utf-8")
    assert written.partition(BEGIN)[2].partition(END)[0] == f"{markdown()}\n", (
        "run refconv formulas --format markdown and copy its output between the markers of SOURCES.md"
    )


def test_the_text_of_one_slide_lists_loops_kernels_tests_and_evidence():
    assert re.sub(r":\d+", ":LINE", text(["B4"])).splitlines()[: 6 if root() else 5] == [
        "B4   ∂e/∂x_kl = Σ_{i,j} ∂e/∂z_{k+i, l+j} w_{−i,−j}: the filter flipped",
        "     centred_correlation_dx   ∂e/∂x[kl] = Σ_{i,j=−f}^f ∂e/∂z[k+i, l+j] · w[−i, −j]",
        "         loop refconv/reference/conv.py:LINE",
        *(["         tests/{reference,_core,ops,nn}/test_conv.py"] if root() else []),
        "         symbolic, numeric, adjoint, parity, oracle",
        "     conv2d_dx   ∂e/∂x[b,u,v,c] = Σ_{i,m: i·S + m·D = u; j,n: j·S + n·D = v} Σ_o ∂e/∂y[b,i,j,o] · w[m,n,c,o]",
    ]
    assert "kernel refconv/_core/conv/conv.pyx:" in text(["conv2d_dx"])


def test_names_select_ids_and_loops():
    assert [(entry.id, [loop.name for loop in entry.loops]) for entry in select(["relu", "A3"])] == [
        ("A3", ["convolve2d", "fft_convolve2d"]),
        ("B6", ["relu"]),
    ]
    with pytest.raises(
        ValueError, match=r"names must be ids such as B3, loops such as conv2d_dx or nn\.Conv2D, got 'Conv2D'; did you mean nn"
    ):
        select(["A3", "Conv2D"])
    assert "not implemented" in text(["M19"])


def test_a_function_outside_the_loops_is_printed_with_its_line():
    for chosen, before in ((["C6"], "separate_rank1   "), (["separate_rank1"], "code ")):
        path, line = re.search(rf"{before}(\S+):(\d+)", text(chosen)).groups()
        assert (
            (PACKAGE.parent / path).read_text(encoding="utf-8").splitlines()[int(line) - 1].startswith("def separate_rank1(")
        )
    assert re.search(r"see also nn\.Conv2D   refconv/nn/conv\.py:\d+$", text(["A5"]), re.MULTILINE)
    assert re.search(r"models\.lenet   refconv/models/lenet\.py:\d+$", text(["models.lenet"]), re.MULTILINE)


NAMES = {name: row for row in CATALOGUE.values() for name in (*row.functions, *row.loops)}


@pytest.mark.parametrize("name", NAMES)
def test_every_name_that_verify_accepts_has_formula_line_and_evidence(name):
    loop = index.named(name)
    path, line = loop.place
    begins = (PACKAGE.parent / path).read_text(encoding="utf-8").splitlines()[line - 1]
    assert re.match(rf"(def|class) {name.rpartition('.')[2]}\b", begins)
    assert loop.formula or name.endswith("grads")
    assert loop.evidence == index.evidence(find(name, CATALOGUE))
    assert select([name])


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("nn.Conv2D", "slides A5, A6, A7, A8, A9, A10, C4, C5\n     nn.Conv2D   y[b,i,j,o] = bias[o] + "),
        (
            "optim.SGD",
            "slides A12\n     optim.SGD   v ← μ·v − α·(g + λ·θ); θ ← θ + v\n         code refconv/optim/optimizers.py:",
        ),
        (
            "separate_rank1",
            "slides C6\n     separate_rank1   K[m,n] = column[m] · row[n]\n         code refconv/ops/separable.py:",
        ),
        ("optim.Adam", "     optim.Adam   m ← β₁·m + (1 − β₁)·h; "),
        ("models.SCells", "slides M1\n     models.SCells   u[i,j,k] = "),
        ("adam", "     adam   h[i] = g[i] + λ · θ[i], "),
    ],
)
def test_names_without_a_loop_of_the_lectures_are_printed_like_loops(name, printed):
    assert text([name]).startswith(printed)
    kinds = ", ".join(index.evidence(NAMES[name]))
    assert f"\n         {kinds}" in text([name])
    assert f"`{name}`" in markdown([name])


def test_the_entry_of_the_worked_example_lists_the_loop_and_the_example():
    entry = ENTRIES["B1"]
    assert entry.loops[0].name == "conv2d"
    assert [name for name, *_ in entry.elsewhere] == ["verify.slide_example"]


@in_a_checkout
@pytest.mark.parametrize(
    ("id", "paths"),
    [  # cited by a figure's module, by a function of an experiment, and by the definition of an experiment
        ("A1", ["figures/f01_continuous.py"]),
        ("D5", ["experiments/accuracy_log.py", "experiments/batch_norm.py", "figures/f12_batch_norm.py"]),
        ("D8", ["experiments/settings.py"]),
    ],
)
def test_the_entry_of_a_statement_lists_its_experiments_and_figures(id, paths):
    assert list(ENTRIES[id].demonstrations) == paths
    assert f"     {paths[-1].partition('s/')[0]} {paths[-1]}" in text([id]).splitlines()
    assert f"[{paths[0].partition('/')[2]}]({paths[0]})" in markdown([id])


def test_a_name_is_printed_once_after_its_slides():
    printed = text(["conv2d"])
    assert printed.startswith("slides A5, A6, A7, A9, A10, B1, C4, C5\n     conv2d   ")
    assert printed.count("loop refconv/") == 1


def test_the_case_of_an_id_is_ignored_and_the_form_of_the_slides_comes_first():
    assert text(["b3"]) == text(["B3"])
    names = [loop.name for loop in ENTRIES["B3"].loops]
    assert names[0].startswith("centred_")
    assert names.index("conv2d_dw") < names.index("conv1d_dw")
    assert not {"conv2d", "conv2d_db", "dense_db", "conv_transpose2d_db"} & set(names)


def test_an_installed_package_prints_where_the_tests_are(monkeypatch):
    monkeypatch.setattr(index, "root", lambda: None)
    for cached in (index.loops, index._properties, index._demonstrations):  # other tests need the caches
        monkeypatch.setattr(index, cached.__name__, functools.cache(cached.__wrapped__))
    printed = text(["B3", "A4"])
    assert "tests/" not in printed
    assert "figures/" not in printed
    assert "source distribution" in printed
    assert "kernel refconv/_core/conv/conv.pyx:" in printed


def test_the_table_has_a_row_for_each_implemented_statement():
    rows = [line for line in markdown().splitlines() if line.startswith("| ")]
    assert all(len(re.split(r" \| ", row)) == 7 for row in rows)
    assert [row.split()[1] for row in rows[2:]] == [id for id, entry in ENTRIES.items() if entry.is_implemented]


def test_ids_expands_ranges():
    assert ids("A5–A7, B3; C4") == ["A5", "A6", "A7", "B3", "C4"]
    assert ids('A12; LeCun 1998, "A guide", section III-A') == ["A12"]


def test_the_command_prints_text_or_markdown(capsys):
    main(["formulas", "B3"])
    main(["formulas", "B3", "--format", "markdown"])
    printed = capsys.readouterr().out
    assert printed.startswith("B3   ")
    assert "| B3 | " in printed


def test_the_index_reads_the_package_that_is_imported():
    code = "from refconv.verify.lectures.index import loops; print(len(loops()))"
    printed = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, encoding="utf-8", check=True
    ).stdout
    assert int(printed) == len(loops())
    assert {loop.family for loop in loops()} <= set(reference.__all__)


def test_copies_in_hidden_folders_of_editors_are_not_listed(tmp_path, monkeypatch):
    hidden = tmp_path / "nn" / ".ipynb_checkpoints"
    hidden.mkdir(parents=True)
    for copy in (tmp_path / "nn" / "conv.py", hidden / "conv-checkpoint.py"):
        shutil.copy(PACKAGE / "nn" / "conv.py", copy)
    monkeypatch.setattr(index, "PACKAGE", tmp_path)
    names = [name for (name, _, _), _ in index._elsewhere.__wrapped__()]
    assert "nn.Conv2D" in names
    assert len(names) == len(set(names))
