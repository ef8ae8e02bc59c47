"""Tests of processes that train together: stops, errors, and refused differences."""

import numpy as np
import pytest

from mpi_threads import in_processes
from refconv import nn, optim, training
from refconv.data import Batches
from refconv.training import Callback, Checkpoint, Diverged, EarlyStopping, evaluate, fit
from sharded_training import LABELS, Sometimes, assert_same, batches, images, network, train, values


class Stop(Callback):
    """Callback that stops the run in one process."""

    def __init__(self, wanted, steps):
        self.wanted, self.steps, self.done = wanted, steps, 0

    def on_step_end(self, run):
        self.done += 1
        if self.wanted and self.done == self.steps:
            run.stop = True


def test_all_processes_stop_after_the_step_in_which_one_stops_and_resume_in_another_number(tmp_path):
    expected, _ = train()

    def interrupted(communicator):
        stop = Stop(communicator.Get_rank() == 1, 7)
        train(communicator, callbacks=[Checkpoint(tmp_path), stop])
        return stop.done

    assert in_processes(2, interrupted) == [7, 7]
    saved = (tmp_path / "last.safetensors").read_bytes()
    for size in (1, 3):
        (tmp_path / "last.safetensors").write_bytes(saved)
        for model, history in in_processes(size, lambda comm: train(comm, callbacks=[Checkpoint(tmp_path, resume=True)])):
            assert_same(expected, model)
            assert [epoch.epoch for epoch in history.epochs] == [1, 2]


def test_only_the_first_process_writes(tmp_path, capsys):
    class Written(training.CSVLogger):
        def on_epoch_end(self, run):
            print(run.processes.rank)

    in_processes(3, lambda communicator: train(communicator, epochs=1, callbacks=[Written(tmp_path / "a.csv")]))
    assert capsys.readouterr().out == "0\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"lr": 0.04},
            "the setting optimizer.lr must be the same in all processes, got 0.05 in process 0 and 0.04 in process 1",
        ),
        ({"model": "other"}, "the digest of the weights must be the same"),
        (
            {"augment": None},
            "the setting batches.augment must be the same in all processes, got noise in process 0",
        ),
        (
            {"callbacks": [EarlyStopping(3)]},
            "the setting EarlyStopping must be the same in all processes, got none in",
        ),
        ({"shards": 6}, "the setting shards must be the same in all processes, got 4 in process 0 and 6 in process 1"),
    ],
)
def test_different_arguments_are_refused_in_all_processes(change, message):
    def different(communicator):
        options = change if communicator.Get_rank() else {}
        if "model" in options:
            options = {"model": network(seed=1)}
        with pytest.raises(ValueError, match=message):
            train(communicator, **options)

    in_processes(2, different)


def test_other_test_data_are_refused():
    def refused(communicator):
        model, rank = network(), communicator.Get_rank()
        test = Batches(images() + np.float32(rank), LABELS, 10, shuffle=False)
        with pytest.raises(ValueError, match=r"the test\.fingerprint must be the same in all processes"):
            fit(model, batches(), optim.SGD(model, 0.05), epochs=1, test=test, shards=4, communicator=communicator)
        with pytest.raises(ValueError, match=r"batches\.fingerprint must be the same in all processes"):
            evaluate(model, test, communicator=communicator)

    in_processes(2, refused)


def test_batches_without_a_seed_have_the_order_of_the_first_process():
    def trained(communicator):
        model = network()
        fit(model, (images(), LABELS), optim.SGD(model, 0.05), epochs=1, shards=4, communicator=communicator)
        return model

    first, second = in_processes(2, trained)
    assert_same(first, second)


def test_weights_that_change_in_one_process_are_noticed_in_the_same_epoch():
    epochs = []

    class Change(Callback):
        def on_step_end(self, run):
            if run.processes.rank and run.step == 2:
                next(iter(run.model.named_parameters().values())).value[...] += 1e-3

        def on_epoch_end(self, run):
            epochs.append(run.epoch)

    def refused(communicator):
        with pytest.raises(ValueError, match="the digest of the trained weights must be the same in all processes"):
            train(communicator, callbacks=[Change()])

    in_processes(2, refused)
    assert epochs == []


def test_a_run_that_one_process_stops_at_its_beginning_has_no_step():
    class StopAtOnce(Callback):
        def on_train_begin(self, run):
            run.stop = run.processes.rank == 1

    histories = in_processes(2, lambda communicator: train(communicator, callbacks=[StopAtOnce()])[1])
    assert [history.epochs for history in histories] == [[], []]


def test_communicators_of_two_groups_or_none_are_refused():
    class Between:
        Get_rank = Get_size = allgather = Alltoallv = Allgatherv = Abort = None

        def __init__(self, is_null):
            self.is_null = is_null

        def __bool__(self):
            return not self.is_null

        def Is_inter(self):  # noqa: N802
            return True

    for is_null, kind in ((False, "an intercommunicator"), (True, "COMM_NULL")):
        with pytest.raises(ValueError, match=f"communicator must be of one group of processes, .*got {kind}"):
            train(Between(is_null))


def test_different_processors_are_refused(monkeypatch):
    from refconv.training import sharded_gradient

    def different(communicator):
        with pytest.raises(ValueError, match="the results of NumPy's products and functions must be the same"):
            train(communicator)

    digests = iter(["a", "b"])
    monkeypatch.setattr(sharded_gradient, "arithmetic", lambda: next(digests))
    in_processes(2, different)


def test_an_object_that_is_no_communicator_is_refused():
    with pytest.raises(TypeError, match=r"communicator must be a communicator of mpi4py, .*, got 4"):
        train(4)


def test_all_processes_report_divergence_and_keep_the_weights():
    def diverged(communicator):
        model = network()
        before = values(model)
        x = images(12)
        x[11] = np.nan  # in the last shard
        with pytest.raises(Diverged, match="the loss is nan at step 1 of epoch 1"):
            fit(model, [(x, LABELS[:12])], optim.SGD(model, 0.1), epochs=1, shards=4, communicator=communicator)
        for name, value in before.items():
            np.testing.assert_array_equal(model.named_parameters()[name].value, value)

    in_processes(2, diverged)


def test_an_error_of_one_process_ends_all(capsys):
    def failing(communicator):
        class Fails(Callback):
            def on_step_end(self, run):
                if communicator.Get_rank() == 1:
                    raise OSError("no such device")

        train(communicator, callbacks=[Fails()])

    with pytest.raises(OSError, match="no such device"):
        in_processes(2, failing)
    assert "OSError: no such device" in capsys.readouterr().err


def test_an_error_at_the_start_of_one_process_is_raised_in_all():
    class Fails(Callback):
        def restore(self, run):
            if run.processes.rank == 1:
                raise OSError("no such file")

    def failing(communicator):
        expected = (
            (OSError, "^no such file") if communicator.Get_rank() else (RuntimeError, "process 1 has failed: OSError: no such")
        )
        with pytest.raises(expected[0], match=expected[1]):
            train(communicator, callbacks=[Fails()])

    in_processes(2, failing)


def test_networks_that_leave_out_layers_are_refused_with_one_shard_in_each_process():
    def refused(communicator):
        model = nn.Sequential(Sometimes(lambda: communicator.Get_rank() > 0), nn.BatchNorm(), nn.Flatten(), nn.Dense(3))
        model.build((7, 6, 2), rng=0)
        with pytest.raises(ValueError, match="sync_bn must be False for networks that leave out layers at random"):
            fit(
                *(model, [(images(8), LABELS[:8])], optim.SGD(model, 0.1)),
                epochs=1,
                shards=2,
                sync_bn=True,
                communicator=communicator,
            )

    in_processes(2, refused)


def test_all_processes_stop_after_the_epoch_in_which_one_stops():
    class StopAfterEpoch(Callback):
        def on_epoch_end(self, run):
            run.stop = run.processes.rank == 1

    histories = in_processes(2, lambda comm: train(comm, epochs=3, callbacks=[StopAfterEpoch()])[1])
    assert [len(history.epochs) for history in histories] == [1, 1]


@pytest.mark.parametrize("make", ["arguments", "evaluation", "interrupt"])
def test_an_error_outside_of_the_steps_is_raised_in_all(make):
    def evaluated(communicator):
        labels = LABELS.copy()
        labels[30] = 9  # in a batch that process 1 evaluates
        pairs = [(images()[k : k + 10], labels[k : k + 10]) for k in range(0, 50, 10)]
        training.evaluate(network().__call__, pairs, communicator=communicator)

    class Interrupted(Callback):
        def on_train_begin(self, run):
            if run.processes.rank:
                raise KeyboardInterrupt

    failing = {
        "arguments": lambda comm: train(comm, epochs=2 - 2 * comm.Get_rank()),
        "evaluation": evaluated,
        "interrupt": lambda comm: train(comm, callbacks=[Interrupted()]),
    }

    def raised(communicator):
        try:
            failing[make](communicator)
        except BaseException as error:
            return f"{type(error).__name__}: {error}"

    first, second = in_processes(2, raised)
    assert first == f"RuntimeError: process 1 has failed: {second}"
    assert second.startswith({"arguments": "ArgumentValueError: epochs", "evaluation": "Arg", "interrupt": "Keyb"}[make])


def test_processes_with_different_batches_are_refused_at_the_first_step():
    def refused(communicator):
        model, rank = network(), communicator.Get_rank()
        steps = []

        class Pairs:
            def __iter__(self):
                return iter([(images()[:12] + 1e-6 * rank, LABELS[:12])])

        class Count(Callback):
            def on_step_end(self, run):
                steps.append(run.step)

        message = "the checksum of each batch must be the same in all processes, got"
        with pytest.raises(ValueError, match=message):
            fit(model, Pairs(), optim.SGD(model, 0.1), epochs=1, shards=4, callbacks=[Count()], communicator=communicator)
        assert steps == []

    in_processes(2, refused)


def test_processes_with_different_numbers_of_batches_are_refused():
    def refused(communicator):
        model = network()
        count = 3 + communicator.Get_rank()

        class Pairs:
            def __iter__(self):
                return iter([(images()[:12], LABELS[:12])] * count)

        with pytest.raises(
            RuntimeError, match=r"the processes must call the same functions, got .* do their batches or callbacks differ"
        ):
            fit(model, Pairs(), optim.SGD(model, 0.1), epochs=1, shards=4, communicator=communicator)

    in_processes(2, refused)


@pytest.mark.parametrize(
    ("difference", "message"),
    [
        ("dropout", "the network must be the same"),
        ("state", "the digest of the state of the optimiser must be the same"),
        ("generator", "the digest of the random generators of the layers must be the same"),
        ("frozen", "the frozen parameters must be the same"),
        ("test", "the test must be the same in all processes, got Batches in process 0 and None in process 1"),
    ],
)
def test_other_differences_are_refused(difference, message):
    def refused(communicator):
        model, rank = network(), communicator.Get_rank()
        optimizer = optim.SGD(model, 0.05, momentum=0.9)
        if rank and difference == "dropout":
            model["drop"].rate = 0.3
        if rank and difference == "generator":
            model["drop"].rng.random()
        if rank and difference == "state":
            state = {name: array.copy() for name, array in optimizer.state().items()}
            next(iter(state.values())).flat[0] = 1
            optimizer.restore(state)
        if rank and difference == "frozen":
            model["conv"].freeze()
            optimizer = optim.SGD(model, 0.05, momentum=0.9)
        test = None if rank and difference == "test" else (images(), LABELS)
        with pytest.raises(ValueError, match=message):
            fit(model, batches(), optimizer, epochs=1, test=test, shards=4, communicator=communicator)

    in_processes(2, refused)


def test_the_cause_of_a_divergence_is_that_of_its_shard():
    model = network()
    x = images(12)
    x[1] = np.nan  # in the first of four shards
    with pytest.raises(Diverged, match="non-finite numbers; clean the data"):
        fit(model, [(x, LABELS[:12])], optim.SGD(model, 0.1), epochs=1, shards=4)
