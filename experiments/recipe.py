"""Experiment: one recipe trains the small variant of every classifier on two data sets.

The recipe is SGD with momentum 0.9, learning rate 0.05 with a cosine schedule, weight decay 5e-4, batches of 64 images and
gradients clipped to norm 1, without which the networks without batch normalisation diverge at this rate. The images of
CIFAR-10 are cropped and flipped at random. Each network is trained in a new process, so that its peak memory and its processor
time can be measured. The processor time, the sum over all threads, depends little on what else the computer does.
"""

from __future__ import annotations

import multiprocessing
import time
import warnings

from experiments.experiment import Experiment
from refconv import data, models, optim
from refconv.cli.memory import MEBIBYTE, peak_memory
from refconv.training import Diverged, evaluate, fit

__all__ = ["EXPERIMENT", "NAMES", "train_and_test"]

LR, MOMENTUM, WEIGHT_DECAY, CLIP_NORM, BATCH = 0.05, 0.9, 5e-4, 1.0, 64
SIZE = 32  # pixels
# Data set: training images, epochs and test images.
RUNS = {"cifar10": (10_000, 3, 1000), "mnist": (10_000, 1, 10_000)}
NOT_CLASSIFIERS = ("neocognitron", "unet", "unet-same", "deep-image-prior")
# Their small variants are the small variants of nin, resnet20, plain20 and wrn-16-8.
SAME = (
    *("nin-cifar", "resnet32", "resnet44", "resnet56", "resnet110"),
    *("plain32", "plain44", "plain56", "plain110", "wrn-28-10"),
)
NAMES = [name for name in models.names() if name not in (*NOT_CLASSIFIERS, *SAME)]


def train_and_test(name, source, images, epochs, test_images, seed):
    """Train the small variant of a network; return accuracy (%), processor seconds and MiB."""
    before, start = peak_memory() or 0, time.process_time()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "CIFAR-10: ")  # warnings about missing files, which are not needed
        dataset = data.open_dataset(source)
    training, test = (
        tuple(part[:count] for part in examples) for examples, count in ((dataset.train, images), (dataset.test, test_images))
    )
    prepare = data.Preprocessing.of_images(training[0], SIZE, ink=dataset.ink)
    augment = data.augment.chain(data.augment.crop(SIZE, pad=SIZE // 8), data.augment.flip()) if source == "cifar10" else None
    model = models.create(f"{name}-small", classes=len(dataset.classes))
    model.build(prepare.input_shape, rng=[seed, 0])
    batches = data.Batches(*training, BATCH, rng=[seed, 1], prepare=prepare, augment=augment)
    optimizer = optim.SGD(model, LR, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
    try:
        fit(model, batches, optimizer, epochs=epochs, schedule=optim.cosine, clip_norm=CLIP_NORM)
    except Diverged:
        accuracy = float("nan")
    else:
        accuracy = 100 * evaluate(model, data.Batches(*test, 250, shuffle=False, prepare=prepare)).accuracy
    return accuracy, time.process_time() - start, ((peak_memory() or 0) - before) / MEBIBYTE


def trained(name):
    """Return a variant that trains one network on both data sets."""

    def variant(settings):
        results = {}
        for source, (images, epochs, test_images) in RUNS.items():
            images, epochs = settings.number("images", images, quick=64), settings.number("epochs", epochs, quick=1)
            arguments = (name, source, images, epochs, 100 if settings.quick else test_images, settings.seed)
            with multiprocessing.get_context("spawn").Pool(1) as pool:  # a new interpreter inherits no memory
                accuracy, seconds, memory = pool.apply(train_and_test, arguments)
            trained_on = f"{source}, {epochs} epoch{'s' * (epochs > 1)} of {images:,}"
            results |= {
                f"{trained_on}: test accuracy, %": accuracy,
                f"{trained_on}: processor seconds": seconds,
                f"{trained_on}: peak memory, MiB": memory,
            }
        return results

    return variant


EXPERIMENT = Experiment(
    "recipe",
    "One common recipe trains the small variant of every classifier on CIFAR-10 and on MNIST.",
    "M1–M15, A20",
    {name: trained(name) for name in NAMES},
    seeds=1,
    options=("images", "epochs"),
    compact=True,
)
