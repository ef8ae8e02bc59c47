"""Tests of the progress bars of the commands, and of the option --quiet."""

import io
import sys
from argparse import Namespace
from dataclasses import replace

import pytest

from command_line import SMALL
from evidence import needs_kernels
from refconv.cli import COMMANDS, main, try_out
from refconv.cli.run_folder import own_options
from refconv.cli.try_out import Measurement
from refconv.verify.evidence import table
from refconv.verify.evidence.kinds import Outcome
from terminal import Terminal

pytest.importorskip("tqdm")

MEASURED = Measurement("lenet", (1, 32, 32, 1), 61_706, 0.25, 1.5, None, 3 << 20, True)


@pytest.fixture
def instant(monkeypatch):
    """Replace the slow parts of `refconv try` and `refconv verify`, which refutes relu."""

    def gather(operator, kind, **_):
        refuted = "relu: 3 ≠ 5" if (operator.name, kind) == ("relu", "numeric") else None
        return Outcome(operator.name, kind, 7, 1e-9, 0.5, refuted)

    monkeypatch.setattr(table, "gather", gather)
    monkeypatch.setattr(try_out, "_run_in_process", lambda name, *_: replace(MEASURED, model=name))


def drawn(terminal):
    """Return the texts of the bars that were on the screen at some time."""
    return [part.rstrip() for part in terminal.getvalue().replace("\n", "\r").split("\r") if "%|" in part]


def test_try_prints_its_rows_above_a_bar_with_the_current_network(monkeypatch, instant):
    terminal = Terminal.installed(monkeypatch)
    assert main(["try", "lenet", "nin-small"]) == 0
    assert [line.split()[0] for line in terminal.lines()[2:-1]] == ["lenet", "nin"]
    assert [line.count("MiB") for line in terminal.lines()] == [0, 0, 1, 1, 0]
    assert any(" 1/2 [" in text and text.endswith("nin-small]") for text in drawn(terminal))


def test_verify_prints_its_rows_above_a_bar_with_the_current_evidence(monkeypatch, instant):
    terminal = Terminal.installed(monkeypatch)
    assert main(["verify", "conv1d", "relu"]) == 1
    lines = terminal.lines()
    assert [line.split()[:2] for line in lines[1:3]] == [["conv1d", "✓"], ["relu", "✓"]]
    assert lines[2].count("✗") == 1
    assert lines[3] == "  relu, numeric: refuted"
    assert any(" 6/10 [" in text and text.endswith("relu, numeric]") for text in drawn(terminal))
    assert not any("%|" in line for line in lines)


def test_tables_are_printed_above_a_bar(monkeypatch):
    terminal = Terminal.installed(monkeypatch)
    assert main(["tables", "unet", "lenet"]) == 0
    assert not any("%|" in line for line in terminal.lines())
    assert any(" 1/2 [" in text for text in drawn(terminal))


@pytest.mark.parametrize("arguments", [["try", "lenet"], ["verify", "conv1d"], ["tables", "unet"]], ids=lambda a: a[0])
def test_no_bar_is_written_to_a_pipe(instant, monkeypatch, arguments):
    terminal = Terminal.installed(monkeypatch)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert main(arguments) == 0
    assert terminal.getvalue() == ""


def test_quiet_commands_print_only_results_and_refutations(monkeypatch, instant):
    terminal = Terminal.installed(monkeypatch)
    assert main(["verify", "conv1d", "--quiet"]) == 0
    assert terminal.getvalue() == ""
    assert main(["verify", "relu", "-q"]) == 1
    assert terminal.lines()[:2] == ["relu, numeric: refuted", "  relu: 3 ≠ 5"]
    terminal.truncate(0)
    assert main(["try", "lenet", "-q"]) == 0
    assert [line.split()[:1] for line in terminal.lines()[2:]] == [["lenet"], []]
    assert not drawn(terminal)


def test_the_commands_that_take_long_can_be_quiet():
    quiet = {command.name for command in COMMANDS if "--quiet" in command.parser().options}
    assert quiet == {"train", "evaluate", "predict", "restore", "download", "import", "export", "try", "verify"}


def test_a_resumed_run_is_quiet_only_if_asked():
    assert own_options(Namespace(model="lenet", quiet=True)) == {"model": "lenet"}


@pytest.mark.slow
@needs_kernels
def test_a_quiet_training_prints_nothing_and_saves_the_network(monkeypatch, tmp_path):
    terminal = Terminal.installed(monkeypatch)
    pytest.importorskip("matplotlib")
    arguments = [*SMALL, "--test-images", "50", "--threads", "1", "--out", str(tmp_path / "out")]
    assert main([*arguments, "--quiet"]) == 0
    assert terminal.getvalue() == ""
    assert (tmp_path / "out" / "model.safetensors").exists()
    assert main([*arguments, "--quiet"]) == 1  # the folder is not empty
    assert terminal.getvalue().startswith(f"refconv: --out {tmp_path / 'out'} already contains model.safetensors")
