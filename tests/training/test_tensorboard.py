"""Tests of the numbers written for TensorBoard and of the error if its writer is missing."""

import sys
import time
from types import SimpleNamespace

import pytest

from refconv.training import Epoch, History, TensorBoard

EPOCH = Epoch(
    3, 50, 2.0, 0.1, {"train_loss": 1.5, "train_accuracy": 0.25, "validation_loss": 1.75, "validation_accuracy": 0.5}
)


def write(folder):
    """Write one epoch in the same way as :func:`refconv.training.fit`."""
    callback, run = TensorBoard(folder), SimpleNamespace(history=History([EPOCH]))
    callback.on_train_begin(run)
    callback.on_epoch_end(run)
    callback.on_train_end(run)


def test_only_measured_numbers_of_an_epoch_are_written(tmp_path):
    tensorboard_x = pytest.importorskip("tensorboardX")
    written = []

    class Writer(tensorboard_x.SummaryWriter):
        def add_scalar(self, name, value, step):
            written.append((name, value, step))
            super().add_scalar(name, value, step)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensorboard_x, "SummaryWriter", Writer)
        write(tmp_path)
    assert ("train/loss", 1.5, 3) in written
    assert ("validation/accuracy", 0.5, 3) in written
    assert ("images_per_second", 25.0, 3) in written
    assert not [name for name, *_ in written if name.startswith("test")]
    (events,) = tmp_path.iterdir()
    deadline = time.monotonic() + 20  # seconds; a separate thread writes the file
    while b"validation/accuracy" not in events.read_bytes() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert b"train/loss" in events.read_bytes()


def test_the_thread_of_the_writer_sleeps_and_ends_with_the_run(tmp_path, monkeypatch):
    settings, closed = {}, []

    def writer(folder, **options):
        settings.update(options)
        return SimpleNamespace(add_scalar=lambda *scalar: None, close=lambda: closed.append(folder))

    monkeypatch.setitem(sys.modules, "tensorboardX", SimpleNamespace(SummaryWriter=writer))
    write(tmp_path)
    assert settings["flush_secs"] > 0  # with 0 seconds, the thread would poll without sleeping and keep one core busy
    assert closed == [str(tmp_path)]


def test_the_error_about_a_missing_writer_names_the_package_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r'needs tensorboardX: pip install "refconv\[tensorboard\]"'):
        TensorBoard(tmp_path)
