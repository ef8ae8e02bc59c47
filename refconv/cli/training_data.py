"""Images and labels for ``refconv train``, and their preprocessing."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from refconv import data
from refconv._errors import ArgumentValueError
from refconv.cli.console import bar, print_error, say, warnings_as_lines
from refconv.data.datasets import Examples, first, part
from refconv.data.resample import centre
from refconv.data.sources import SOURCES
from refconv.typing import Array, Shape

__all__ = ["TrainingData", "check_output", "load", "read_ahead", "readable"]

DIGITS = 30_000
TEST_DIGITS = 5_000
TEST_SHARE = 0.1
HELD_IN_MEMORY = 128 * 2**20  # bytes; larger folders are read during training
STATISTICS = 2000  # images from which the mean and the standard deviation are computed


@dataclass(frozen=True)
class TrainingData:
    """Data of a training run; ``validation`` is None without --validation."""

    dataset: data.Dataset
    validation: Examples | None
    prepare: data.Preprocessing


def load(
    options: Namespace,
    input_shape: Shape,
    trained: data.Preprocessing | None = None,
    found: dict[str, Any] | None = None,
) -> TrainingData:
    """Return the data of a run, and the preprocessing that converts them to the network's input.

    ``input_shape`` is (H, W), or (H, W, C) if the channels are given. ``trained`` is the preprocessing of trained weights,
    which need inputs with the same mean and standard deviation as in their training. ``found`` is described at
    :func:`readable`.
    """
    if input_shape[2:] not in ((), (1,), (3,)):
        raise ArgumentValueError(f"--input must have 1 or 3 channels, got {input_shape[2]}")
    dataset = _drawn(options) if options.data == "digits" else _opened(options, input_shape, found)
    channels = input_shape[2] if len(input_shape) > 2 else dataset.channels
    prepare = _preprocessing(dataset, input_shape[:2], channels, options.model)
    if trained:
        prepare = replace(prepare, mean=trained.mean, std=trained.std)
    if not options.validation:
        return TrainingData(dataset, None, prepare)
    images, labels = dataset.train
    (train, _), (validation, _) = data.split(np.arange(len(images)), labels, options.validation, rng=options.seed)
    return TrainingData(replace(dataset, train=part(dataset.train, train)), part(dataset.train, validation), prepare)


def check_output(loaded: TrainingData, options: Namespace, output_shape: Shape) -> TrainingData:
    """Check that the network has an output for each class, or for each pixel of a mask.

    The output of a U-Net without padding is smaller than its input. The masks are cropped to its size.
    """
    has_masks = loaded.dataset.has_masks
    if has_masks != (len(output_shape) == 3):
        content = "one folder for each class" if len(output_shape) == 1 else "the folders images and masks"
        raise ArgumentValueError(f"--data must contain {content} for {options.model}, got {options.data}")
    if not has_masks:
        return loaded
    if options.augment != "none":
        raise ArgumentValueError(f"--augment must be none for images with masks, got {options.augment}")

    def crop(examples: Examples) -> Examples:
        images, masks = examples
        return images, centre(masks, output_shape[:2])

    dataset = replace(loaded.dataset, train=crop(loaded.dataset.train), test=crop(loaded.dataset.test))
    return replace(loaded, dataset=dataset, validation=crop(loaded.validation) if loaded.validation else None)


def _drawn(options: Namespace) -> data.Dataset:
    """Draw digits with refconv."""
    count, test_count = options.images or DIGITS, options.test_images or TEST_DIGITS
    say(f"drawing {count:,} training and {test_count:,} test digits")
    train_seed, test_seed = np.random.SeedSequence(options.seed).generate_state(2).tolist()
    training, test = data.draw_digits(count, train_seed), data.draw_digits(test_count, test_seed)
    return data.Dataset("digits", SOURCES["digits"].classes, training, test, ink=True)


def _opened(options: Namespace, input_shape: Shape, found: dict[str, Any] | None) -> data.Dataset:
    """Open a data set of files, and check the files of a folder."""
    with warnings_as_lines():  # about files whose checksum is unknown, and classes without images
        dataset = data.open_dataset(
            options.data,
            input_shape[:2],
            channels=input_shape[2] if len(input_shape) > 2 else None,
            test=options.test_data,
            test_share=options.test_share or TEST_SHARE,
            classes=options.class_names,
            skip_damaged=options.skip_damaged,
            seed=options.seed,
        )
    train, test = dataset.train, dataset.test
    if options.images:
        train = first(train, options.images, "--images", dataset.name)
    if options.test_images:
        test = first(test, options.test_images, "--test-images", dataset.name)
    train, test = readable([train, test], options.skip_damaged, found)
    return replace(dataset, train=train, test=test)


def readable(parts: Sequence[Examples], skip: bool, found: dict[str, Any] | None = None) -> list[Examples]:
    """Read every file once; refuse or leave out damaged files, and return the others.

    The images are returned as arrays if they fit in memory. Damaged files of all parts are named on the standard error. Their
    indices are stored in ``found``. If it contains them already, files that do not fit in memory are not read again.
    """
    found = {} if found is None else found
    known = found.get("damaged", [None] * len(parts))
    checked = [_checked(*examples, skip, indices) for examples, indices in zip(parts, known, strict=True)]
    found["damaged"] = [damaged for _, damaged in checked]
    if (count := sum(len(damaged) for _, damaged in checked)) and not skip:
        raise ArgumentValueError(f"--data must contain readable images, got {count} damaged; --skip-damaged leaves them out")
    return [_without(examples, damaged) for examples, damaged in checked]


def _checked(
    images: data.ImageFiles | Array, labels: Array, skip: bool, known: list[int] | None
) -> tuple[Examples, list[int]]:
    """Read every file once; return the examples and the indices of damaged files.

    The images are returned as an array if they fit in memory. The problems of damaged files are printed.
    """
    if not isinstance(images, data.ImageFiles):
        return (images, labels), []
    memory = np.zeros(images.shape, np.uint8) if np.prod(images.shape) <= HELD_IN_MEMORY else None
    if memory is None and known is not None:
        return (images, labels), known
    with bar(f"checking {len(images):,} images", len(images), "images") as progress:
        problems = images.damaged(progress, into=memory)
    for _, problem in problems if known is None else ():
        print_error(f"{'skipping: ' if skip else ''}{problem}")
    return (images if memory is None else memory, labels), [k for k, _ in problems]


def _without(examples: Examples, indices: list[int]) -> Examples:
    """Return the examples without these ones."""
    if not indices:
        return examples
    count = len(examples[1])
    if len(indices) == count:
        raise ArgumentValueError("--data must contain readable images, got only damaged ones")
    return part(examples, np.setdiff1d(np.arange(count), indices))


def read_ahead(batches: data.Batches) -> data.Batches | data.Prefetch:
    """Return the batches; batches of files are read ahead by a thread."""
    return data.Prefetch(batches) if isinstance(batches.images, data.ImageFiles) else batches


def _preprocessing(dataset: data.Dataset, size: Shape, channels: int, model: str) -> data.Preprocessing:
    if model.startswith("lenet") and dataset.ink and channels == 1 and size == (32, 32):
        return data.Preprocessing.of_lenet()
    images = dataset.train[0]
    sample: Array = images[np.linspace(0, len(images) - 1, min(len(images), STATISTICS)).astype(int)]
    return data.Preprocessing.of_images(sample, size, channels=channels, ink=dataset.ink)
