"""Tests that a resumed run ends with the same bits as an uninterrupted run."""

import importlib.util
import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

import refconv
from command_line import find_mpiexec
from evidence import needs_kernels
from layer_evidence import assert_consecutive
from refconv import data, nn, optim, weights
from refconv.training import Callback, Checkpoint, EarlyStopping, fit

pytestmark = needs_kernels

OPTIMIZERS = {
    "sgd": lambda parameters: optim.SGD(parameters, 0.02, momentum=0.9, nesterov=True),
    "rmsprop": lambda parameters: optim.RMSProp(parameters, 0.05),
    "adam": lambda parameters: optim.Adam(parameters, 0.01),
}


def noisy_network():
    """Return a network with running averages, dropout, stochastic depth and drop-path."""
    branch = nn.Sequential(nn.Conv2D(3, 3, padding="same"), nn.Dropout(0.3))
    model = nn.Sequential(
        nn.Conv2D(3, 5, stride=3),
        nn.BatchNorm(),
        nn.ReLU(),
        nn.Sum(nn.Identity(), nn.StochasticDepth(branch, survival=0.6)),
        nn.Fractal(nn.Conv2D(3, 3, padding="same"), columns=2, drop=0.4),
        nn.Flatten(),
        nn.Dense(10),
    )
    model = nn.DropPath(model)
    model.build((32, 32, 1), rng=0)
    return model


class StopAfter(Callback):
    """Callback that stops the run after a number of steps in this process."""

    def __init__(self, steps):
        self.steps, self.taken = steps, 0

    def on_step_end(self, run):
        self.taken += 1
        run.stop = self.taken == self.steps


def run(
    folder,
    optimizer="sgd",
    *,
    stop_after=None,
    resume=False,
    every=None,
    ahead=False,
    epochs=3,
    patience=None,
    rng=5,
    callbacks=(),
):
    """Train on 75 images with five steps per epoch; return the network and the history."""
    model = noisy_network()
    images, labels = data.draw_digits(75 + 20, seed=3)
    augment = data.augment.chain(data.augment.shift(2), data.augment.distort(share=4))
    batches = data.Batches(images[:75], labels[:75], 16, rng=rng, prepare=data.lenet_input, augment=augment)
    history = fit(
        model,
        data.Prefetch(batches) if ahead else batches,
        OPTIMIZERS[optimizer](model.named_parameters()),
        epochs=epochs,
        test=data.Batches(images[75:], labels[75:], 20, shuffle=False, prepare=data.lenet_input),
        validation=data.Batches(images[75:], labels[75:], 7, shuffle=False, prepare=data.lenet_input),
        schedule=optim.Plateau(patience=1, factor=0.5),
        callbacks=[
            Checkpoint(folder, every=every, resume=resume),
            StopAfter(stop_after),
            *([EarlyStopping(patience)] if patience else []),
            *callbacks,
        ],
    )
    return model, history


def bits(model):
    return {name: p.value.tobytes() for name, p in model.named_parameters().items()}


def without_times(history):
    """Return the history without its durations."""
    return [(e.epoch, e.images, e.lr, e.metrics) for e in history.epochs]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Return the weights and the history of an uninterrupted run for each optimiser."""
    runs = {name: run(tmp_path_factory.mktemp(name), name) for name in OPTIMIZERS}
    return {name: (bits(model), without_times(history)) for name, (model, history) in runs.items()}


@pytest.mark.parametrize("stop_after", [1, 4, 5, 6, 14])
def test_a_run_stopped_after_any_step_resumes_to_the_same_bits(tmp_path, uninterrupted, stop_after):
    _, stopped = run(tmp_path, stop_after=stop_after)
    assert stopped.stopped
    model, history = run(tmp_path, resume=True)
    assert (bits(model), without_times(history)) == uninterrupted["sgd"]
    assert not history.stopped


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(content)


def test_a_run_continues_from_the_checkpoint_before_a_damaged_one(tmp_path, uninterrupted):
    run(tmp_path, stop_after=8, every=3)
    flip_a_bit(tmp_path / "last.safetensors")
    with pytest.warns(
        UserWarning, match=r"last\.safetensors .*does not fit its checksum.*continues from .*previous\.safetensors"
    ):
        model, history = run(tmp_path, resume=True)
    assert (bits(model), without_times(history)) == uninterrupted["sgd"]


def test_the_checkpoint_before_a_damaged_one_remains_if_the_next_cannot_be_written(tmp_path, uninterrupted, monkeypatch):
    run(tmp_path, stop_after=8, every=3)
    flip_a_bit(tmp_path / "last.safetensors")

    def refuse(*arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(weights, "write_tensors", refuse)
        with pytest.warns(UserWarning, match="continues from"), pytest.raises(OSError, match="No space left"):
            run(tmp_path, resume=True, every=1)
    model, history = run(tmp_path, resume=True)
    assert (bits(model), without_times(history)) == uninterrupted["sgd"]


def test_two_runs_cannot_use_one_folder(tmp_path, uninterrupted):
    run(tmp_path, stop_after=8)

    class Again(Callback):
        def on_step_end(self, current):
            if current.step == 5:
                with pytest.raises(FileExistsError, match="must not be in use by another run"):
                    run(tmp_path, resume=True)

    model, history = run(tmp_path, resume=True, callbacks=[Again()])
    assert (bits(model), without_times(history)) == uninterrupted["sgd"]


def test_a_run_without_an_undamaged_checkpoint_is_refused(tmp_path):
    run(tmp_path, stop_after=8, every=3)
    for name in ("last", "previous"):
        flip_a_bit(tmp_path / f"{name}.safetensors")
    message = r"previous\.safetensors .*does not fit its checksum"
    with pytest.warns(UserWarning, match="continues from"), pytest.raises(ValueError, match=message):
        run(tmp_path, resume=True)
    (tmp_path / "previous.safetensors").unlink()
    with pytest.raises(ValueError, match=r"last\.safetensors .*does not fit its checksum"):
        run(tmp_path, resume=True)


@pytest.mark.parametrize("optimizer", ["rmsprop", "adam"])
def test_a_checkpoint_contains_the_state_of_each_optimizer(tmp_path, uninterrupted, optimizer):
    run(tmp_path, optimizer, stop_after=8)
    model, history = run(tmp_path, optimizer, resume=True)
    assert (bits(model), without_times(history)) == uninterrupted[optimizer]


def test_the_prefetching_thread_changes_nothing(tmp_path, uninterrupted):
    run(tmp_path, stop_after=7, ahead=True)
    model, history = run(tmp_path, resume=True, ahead=True)
    assert (bits(model), without_times(history)) == uninterrupted["sgd"]


def test_a_run_that_ends_in_an_error_resumes_from_the_last_checkpoint(tmp_path, uninterrupted, monkeypatch):
    with monkeypatch.context() as patched:

        def fails(self, run, best=False, save=Checkpoint.save):
            save(self, run, best)
            if run.epoch == 2 and run.step == 3:
                raise KeyboardInterrupt

        patched.setattr(Checkpoint, "save", fails)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, every=3)
    model, history = run(tmp_path, resume=True)
    assert (bits(model), without_times(history)) == uninterrupted["sgd"]


@pytest.mark.parametrize("kind", [np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_the_state_of_any_bit_generator_is_restored(tmp_path, kind):
    model, history = run(tmp_path / "uninterrupted", rng=np.random.Generator(kind(5)))
    run(tmp_path / "stopped", rng=np.random.Generator(kind(5)), stop_after=7)
    again, resumed = run(tmp_path / "stopped", rng=np.random.Generator(kind(5)), resume=True)
    assert (bits(again), without_times(resumed)) == (bits(model), without_times(history))


def test_a_run_killed_while_saving_its_best_epoch_saves_it_after_resuming(tmp_path, monkeypatch):
    written = []

    def killed(path, *rest, write=weights.write_tensors):
        if written == ["best.safetensors"]:
            raise KeyboardInterrupt
        write(path, *rest)
        written.append(path.name)

    run(tmp_path / "uninterrupted", epochs=1)
    with monkeypatch.context() as patched:
        patched.setattr(weights, "write_tensors", killed)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "killed", epochs=1)
    run(tmp_path / "killed", epochs=1, resume=True)
    best, expected = (
        weights.read_tensors(tmp_path / p / "best.safetensors", "refconv-checkpoint")[0] for p in ("killed", "uninterrupted")
    )
    assert {name: a.tobytes() for name, a in best.items()} == {name: a.tobytes() for name, a in expected.items()}


def test_unfinished_files_of_a_killed_run_are_removed(tmp_path):
    run(tmp_path, stop_after=1)
    (tmp_path / ".best.safetensors.x1y2").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    run(tmp_path, resume=True, stop_after=1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["last.safetensors", "notes.txt", "previous.safetensors"]


def test_resuming_works_before_the_first_and_after_the_last_step(tmp_path, uninterrupted):
    model, _ = run(tmp_path, resume=True)  # no checkpoint exists, so the run begins
    again, history = run(tmp_path, resume=True)  # the run is complete, so only the test is repeated
    assert bits(again) == bits(model)
    assert (bits(again), without_times(history)) == uninterrupted["sgd"]
    assert history.test.loss == history.epochs[-1].test_loss


def test_a_run_stopped_early_stays_stopped_and_its_best_checkpoint_has_the_lowest_loss(tmp_path):
    _, history = run(tmp_path, epochs=30, patience=2)
    assert history.stopped_early
    losses = [epoch.validation_loss for epoch in history.epochs]
    assert len(losses) < 30
    assert losses.index(min(losses)) == len(losses) - 3
    assert history.best.epoch == len(losses) - 2
    _, kept = weights.read_tensors(tmp_path / "best.safetensors", "refconv-checkpoint")
    assert [epoch["metrics"]["validation_loss"] for epoch in kept["epochs"]] == losses[:-2]
    model, again = run(tmp_path, epochs=30, patience=2, resume=True)
    assert len(again.epochs) == len(losses)
    expected, _ = run(tmp_path / "no further", epochs=30, stop_after=5 * (len(losses) - 2))
    assert bits(model) != bits(expected)
    arrays = [p.value for p in model.named_parameters().values()]
    Checkpoint(tmp_path, resume=True).recall_best(model)
    assert bits(model) == bits(expected)
    assert all(p.value is a for p, a in zip(model.named_parameters().values(), arrays, strict=True))  # written in place
    assert_consecutive(model)
    other = nn.Dense(3)
    other.build((4,), rng=0)
    with pytest.raises(ValueError, match=r"best.safetensors must be a checkpoint of this network, got other parameters"):
        Checkpoint(tmp_path, resume=True).recall_best(other)


def test_the_network_of_a_checkpoint_is_loaded_as_a_model(tmp_path):
    model, _ = run(tmp_path, stop_after=7)
    again = refconv.load(tmp_path / "last.safetensors")
    assert bits(again) == bits(model)
    x = np.random.default_rng(0).standard_normal((2, 32, 32, 1)).astype(np.float32)
    assert again(x).tobytes() == model(x).tobytes()


def test_a_network_that_cannot_be_saved_as_a_model_can_have_checkpoints(tmp_path):
    model = nn.Sequential(nn.Flatten(), nn.Dense(10, initializer=lambda rng, shape: rng.normal(0, 0.1, shape)))
    model.build((32, 32, 1), rng=0)
    images, labels = data.draw_digits(20, seed=3)
    batches = data.Batches(images, labels, 16, rng=5, prepare=data.lenet_input)
    fit(model, batches, optim.SGD(model, 0.02), epochs=1, callbacks=[Checkpoint(tmp_path)])
    before = bits(model)
    with pytest.raises(ValueError, match=r"last\.safetensors must be a refconv model, got a refconv run"):
        refconv.load(tmp_path / "last.safetensors")
    model.build((32, 32, 1), rng=1)
    model.load_weights(tmp_path / "last.safetensors")
    assert bits(model) == before


def test_a_checkpoint_of_another_run_or_network_is_refused(tmp_path, monkeypatch):
    run(tmp_path, stop_after=1)
    with pytest.raises(FileExistsError, match=r"last.safetensors already exists: resume=True continues this run"):
        run(tmp_path)
    with pytest.raises(ValueError, match=r"same settings, got differences: epochs: 4, was 3$"):
        run(tmp_path, resume=True, epochs=4)
    monkeypatch.setitem(OPTIMIZERS, "slow", lambda parameters: optim.SGD(parameters, 0.02, momentum=0.8))
    with pytest.raises(
        ValueError,
        match=r"got differences: optimizer.momentum: 0.8, was 0.9; optimizer.nesterov: False, was True$",
    ):
        run(tmp_path, "slow", resume=True)
    with pytest.raises(
        ValueError,
        match=r"same settings, got differences: optimizer: Adam\(.*\), was SGD\(.*\)",
    ):
        run(tmp_path, "adam", resume=True)
    tensors, description = weights.read_tensors(tmp_path / "last.safetensors", "refconv-checkpoint")
    tensors["model/network.0.b"] = np.zeros(4, np.float32)
    weights.write_tensors(tmp_path / "last.safetensors", tensors, "refconv-checkpoint", description)
    with pytest.raises(ValueError, match="must be a checkpoint of this network, got other"):
        run(tmp_path, resume=True)
    json.dumps(description)


@pytest.mark.parametrize("missing", ["settings", "epoch", "order", "means", "epochs", "generators"])
def test_a_checkpoint_with_an_incomplete_description_is_refused_by_name(tmp_path, missing):
    run(tmp_path, stop_after=1)
    tensors, description = weights.read_tensors(tmp_path / "last.safetensors", "refconv-checkpoint")
    del description[missing]
    weights.write_tensors(tmp_path / "last.safetensors", tensors, "refconv-checkpoint", description)
    with pytest.raises(ValueError, match=rf"last.safetensors must be a complete checkpoint of .*, got KeyError: '{missing}'"):
        run(tmp_path, resume=True)


def test_an_unfinished_checkpoint_never_replaces_a_complete_one(tmp_path, monkeypatch):
    run(tmp_path, stop_after=1)
    before = (tmp_path / "last.safetensors").read_bytes()
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        run(tmp_path, resume=True, stop_after=1)
    assert (tmp_path / "last.safetensors").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["last.safetensors", "previous.safetensors"]
    assert (tmp_path / "previous.safetensors").read_bytes() == before


def test_data_without_a_state_are_refused_before_the_first_step(tmp_path):
    model = noisy_network()
    pairs = [(np.ones((2, 32, 32, 1), np.float32), np.array([0, 1]))]
    optimizer = optim.SGD(model, 0.1)
    with pytest.raises(TypeError, match=r"batches must have state\(\) and resume\(\)"):
        fit(model, pairs, optimizer, epochs=1, callbacks=[Checkpoint(tmp_path)])
    with pytest.raises(ValueError, match="validation must be given if EarlyStopping"):
        fit(model, pairs, optimizer, epochs=1, callbacks=[EarlyStopping(2)])


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_a_run_that_is_killed_three_times_ends_with_the_same_bits():
    path = Path(__file__).parent.parent / "kill_and_resume.py"
    spec = importlib.util.spec_from_file_location("kill_and_resume", path)
    script = sys.modules["kill_and_resume"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.killed_and_resumed(3)
    if find_mpiexec() and importlib.util.find_spec("mpi4py"):
        assert script.killed_and_resumed(3, processes=(1, 2, 3))
