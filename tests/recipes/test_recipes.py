"""Recipes: they run, their table says what was measured, and the networks in them are those of the papers."""

import os

import numpy as np
import pytest

from evidence import needs_kernels
from refconv.data import files
from refconv.data.mnist import MNIST
from refconv.nn import StochasticDepth
from refconv.recipes import RECIPES, Recipe, batch_norm, cook, residual, table
from refconv.recipes.__main__ import main
from refconv.verify.lectures.index import root
from refconv.verify.lectures.statements import STATEMENTS, ids


def test_a_row_for_each_quantity_and_a_result_for_each_seed():
    def variant(seed, quick):
        return {"error, %": seed + 0.5, "images a second": float("nan") if seed == 1 else 12345.0}

    lines = table(cook(Recipe("some", "Nothing.", "A12", {"a": variant}), range(3))).splitlines()
    assert lines[2:] == [
        "| some | a | error, % | 0.50, 1.50, 2.50 | 1.50 | 0 | A12 |",
        "| some | a | images a second | 12,345, diverged, 12,345 | – | 0 | A12 |",
    ]


@pytest.mark.parametrize("name", RECIPES)
def test_each_recipe_says_what_it_shows_and_where_that_is_said(name):
    assert RECIPES[name].name == name
    assert set(ids(RECIPES[name].source)) <= set(STATEMENTS)
    assert RECIPES[name].says.endswith(".")
    assert len(RECIPES[name].variants) > 1


@pytest.mark.skipif(root() is None, reason="refconv is installed without its tests")
def test_the_table_in_the_docs_has_a_row_for_every_variant():
    written = (root() / "RECIPES.md").read_text(encoding="utf-8")
    rows = {tuple(line.split(" | ")[:2]) for line in written.splitlines() if line.startswith("| ")}
    for name, recipe in RECIPES.items():
        assert {variant for first, variant in rows if first == f"| {name}"} == set(recipe.variants), name


@pytest.mark.slow
@needs_kernels
def test_the_command_prints_the_table(capsys):
    if not os.environ.get(files.FOLDER_VARIABLE) or not files.available(MNIST):
        pytest.skip(f"{files.FOLDER_VARIABLE} does not name a folder with MNIST")
    assert main(["batch-norm", "--quick"]) == 0
    printed, progress = capsys.readouterr()
    rows = [line.split(" | ") for line in printed.splitlines()[2:]]
    assert [row[1] for row in rows] == list(batch_norm.RECIPE.variants)
    errors = [float(row[3]) for row in rows]
    assert max(errors[1], errors[3]) < errors[2]  # with batch normalisation, and at five times the rate without
    assert len(progress.splitlines()) == 1 + len(rows)


@pytest.mark.parametrize("arguments", [["lenet6"], ["lenet", "--seeds", "0"]])
def test_a_wrong_call_is_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert "must be" in capsys.readouterr().err


def test_twenty_layers_with_linear_decay():
    """B8: p_l = 1 − l/L·(1 − p_L)."""
    model = residual.network(last_survival=0.5)
    model.build((32, 32, 3), rng=0)
    found = [layer.survival for layer in inside(model) if isinstance(layer, StochasticDepth)]
    np.testing.assert_allclose(found, [1 - k / 18 for k in range(1, 10)])
    convolutions = [name for name in model.named_parameters() if name.endswith(".w")]
    assert len(convolutions) == 20 + 2  # two projections
    plain = residual.network(shortcuts=False)
    plain.build((32, 32, 3), rng=0)
    assert len([name for name in plain.named_parameters() if name.endswith(".w")]) == 20


def inside(layer):
    for _, inner in layer.named_layers():
        yield inner
        yield from inside(inner)
