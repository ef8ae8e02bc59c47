"""Tests of the experiments: command, tables, settings and networks."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from evidence import needs_kernels
from refconv.data import files
from refconv.data.mnist import MNIST
from refconv.nn import StochasticDepth
from refconv.verify.lectures.statements import STATEMENTS, ids
from terminal import Terminal

experiments = pytest.importorskip("experiments", reason="an installed package has no experiments")

from experiments import EXPERIMENTS, Experiment, Settings, batch_norm, residual, run, table  # noqa: E402
from experiments.__main__ import main  # noqa: E402

MEASURED = (
    "lenet",
    "augmentation",
    "transfer",
    "relu-tanh",
    "batch-norm",
    "running-averages",
    "dropout",
    "residual",
    "batch-size",
    "deep-image-prior",
    "p4",
    "captioning",
    "settings",
    "new-task",
)  # experiments in the table of the README


def test_a_small_number_has_two_significant_digits():
    (_, _, line) = table(run(Experiment("some", "Nothing.", "A12", {"a": lambda settings: {"rate": 0.005}}))).splitlines()
    assert "| rate | 0.005 | 0.005 |" in line


def test_the_table_has_a_row_for_each_quantity_and_a_result_for_each_seed():
    def variant(settings):
        steps = float("inf") if settings.seed == 2 else 1500
        speed = float("nan") if settings.seed == 1 else 12345.0
        return {"error, %": settings.seed + 0.5, "images per second": speed, "steps": steps}

    lines = table(run(Experiment("some", "Nothing.", "A12", {"a": variant}), range(3))).splitlines()
    assert lines[2:] == [
        "| some | a | error, % | 0.50, 1.50, 2.50 | 1.50 | 0 | A12 |",
        "| some | a | images per second | 12,345, diverged, 12,345 | – | 0 | A12 |",
        "| some | a | steps | 1,500, 1,500, never | – | 0 | A12 |",
    ]


def test_rows_are_printed_above_a_bar_that_counts_runs_of_each_variant_and_seed(monkeypatch):
    pytest.importorskip("tqdm")
    variants = {name: lambda settings: {"error, %": settings.seed + 0.5} for name in ("plain", "wide")}
    monkeypatch.setitem(EXPERIMENTS, "p4", Experiment("p4", "Nothing.", "A12", variants))
    terminal = Terminal.installed(monkeypatch)
    assert main(["p4", "--seed", "4", "--seeds", "3"]) == 0
    threads, *lines = terminal.lines()
    assert threads.startswith("on ")
    assert lines[:2] == [f"p4   {name}   error, %   4.50, 5.50, 6.50   5.50   0   A12" for name in ("plain", "wide")]
    assert lines[2].startswith("| experiment | variant |")
    assert any(" 4/6 [" in part and part.rstrip().endswith("wide, seed 5]") for part in terminal.getvalue().split("\r"))
    quiet = Terminal.installed(monkeypatch)
    assert main(["p4", "--seeds", "1", "--quiet"]) == 0
    assert [line[:5] for line in quiet.lines()] == ["| exp", "| ---", "| p4 ", "| p4 ", ""]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_each_experiment_has_a_sentence_a_source_and_variants(name):
    experiment = EXPERIMENTS[name]
    assert experiment.name == name
    assert set(ids(experiment.source)) <= set(STATEMENTS)
    assert experiment.statement.endswith(".")
    assert experiment.variants


def test_the_readme_has_a_row_for_every_measured_variant_and_a_line_for_every_experiment():
    written = (Path(experiments.__file__).parent / "README.md").read_text(encoding="utf-8")
    rows = {tuple(line.split(" | ")[:2]) for line in written.splitlines() if line.startswith("| ")}
    for name, experiment in EXPERIMENTS.items():
        variants = {variant for first, variant in rows if first == f"| {name}"}
        assert variants == (set(experiment.variants) if name in MEASURED else set()), name
        assert f"\n- **{name}**: " in written


@pytest.mark.slow
@needs_kernels
# The quick variant takes few steps at five times the learning rate, so its running averages lag behind the weights.
@pytest.mark.filterwarnings("ignore:model outputs differ between inference and training")
def test_the_command_prints_the_table(capsys):
    if not os.environ.get(files.FOLDER_VARIABLE) or not files.available(MNIST):
        pytest.skip(f"{files.FOLDER_VARIABLE} does not name a folder with MNIST")
    assert main(["batch-norm", "--quick"]) == 0
    printed, progress = capsys.readouterr()
    rows = [line.split(" | ") for line in printed.splitlines()[2:]]
    errors = [float(row[3]) for row in rows if row[2] == "test error, %"]
    variants = dict.fromkeys(row[1] for row in rows)
    assert list(variants) == list(batch_norm.EXPERIMENT.variants)
    assert len(rows) == 4 + 2 * len(batch_norm.NETWORKS)
    assert max(errors[1], errors[3]) < errors[2]  # the errors with batch normalisation, and without it at five times the rate
    assert len(progress.splitlines()) == 1 + len(rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lenet6"], "NAME must be one of lenet, augmentation, "),
        (["lenet6"], "got 'lenet6'; did you mean lenet?\nRun `python -m experiments --help` to see what it accepts.\n"),
        (["lenet", "--seeds", "0"], "--images, --epochs and --seeds must be at least 1"),
        (["classifiers", "--epochs", "0"], "--images, --epochs and --seeds must be at least 1"),
        (["classifiers", "--images", "0"], "--images, --epochs and --seeds must be at least 1"),
        (["classifiers", "--seed", "-1"], "--seed at least 0"),
        (["classifiers", "--data", "cifar"], "argument --data: must be one of digits, mnist, got 'cifar'"),
        (["lenet", "classifiers", "--images", "100"], "--images must be omitted for lenet, whose data and epochs are fixed"),
        (["deep-image-prior", "--data", "mnist"], "--data must be omitted for deep-image-prior"),
        (["lenet", "--variants", "2 epochs"], "--variants must match the beginning of one of: 1 epoch, 12 epochs, 20 epochs"),
    ],
)
def test_the_error_about_a_wrong_call_names_the_argument(arguments, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"data": "cifar"}, ValueError, "data must be 'digits' or 'mnist', got 'cifar'"),
        ({"images": 0}, ValueError, "images must be at least 1, got 0"),
        ({"epochs": 1.5}, TypeError, "epochs must be an integer, got 1.5"),
        ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
    ],
)
def test_wrong_settings_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        Settings(**arguments)


def test_the_list_names_every_experiment_and_runs_none(capsys):
    assert main(["--list"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed] == list(EXPERIMENTS)


@pytest.mark.slow
@needs_kernels
def test_variants_settings_and_seeds_are_passed_to_the_run(capsys):
    choice = ["classifiers", "--variants", "lenet", "nin", "--seed", "5", "--seeds", "2", "--images", "64", "--epochs", "1"]
    assert main(choice) == 0
    printed, progress = capsys.readouterr()
    head, _, *rows = printed.splitlines()
    assert head == "| experiment | variant | measured | each seed | mean | seconds a run | source |"
    quantity = "test accuracy after 1 epoch of 64 drawn digits, %"
    assert [row.split(" | ")[1:3] for row in rows] == [["lenet", quantity], ["nin", quantity]]
    (alone,) = run(EXPERIMENTS["classifiers"], [6], Settings(images=64, epochs=1), ["lenet"])
    assert rows[0].split(" | ")[3].split(", ")[1] == f"{alone.results[quantity][0]:.2f}"
    assert len(progress.splitlines()) == 1 + len(rows)


def test_the_results_of_a_stopped_command_are_not_computed_again(tmp_path, monkeypatch, capsys):
    runs = []

    def variant(settings):
        if len(runs) == 3:
            raise KeyboardInterrupt
        runs.append(settings.seed)
        return {"error, %": 20.5 + settings.seed}

    experiment = Experiment("guess", "Guessing fails.", "A12", {"first": variant, "second": variant}, seeds=2)
    monkeypatch.setitem(EXPERIMENTS, "guess", experiment)
    arguments = ["guess", "--results", str(tmp_path / "guess.jsonl"), "--quiet"]
    assert main(arguments) == 130  # during the second row
    runs.clear()
    assert main(arguments) == 0
    assert runs == [0, 1]
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| guess")]
    assert rows == [f"| guess | {name} | error, % | 20.50, 21.50 | 21.00 | 0 | A12 |" for name in ("first", "second")]
    assert main([*arguments, "--seeds", "1", "--variants", "first"]) == 0  # another number of seeds is another row
    assert runs == [0, 1, 0]
    (tmp_path / "guess.jsonl").write_text("no JSON", "utf-8")
    assert main(arguments) == 1
    assert "--results must be a file of results, got" in capsys.readouterr().err


def test_the_error_of_an_experiment_that_cannot_run_is_one_line(capsys, monkeypatch):
    def missing(split):
        raise FileNotFoundError(f"no {split} here")

    monkeypatch.setattr("refconv.data.load_mnist", missing)
    assert main(["classifiers", "--variants", "lenet", "--data", "mnist"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1] == "python -m experiments: no train here"


def test_an_internal_error_of_an_experiment_is_shown_with_its_traceback(monkeypatch):
    def broken(split):
        raise ValueError("a bug")

    monkeypatch.setattr("refconv.data.load_mnist", broken)
    with pytest.raises(ValueError, match="a bug"):
        main(["classifiers", "--variants", "lenet", "--data", "mnist"])


@needs_kernels
def test_a_closed_pipe_causes_no_error_message():
    code = "import sys; sys.path.append(sys.argv.pop(1)); from experiments.__main__ import main; sys.exit(main())"
    command = [sys.executable, "-c", code, str(Path(experiments.__file__).parents[1])]
    command += ["classifiers", "--variants", "lenet", "--images", "16", "--epochs", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8") as process:
        process.stdout.close()
        printed = process.stderr.read()
    assert "Error" not in printed
    assert process.returncode == 0


def test_the_residual_network_has_twenty_layers_with_linear_decay():
    """B8: p_l = 1 − l/L·(1 − p_L)."""
    model = residual.network(last_survival=0.5)
    model.build((32, 32, 3), rng=0)
    survivals = [layer.survival for layer in inner_layers(model) if isinstance(layer, StochasticDepth)]
    np.testing.assert_allclose(survivals, [1 - k / 18 for k in range(1, 10)])
    convolutions = [name for name in model.named_parameters() if name.endswith(".w")]
    assert len(convolutions) == 20 + 2  # two projections
    plain = residual.network(shortcuts=False)
    plain.build((32, 32, 3), rng=0)
    assert len([name for name in plain.named_parameters() if name.endswith(".w")]) == 20


def inner_layers(layer):
    for _, inner in layer.named_layers():
        yield inner
        yield from inner_layers(inner)
