"""Tests of the learning-rate range test: its curve, and that it changes nothing."""

import io

import numpy as np
import pytest

from refconv import nn, optim
from refconv.data import Batches
from refconv.drawing.training import lr_range_picture
from refconv.training import LearningRates, lr_range_test

RNG = np.random.default_rng(6)
X = RNG.standard_normal((40, 5))
LABELS = X[:, :3].argmax(1)


def built(dtype=np.float64):
    model = nn.Sequential(nn.Dense(7), nn.BatchNorm(), nn.ReLU(), nn.Dropout(0.25), nn.Dense(3))
    model.build((5,), rng=0, dtype=dtype)
    return model, optim.SGD(model, lr=0.1, momentum=0.9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_loss_falls_then_rises_and_the_test_ends(dtype):
    model, optimizer = built(dtype)
    rates = lr_range_test(model, Batches(X.astype(dtype), LABELS, 9, rng=1), optimizer, highest=1e4, steps=90)
    assert len(rates.lrs) == len(rates.losses) < 90
    np.testing.assert_allclose(rates.lrs, 1e-5 * 1e9 ** (np.arange(len(rates.lrs)) / 89), rtol=1e-12)
    assert 1e-4 < rates.steepest <= rates.lowest
    assert rates.losses.min() < 0.8 * rates.losses[0]
    assert rates.losses[-1] > 4 * rates.losses.min()


def test_model_optimizer_and_batches_are_not_changed():
    model, optimizer = built()
    batches = Batches(X, LABELS, 9, rng=1)
    before = [p.value.tobytes() for p in model.named_parameters().values()]
    lr_range_test(model, batches, optimizer, steps=12)
    assert [p.value.tobytes() for p in model.named_parameters().values()] == before
    assert optimizer.lr == 0.1
    assert optimizer.steps == 0
    after, fresh = (next(iter(each))[1].tolist() for each in (batches, Batches(X, LABELS, 9, rng=1)))
    assert after == fresh


def test_the_average_is_corrected_for_its_start():
    values = iter([4.0, 2.0, 1.0])

    def loss(scores, targets):
        return next(values), np.zeros_like(scores)

    model, optimizer = built()
    rates = lr_range_test(model, [(X, LABELS)], optimizer, steps=3, loss=loss, smooth=0.5)
    assert rates.losses == pytest.approx([4.0, (2 / 2 + 4 / 4) / 0.75, (1 / 2 + 2 / 4 + 4 / 8) / 0.875])


def test_steepest_and_lowest_match_the_values_by_hand():
    rates = LearningRates(np.array([0.1, 0.2, 0.4, 0.8, 1.6]), np.array([5.0, 4.9, 2.0, 1.0, 3.0]))
    assert (rates.steepest, rates.lowest) == (0.4, 0.8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 2}, "steps must be at least 3, got 2"),
        ({"lowest": 0.0}, "lowest must be above 0, got 0.0"),
        ({"highest": 1e-6}, "highest must be above 1e-05, got 1e-06"),
        ({"smooth": 1.0}, "smooth must be at least 0 and below 1, got 1.0"),
        ({"batches": iter([(X, LABELS)])}, "batches must yield 100 batches, got 1; is it an exhausted iterator?"),
        ({"batches": [(np.full_like(X, np.nan), LABELS)]}, "lowest must give a finite loss for at least 3 steps"),
    ],
)
def test_invalid_arguments_are_refused(options, message):
    model, optimizer = built()
    given = {"batches": [(X, LABELS)], **options}
    with pytest.raises(ValueError, match=message):
        lr_range_test(model, given.pop("batches"), optimizer, **given)


def test_the_picture_shows_the_curve_and_the_choice():
    pytest.importorskip("matplotlib")
    pillow = pytest.importorskip("PIL.Image")
    rates = LearningRates(np.array([0.1, 0.2, 0.4, 0.8]), np.array([5.0, 4.9, 2.0, 1.0]))
    with pillow.open(io.BytesIO(lr_range_picture(rates, "LeNet"))) as picture:
        assert picture.size == (720, 480)
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 16)}
    assert {(0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)} <= colours
