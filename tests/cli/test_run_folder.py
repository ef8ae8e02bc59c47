"""Tests of the options of a resumed run."""

import numpy as np
import pytest

from refconv import weights
from refconv.cli.run_folder import own_options, restore_options
from refconv.cli.train import COMMAND


def options_of(*arguments):
    return COMMAND.parser().parse_args(["lenet", *arguments])


@pytest.fixture
def run(tmp_path):
    """Return the folder of a stopped run with some options."""
    stopped = options_of("--epochs", "4", "--shards", "8", "--input", "28x30", "--data", "digits")
    notes = {"notes": own_options(stopped)}
    weights.write_tensors(tmp_path / "last.safetensors", {"w": np.zeros(2)}, "refconv-checkpoint", notes)
    return str(tmp_path)


def test_the_options_of_the_command_line_are_known():
    assert options_of("--from", "cifar10", "--epochs=3", "--sync-bn").given == {
        "weights": "--from",
        "epochs": "--epochs",
        "sync_bn": "--sync-bn",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--shards", "4"), "--shards must be 8, as in the resumed run, got 4"),
        (("--epochs", "3"), "--epochs must be 4, as in the resumed run, got 3"),  # 3 is the default
        (("--sync-bn",), "--sync-bn must be left out, as in the resumed run, got True"),
        (("--from", "mnist"), "--from must be left out, as in the resumed run, got mnist"),
    ],
)
def test_a_resumed_run_refuses_other_options(run, arguments, message):
    with pytest.raises(ValueError, match=message):
        restore_options(options_of("--resume", run, *arguments))


def test_a_resumed_run_accepts_its_own_options_and_those_of_the_machine(run):
    options = options_of("--resume", run, "--shards", "8", "--input", "28x30", "--threads", "1", "--engine", "reference")
    restore_options(options)
    assert (options.epochs, options.shards, options.threads, options.engine) == (4, 8, 1, "reference")
