"""Training run of ``refconv train``, from the options to the saved network."""

from __future__ import annotations

import contextlib
import shlex
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from refconv import data, optim
from refconv._config import config, get_config, keep_freed_memory
from refconv._errors import ArgumentValueError
from refconv.cli.architecture import input_shape
from refconv.cli.command import Failure
from refconv.cli.console import say
from refconv.cli.mpi import (
    first_process_before_others,
    first_value,
    only_first_prints,
    processes_of_mpiexec,
    started_processes,
    threads_of_a_process,
)
from refconv.cli.rehearsal import dry_run, find_lr
from refconv.cli.run_folder import output_folder, own_options, restore_options
from refconv.cli.starting_weights import copy_weights, freeze, input_of, network, starting_model
from refconv.cli.stop import StopOnSignal, stop_signals
from refconv.cli.training_data import TrainingData, check_output, load, read_ahead
from refconv.cli.training_results import in_order, save, save_diverged
from refconv.nn import BatchNorm, Layer
from refconv.nn.layer import all_layers
from refconv.training import (
    Callback,
    Checkpoint,
    CrossEntropy,
    Diverged,
    EarlyStopping,
    Evaluation,
    History,
    ProgressBar,
    TensorBoard,
    evaluate,
    fit,
)
from refconv.training.metrics import accuracy, intersection_over_union
from refconv.training.processes import Processes
from refconv.training.run import Run
from refconv.training.shards import DEFAULT_SHARDS, drops_normalisation
from refconv.typing import Array

__all__ = ["train"]

AUGMENT: dict[str, Callable[[int], Any]] = {  # functions of the input size
    "none": lambda size: None,
    "shift": lambda size: data.augment.shift(2),
    "distort": lambda size: data.augment.distort(),
    "crop": lambda size: data.augment.chain(data.augment.crop(size, pad=size // 8), data.augment.flip()),
}
OPTIMIZERS: dict[str, Any] = {"sgd": optim.SGD, "rmsprop": optim.RMSProp, "adam": optim.Adam, "adamw": optim.AdamW}
# Learning rate of sgd for networks without batch normalisation. At 0.05, vgg-a and alexnet learn nothing, and at 0.01 they do
# (refconv train vgg-a --small --data mnist --images 6000 --epochs 2 --lr 0.05).
SMALL_LR = 0.01
# RMSProp, Adam and AdamW make steps of about the size of the learning rate, whatever the size of the gradient.
DEFAULTS: dict[str, dict[str, float]] = {
    "sgd": {"lr": 0.05, "momentum": 0.9},
    "rmsprop": {"lr": 0.001},
    "adam": {"lr": 0.001},
    "adamw": {"lr": 0.001},
}
SCHEDULES: dict[str, Callable[[], Any]] = {
    "cosine": lambda: optim.cosine,
    "constant": lambda: optim.constant,
    "step": optim.step_down,
    "plateau": optim.Plateau,
}


def train(options: Namespace) -> None:
    """Train according to the options, report progress, and save the network, history and plot."""
    keep_freed_memory()
    processes = processes_of_mpiexec()
    with only_first_prints(processes):
        if processes.size > 1 and (options.find_lr or options.dry_run):
            raise ArgumentValueError(f"--find-lr and --dry-run must be used without mpiexec, got {processes.size} processes")
        if options.resume:
            restore_options(options)
        elif started_processes():
            options.shards = options.shards or DEFAULT_SHARDS  # saved, so that one process can resume the run
        check_shards(options, processes.size)
        with config(engine=options.engine, threads=options.threads or threads_of_a_process(processes)):
            if options.dry_run:
                model, loaded, batches = _prepared(options)
                dry_run(model, make_optimizer(model, options), batches, loaded.prepare.input_shape, options)
            elif processes.rank:
                _train(options, first_value(processes, None), processes)
            else:
                with output_folder(options) as folder:
                    _train(options, first_value(processes, folder), processes)


def check_shards(options: Namespace, processes: int) -> None:
    """Refuse options of shards that fit would refuse, before the data are loaded."""
    if options.shards is None:
        if options.sync_bn:
            raise ArgumentValueError("--shards must be given with --sync-bn, got none")
        if options.resume and processes > 1:  # a new run has a default
            raise ArgumentValueError(
                f"--resume {options.resume} must be a run with --shards to continue in {processes} processes, got none"
            )
    elif options.batch_size % options.shards:
        raise ArgumentValueError(f"--shards must divide --batch-size {options.batch_size}, got {options.shards}")
    elif options.shards < processes:
        raise ArgumentValueError(f"--shards must be at least {processes}, the number of processes, got {options.shards}")
    if options.sync_bn and not options.freeze_to and drops_normalisation(network(options, None, classes=10)):
        raise ArgumentValueError(f"--sync-bn must be left out for networks that drop layers at random, got {options.model}")


def _prepared(
    options: Namespace, found: dict[str, Any] | None = None
) -> tuple[Layer, TrainingData, data.Batches | data.Prefetch]:
    """Load the data, build the network, and print what will be trained."""
    start = starting_model(options)
    if start:
        loaded = load(options, input_of(start, options.input), start.prepare, found)
    else:
        size = input_shape(options.model, options.input)
        loaded = load(options, size if options.input and len(options.input) > 2 else size[:2], found=found)
    prepare = loaded.prepare
    options.class_names = list(loaded.dataset.classes)
    model = network(options, start, len(options.class_names))
    # Two independent generators, so that the batch size and the data set do not change the initial weights.
    weights_rng, order_rng = (np.random.default_rng(s) for s in np.random.SeedSequence(options.seed).spawn(2))
    model.build(prepare.input_shape, weights_rng)
    if start:
        copy_weights(start, model, prepare.input_shape, options)
    loaded = check_output(loaded, options, model.output_shape(prepare.input_shape))
    dataset = loaded.dataset
    batches = _batches(loaded, options, order_rng)
    say(
        f"{options.model}{f' ({options.style})' if options.style else ''}: "
        f"{model.count_parameters(prepare.input_shape, trainable_only=True):,} parameters, "
        f"{len(dataset.train[0]):,} training and {len(dataset.test[0]):,} test images, "
        f"{get_config().engine} on {get_config().threads} thread(s)"
    )
    freeze(model, prepare.input_shape, options)
    return model, loaded, batches


def _train(options: Namespace, folder: Path, processes: Processes) -> None:
    with first_process_before_others(processes) as found:
        model, loaded, batches = _prepared(options, found)
    if options.find_lr:
        find_lr(model, make_optimizer(model, options), batches, folder, options)
        return
    checkpoint = Checkpoint(folder, every=options.checkpoint_every, resume=bool(options.resume), notes=own_options(options))
    try:
        history = _fit(model, batches, loaded, checkpoint, options, processes)
    except Diverged as error:
        if processes.rank:
            return
        raise Failure(f"{error} ({save_diverged(folder, options, error, loaded)})") from error
    if processes.rank:  # the first process saves the results
        return
    if history.stopped:
        say(f"stopped; the network is saved as it is; continue with --resume {shlex.quote(str(folder))}")
    elif history.best not in (None, history.epochs[-1]):
        checkpoint.recall_best(model)
        history.test = _evaluate(model, loaded)
        say(f"saving the network of epoch {history.best.epoch}, which has the lowest validation loss")
    test = history.test = _evaluate(model, loaded) if history.test is None else history.test
    save(folder, options, model, history, loaded, test)
    if not history.stopped:
        for path in (checkpoint.last, checkpoint.previous, checkpoint.best):
            path.unlink(missing_ok=True)
    if options.data == "digits" and loaded.prepare.input_shape[2] == 1 and get_config().engine != "reference":
        _test_on_mnist(model, loaded.prepare)


def _batches(loaded: TrainingData, options: Namespace, rng: np.random.Generator) -> data.Batches | data.Prefetch:
    images, labels = loaded.dataset.train
    height, width = loaded.prepare.size
    if options.augment == "crop" and height != width:
        raise ArgumentValueError(f"--augment crop must have a square --input, got {height} × {width}")
    augment = AUGMENT[options.augment](height)
    if options.augment == "crop":
        augment = _after(loaded.prepare.fit, augment)
    # Statistics of all shards need an image in each shard, so a last batch with fewer images is left out.
    rest = len(labels) % options.batch_size
    drop_last = options.sync_bn and 0 < rest < options.shards
    if drop_last and rest == len(labels):
        raise ArgumentValueError(f"--sync-bn must have an image for each of {options.shards} shards, got {rest} images")
    if drop_last:
        say(f"leaving out {rest} images in each epoch: --sync-bn must have one for each of {options.shards} shards")
    settings: dict[str, Any] = {"rng": rng, "prepare": loaded.prepare, "augment": augment, "drop_last": drop_last}
    return read_ahead(data.Batches(images, labels, options.batch_size, **settings))


def _after(fit_size: Callable[[Array], Array], augment: Any) -> Callable[[Array, np.random.Generator], Array]:
    """Return an augmentation of images that already have the size of the network's input."""
    return lambda images, rng: augment(fit_size(images), rng)


def _fit(
    model: Layer,
    batches: data.Batches | data.Prefetch,
    loaded: TrainingData,
    checkpoint: Checkpoint,
    options: Namespace,
    processes: Processes,
) -> History:
    with stop_signals() as received:
        callbacks = [ProgressBar(say), StopOnSignal(received), checkpoint]
        if isinstance(batches, data.Prefetch):
            callbacks.append(ReportWaiting(batches))
        if options.patience:
            callbacks.append(EarlyStopping(options.patience))
        if options.tensorboard:
            callbacks.append(TensorBoard(checkpoint.last.parent))
        return fit(
            model,
            batches,
            make_optimizer(model, options),
            epochs=options.epochs,
            test=in_order(loaded.dataset.test, loaded.prepare),
            validation=in_order(loaded.validation, loaded.prepare) if loaded.validation else None,
            schedule=make_schedule(options),
            loss=CrossEntropy(options.label_smoothing),
            metrics=_metrics(loaded),
            clip_norm=options.clip_norm,
            callbacks=callbacks,
            shards=options.shards,
            sync_bn=options.sync_bn,
            communicator=processes.communicator,
        )


class ReportWaiting(Callback):
    """Callback that prints for which share of an epoch the training has waited for images."""

    only_first = True

    def __init__(self, batches: data.Prefetch) -> None:
        self.batches, self.before = batches, 0.0

    def on_epoch_end(self, run: Run) -> None:
        waited, self.before = self.batches.waited - self.before, self.batches.waited
        say(f"         waited for images: {waited:.1f} s, {100 * waited / run.history.epochs[-1].seconds:.0f} % of the epoch")


def _metrics(loaded: TrainingData) -> dict[str, Any]:
    """Return the metrics: the accuracy and, for masks, the intersection over union."""
    return {"accuracy": accuracy, **({"iou": intersection_over_union} if loaded.dataset.has_masks else {})}


def _evaluate(model: Layer, loaded: TrainingData) -> Evaluation:
    return evaluate(model, in_order(loaded.dataset.test, loaded.prepare), metrics=_metrics(loaded))


def _allows_large_rates(model: Layer, name: str) -> bool:
    """Return True for LeNet and for networks with batch normalisation."""
    return name.startswith("lenet") or any(isinstance(layer, BatchNorm) for layer in all_layers(model))


def make_optimizer(model: Layer, options: Namespace) -> optim.Optimizer:
    kind = OPTIMIZERS[options.optimizer]
    given = {"lr": options.lr, "momentum": options.momentum}
    defaults = dict(DEFAULTS[options.optimizer])
    if options.optimizer == "sgd" and not _allows_large_rates(model, options.model):
        defaults["lr"] = SMALL_LR
    arguments = {**defaults, **{name: value for name, value in given.items() if value is not None}}
    if "momentum" in arguments and "momentum" not in kind.options:
        raise ArgumentValueError(f"momentum must be left out for {options.optimizer}, got {options.momentum}")
    optimizer: optim.Optimizer = kind(model, weight_decay=options.weight_decay, **arguments)
    return optimizer


def make_schedule(options: Namespace) -> Callable[[float], float]:
    schedule: Callable[[float], float] = SCHEDULES[options.schedule]()
    return optim.warm_up(options.warmup_epochs / options.epochs, schedule) if options.warmup_epochs else schedule


def _test_on_mnist(model: Layer, prepare: data.Preprocessing) -> None:
    """Print the accuracy on MNIST of a network trained on drawn digits, if MNIST is downloaded."""
    with contextlib.suppress(data.DataNotFound, data.BadDataFile):
        test = in_order(data.load_mnist("test", download=False), prepare)
        say(f"accuracy on the real MNIST test images: {100 * evaluate(model, test).accuracy:.2f} %")
