"""Fixtures for the tests of several commands."""

import numpy as np
import pytest

from command_line import SMALL, refconv
from refconv import models
from refconv.cli import main
from refconv.models.torchvision import TORCHVISION
from refconv.weights.pytorch import keyed_entries


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Train a small run; return its folder and its output."""
    for module in ("tqdm", "matplotlib"):
        pytest.importorskip(module)
    folder = tmp_path_factory.mktemp("trained")
    return folder, refconv(*SMALL, "--out", "out", "--threads", "1", cwd=folder)


@pytest.fixture
def narrow_resnet18(monkeypatch):
    """Let a narrow network of two classes stand for torchvision's ResNet-18.

    Return a function that creates random weights with torchvision's keys, from a least value to 1.
    """
    variant = TORCHVISION["resnet18"]
    narrow = variant._replace(arguments={**variant.arguments, "width": 0.02})
    monkeypatch.setitem(TORCHVISION, "resnet18", narrow)
    entries = keyed_entries(models.create("resnet18", **narrow.arguments, classes=2), (224, 224, 3))

    def state(least):
        rng = np.random.default_rng(0)
        return {key: rng.uniform(least, 1, entry.shape).astype(np.float32) for key, entry in entries.items()}

    return state


@pytest.fixture
def printed(capsys):
    """Return a function that runs a command in this process.

    It returns the standard output, or the standard error if the command fails.
    """

    def run(*arguments, status=0):
        assert main(arguments) == status
        out, error = capsys.readouterr()
        return out if status == 0 else error

    return run
