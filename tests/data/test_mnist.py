"""Tests of MNIST, if it is available, and of its loader with a few images."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from refconv.data import files
from refconv.data.files import BadDataFile, DataFile, DataNotFound, DataSet
from refconv.data.idx import read_idx, write_idx
from refconv.data.mnist import FASHION_MNIST, KMNIST, MNIST, load_fashion_mnist, load_idx_images, load_kmnist, load_mnist


@pytest.fixture(scope="module")
def real_folder():
    """Return the folder with the real files, or skip the test."""
    if not os.environ.get(files.FOLDER_VARIABLE):
        pytest.skip(f"{files.FOLDER_VARIABLE} is not set: it names a folder with the real MNIST")
    folder = files.data_folders()[0]
    if not files.available(MNIST, folder):
        pytest.skip(f"MNIST is not in {folder}, which {files.FOLDER_VARIABLE} names")
    return folder


def labelled_images(n, seed):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, 4, 3), np.uint8), rng.integers(0, 10, n, np.uint8)


@pytest.fixture
def tiny(tmp_path):
    """Return a data set in the format of MNIST with five and two images, in a temporary folder."""
    splits = {}
    for split, n in {"train": 5, "test": 2}.items():
        split_files = []
        for kind, array in zip(("images", "labels"), labelled_images(n, seed=n), strict=True):
            path = tmp_path / f"{split}-{kind}"
            write_idx(path, array)
            split_files.append(DataFile(path.name, hashlib.sha256(path.read_bytes()).hexdigest(), ""))
        splits[split] = tuple(split_files)
    return DataSet("Tiny", "tiny", (), splits)


@pytest.mark.parametrize(
    ("split", "n", "first_labels", "labels_of_each_digit"),
    [
        ("train", 60000, [5, 0, 4, 1, 9], [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]),
        ("test", 10000, [7, 2, 1, 0, 4], [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]),
    ],
)
def test_the_real_mnist_is_loaded(real_folder, split, n, first_labels, labels_of_each_digit):
    images, labels = load_mnist(split, root=real_folder, download=False)
    assert (images.shape, images.dtype) == ((n, 28, 28), np.uint8)
    assert (labels.shape, labels.dtype) == ((n,), np.uint8)
    assert labels[:5].tolist() == first_labels
    assert np.bincount(labels).tolist() == labels_of_each_digit
    # The border of four pixels around the centred digit is nearly always empty, unlike the middle.
    assert images[:, 0].mean() < 0.01
    assert images[:, 10:18, 10:18].mean() > 60


@pytest.mark.parametrize(
    "name",
    [
        "t10k-{}-idx{}-ubyte",
        "t10k-{}.idx{}-ubyte",
        "MNIST/raw/t10k-{}-idx{}-ubyte",
        "t10k-{0}-idx{1}-ubyte/t10k-{0}.idx{1}-ubyte",
    ],
)
def test_the_real_mnist_is_found_in_the_layouts_of_other_programs(real_folder, tmp_path, name):
    for file, kind in zip(MNIST.files("test"), (("images", 3), ("labels", 1)), strict=True):
        path = tmp_path / name.format(*kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_idx(path, read_idx(files.find(MNIST, file, real_folder)[0]))
    expected = load_mnist("test", root=real_folder, download=False)
    for array, again in zip(expected, load_mnist("test", root=tmp_path, download=False), strict=True):
        np.testing.assert_array_equal(array, again)


@pytest.mark.parametrize(("split", "n"), [("train", 5), ("test", 2)])
def test_load_idx_images_returns_images_and_labels(tiny, tmp_path, split, n):
    images, labels = load_idx_images(tiny, split, tmp_path)
    expected_images, expected_labels = labelled_images(n, seed=n)
    np.testing.assert_array_equal(images, expected_images)
    np.testing.assert_array_equal(labels, expected_labels)


def test_files_of_another_split_are_refused(tiny, tmp_path):
    (tmp_path / "test-images").replace(tmp_path / "train-images")
    with pytest.raises(BadDataFile, match="train-images has another content"):
        load_idx_images(tiny, "train", tmp_path)


def test_files_that_are_not_mnist_are_refused(tmp_path):
    """Check files of the same names, which Fashion-MNIST and KMNIST also have."""
    for file in MNIST.files("test"):
        write_idx(tmp_path / f"{file.name}.gz", np.zeros((10000, 28, 28), np.uint8))
    with pytest.raises(BadDataFile, match=r"t10k-images-idx3-ubyte\.gz has another content: 7840016 bytes"):
        load_mnist("test", root=tmp_path, download=False)


def test_the_error_about_a_missing_mnist_lists_the_mirrors(tmp_path):
    with pytest.raises(DataNotFound, match=r"MNIST: no usable train-images-idx3-ubyte\.gz") as error:
        load_mnist(root=tmp_path, download=False)
    assert isinstance(error.value, FileNotFoundError)
    for mirror in MNIST.mirrors:
        assert mirror in str(error.value)


def test_a_split_other_than_train_and_test_is_refused(tmp_path):
    with pytest.raises(ValueError, match="split must be 'train' or 'test' of MNIST, got 'validation'"):
        load_mnist("validation", root=tmp_path, download=False)


def test_the_table_of_hashes_and_mirrors_is_well_formed():
    """Check that eight different, complete hashes exist and that all mirrors use https."""
    table = [file for split in ("train", "test") for file in MNIST.files(split)]
    sums = {number for file in table for number in (file.sha256, file.gz_sha256)}
    assert len(sums) == 8
    assert all(len(bytes.fromhex(number)) == 32 for number in sums)
    assert all(mirror.startswith("https://") for mirror in MNIST.mirrors)


def test_importing_the_loader_imports_no_optional_package():
    code = "import sys, refconv.data.mnist; print({'pooch', 'tqdm', 'requests'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("data_set", [FASHION_MNIST, KMNIST])
def test_similar_data_sets_have_their_own_hashes(data_set):
    files_of = [file for split in ("train", "test") for file in data_set.files(split)]
    assert [file.name for file in files_of] == [file.name for split in ("train", "test") for file in MNIST.files(split)]
    sums = {file.gz_sha256 for file in files_of}
    assert len(sums) == 4
    assert not sums & {file.gz_sha256 for split in ("train", "test") for file in MNIST.files(split)}
    assert all(len(bytes.fromhex(number)) == 32 for number in sums)
    assert all(mirror.startswith("https://") for mirror in data_set.mirrors)


@pytest.mark.parametrize("load", [load_fashion_mnist, load_kmnist])
def test_mnist_is_refused_as_another_data_set(load, real_folder):
    with pytest.raises(BadDataFile, match=r"t10k-images-idx3-ubyte\.gz holds t10k-images-idx3-ubyte of MNIST; files may"):
        load("test", root=real_folder / "mnist", download=False)


def test_a_file_with_only_a_compressed_hash_must_be_the_original_gz_file(tmp_path):
    """Check that an unpacked file is refused, because its content cannot be verified."""
    images, labels = labelled_images(4, seed=9)
    split = []
    for name, array in {"a": images, "b": labels}.items():
        write_idx(tmp_path / f"{name}.gz", array)
        split.append(DataFile(name, None, hashlib.sha256((tmp_path / f"{name}.gz").read_bytes()).hexdigest()))
    data_set = DataSet("Tiny", "tiny", (), {"all": tuple(split)})
    np.testing.assert_array_equal(load_idx_images(data_set, "all", tmp_path)[0], images)
    (tmp_path / "a.gz").unlink()
    write_idx(tmp_path / "a", images)
    with pytest.raises(BadDataFile, match=r"a is not the \.gz file of the mirrors"):
        load_idx_images(data_set, "all", tmp_path)
