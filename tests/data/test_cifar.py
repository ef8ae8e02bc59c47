"""Tests of CIFAR-10 in its official layout: pixels, labels and missing files."""

import os

import numpy as np
import pytest

from refconv.data import CIFAR10_CLASSES, BadDataFile, DataNotFound, files, load_cifar10


def written(path, count, seed):
    rng = np.random.default_rng(seed)
    images, labels = rng.integers(0, 256, (count, 32, 32, 3)).astype(np.uint8), rng.integers(0, 10, count).astype(np.uint8)
    with path.open("wb") as file:
        for image, label in zip(images, labels, strict=True):
            file.write(bytes([label]) + b"".join(image[:, :, c].tobytes() for c in range(3)))
    return images, labels


def test_existing_files_are_read_in_order_and_a_warning_names_them(tmp_path):
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    second = written(folder / "data_batch_2.bin", 3, seed=2)
    first = written(folder / "data_batch_1.bin", 2, seed=1)
    expected = [np.concatenate(parts) for parts in zip(first, second, strict=True)]
    for root in (tmp_path, folder):
        with pytest.warns(
            UserWarning, match="CIFAR-10: only 5 of 50,000 train images, from data_batch_1.bin, data_batch_2.bin"
        ):
            images, labels = load_cifar10("train", root)
        np.testing.assert_array_equal(images, expected[0])
        np.testing.assert_array_equal(labels, expected[1])
        assert images.flags.c_contiguous


def test_missing_files_and_files_in_another_layout_are_named(tmp_path):
    with pytest.raises(DataNotFound, match=r"CIFAR-10: no test_batch\*.bin in .*; unpack https://"):
        load_cifar10("test", tmp_path)
    (tmp_path / "test_batch.bin").write_bytes(b"1" * 3072)
    with pytest.raises(BadDataFile, match=r"test_batch\.bin must consist of records of 3,073 bytes, got 3,072 bytes"):
        load_cifar10("test", tmp_path)
    (tmp_path / "test_batch.bin").write_bytes(bytes([10]) * 3073)
    with pytest.raises(BadDataFile, match="must have classes from 0 to 9, got 10"):
        load_cifar10("test", tmp_path)
    with pytest.raises(ValueError, match="split must be 'train' or 'test' of CIFAR-10, got 'all'"):
        load_cifar10("all", tmp_path)


@pytest.mark.filterwarnings("ignore:CIFAR-10")
def test_the_real_cifar10_has_the_expected_classes_and_colours():
    if not os.environ.get(files.FOLDER_VARIABLE):
        pytest.skip(f"{files.FOLDER_VARIABLE} is not set: it names a folder with CIFAR-10")
    try:
        images, labels = load_cifar10("train")
    except DataNotFound as error:
        pytest.skip(str(error))
    assert images.shape[1:] == (32, 32, 3)
    assert CIFAR10_CLASSES[labels[0]] == "frog"
    sky = images[labels == CIFAR10_CLASSES.index("airplane"), :8].mean((0, 1, 2))
    assert sky[2] > sky[0]  # the last channel is blue
