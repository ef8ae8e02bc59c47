"""Training run of ``refconv train``, from the options to the saved network."""

from __future__ import annotations

import contextlib
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from refconv import data, models, optim
from refconv._config import config, get_config, keep_freed_memory
from refconv._errors import ArgumentValueError
from refconv._files import write_atomically
from refconv.cli.command import Failure
from refconv.cli.console import say
from refconv.cli.run_folder import output_folder, own_options, restore_options
from refconv.cli.stop import StopOnSignal, stop_signals
from refconv.cli.training_data import Examples, load
from refconv.drawing.training import training_picture
from refconv.nn import Layer
from refconv.training import (
    Checkpoint,
    CrossEntropy,
    Diverged,
    EarlyStopping,
    History,
    ProgressBar,
    TensorBoard,
    evaluate,
    fit,
)

__all__ = ["train"]

AUGMENT: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "shift": lambda: data.augment.shift(2),
    "distort": data.augment.distort,
}
OPTIMIZERS: dict[str, Any] = {"sgd": optim.SGD, "rmsprop": optim.RMSProp, "adam": optim.Adam, "adamw": optim.AdamW}
# RMSProp, Adam and AdamW make steps of about the size of the learning rate, whatever the size of the gradient.
DEFAULTS = {"sgd": {"lr": 0.05, "momentum": 0.9}, "rmsprop": {"lr": 0.001}, "adam": {"lr": 0.001}, "adamw": {"lr": 0.001}}
SCHEDULES: dict[str, Callable[[], Any]] = {
    "cosine": lambda: optim.cosine,
    "constant": lambda: optim.constant,
    "step": optim.step_down,
    "plateau": optim.Plateau,
}


def train(options: Namespace) -> None:
    """Train according to the options, report progress, and save the network, history and plot."""
    keep_freed_memory()
    if options.resume:
        restore_options(options)
    with config(engine=options.engine, threads=options.threads), output_folder(options) as folder:
        _train(options, folder)


def _train(options: Namespace, folder: Path) -> None:
    model = models.create(options.model, style=options.style)
    # Two independent generators, so that the batch size and the data set do not change the initial weights.
    weights_rng, order_rng = (np.random.default_rng(s) for s in np.random.SeedSequence(options.seed).spawn(2))
    input_shape = models.input_shape(options.model)
    model.build(input_shape, weights_rng)
    training, validation, test_examples = load(options)
    augment = AUGMENT[options.augment]()
    images, labels = training
    batches = data.Batches(images, labels, options.batch_size, rng=order_rng, prepare=data.lenet_input, augment=augment)
    test = _in_order(test_examples)
    say(
        f"{options.model} ({options.style}): {model.count_parameters(input_shape, trainable_only=True):,} parameters, "
        f"{len(images):,} training and {len(test.images):,} test images, "
        f"{get_config().engine} on {get_config().threads} thread(s)"
    )
    resume, notes = bool(options.resume), own_options(options)
    checkpoint = Checkpoint(folder, every=options.checkpoint_every, resume=resume, notes=notes)
    try:
        history = _fit(model, batches, validation, test, checkpoint, options)
    except Diverged as error:
        raise Failure(f"{error} ({_save_diverged(folder, options, error, test)})") from error
    if history.stopped:
        say(f"stopped; the network is saved as it is; continue with --resume {folder}")
    elif history.best not in (None, history.epochs[-1]):
        checkpoint.recall_best(model)
        history.test = evaluate(model, test)
        say(f"saving the network of epoch {history.best.epoch}, which has the lowest validation loss")
    _save(folder, options, model, history, test)
    if not history.stopped:
        checkpoint.last.unlink(missing_ok=True)
        checkpoint.best.unlink(missing_ok=True)
    if options.data == "digits" and get_config().engine == "kernels":
        _test_on_mnist(model)


def _fit(
    model: Layer,
    batches: data.Batches,
    validation: Examples | None,
    test: data.Batches,
    checkpoint: Checkpoint,
    options: Namespace,
) -> History:
    with stop_signals() as received:
        callbacks = [ProgressBar(say), StopOnSignal(received), checkpoint]
        if options.patience:
            callbacks.append(EarlyStopping(options.patience))
        if options.tensorboard:
            callbacks.append(TensorBoard(checkpoint.last.parent))
        return fit(
            model,
            batches,
            make_optimizer(model, options),
            epochs=options.epochs,
            test=test,
            validation=_in_order(validation) if validation else None,
            schedule=SCHEDULES[options.schedule](),
            loss=CrossEntropy(options.label_smoothing),
            clip_norm=options.clip_norm,
            callbacks=callbacks,
        )


def _in_order(examples: Examples) -> data.Batches:
    images, labels = examples
    return data.Batches(images, labels, 500, shuffle=False, prepare=data.lenet_input)


def make_optimizer(model: Layer, options: Namespace) -> optim.Optimizer:
    kind = OPTIMIZERS[options.optimizer]
    given = {"lr": options.lr, "momentum": options.momentum}
    arguments = {**DEFAULTS[options.optimizer], **{name: value for name, value in given.items() if value is not None}}
    if "momentum" in arguments and "momentum" not in kind.options:
        raise ArgumentValueError(f"momentum must be left out for {options.optimizer}, got {options.momentum}")
    optimizer: optim.Optimizer = kind(model, weight_decay=options.weight_decay, **arguments)
    return optimizer


def _save(folder: Path, options: Namespace, model: Layer, history: History, test: data.Batches) -> None:
    accuracy = (evaluate(model, test) if history.test is None else history.test).accuracy
    notes = {"data": options.data, "seed": options.seed, "test_accuracy": accuracy}
    model.save(folder / "model.safetensors", notes=notes)
    _save_history(folder, options, history, test, f"{100 * accuracy:.2f} % of test images read correctly")
    say(f"saved {folder / 'model.safetensors'}, history.csv and training.png")
    say(f"try:  refconv predict {folder / 'model.safetensors'} YOUR_DIGIT.png")


def _save_diverged(folder: Path, options: Namespace, error: Diverged, test: data.Batches) -> str:
    """Save the history and the plot of a diverged run, and describe the saved files in a phrase.

    The model is not saved, because its weights are useless.
    """
    if not error.history.epochs:
        return "nothing to save"
    _save_history(folder, options, error.history, test, str(error).partition(";")[0])
    return f"saved {folder / 'history.csv'} and training.png, but no model"


def _save_history(folder: Path, options: Namespace, history: History, test: data.Batches, outcome: str) -> None:
    write_atomically(folder / "history.csv", history.to_csv().encode())
    predictions = None if history.test is None else history.test.predictions
    title = f"{options.model} ({options.style}) on {options.data}: {outcome}"
    picture = training_picture(history, test.images, test.labels, predictions, title)
    write_atomically(folder / "training.png", picture)


def _test_on_mnist(model: Layer) -> None:
    """Print the accuracy on MNIST of a network trained on drawn digits, if MNIST is downloaded."""
    with contextlib.suppress(data.DataNotFound, data.BadDataFile):
        test = _in_order(data.load_mnist("test", download=False))
        say(f"accuracy on the real MNIST test images: {100 * evaluate(model, test).accuracy:.2f} %")
