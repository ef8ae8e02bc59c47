"""Tests that a run is resumed only with the same settings and data; errors name the change."""

import functools

import numpy as np
import pytest

from refconv import nn, optim
from refconv.data import Batches, Prefetch, augment, lenet_input
from refconv.training import Callback, Checkpoint, CrossEntropy, EarlyStopping, fit
from refconv.training.settings import describe, differences

pytest.importorskip("safetensors")

RNG = np.random.default_rng(5)
X = RNG.standard_normal((70, 4)).astype(np.float32)
LABELS = RNG.integers(0, 3, 70)


class StopAfterOneStep(Callback):
    def on_step_end(self, run):
        run.stop = True


def batches(x=X, labels=LABELS, size=8, **options):
    return Batches(x, labels, size, rng=1, **options)


def run(folder, resume, patience=4, given=None, wrap=lambda batches: batches, **options):
    model = nn.Sequential(nn.Dropout(options.pop("rate", 0.25)), nn.Dense(3))
    model.build((4,), rng=0)
    arguments = {"schedule": optim.warm_up(0.25), "loss": CrossEntropy(0.1), "clip_norm": 2.0, **options}
    callbacks = [Checkpoint(folder, resume=resume), EarlyStopping(patience)]
    if not resume:
        callbacks.append(StopAfterOneStep())
    validation = arguments.pop("validation", (X[:9], LABELS[:9]))
    optimizer = optim.SGD(model, lr=arguments.pop("lr", 0.1), **arguments.pop("optimizer", {}))
    data = wrap(given or batches())
    return fit(model, data, optimizer, epochs=2, validation=validation, callbacks=callbacks, **arguments)


def changed(array, index):
    """Return a copy of the array with one changed element."""
    copy = array.copy()
    copy[index] = (copy[index] + 1) % 3
    return copy


CHANGES = {
    "schedule": ({"schedule": optim.cosine}, "schedule: cosine, was .*warm_up.*"),
    "schedule's number": ({"schedule": optim.warm_up(0.5)}, r"schedule\.share: 0.5, was 0.25"),
    "no schedule": ({"schedule": None}, "schedule: constant, was .*warm_up.*"),
    "loss": ({"loss": CrossEntropy(0.2)}, r"loss\.label_smoothing: 0.2, was 0.1"),
    "clip_norm": ({"clip_norm": None}, "clip_norm: None, was 2.0"),
    "lr": ({"lr": 0.2}, r"optimizer\.lr: 0.2, was 0.1"),
    "momentum": ({"optimizer": {"momentum": 0.5}}, r"optimizer\.momentum: 0.5, was 0.0"),
    "groups": (
        {"optimizer": {"groups": {"1.b": {"lr": 0.2}}}},
        r"optimizer\.groups: \[{'names': '1.b', 'lr': 0.2}\], was \[\]",
    ),
    "a layer's number": ({"rate": 0.5}, r"model\.arguments.*: 0.5, was 0.25"),
    "patience": ({"patience": 5}, r"EarlyStopping\.patience: 5, was 4"),
    "batch size": ({"given": batches(size=9)}, r"batches\.batch_size: 9, was 8"),
    "order": ({"given": batches(shuffle=False)}, r"batches\.shuffle: False, was True"),
    "drop_last": ({"given": batches(drop_last=True)}, r"batches\.drop_last: True, was False"),
    "prepare": ({"given": batches(prepare=np.abs)}, r"batches\.prepare: .*, was None"),
    "augment": ({"given": batches(augment=lambda x, rng: x)}, r"batches\.augment: .*, was None"),
    "fewer images": ({"given": batches(X[:66], LABELS[:66])}, r"batches\.images: float32\(66, 4\), was float32\(70, 4\); .*"),
    "an image": ({"given": batches(changed(X, (31, 2)))}, r"batches\.fingerprint: \w+, was \w+"),
    "a label": ({"given": batches(labels=changed(LABELS, 47))}, r"batches\.fingerprint: \w+, was \w+"),
    "validation": ({"validation": (X[1:10], LABELS[1:10])}, r"validation\.fingerprint: \w+, was \w+"),
}


class Scaled:
    """User's object without settings(): a loss, a schedule or a function that prepares images."""

    def __init__(self, factor):
        self.factor, self.calls = factor, 0

    def __call__(self, scores, targets):
        self.calls += 1  # changes during the run, so it must not be compared
        value, dscores = CrossEntropy()(scores, targets)
        return self.factor * value, np.float32(self.factor) * dscores

    def schedule(self, progress):
        return self.factor

    def prepare(self, x):
        return np.float32(self.factor) * x


OBJECTS = {
    "loss": lambda scaled: {"loss": scaled},
    "schedule": lambda scaled: {"schedule": scaled.schedule},
    "prepare": lambda scaled: {"given": batches(prepare=scaled.prepare)},
}


@pytest.mark.parametrize("kind", OBJECTS)
def test_attributes_of_objects_without_settings_are_compared(tmp_path, kind):
    make = OBJECTS[kind]
    run(tmp_path, resume=False, **make(Scaled(0.5)))
    with pytest.raises(ValueError, match=r"same settings, got differences: .*factor: 0.25, was 0.5$"):
        run(tmp_path, resume=True, **make(Scaled(0.25)))
    assert [epoch.epoch for epoch in run(tmp_path, resume=True, **make(Scaled(0.5))).epochs] == [1, 2]


def test_attributes_of_layers_that_were_set_after_construction_are_compared(tmp_path):
    def resumed(folder, momentum, resume):
        model = nn.Sequential(nn.Dense(3), nn.BatchNorm())
        model.build((4,), rng=0)
        model[1].momentum = momentum
        callbacks = [Checkpoint(folder, resume=resume)] + ([] if resume else [StopAfterOneStep()])
        return fit(model, batches(), optim.SGD(model, lr=0.1), epochs=2, callbacks=callbacks)

    resumed(tmp_path, 0.5, resume=False)
    with pytest.raises(ValueError, match=r"got differences: layers\.1\.momentum: 0.75, was 0.5$"):
        resumed(tmp_path, 0.75, resume=True)
    assert len(resumed(tmp_path, 0.5, resume=True).epochs) == 2


@pytest.mark.parametrize("change", CHANGES)
def test_a_run_with_another_setting_is_not_resumed(tmp_path, change):
    options, difference = CHANGES[change]
    run(tmp_path, resume=False)
    with pytest.raises(
        ValueError,
        match=rf"last.safetensors must be a checkpoint .*, got differences: {difference}$",
    ):
        run(tmp_path, resume=True, **options)


def test_settings_that_do_not_affect_the_result_may_change(tmp_path):
    run(tmp_path, resume=False)
    assert [epoch.epoch for epoch in run(tmp_path, resume=True, wrap=Prefetch, test=(X, LABELS)).epochs] == [1, 2]


def test_the_description_of_a_function_contains_its_closure_and_defaults():
    assert describe(augment.shift(2)) != describe(augment.shift(3))
    assert describe(augment.shift(2)) == describe(augment.shift(2))
    crop = augment.crop(3, pad=1)
    assert describe(augment.chain(crop, augment.flip())) != describe(augment.chain(crop, augment.flip(0.25)))
    assert describe(functools.partial(lenet_input, dtype=np.float64)) != describe(functools.partial(lenet_input))
    mean = RNG.standard_normal((3, 2))

    def minus(mean):
        return lambda images: images - mean

    assert describe(minus(mean)) == describe(minus(mean.copy())) != describe(minus(mean + 1))
    assert describe(lambda x, power=2: x**power) != describe(lambda x, power=3: x**power)


def test_a_function_that_refers_to_itself_or_to_a_growing_list_has_a_description():
    seen = []

    def again(k):
        seen.append(k)
        return again(k - 1) if k else describe(again)

    assert again(3) == again(5)


def test_settings_that_one_run_lacks_are_named():
    saved = {"epochs": 3, "EarlyStopping": {"type": "EarlyStopping", "patience": 2}}
    assert differences(saved, {"epochs": 3}) == ["EarlyStopping: not set, was EarlyStopping(patience=2)"]
    assert differences({"epochs": 3}, saved) == ["EarlyStopping: EarlyStopping(patience=2), was not set"]
    assert differences(saved, saved) == []
