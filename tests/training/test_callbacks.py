"""Tests of callbacks: stopping, errors, and the callbacks of refconv."""

import csv
import io
import sys

import numpy as np
import pytest

from refconv import nn, optim
from refconv.training import (
    Callback,
    Checkpoint,
    CSVLogger,
    EarlyStopping,
    ProgressBar,
    fit,
)

X = np.random.default_rng(2).standard_normal((7, 4)).astype(np.float32)
LABELS = np.array([0, 2, 1, 2, 0, 1, 1])
BATCHES = [(X[:4], LABELS[:4]), (X[4:], LABELS[4:])]


def trained(callbacks, batches=BATCHES, epochs=3, lr=0.1, **options):
    """Train a small network; return its optimiser and the history."""
    model = nn.Dense(3)
    model.build((4,), rng=0)
    optimizer = optim.SGD(model, lr=lr)
    return optimizer, fit(model, batches, optimizer, epochs=epochs, callbacks=callbacks, **options)


class StopAt(Callback):
    """Callback that stops the run in one method of one epoch."""

    def __init__(self, method, epoch=2):
        self.method, self.epoch = method, epoch

    def _stop(self, run, method):
        run.stop = run.stop or (method == self.method and run.epoch == self.epoch)

    def on_train_begin(self, run):
        self._stop(run, "on_train_begin")

    def on_step_end(self, run):
        self._stop(run, "on_step_end")

    def on_epoch_end(self, run):
        self._stop(run, "on_epoch_end")


@pytest.mark.parametrize(
    ("method", "epoch", "images", "stopped"),
    [
        ("on_train_begin", 0, [], True),
        ("on_step_end", 2, [7, 4], True),
        ("on_epoch_end", 2, [7, 7], True),
        ("on_epoch_end", 3, [7, 7, 7], False),
    ],
)
def test_a_callback_can_stop_the_run_in_each_method(method, epoch, images, stopped):
    _, history = trained([StopAt(method, epoch)])
    assert [epoch.images for epoch in history.epochs] == images
    assert history.stopped is stopped
    assert not history.stopped_early


@pytest.mark.parametrize("method", ["restore", "on_train_begin", "on_step_end", "on_epoch_end", "on_train_end"])
def test_an_error_in_a_callback_restores_lr_and_calls_on_train_end_of_the_others(method):
    ended = []

    class Fails(Callback):
        pass

    def fail(self, run):
        run.optimizer.lr = 5.0
        raise OSError("the disk is full")

    class Ends(Callback):
        def on_train_end(self, run):
            ended.append(run.step)

    setattr(Fails, method, fail)
    model = nn.Dense(3)
    model.build((4,), rng=0)
    optimizer = optim.SGD(model, lr=0.1)
    with pytest.raises(OSError, match="the disk is full"):
        fit(model, BATCHES, optimizer, epochs=2, schedule=optim.cosine, callbacks=[Ends(), Fails(), Ends()])
    assert optimizer.lr == 0.1
    assert len(ended) == {"restore": 0, "on_train_begin": 1}.get(method, 2)


def test_early_stopping_watches_the_loss_that_is_trained():
    """Train on the squared error of the scores, for which the cross-entropy would be misleading."""

    def squared_error(scores, targets):
        return float(np.mean((scores - targets) ** 2)), 2 * (scores - targets) / scores.size

    targets = np.eye(3, dtype=np.float32)[LABELS]
    pairs = [(X, targets)]
    _, history = trained([EarlyStopping(2)], pairs, epochs=9, validation=pairs, loss=squared_error)
    losses = [epoch.validation_loss for epoch in history.epochs]
    assert len(losses) == 9
    assert (np.diff(losses) < 0).all()
    _, history = trained([EarlyStopping(2)], pairs, epochs=9, lr=0.0, validation=pairs, loss=squared_error)
    assert [epoch.epoch for epoch in history.epochs] == [1, 2, 3]
    assert history.stopped_early
    assert not history.stopped


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        (ProgressBar, "callbacks must be a sequence of Callback, got <class"),
        ([ProgressBar], "callbacks must be instances of Callback, got <class"),
        ([print], "callbacks must be instances of Callback, got <built-in function print>"),
        (Callback(), r"callbacks must be a sequence of Callback, got Callback\(\)"),
    ],
)
def test_invalid_callbacks_are_refused(callbacks, message):
    with pytest.raises(TypeError, match=message):
        trained(callbacks)


def test_invalid_arguments_of_early_stopping_are_refused_by_name():
    with pytest.raises(ValueError, match="patience must be at least 1, got 0"):
        EarlyStopping(0)
    with pytest.raises(ValueError, match="validation must be given if EarlyStopping is used, got None"):
        trained([EarlyStopping(1)])


def test_the_csv_file_is_complete_after_each_epoch(tmp_path):
    path, seen = tmp_path / "history.csv", []

    class Read(Callback):
        def on_epoch_end(self, run):
            seen.append(list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))))

    _, history = trained([CSVLogger(path), Read()], validation=BATCHES)
    assert [[row["epoch"] for row in rows] for rows in seen] == [["1"], ["1", "2"], ["1", "2", "3"]]
    assert float(seen[-1][1]["validation_accuracy"]) == history.epochs[1].metrics["validation_accuracy"]
    assert path.read_text(encoding="utf-8") == history.to_csv()


def test_the_progress_bar_prints_a_line_for_each_epoch(capsys, monkeypatch):
    pytest.importorskip("tqdm")
    for stream in (sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    lines = []
    _, history = trained([ProgressBar(lines.append)], epochs=2, validation=BATCHES, test=BATCHES)
    assert len(lines) == 2
    measured = history.epochs[1].metrics
    for kind in ("validation: ", "test: "):
        name = kind.strip(": ")
        loss, accuracy = measured[f"{name}_loss"], measured[f"{name}_accuracy"]
        assert f"  |  {kind}loss {loss:.4f}, accuracy {100 * accuracy:.2f} %" in lines[1]
    assert lines[1].startswith(f"epoch 2: loss {measured['train_loss']:.4f}, accuracy ")
    assert " images/s" in lines[1]
    assert "epoch 1/2" in capsys.readouterr().err


def test_the_progress_bar_writes_no_bar_to_a_file(capsys):
    pytest.importorskip("tqdm")
    lines = []
    trained([ProgressBar(lines.append)], epochs=2)
    assert [line[:12] for line in lines] == ["epoch 1: los", "epoch 2: los"]
    assert capsys.readouterr().err == ""


def test_the_error_about_a_missing_tqdm_names_the_package_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(ImportError, match=r'needs tqdm: pip install "refconv\[train\]"'):
        ProgressBar()


def test_a_checkpoint_is_saved_after_the_callbacks_that_follow_it(tmp_path):
    pytest.importorskip("safetensors")
    from refconv.data import Batches

    batches = Batches(X, LABELS, 4, rng=1)
    trained([Checkpoint(tmp_path), StopAt("on_step_end")], batches)
    assert (tmp_path / "last.safetensors").exists()
    seen = []

    class First(Callback):
        def on_step_end(self, run):
            seen.append((run.epoch, run.step))

    trained([First(), Checkpoint(tmp_path, resume=True)], Batches(X, LABELS, 4, rng=1))
    assert seen == [(2, 2), (3, 1), (3, 2)]
