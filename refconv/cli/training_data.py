"""Images and labels for ``refconv train``."""

from __future__ import annotations

import warnings
from argparse import Namespace
from typing import TypeAlias

import numpy as np

from refconv import data
from refconv._errors import ArgumentValueError
from refconv.cli.console import say
from refconv.typing import Array

__all__ = ["Examples", "load"]

Examples: TypeAlias = tuple[Array, Array]  # images and labels

DIGITS = 30_000
TEST_DIGITS = 5_000


def load(options: Namespace) -> tuple[Examples, Examples | None, Examples]:
    """Return training, validation and test data as pairs of images and labels.

    The validation data are None without --validation.
    """
    if options.data == "digits":
        count, test_count = options.images or DIGITS, options.test_images or TEST_DIGITS
        say(f"drawing {count:,} training and {test_count:,} test digits")
        train_seed, test_seed = np.random.SeedSequence(options.seed).generate_state(2).tolist()
        training, test = data.draw_digits(count, train_seed), data.draw_digits(test_count, test_seed)
    else:
        loaders = {"mnist": data.load_mnist, "fashion-mnist": data.load_fashion_mnist, "kmnist": data.load_kmnist}
        load_set = loaders[options.data]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            training = _first(options.images, load_set("train"), "--images", options)
            test = _first(options.test_images, load_set("test"), "--test-images", options)
        for warning in caught:  # warnings about files whose checksum is unknown
            say(f"{warning.message}")
    if not options.validation:
        return training, None, test
    images, labels = training
    training, validation = data.split(images, labels, options.validation, rng=options.seed)
    return training, validation, test


def _first(count: int | None, images_and_labels: Examples, option: str, options: Namespace) -> Examples:
    images, labels = images_and_labels
    available = len(images)
    if count and count > available:
        raise ArgumentValueError(f"{option} must be at most {available:,} with {options.data}, got {count:,}")
    return images[:count], labels[:count]
