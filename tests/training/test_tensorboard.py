"""What TensorBoard is told, where its writer is installed; and who to ask for it where not."""

import sys
import time
from types import SimpleNamespace

import pytest

from refconv.training import Epoch, tensorboard


def test_each_epoch_is_written_without_what_was_not_measured(tmp_path):
    tensorboard_x = pytest.importorskip("tensorboardX")
    told = []

    class Writer(tensorboard_x.SummaryWriter):
        def add_scalar(self, name, value, step):
            told.append((name, value, step))
            super().add_scalar(name, value, step)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensorboard_x, "SummaryWriter", Writer)
        on_epoch = tensorboard(tmp_path)
    on_epoch(Epoch(3, 50, 2.0, 0.1, 1.5, 0.25, validation_loss=1.75, validation_accuracy=0.5))
    assert ("train/loss", 1.5, 3) in told
    assert ("validation/accuracy", 0.5, 3) in told
    assert ("images_per_second", 25.0, 3) in told
    assert not [name for name, *_ in told if name.startswith("test")]
    (events,) = tmp_path.iterdir()
    deadline = time.monotonic() + 20  # a thread of its own writes the file
    while b"validation/accuracy" not in events.read_bytes() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert b"train/loss" in events.read_bytes()


def test_its_thread_sleeps_between_two_looks(tmp_path, monkeypatch):
    asked = {}
    writer = SimpleNamespace(SummaryWriter=lambda folder, **options: asked.update(options))
    monkeypatch.setitem(sys.modules, "tensorboardX", writer)
    tensorboard(tmp_path)
    assert asked["flush_secs"] > 0  # of 0 it makes a loop that never rests, and takes a whole core


def test_without_the_writer_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r'needs tensorboardX: pip install "refconv\[tensorboard\]"'):
        tensorboard(tmp_path)
