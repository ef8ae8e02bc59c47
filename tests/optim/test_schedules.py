"""Tests of schedules: the learning rates of the lectures in each epoch."""

import functools
import json

import pytest

from refconv.optim import Plateau, constant, cosine, exponential, step_down, warm_up
from refconv.optim.schedules import described


def test_schedules_begin_at_factor_one():
    assert constant(0.7) == 1
    assert cosine(0) == 1
    assert cosine(1) == pytest.approx(0)
    assert cosine(1 / 3) == pytest.approx(0.75)


def test_step_down_divides_by_ten_after_a_quarter_a_half_and_three_quarters():
    """A20: the learning rate is divided by 10 at 25/50(/75) %."""
    factors = [step_down()(epoch / 8) for epoch in range(8)]
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
    assert step_down((0.25, 0.5))(0.9) == pytest.approx(0.01)


@pytest.mark.parametrize(("factor", "every"), [(0.96, 8), (0.94, 2)])
@pytest.mark.parametrize("steps", [1, 7, 469])
def test_exponential_multiplies_by_its_factor_every_few_epochs(factor, every, steps):
    """A20: −4 % every 8 epochs or −6 % every 2, beginning with the first step of the epoch."""
    epochs = 30
    schedule = exponential(factor, every, epochs)
    for epoch in range(epochs):
        for step in {0, steps - 1}:
            progress = (epoch * steps + step) / (epochs * steps)  # the formula of fit
            assert schedule(progress) == pytest.approx(factor ** (epoch // every), rel=1e-12)


def test_patience_counts_from_the_lowest_loss_or_the_last_reduction():
    """A20: the learning rate is reduced if the validation loss no longer falls."""
    schedule = Plateau(patience=2, factor=0.5)
    factors = []
    for loss in (4.0, 4.0, 3.0, 3.5, 3.2, 3.1, 3.05, 2.0, float("nan"), 2.0):
        schedule.watch(loss)
        factors.append(schedule(0.0))
    assert factors == [1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]
    schedule.reset()
    assert schedule(0.9) == 1


def test_a_plateau_continues_from_its_state():
    losses = (4.0, 3.0, 3.5, 3.2, 2.9, 3.0, 3.1)
    uninterrupted, first = Plateau(patience=2, factor=0.5), Plateau(patience=2, factor=0.5)
    for loss in losses[:3]:
        first.watch(loss)
    state = json.loads(json.dumps(first.state()))
    assert state == {"share": 1.0, "lowest": 3.0, "waited": 1}
    second = Plateau(patience=2, factor=0.5)
    second.watch(1.0)
    second.restore(state)
    for loss in losses:
        uninterrupted.watch(loss)
    for loss in losses[3:]:
        second.watch(loss)
    assert second.state() == uninterrupted.state() == {"share": 0.25, "lowest": 2.9, "waited": 0}
    second.restore(Plateau().state())  # the state before the first loss
    second.watch(1e300)
    assert second.state() == {"share": 1.0, "lowest": 1e300, "waited": 0}


class Falling:
    """User's schedule with settings."""

    def __call__(self, progress):
        return 1 - 0.75 * progress

    def settings(self):
        return {"end": 0.25}


@pytest.mark.parametrize(
    ("schedule", "settings"),
    [
        (step_down((0.5, 0.75), factor=0.25), {"name": "step_down", "at": [0.5, 0.75], "factor": 0.25}),
        (exponential(0.94, 2, 30), {"name": "exponential", "factor": 0.94, "every": 2, "epochs": 30}),
        (
            warm_up(0.25, step_down((0.5,))),
            {"name": "warm_up", "share": 0.25, "schedule": {"name": "step_down", "at": [0.5], "factor": 0.1}},
        ),
        (
            warm_up(0.25),
            {"name": "warm_up", "share": 0.25, "schedule": {"name": "refconv.optim.schedules.cosine"}},
        ),
        (
            warm_up(0.5, Falling()),
            {"name": "warm_up", "share": 0.5, "schedule": {"name": "Falling", "end": 0.25}},
        ),
        (Plateau(4, 0.5), {"patience": 4, "factor": 0.5}),
    ],
)
def test_settings_of_a_schedule_can_be_stored_as_json(schedule, settings):
    assert json.loads(json.dumps(schedule.settings())) == schedule.settings() == settings


def test_a_function_as_schedule_is_described_by_its_qualified_name():
    def falling(progress):
        return 1 - progress

    assert described(falling)["name"].endswith(
        "test_a_function_as_schedule_is_described_by_its_qualified_name.<locals>.falling"
    )
    assert described(functools.partial(falling)) == {"name": "functools.partial"}


def test_after_the_warm_up_the_other_schedule_begins():
    schedule = warm_up(0.2, step_down((0.5,)))
    assert [schedule(p) for p in (0, 0.05, 0.2, 0.59, 0.61)] == pytest.approx([0, 0.25, 1, 1, 0.1])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: warm_up(0), "share must be above 0"),
        (lambda: warm_up(1), "share must be above 0 and below 1, got 1"),
        (lambda: step_down((0.5, 0.25)), r"at must be in ascending order, at most 1, got \[0.5, 0.25\]"),
        (lambda: step_down((0.5, 2)), r"at must be in ascending order, at most 1, got \[0.5, 2.0\]"),
        (lambda: step_down((-0.5, 1)), "at must be at least 0"),
        (lambda: exponential(-1, 2, 3), "factor must be at least 0"),
        (lambda: exponential(0.9, 0, 3), "every must be at least 1"),
        (lambda: Plateau(patience=0), "patience must be at least 1"),
    ],
)
def test_invalid_arguments_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()
