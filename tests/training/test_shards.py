"""Tests of training on shards: the same results in one and in several processes."""

import itertools

import numpy as np
import pytest

from mpi_threads import in_processes
from refconv import nn, optim, training
from refconv.data import Batches, Prefetch
from refconv.training import Checkpoint, fit
from refconv.training.processes import Processes, tree_sum, whole_parts
from sharded_training import LABELS, Sometimes, assert_same, batches, images, network, noise, train


@pytest.mark.parametrize("count", [1, 2, 5, 8, 11])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_the_sum_of_shards_does_not_depend_on_the_processes(count, size):
    if size > count:
        pytest.skip("a process would have no shard")
    vectors = np.random.default_rng(count).standard_normal((count, 23)).astype(np.float32) * 10.0 ** np.arange(count)[:, None]
    vectors = vectors.astype(np.float32)
    leaves = {range(k, k + 1): vectors[k] for k in range(count)}
    expected = tree_sum(range(count), leaves)

    def total(communicator):
        processes = Processes(communicator)
        parts = whole_parts(range(count), processes.local_shards(count))
        assert list(itertools.chain(*parts)) == list(processes.local_shards(count))
        return processes.total({part: tree_sum(part, leaves) for part in parts}, count)

    for result in in_processes(size, total):
        np.testing.assert_array_equal(result, expected)


def test_processes_have_all_shards_in_order():
    for size in (1, 2, 3, 5, 8):
        owned = in_processes(size, lambda communicator: list(Processes(communicator).local_shards(8)))
        assert list(itertools.chain(*owned)) == list(range(8))
        assert {len(own) for own in owned} <= {8 // size, 8 // size + 1}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_and_history_are_the_same_in_any_number_of_processes(dtype):
    model, history = train(dtype=dtype)
    for size in (2, 3, 4):
        for other, its_history in in_processes(size, lambda communicator: train(communicator, dtype=dtype)):
            assert_same(model, other)
            assert [epoch.metrics for epoch in its_history.epochs] == [epoch.metrics for epoch in history.epochs]


def test_weights_depend_on_the_number_of_shards():
    assert not np.array_equal(
        train(shards=4)[0]["scores"].parameters["w"].value, train(shards=2)[0]["scores"].parameters["w"].value
    )


def plain_gradient(shards, size=10):
    """Return the gradients of one step on unequal shards, without batch normalisation."""
    model = nn.Sequential(nn.Conv2D(4, 3), nn.ReLU(), nn.Flatten(), nn.Dense(3))
    model.build((7, 6, 2), rng=1, dtype=np.float64)
    x, labels = images(size).astype(float), LABELS[:size]
    fit(model, [(x, labels)], optim.SGD(model, 0.0), epochs=1, shards=shards)
    return {name: parameter.grad.copy() for name, parameter in model.named_parameters().items()}


@pytest.mark.parametrize("shards", [1, 3, 4, 16])
def test_the_gradient_is_the_gradient_of_the_batch(shards):
    whole, divided = plain_gradient(None), plain_gradient(shards)
    for name, gradient in whole.items():
        np.testing.assert_allclose(divided[name], gradient, rtol=0, atol=1e-14, err_msg=name)


def test_changes_of_running_averages_are_averaged_over_the_images_of_the_shards():
    model = nn.Sequential(nn.BatchNorm(momentum=0.75), nn.Flatten(), nn.Dense(3))
    model.build((7, 6, 2), rng=1, dtype=np.float64)
    model[0].parameters["updates"].value[...] = 6
    model[0].parameters["mean"].value = [2.0, -1.0]
    x = images(5).astype(float)
    fit(model, [(x, LABELS[:5])], optim.SGD(model, 0.0), epochs=1, shards=2)  # shards of 3 and 2 images
    weight = 0.25 / (1 - 0.75**7)
    assert model[0].parameters["updates"].value == 7
    expected = (1 - weight) * np.array([2.0, -1.0]) + weight * x.mean((0, 1, 2))
    np.testing.assert_allclose(model[0].parameters["mean"].value, expected, rtol=1e-14)
    variance = (3 * x[:3].var((0, 1, 2)) + 2 * x[3:].var((0, 1, 2))) / 5
    np.testing.assert_allclose(model[0].parameters["var"].value, (1 - weight) + weight * variance, rtol=1e-12)


def one_step(shards, sync_bn=False, data_format="channels_last"):
    """Return gradients and averages after one step, with batch normalisation at three places."""
    layout = {"data_format": data_format}
    block = nn.Sum(nn.Sequential(nn.Conv2D(4, 3, padding="same", **layout), nn.BatchNorm(**layout), nn.ReLU()), nn.Identity())
    model = nn.Sequential(
        conv=nn.Conv2D(4, (3, 2), **layout),
        norm=nn.BatchNorm(momentum=0.8, **layout),
        block=block,
        flatten=nn.Flatten(),
        last=nn.Dense(3),
        norm2=nn.BatchNorm(),
    )
    shape = (7, 6, 2) if data_format == "channels_last" else (2, 7, 6)
    model.build(shape, rng=1, dtype=np.float64)
    x = images(11).astype(float) * 3 + 1
    x = x if data_format == "channels_last" else np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    fit(model, [(x, LABELS[:11])], optim.SGD(model, 0.0), epochs=1, shards=shards, sync_bn=sync_bn)
    parameters = model.named_parameters()
    return {name: (p.value if p.grad is None else p.grad).copy() for name, p in parameters.items()}


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_with_shared_statistics_the_gradient_is_the_gradient_of_the_batch(data_format):
    whole, divided = one_step(None, data_format=data_format), one_step(4, sync_bn=True, data_format=data_format)
    for name, expected in whole.items():
        np.testing.assert_allclose(divided[name], expected, rtol=1e-12, atol=1e-13, err_msg=name)
    apart = one_step(4, data_format=data_format)
    assert np.abs(apart["conv.w"] - whole["conv.w"]).max() > 1e-3


def test_with_shared_statistics_weights_are_the_same_in_any_number_of_processes():
    options = {"sync_bn": True, "drop_last": True}
    model, history = train(**options)
    assert not np.array_equal(model["conv"].parameters["w"].value, train(drop_last=True)[0]["conv"].parameters["w"].value)
    for size in (2, 3):
        for other, its_history in in_processes(size, lambda communicator: train(communicator, **options)):
            assert_same(model, other)
            assert [epoch.metrics for epoch in its_history.epochs] == [epoch.metrics for epoch in history.epochs]


def test_shared_statistics_need_an_image_in_each_shard():
    with pytest.raises(ValueError, match="batches must have at least 4 images, one for each shard, with sync_bn=True, got 2"):
        train(sync_bn=True)


def test_shared_statistics_need_shards():
    with pytest.raises(ValueError, match="shards must be given with sync_bn=True, got None"):
        train(sync_bn=True, shards=None)


@pytest.mark.parametrize("dropped", [1, 3])  # the shard that leaves out a layer; the last one ends first
def test_networks_that_leave_out_layers_have_no_shared_statistics(dropped):
    calls = itertools.count()
    model = nn.Sequential(Sometimes(lambda: next(calls) % 4 == dropped), nn.Flatten(), nn.Dense(3))
    model.build((7, 6, 2), rng=0)
    with pytest.raises(ValueError, match="sync_bn must be False for networks that leave out layers at random"):
        fit(model, [(images(8), LABELS[:8])], optim.SGD(model, 0.1), epochs=1, shards=4, sync_bn=True)


@pytest.mark.parametrize("is_frozen", [False, True])  # frozen containers drop nothing
def test_stochastic_depth_with_shared_statistics_is_refused_before_the_first_step(is_frozen):
    model = nn.Sequential(nn.Sum(nn.Identity(), nn.StochasticDepth(nn.BatchNorm(), 0.9)), nn.Flatten(), nn.Dense(3))
    model.build((7, 6, 2), rng=0)
    unread = Batches(Images(), LABELS, 8)
    if is_frozen:
        model[0].freeze()
        fit(model, unread, optim.SGD(model, 0.1), epochs=1, shards=2, sync_bn=True)
        return
    with pytest.raises(ValueError, match="sync_bn must be False for networks that leave out layers at random"):
        fit(model, unread, optim.SGD(model, 0.1), epochs=1, shards=2, sync_bn=True)
    assert unread.images.read == []


class Recorded(nn.Layer):
    """Layer without parameters that records random numbers of its own generator."""

    def __init__(self):
        self.rng, self.numbers = np.random.default_rng(5), []

    def output_shape(self, shape):
        return shape

    def forward(self, x, train=True):
        self.numbers.append(int(self.rng.integers(10**9)))
        return x, lambda dy, want_dx=True: dy


def test_each_shard_of_each_step_has_its_own_random_numbers():
    def numbers(shards):
        layer = Recorded()
        model = nn.Sequential(layer, nn.Flatten(), nn.Dense(3))
        model.build((7, 6, 2), rng=1)
        fit(model, batches(25), optim.SGD(model, 0.1), epochs=2, shards=shards)
        return layer.numbers

    assert len(set(numbers(5))) == 2 * 2 * 5
    assert numbers(5) == numbers(5)


class Images:
    """Images that record which of them are read."""

    shape, ndim, dtype = (50, 7, 6, 2), 4, np.dtype(np.float32)

    def __init__(self):
        self.read = []

    def __len__(self):
        return 50

    def __getitem__(self, index):
        self.read += np.asarray(index).tolist()
        return images()[index]


@pytest.mark.parametrize("ahead", [False, True])
def test_a_process_reads_only_its_shards(ahead):
    def read(communicator):
        model, own = network(), Images()
        read_by_batches = Batches(own, LABELS, 10, rng=3)
        fit(
            model,
            Prefetch(read_by_batches) if ahead else read_by_batches,
            optim.SGD(model, 0.1),
            epochs=1,
            shards=5,
            communicator=communicator,
        )
        return own.read

    by_process = in_processes(2, read)
    sampled = set(np.linspace(0, 49, 50).astype(int))
    counts = [len(read) for read in by_process]
    assert sorted(counts) == [50 + 20, 50 + 30]  # all are read once for the fingerprint of the data
    assert {k for read in by_process for k in read[50:]} == sampled


def test_other_iterables_are_divided_after_they_are_read():
    pairs = [(images()[k : k + 12], LABELS[k : k + 12]) for k in range(0, 50, 12)]

    def trained(communicator):
        model = network()
        fit(model, pairs, optim.SGD(model, 0.1), epochs=2, shards=4, communicator=communicator)
        return model

    expected = trained(None)
    for model in in_processes(3, trained):
        assert_same(expected, model)


def test_evaluation_in_several_processes_has_the_same_result():
    model = network()
    validation = Batches(images(), LABELS, 8, shuffle=False)
    expected = training.evaluate(model.__call__, validation)
    for found in in_processes(3, lambda comm: training.evaluate(model.__call__, validation, communicator=comm)):
        assert (found.loss, found.metrics) == (expected.loss, expected.metrics)
        np.testing.assert_array_equal(found.predictions, expected.predictions)
        np.testing.assert_array_equal(found.labels, expected.labels)


def test_evaluation_on_shuffled_batches_without_a_seed_uses_each_image_once():
    def evaluated(communicator):
        batches = Batches(images(), np.arange(50), 8, augment=noise)  # each process has another order
        return training.evaluate(lambda x: np.eye(50)[: len(x)], batches, communicator=communicator)

    first, *others = in_processes(3, evaluated)
    assert sorted(first.labels) == list(range(50))
    for other in others:
        np.testing.assert_array_equal(other.labels, first.labels)


def test_a_process_reads_ahead_only_the_batches_that_it_evaluates():
    def read(communicator):
        own = Images()
        training.evaluate(network(), Prefetch(Batches(own, LABELS, 10, shuffle=False)), communicator=communicator)
        return own.read[50:]  # all are read once for the fingerprint of the data

    assert [len(read) for read in in_processes(2, read)] == [30, 20]


@pytest.mark.parametrize(
    ("options", "size", "message"),
    [
        ({"shards": 5}, 1, "shards must divide the batch size 12, got 5"),
        ({"shards": 0}, 1, "shards must be at least 1, got 0"),
        ({"shards": 2}, 3, "shards must be at least 3, the number of processes, got 2"),
        ({"shards": None}, 2, "shards must divide the batch size 12, got 8"),
    ],
)
def test_wrong_numbers_of_shards_are_refused(options, size, message):
    def refused(communicator):
        with pytest.raises(ValueError, match=message):
            train(communicator, **options)

    in_processes(size, refused)


def test_shards_that_do_not_change_the_averages_do_not_count():
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm(), nn.Dense(3))
    model.build((7, 6, 2), rng=1, dtype=np.float64)
    x = images(5).astype(float) + 100
    with pytest.warns(UserWarning, match="normalises over a single element"):
        fit(model, [(x, LABELS[:5])], optim.SGD(model, 0.0), epochs=1, shards=3)  # shards of 2, 2 and 1 images
    assert model[1].parameters["updates"].value == 1
    np.testing.assert_allclose(model[1].parameters["mean"].value, x[:4].mean(0).ravel(), rtol=1e-14)


def test_small_running_variances_keep_their_digits():
    model = nn.Sequential(nn.BatchNorm(eps=1e-12), nn.Flatten(), nn.Dense(3))
    model.build((7, 6, 2), rng=1)
    x = images(8) * np.float32(1e-5)
    fit(model, [(x, LABELS[:8])], optim.SGD(model, 0.0), epochs=1, shards=1)
    np.testing.assert_allclose(model[0].parameters["var"].value, x.var((0, 1, 2), dtype=np.float64), rtol=1e-4)


def test_class_weights_are_weights_of_the_whole_batch():
    def gradient(shards):
        model = nn.Sequential(nn.Flatten(), nn.Dense(3))
        model.build((7, 6, 2), rng=1, dtype=np.float64)
        loss = training.CrossEntropy(class_weights=[1.0, 10.0, 100.0])
        fit(model, [(images(10).astype(float), LABELS[:10])], optim.SGD(model, 0.0), epochs=1, loss=loss, shards=shards)
        return model[1].parameters["w"].grad.copy()

    np.testing.assert_allclose(gradient(4), gradient(None), rtol=1e-12, atol=1e-15)


def test_a_communicator_of_one_process_has_the_default_number_of_shards():
    (model,) = in_processes(1, lambda communicator: train(communicator, shards=None, size=16)[0])
    assert_same(train(shards=8, size=16)[0], model)


def test_subclasses_of_batches_yield_their_own_batches():
    class Doubled(Batches):
        def __iter__(self):
            return ((2 * x, labels) for x, labels in super().__iter__())

    def weights(made):
        model = network()
        fit(model, made, optim.SGD(model, 0.1), epochs=1, shards=4)
        return model

    doubled = Doubled(images(), LABELS, 12, shuffle=False)
    assert_same(weights(doubled), weights([(2 * x, labels) for x, labels in Batches(images(), LABELS, 12, shuffle=False)]))


def test_a_checkpoint_records_the_number_of_shards(tmp_path):
    train(callbacks=[Checkpoint(tmp_path)], epochs=1)
    with pytest.raises(ValueError, match="shards: 2, was 4"):
        train(callbacks=[Checkpoint(tmp_path, resume=True)], epochs=1, shards=2)
