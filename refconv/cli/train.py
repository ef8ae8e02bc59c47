"""Command ``refconv train``: train a network and save it."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Callable
from typing import Any

from refconv._config import ENGINES
from refconv._errors import ArgumentValueError
from refconv._optional import need
from refconv.cli.architecture import add_variant, model_name, variant
from refconv.cli.arguments import fraction, non_negative, one_of, positive, seed, share, threads
from refconv.cli.command import Command
from refconv.cli.parser import Parser

__all__ = ["COMMAND"]

DESCRIPTION = """\
Train a network and save it.

SOURCE is the name of a data set, which `refconv list data` prints, or a folder. A folder contains one folder of pictures for
each class, or the folders train and test (or val) with such folders, or, for a U-Net, the folders images and masks, whose
files have the same names. A mask contains the class of each pixel: 0, 1, 2, …, or 0 and 255.

The command writes three files to the output folder: model.safetensors contains the network, history.csv contains one row for
each epoch, and training.png shows the training curves and the misclassified test images. Ctrl-C, SIGTERM or a closed terminal
stops the run after the current step and saves the network in its current state; a second Ctrl-C stops the run at once. If the
loss becomes NaN or infinite, the history and the plot are saved but the model is not, and the exit status is 1.

During the run, last.safetensors in the same folder is the checkpoint. It is written after each epoch and when the run is
stopped. --resume DIR continues an interrupted run from its checkpoint, with its original options; only --engine, --threads and
--quiet can change. The result is the same as without the interruption, bit for bit. If the pictures have been moved since,
--data and --test-data name their new folders.

With --validation, the network with the lowest validation loss is saved. If you stop the run with Ctrl-C, model.safetensors
contains the latest network, and best.safetensors the network with the lowest validation loss so far.

--from starts from trained weights of the same network, for example those that come with refconv: --from cifar10. If the data
have other classes, the last layer starts from random weights. The images are prepared as for the trained weights, unless
--input gives another size. --freeze-to does not train the first layers. `refconv summary MODEL` prints their names.

mpiexec -n 4 refconv train … trains in four processes, with Open MPI or MPICH and mpi4py. Each process computes some of the
--shards of a batch, and the weights are the same, bit for bit, for any number of processes and the same --shards.

With --engine reference, the reference loops compute everything. One image then takes about a second, so use
--images 64 --test-images 20.
"""


UNTRAINED = {
    "neocognitron": "which learns without labels, with refconv.models.neocognitron",
    "deep-image-prior": "which is fitted to one picture",
}


def trainable(text: str) -> str:
    """Parse the name of a network that this command trains, in any spelling."""
    name = model_name(text)
    if reason := UNTRAINED.get(name.removesuffix("-small")):
        raise argparse.ArgumentTypeError(f"must be a classifier or a unet, got {text!r}, {reason}")
    return name


def add_arguments(parser: Parser) -> None:
    from refconv import models

    add = parser.add_argument
    names = ", ".join(name for name in models.names() if name not in UNTRAINED)
    add("model", type=trainable, metavar="MODEL", help=f"one of: {names}")
    add_variant(add)
    _add_weights(add)
    _add_data(add)
    _add_optimisation(add)
    _add_execution(add)


def _add_weights(add: Callable[..., Any]) -> None:
    add(
        "--from",
        dest="weights",
        metavar="WEIGHTS",
        help="start from trained weights: a model file, the folder of a run, or a name that `refconv list weights` prints",
    )
    add("--freeze-to", metavar="LAYER", help="with --from: do not train this layer and the layers before it")


def _add_data(add: Callable[..., Any]) -> None:
    add(
        "--data",
        metavar="SOURCE",
        help="digits drawn by refconv (default), the name of a data set such as mnist or cifar10, or a folder of pictures",
    )
    add("--test-data", metavar="DIR", help="folder of test pictures (default: a part of the folder of training pictures)")
    add(
        "--test-share",
        type=fraction,
        metavar="X",
        help="fraction of a folder's pictures kept for testing (default: 0.1)",
    )
    add("--skip-damaged", action="store_true", help="leave out pictures that cannot be read, instead of stopping")
    add("--epochs", type=positive, default=3, metavar="N", help="passes over the data (default: %(default)s)")
    add("--batch-size", type=positive, default=64, metavar="N", help="images per step (default: %(default)s)")
    add(
        "--seed",
        type=seed,
        default=0,
        metavar="N",
        help="seed for weights, image order and drawn digits (default: %(default)s)",
    )
    add("--images", type=positive, metavar="N", help="number of training images (default: all, or 30000 drawn digits)")
    add("--test-images", type=positive, metavar="N", help="number of test images (default: all, or 5000 drawn digits)")
    add("--validation", type=fraction, metavar="X", help="fraction of the training images kept for validation")
    add(
        "--augment",
        **one_of("none", "shift", "distort", "crop"),
        default="none",
        help="random changes: shift by 2 pixels; distort; crop and flip horizontally (default: %(default)s)",
    )


def _add_optimisation(add: Callable[..., Any]) -> None:
    add("--optimizer", **one_of("sgd", "rmsprop", "adam", "adamw"), default="sgd", help="optimiser (default: %(default)s)")
    add(
        "--lr",
        type=non_negative,
        metavar="X",
        help="initial learning rate (default: 0.001; for sgd 0.01, or 0.05 for lenet and networks with batch normalisation)",
    )
    add(
        "--momentum",
        type=share,
        metavar="X",
        help="fraction of the velocity kept at each step (default: 0.9 for sgd, 0 for rmsprop; not for adam and adamw)",
    )
    add(
        "--weight-decay",
        type=non_negative,
        default=5e-4,
        metavar="X",
        help="add X·weight to each gradient; adamw subtracts lr·X·weight from the weight instead (default: %(default)s)",
    )
    add(
        "--schedule",
        **one_of("cosine", "constant", "step", "plateau"),
        default="cosine",
        help="schedule of the learning rate. cosine: falls to 0; step: falls to a tenth after each quarter of the run; "
        "plateau: falls whenever the validation loss stops falling (default: %(default)s)",
    )
    add(
        "--warmup-epochs",
        type=non_negative,
        metavar="X",
        help="epochs in which the learning rate rises from 0, before the schedule; for large batches (default: 0)",
    )
    add("--label-smoothing", type=share, default=0.0, metavar="X", help="spread X of each label over all classes (default: 0)")
    add("--clip-norm", type=non_negative, metavar="X", help="maximum norm of the gradient (default: unlimited)")
    add("--patience", type=positive, metavar="N", help="stop after N epochs without a lower validation loss")


def _add_execution(add: Callable[..., Any]) -> None:
    add(
        "--engine",
        **one_of(*ENGINES),
        help="compute with the compiled kernels (default if they are built), NumPy (default otherwise) or the reference loops",
    )
    add("--threads", type=threads, metavar="N", help="number of threads of the kernels (default: see refconv info)")
    add(
        "--shards",
        type=positive,
        metavar="N",
        help="divide each batch into N parts, whose gradients are added in a fixed order (default: 8 with mpiexec)",
    )
    add("--sync-bn", action="store_true", help="with --shards: batch normalisation uses the statistics of all shards")
    add("--out", metavar="DIR", help="output folder (default: a new folder runs/MODEL-DATA)")
    add("--resume", metavar="DIR", help="continue the run in this output folder with its original options")
    add("--checkpoint-every", type=positive, metavar="N", help="steps between checkpoints (default: one epoch)")
    add("--find-lr", action="store_true", help="try learning rates on a copy of the network, and save the curve of the loss")
    add("--dry-run", action="store_true", help="print the network, and the time and memory of ten steps; train nothing")
    add("--tensorboard", action="store_true", help="also write TensorBoard event files to the output folder")


def run(options: Namespace) -> None:
    for module in ("matplotlib", "tqdm"):  # needed at the end, so check before an hour of training
        need(module, "train", "refconv train")
    options.model = variant(options.model, options.small)
    if options.model.startswith("lenet") and options.style is None:
        options.style = "modern"
    options.class_names = None  # the data set defines them
    _check_combinations(options)
    if options.tensorboard:
        need("tensorboardX", "tensorboard", "refconv train --tensorboard")
    from refconv.cli.training_run import train

    options.data = options.data or (None if options.resume else "digits")
    train(options)


def _check_combinations(options: Namespace) -> None:
    """Refuse options that exclude or need each other."""
    from refconv.data.sources import SOURCES

    if options.resume and (options.find_lr or options.dry_run):
        raise ArgumentValueError("--find-lr and --dry-run must be left out with --resume")
    for option, is_set in (("--patience", options.patience), ("--schedule plateau", options.schedule == "plateau")):
        if is_set and not options.validation and not options.resume:
            raise ArgumentValueError(f"--validation must be given with {option}, which uses the validation loss, got none")
    if options.momentum is not None and options.optimizer.startswith("adam") and not options.resume:
        raise ArgumentValueError(f"--momentum must be left out with --optimizer {options.optimizer}, got {options.momentum:g}")
    if options.warmup_epochs and not options.resume:
        if options.schedule == "plateau":
            raise ArgumentValueError("--warmup-epochs must be left out with --schedule plateau, got both")
        if options.warmup_epochs >= options.epochs:
            raise ArgumentValueError(
                f"--warmup-epochs must be less than --epochs {options.epochs}, got {options.warmup_epochs:g}"
            )
    if options.test_share is not None and not options.resume and (options.data or "digits") in SOURCES:
        raise ArgumentValueError(
            f"--test-share must be left out with {options.data or 'digits'}, which has test images, got {options.test_share:g}"
        )
    if options.freeze_to and not options.weights and not options.resume:
        raise ArgumentValueError(f"--from must be given with --freeze-to, got only --freeze-to {options.freeze_to}")


COMMAND = Command("train", "train a network and save it", DESCRIPTION, add_arguments, run, can_be_quiet=True)
