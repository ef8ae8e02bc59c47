"""Tests of training data in arrays, lists, generators and objects that read from disk."""

import numpy as np
import pytest

from refconv import nn, optim
from refconv.data import Batches, Prefetch
from refconv.training import evaluate, fit

RNG = np.random.default_rng(3)
X = RNG.standard_normal((70, 4)).astype(np.float32)
LABELS = RNG.integers(0, 3, 70)


def model_and_optimizer(lr=0.1):
    model = nn.Dense(3)
    model.build((4,), rng=0)
    return model, optim.SGD(model, lr=lr)


def weights_after(batches, **options):
    model, optimizer = model_and_optimizer()
    history = fit(model, batches, optimizer, epochs=options.pop("epochs", 2), **options)
    return [p.value.tobytes() for p in model.named_parameters().values()], history


class FromDisk:
    """Batches without a length, which are read again in each epoch."""

    def __init__(self, sizes):
        self.sizes = sizes

    def __iter__(self):
        first = 0
        for size in self.sizes:
            yield X[first : first + size], LABELS[first : first + size]
            first += size


def generated():
    yield from FromDisk([30, 40])


def test_an_object_without_a_length_trains_like_a_list_of_the_same_batches():
    def half(progress):
        seen.append(progress)
        return 0.5

    seen = []
    bits, history = weights_after(FromDisk([30, 40]), schedule=half)
    assert [epoch.images for epoch in history.epochs] == [70, 70]
    assert seen == [0.0, 0.0, 0.5, 0.75]  # the number of steps is known after the first epoch
    assert bits == weights_after(list(generated()), schedule=lambda progress: 0.5)[0]


def test_a_pair_of_arrays_is_shuffled_in_batches_of_32():
    _, history = weights_after((X, LABELS), validation=(X, LABELS))
    assert [epoch.images for epoch in history.epochs] == [70, 70]
    model, optimizer = model_and_optimizer(lr=0.0)
    seen = []

    def loss(scores, targets):
        seen.append(targets)
        return 0.0, np.zeros_like(scores)

    fit(model, (X, np.arange(70)), optimizer, epochs=2, loss=loss)
    assert [len(targets) for targets in seen] == [32, 32, 6, 32, 32, 6]
    orders = np.concatenate(seen[:3]), np.concatenate(seen[3:])
    for order in orders:
        assert sorted(order) == list(range(70))
        assert order.tolist() != list(range(70))
    assert orders[0].tolist() != orders[1].tolist()


def test_arrays_are_evaluated_in_their_order():
    evaluation = evaluate(lambda x: x @ np.eye(4, 3), (X, LABELS))
    np.testing.assert_array_equal(evaluation.predictions, X[:, :3].argmax(1))
    np.testing.assert_array_equal(evaluation.labels, LABELS)


def test_a_generator_is_enough_for_one_epoch():
    bits, history = weights_after(generated(), epochs=1, validation=generated())
    assert [epoch.images for epoch in history.epochs] == [70]
    assert bits == weights_after(FromDisk([30, 40]), epochs=1)[0]


@pytest.mark.parametrize("name", ["batches", "validation", "test"])
@pytest.mark.parametrize("make", [generated, lambda: iter([(X, LABELS)]), lambda: map(tuple, [(X, LABELS)])])
def test_an_iterator_is_refused_for_more_than_one_epoch(name, make):
    model, optimizer = model_and_optimizer()
    given = {"batches": [(X, LABELS)], name: make()}
    before = model.parameters["w"].value.copy()
    with pytest.raises(ValueError, match=rf"{name} must be iterable 2 times, got \w+, which is exhausted after one epoch"):
        fit(model, given.pop("batches"), optimizer, epochs=2, **given)
    np.testing.assert_array_equal(model.parameters["w"].value, before)


@pytest.mark.parametrize(
    ("batches", "error", "message"),
    [
        ([], ValueError, "batches must contain at least one batch, got none"),
        (FromDisk([]), ValueError, "batches yielded nothing; is it an exhausted iterator"),
        (5, TypeError, "batches must be Batches, an iterable of .* or a pair of arrays, got 5"),
    ],
)
def test_data_without_batches_are_refused(batches, error, message):
    model, optimizer = model_and_optimizer()
    with pytest.raises(error, match=message):
        fit(model, batches, optimizer, epochs=1)


def test_an_optimizer_of_an_earlier_build_is_refused():
    model, optimizer = model_and_optimizer()
    model.build((5,), rng=0)
    with pytest.raises(ValueError, match="optimizer must be made for the parameters of model"):
        fit(model, Batches(X, LABELS, 7), optimizer, epochs=1)


@pytest.mark.parametrize("batches", [list(FromDisk([30, 40])), FromDisk([30, 40])], ids=["list", "no length"])
def test_prefetching_an_iterable_does_not_change_the_result(batches):
    (prefetched, history), (direct, _) = weights_after(Prefetch(batches)), weights_after(batches)
    assert prefetched == direct
    assert [epoch.images for epoch in history.epochs] == [70, 70]


def test_a_prefetched_iterator_is_refused_for_more_than_one_epoch():
    with pytest.raises(ValueError, match=r"^batches must be iterable 2 times, got Prefetch"):
        weights_after(Prefetch(iter(FromDisk([30, 40]))))
    with pytest.raises(TypeError, match=r"^batches must be Batches or another iterable .* got 3$"):
        Prefetch(3)
