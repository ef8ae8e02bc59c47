"""Tests of the training loop: learning, averages, callbacks, stopping and errors."""

import csv
import io

import numpy as np
import pytest

from evidence import needs_kernels
from refconv import data, models, nn, optim
from refconv.training import Callback, Diverged, evaluate, fit, train_step

pytestmark = needs_kernels  # on the loops, a run would take hours


def small_run(epochs=2, images=96, tests=40, batch_size=32, **options):
    model = models.lenet()
    model.build((32, 32, 1), rng=0)
    optimizer = optim.SGD(model, lr=0.02, momentum=0.9)
    drawn = data.draw_digits(images + tests, seed=3)
    batches = data.Batches(*(part[:images] for part in drawn), batch_size, rng=0, prepare=data.lenet_input)
    test = data.Batches(*(part[images:] for part in drawn), 25, shuffle=False, prepare=data.lenet_input)
    return model, optimizer, fit(model, batches, optimizer, epochs=epochs, test=test, **options)


@pytest.mark.slow
def test_lenet_learns_the_digits():
    _, _, history = small_run(epochs=5, images=3000, tests=500)
    assert history.epochs[-1].metrics["test_accuracy"] > 0.7
    assert history.epochs[-1].train_loss < history.epochs[0].train_loss / 2


def test_the_same_seeds_give_the_same_weights_to_the_last_bit():
    first, again = (small_run()[0].named_parameters() for _ in range(2))
    assert all((first[name].value == again[name].value).all() for name in first)


def test_averages_over_an_epoch_weight_all_images_equally():
    # With a learning rate of zero the network does not change, so the averages over batches equal the values of one batch.
    model = models.lenet()
    model.build((32, 32, 1), rng=0, dtype=np.float64)
    images, labels = data.draw_digits(50, seed=3)
    batches = data.Batches(images, labels, 32, prepare=lambda x: data.lenet_input(x, np.float64), rng=0)
    history = fit(model, batches, optim.SGD(model, lr=0.0), epochs=1)
    expected = evaluate(model, data.Batches(images, labels, 50, shuffle=False, prepare=batches.prepare))
    assert history.epochs[0].train_loss == pytest.approx(expected.loss, rel=1e-12)
    assert history.epochs[0].metrics["train_accuracy"] == expected.accuracy == np.mean(expected.predictions == labels)
    assert history.epochs[0].images == 50


def test_the_schedule_is_called_with_the_progress_and_lr_is_restored():
    calls = []
    _, optimizer, history = small_run(schedule=lambda progress: calls.append(progress) or 0.5)
    assert calls == pytest.approx([k / 6 for k in range(6)])
    assert [epoch.lr for epoch in history.epochs] == [0.01, 0.01]
    assert optimizer.lr == 0.02


def test_stop_ends_the_run_after_a_complete_step_and_keeps_the_results():
    seen = []

    class Stop(Callback):
        def on_step_end(self, run):
            seen.append((run.epoch, run.step))
            run.stop = len(seen) == 4

    _, _, history = small_run(epochs=3, callbacks=[Stop()])
    assert seen == [(1, 1), (1, 2), (1, 3), (2, 1)]
    assert history.stopped
    assert [epoch.images for epoch in history.epochs] == [96, 32]
    assert "test_accuracy" in history.epochs[-1].metrics


class Log(Callback):
    """Callback that records its calls."""

    def __init__(self):
        self.calls, self.metrics, self.epochs = [], [], []

    def on_train_begin(self, run):
        self.calls.append("begin")

    def on_step_end(self, run):
        self.calls.append((run.epoch, run.epochs, run.step, run.steps, run.images, run.scores.shape))
        self.metrics.append(run.metrics)

    def on_epoch_end(self, run):
        self.calls.append("epoch")
        self.epochs.append(run.history.epochs[-1])

    def on_train_end(self, run):
        self.calls.append("end")


def test_callbacks_receive_the_numbers_of_the_history():
    log = Log()
    _, _, history = small_run(callbacks=[log])
    assert log.calls == [
        "begin",
        (1, 2, 1, 3, 32, (32, 10)),
        (1, 2, 2, 3, 64, (32, 10)),
        (1, 2, 3, 3, 96, (32, 10)),
        "epoch",
        (2, 2, 1, 3, 32, (32, 10)),
        (2, 2, 2, 3, 64, (32, 10)),
        (2, 2, 3, 3, 96, (32, 10)),
        "epoch",
        "end",
    ]
    assert log.epochs == history.epochs
    trained = {name: value for name, value in history.epochs[0].metrics.items() if name.startswith("train_")}
    assert log.metrics[2] == trained
    assert set(trained) == {"train_loss", "train_accuracy"}


def test_the_error_about_a_non_finite_loss_names_the_step():
    model = nn.Sequential(nn.Flatten(), nn.Dense(3))
    model.build((2, 2), rng=0)
    x = np.ones((4, 2, 2), np.float32)
    x[3] = np.nan
    batches = data.Batches(x, np.array([0, 1, 2, 0]), 2, shuffle=False)
    with pytest.raises(
        FloatingPointError, match="the loss is nan at step 2 of epoch 1, with a batch that contains non-finite numbers"
    ):
        fit(model, batches, optim.SGD(model, lr=0.1), epochs=1)


def test_the_error_of_a_run_that_diverges_contains_the_history_and_lr_is_restored():
    model = nn.Sequential(nn.Flatten(), nn.Dense(3))
    model.build((2, 2), rng=0)
    x = np.ones((6, 2, 2), np.float32)
    batches = data.Batches(x, np.array([0, 1, 2, 0, 1, 2]), 2, shuffle=False)
    optimizer, log = optim.SGD(model, lr=0.1), Log()
    poison = AfterStep(2, 2, lambda: model.named_parameters()["1.b"].value.__setitem__(0, np.nan))

    with pytest.raises(Diverged, match="the loss is nan at step 3 of epoch 2, in layer 1; try a smaller lr") as caught:
        fit(model, batches, optimizer, epochs=3, schedule=optim.cosine, callbacks=[poison, log])
    assert [epoch.images for epoch in caught.value.history.epochs] == [6, 4]
    assert np.isfinite([epoch.train_loss for epoch in caught.value.history.epochs]).all()
    assert log.epochs == caught.value.history.epochs[:1]
    assert log.calls[-1] == "end"
    assert optimizer.lr == 0.1


class AfterStep(Callback):
    """Callback that calls a function after one step."""

    def __init__(self, epoch, step, function):
        self.position, self.function = (epoch, step), function

    def on_step_end(self, run):
        if (run.epoch, run.step) == self.position:
            self.function()


class Own(nn.Layer):
    """User's layer with two inner layers, of which the second receives the output of the first."""

    def __init__(self):
        self.first, self.second = nn.Dense(3), nn.Dense(2)

    def named_layers(self):
        return iter({"first": self.first, "second": self.second}.items())

    def children(self, shape):
        yield "first", self.first, shape
        yield "second", self.second, (3,)

    def output_shape(self, shape):
        return (2,)

    def forward(self, x, train=True):
        hidden, back = self.first.forward(x, train)
        y, back_again = self.second.forward(hidden, train)
        return y, lambda dy, want_dx=True: back(back_again(dy), want_dx)


@pytest.mark.parametrize(
    ("model", "poisoned", "layer"),
    [
        (nn.Sequential(a=nn.Dense(4), b=nn.Sum(nn.Identity(), nn.Sequential(nn.Tanh(), nn.Dense(4)))), "b.1.1.w", "b.1.1"),
        (nn.Sequential(a=nn.Dense(4), own=Own()), "own.second.b", "own"),
        (nn.Sequential(a=nn.Dense(4), own=Own()), "own.first.b", "own.first"),
        (
            nn.Heads(nn.Sequential(a=nn.Dense(4), b=nn.Dense(2)), a=nn.Sequential(nn.Tanh(), nn.Dense(2))),
            "head_a.1.b",
            "head_a.1",
        ),
        (nn.Fractal(nn.Sequential(nn.Tanh(), nn.Dense(3)), 2), "column2_row2.1.w", "column2_row2.1"),
    ],
)
def test_the_first_layer_with_a_non_finite_output_is_named(model, poisoned, layer):
    model.build((5,), rng=0, dtype=np.float64)
    model.named_parameters()[poisoned].value.flat[0] = np.inf
    batches = data.Batches(np.ones((2, 5)), np.array([0, 1]), 2, shuffle=False)
    with pytest.raises(Diverged, match=rf"at step 1 of epoch 1, in layer {layer}; try a smaller lr"):
        fit(model, batches, optim.SGD(model, lr=0.1), epochs=1)


@pytest.mark.parametrize("kind", ["test", "validation"])
def test_a_non_finite_loss_after_the_last_step_is_an_error(kind):
    model = nn.Sequential(flat=nn.Flatten(), scores=nn.Dense(3))
    model.build((2, 2), rng=0)
    batches = data.Batches(np.ones((4, 2, 2), np.float32), np.arange(4) % 3, 4, shuffle=False)

    poison = AfterStep(1, 1, lambda: model.named_parameters()["scores.b"].value.__setitem__(2, np.inf))

    with pytest.raises(Diverged, match=f"the {kind} loss is nan after epoch 1, in layer scores; try a smaller lr") as caught:
        fit(model, batches, optim.SGD(model, lr=0.1), epochs=1, callbacks=[poison], **{kind: batches})
    assert [epoch.images for epoch in caught.value.history.epochs] == [4]


def test_empty_data_and_invalid_arguments_are_refused_by_name():
    optimizer = optim.SGD({"w": nn.Parameter(np.ones(2))}, lr=0.1)
    with pytest.raises(ValueError, match="batches must contain at least one batch, got none"):
        fit(nn.Flatten(), [], optimizer, epochs=1)
    with pytest.raises(ValueError, match="clip_norm must be above 0, got 0"):
        fit(nn.Flatten(), [1], optimizer, epochs=1, clip_norm=0)
    with pytest.raises(ValueError, match="batches yielded nothing; is it an exhausted iterator"):
        evaluate(lambda x: x, iter([]))


def test_lr_is_restored_if_the_run_is_interrupted():
    model = nn.Sequential(nn.Flatten(), nn.Dense(3))
    model.build((2, 2), rng=0)
    batches = data.Batches(np.ones((4, 2, 2), np.float32), np.arange(4) % 3, 2, shuffle=False)
    optimizer = optim.SGD(model, lr=0.1)
    with pytest.raises(KeyboardInterrupt):
        fit(model, batches, optimizer, epochs=2, schedule=lambda progress: 0.5, callbacks=[AfterStep(1, 2, interrupt)])
    assert optimizer.lr == 0.1


def interrupt():
    raise KeyboardInterrupt


def test_evaluation_changes_nothing():
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm(), nn.Dense(3))
    model.build((2, 2), rng=0)
    before = {name: p.value.tobytes() for name, p in model.named_parameters().items()}
    evaluate(model, data.Batches(np.ones((4, 2, 2), np.float32), np.arange(4) % 3, 2, shuffle=False))
    assert {name: p.value.tobytes() for name, p in model.named_parameters().items()} == before


def test_a_step_clears_the_gradients_of_the_previous_step():
    x, labels = np.eye(3, 4, dtype=np.float64), np.array([0, 1, 2])

    def last_gradient(steps):
        model = nn.Dense(3)
        model.build((4,), rng=0, dtype=np.float64)
        optimizer = optim.SGD(model, lr=0.0)
        for _ in range(steps):
            train_step(model, optimizer, x, labels)
        return model.parameters["w"].grad

    assert (last_gradient(1) == last_gradient(3)).all()


def test_the_history_is_written_as_csv():
    _, _, history = small_run(epochs=2)
    del history.epochs[1].metrics["test_loss"]
    rows = list(csv.DictReader(io.StringIO(history.to_csv())))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[0]["train_loss"]) == history.epochs[0].train_loss
    assert float(rows[0]["images_per_second"]) == pytest.approx(history.epochs[0].images_per_second, rel=1e-2)
    assert rows[1]["test_loss"] == ""


def test_epochs_must_be_at_least_one():
    with pytest.raises(ValueError, match="epochs must be at least 1, got 0"):
        small_run(epochs=0)
