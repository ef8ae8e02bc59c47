"""Tests of CIFAR-10 and CIFAR-100: pixels, labels, archives and wrong files."""

import dataclasses
import gzip
import hashlib
import os
import pickle

import numpy as np
import pytest

from image_archives import describe, records, tar_of
from refconv import data
from refconv.data import CIFAR10_CLASSES, BadDataFile, DataNotFound, cifar, files, load_cifar10, load_cifar100

IMAGES = {"train": 10, "test": 3}
NAMES = {
    "CIFAR10": {"train": [f"data_batch_{k}.bin" for k in range(1, 6)], "test": ["test_batch.bin"]},
    "CIFAR100": {"train": ["train.bin"], "test": ["test.bin"]},
}
FOLDERS = {"CIFAR10": "cifar-10-batches-bin", "CIFAR100": "cifar-100-binary"}
LOADERS = {"CIFAR10": load_cifar10, "CIFAR100": load_cifar100}
BOTH = pytest.mark.parametrize("name", LOADERS)


def labels_of(name, split, k):
    """Return the label bytes of one file, one row for each image."""
    rng = np.random.default_rng([k, split == "test"])
    count = IMAGES[split] // len(NAMES[name][split])
    limits = {"CIFAR10": (10,), "CIFAR100": (20, 100)}[name]
    return np.stack([rng.integers(0, limit, count) for limit in limits], axis=1).astype(np.uint8)


def file_of(name, split, k):
    """Return the content, the images and the labels of one file."""
    labels = labels_of(name, split, k)
    content, images = records(labels, seed=[k, split == "test", name == "CIFAR100"])
    return content, images, labels


def expected(name, split):
    """Return the images of a split, and its labels in the columns of the files."""
    parts = [file_of(name, split, k) for k in range(len(NAMES[name][split]))]
    return np.concatenate([part[1] for part in parts]), np.concatenate([part[2] for part in parts])


def contents(name):
    """Return the contents of all files by name."""
    return {file: file_of(name, split, k)[0] for split, names in NAMES[name].items() for k, file in enumerate(names)}


@pytest.fixture(scope="module")
def packed():
    """Return an archive of each data set, as its authors publish it."""
    return {
        name: tar_of({f"{folder}/readme.html": b"<html>"} | {f"{folder}/{f}": c for f, c in contents(name).items()})
        for name, folder in FOLDERS.items()
    }


@pytest.fixture
def small_sets(no_user_folders, monkeypatch, packed):
    """Replace both data sets by ten and three images."""
    monkeypatch.setattr(cifar, "IMAGES", IMAGES)
    for name in LOADERS:
        table = getattr(cifar, name)
        splits = {
            split: tuple(
                cifar._data_file(
                    table.title, file, IMAGES[split] // len(names), hashlib.sha256(contents(name)[file]).hexdigest()
                )
                for file in names
            )
            for split, names in NAMES[name].items()
        }
        archive = dataclasses.replace(table.archive, url=f"http://127.0.0.1:9/{table.archive.name}", **describe(packed[name]))
        monkeypatch.setattr(cifar, name, dataclasses.replace(table, splits=splits, archive=archive))


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def put_all(folder, name):
    for file, content in contents(name).items():
        put(folder / file, content)


def archive_name(name):
    return getattr(cifar, name).archive.name


def assert_loaded(name, split, root, **arguments):
    images, labels = LOADERS[name](split, root, **arguments)
    expected_images, expected_labels = expected(name, split)
    np.testing.assert_array_equal(images, expected_images)
    np.testing.assert_array_equal(labels, expected_labels[:, -1])
    assert images.flags.c_contiguous
    assert (images.dtype, labels.dtype) == (np.uint8, np.uint8)


# ---------------------------------------------------------------------------------------- finding and reading


@BOTH
@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("place", ["", "cifar10", "cifar100", "cifar-10-batches-bin", "cifar-100-binary"])
def test_the_archive_is_read_without_unpacking_it(tmp_path, small_sets, packed, name, split, place):
    path = put(tmp_path / place / archive_name(name), packed[name])
    if place and ("100" in place) != ("100" in name):
        with pytest.raises(DataNotFound):
            LOADERS[name](split, tmp_path, download=False)
    else:
        assert_loaded(name, split, tmp_path, download=False)
    assert [*path.parent.iterdir()] == [path]


@BOTH
@pytest.mark.parametrize("split", ["train", "test"])
def test_unpacked_files_are_verified_in_their_folder_and_above_it(tmp_path, small_sets, name, split):
    put_all(tmp_path / FOLDERS[name], name)
    for root in (tmp_path, tmp_path / FOLDERS[name]):
        assert_loaded(name, split, root, download=False)
    assert files.available(getattr(cifar, name), tmp_path)


@BOTH
def test_complete_files_with_another_sum_are_used_with_a_warning(tmp_path, small_sets, name):
    put_all(tmp_path, name)
    path = tmp_path / NAMES[name]["test"][0]
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")
    with pytest.warns(
        UserWarning, match=rf"{path.name} is not verified: its SHA-256 sum differs from the known one"
    ) as caught:
        images, _ = LOADERS[name]("test", tmp_path, download=False)
    assert [warning.filename for warning in caught] == [__file__]
    assert images[-1, -1, -1, -1] == 7


def test_the_coarse_labels_of_cifar100_are_the_first_byte(tmp_path, small_sets, packed):
    put(tmp_path / archive_name("CIFAR100"), packed["CIFAR100"])
    for coarse, column in ((True, 0), (False, 1)):
        labels = load_cifar100("train", tmp_path, download=False, coarse=coarse)[1]
        np.testing.assert_array_equal(labels, expected("CIFAR100", "train")[1][:, column])


def test_existing_files_are_read_in_order_and_a_warning_names_them(tmp_path):
    folder = tmp_path / "cifar-10-batches-bin"
    second = records([[3], [9], [0]], seed=2)
    first = records([[1], [4]], seed=1)
    put(folder / "data_batch_2.bin", second[0])
    put(folder / "data_batch_1.bin", first[0])
    for root in (tmp_path, folder):
        with pytest.warns(
            UserWarning, match="CIFAR-10: only 5 of 50,000 train images, from data_batch_1.bin, data_batch_2.bin"
        ) as caught:
            images, labels = load_cifar10("train", root)  # nothing is downloaded
        assert caught[0].filename == __file__
        np.testing.assert_array_equal(images, np.concatenate([first[1], second[1]]))
        np.testing.assert_array_equal(labels, [1, 4, 3, 9, 0])
        assert images.flags.c_contiguous


@BOTH
def test_an_archive_completes_a_folder_in_which_files_are_missing(tmp_path, small_sets, packed, name):
    put(tmp_path / FOLDERS[name] / NAMES[name]["train"][0], contents(name)[NAMES[name]["train"][0]])
    put(tmp_path / archive_name(name), packed[name])
    assert_loaded(name, "train", tmp_path, download=False)


@BOTH
def test_a_missing_archive_is_downloaded_once(tmp_path, monkeypatch, small_sets, packed, web_server, name):
    for package in ("pooch", "tqdm"):
        pytest.importorskip(package, reason=f"downloading needs {package}")
    web_server.content = {"kriz": packed[name]}
    table = getattr(cifar, name)
    archive = dataclasses.replace(table.archive, url=f"{web_server.url}/kriz/{table.archive.name}")
    monkeypatch.setattr(cifar, name, dataclasses.replace(table, archive=archive))
    for split in ("train", "test"):
        assert_loaded(name, split, tmp_path)
    assert web_server.requests == [f"/kriz/{table.archive.name}"]
    assert [path.name for path in tmp_path.rglob("*.*")] == [table.archive.name]


# ------------------------------------------------------------------------------------------------ wrong files


def test_missing_files_and_files_in_another_layout_are_named(tmp_path, no_user_folders):
    with pytest.raises(DataNotFound, match=r"CIFAR-10: no usable cifar-10-binary\.tar\.gz \(nor test_batch\.bin\) in"):
        load_cifar10("test", tmp_path, download=False)
    (tmp_path / "test_batch.bin").write_bytes(b"1" * 3072)
    with pytest.raises(BadDataFile, match=r"test_batch\.bin must consist of records of 3,073 bytes, got 3,072 bytes"):
        load_cifar10("test", tmp_path)
    (tmp_path / "test_batch.bin").write_bytes(bytes([10]) * 3073)
    with pytest.raises(BadDataFile, match="must have classes from 0 to 9, got 10"):
        load_cifar10("test", tmp_path)
    (tmp_path / "test_batch.bin").write_bytes(b"<html><body>Please sign in.</body></html>")
    with pytest.raises(BadDataFile, match=r"test_batch\.bin is an HTML page, not the records of CIFAR-10"):
        load_cifar10("test", tmp_path)
    with pytest.raises(ValueError, match="split must be 'train' or 'test' of CIFAR-10, got 'all'"):
        load_cifar10("all", tmp_path)


@pytest.mark.parametrize(
    ("labels", "message"),
    [([20, 5], "must have coarse classes from 0 to 19, got 20"), ([5, 100], "must have fine classes from 0 to 99, got 100")],
)
def test_classes_out_of_range_in_cifar100_are_refused(tmp_path, labels, message):
    put(tmp_path / "test.bin", records([labels], seed=0)[0])
    with pytest.raises(BadDataFile, match=message):
        load_cifar100("test", tmp_path)


@BOTH
def test_a_file_with_too_many_images_in_an_archive_is_refused(tmp_path, small_sets, name):
    file = NAMES[name]["test"][0]
    packed = tar_of({file: contents(name)[file] * 2})
    put(tmp_path / archive_name(name), packed)
    with pytest.raises(BadDataFile, match=rf"tar\.gz.{file} must hold 3 images, got 6"):
        LOADERS[name]("test", tmp_path, download=False)


@BOTH
@pytest.mark.parametrize("kind", ["html", "cut"])
def test_a_wrong_archive_is_named(tmp_path, small_sets, packed, name, kind):
    put(tmp_path / archive_name(name), b"<html>Sign in</html>" if kind == "html" else packed[name][:9000])
    message = {"html": "is an HTML page, not a tar.gz archive", "cut": "ends early: got 9000 bytes, expected"}[kind]
    with pytest.raises(BadDataFile, match=rf"{archive_name(name)} {message}"):
        LOADERS[name]("train", tmp_path, download=False)


@BOTH
@pytest.mark.parametrize("place", ["folder", "inside the folder", "archive"])
def test_python_pickles_are_refused_with_the_reason_and_what_to_download(tmp_path, no_user_folders, name, place):
    folder, archive = cifar.PICKLES[getattr(cifar, name).title]
    if place == "archive":
        put(tmp_path / archive, gzip.compress(b"not opened"))
    else:
        put(tmp_path / folder / "test_batch", pickle.dumps({"data": 1}))
    root = tmp_path / folder if place == "inside the folder" else tmp_path
    with pytest.raises(BadDataFile) as error:
        LOADERS[name]("test", root)
    pickles = tmp_path / (archive if place == "archive" else folder)
    reason = "contains Python pickles, which are not read because loading them can run any code"
    advice = f"Download {getattr(cifar, name).archive.url} instead, for example with `refconv download {name.lower()}`"
    assert str(error.value) == f"{pickles} {reason}. {advice}."


@BOTH
def test_pickles_beside_the_binary_archive_do_not_matter(tmp_path, small_sets, packed, name):
    put(tmp_path / cifar.PICKLES[cifar.CIFAR10.title][1], b"pickles")
    put(tmp_path / archive_name(name), packed[name])
    assert_loaded(name, "test", tmp_path, download=False)


def test_the_classes_are_complete_and_in_the_published_order():
    assert len(data.CIFAR100_CLASSES) == len(set(data.CIFAR100_CLASSES)) == 100
    assert list(data.CIFAR100_CLASSES) == sorted(data.CIFAR100_CLASSES)
    assert (data.CIFAR100_CLASSES[19], data.CIFAR100_CLASSES[52], data.CIFAR100_CLASSES[99]) == ("cattle", "oak_tree", "worm")
    assert len(set(data.CIFAR100_COARSE_CLASSES)) == 20
    assert data.CIFAR100_COARSE_CLASSES[11] == "large_omnivores_and_herbivores"


@pytest.mark.filterwarnings("ignore:CIFAR-10")
def test_the_real_cifar10_has_the_expected_classes_and_colours():
    if not os.environ.get(files.FOLDER_VARIABLE):
        pytest.skip(f"{files.FOLDER_VARIABLE} is not set: it names a folder with CIFAR-10")
    try:
        images, labels = load_cifar10("train", download=False)
    except DataNotFound as error:
        pytest.skip(str(error))
    assert images.shape[1:] == (32, 32, 3)
    assert CIFAR10_CLASSES[labels[0]] == "frog"
    sky = images[labels == CIFAR10_CLASSES.index("airplane"), :8].mean((0, 1, 2))
    assert sky[2] > sky[0]  # the last channel is blue


def test_the_sum_of_the_first_training_file_is_that_of_the_real_file():
    if not os.environ.get(files.FOLDER_VARIABLE):
        pytest.skip(f"{files.FOLDER_VARIABLE} is not set: it names a folder with CIFAR-10")
    file = cifar.CIFAR10.splits["train"][0]
    unpacked = [path for path in files.find(cifar.CIFAR10, file) if path.suffix == ".bin"]
    if not unpacked:
        pytest.skip(f"{file.name} is not in {files.data_folders()[0]}")
    assert file.read(unpacked[0].read_bytes(), unpacked[0])[1]
