"""Tests of EMNIST with a few images: orientation, labels, layouts and wrong files."""

import dataclasses
import gzip
import re

import numpy as np
import pytest

from image_archives import describe, idx, zip_of
from refconv import data
from refconv.data import emnist
from refconv.data.files import BadDataFile, DataNotFound

pytestmark = pytest.mark.usefixtures("no_user_folders")

COUNTS = {name: (20 + k, 7 + k) for k, name in enumerate(emnist.COUNTS)}
LABELS = {"byclass": (0, 61), "bymerge": (0, 46), "balanced": (0, 46), "letters": (1, 26), "digits": (0, 9), "mnist": (0, 9)}


def upright(name, split):
    """Return upright images and labels from 0; the first and the last label occur."""
    count = COUNTS[name][split == "test"]
    rng = np.random.default_rng(count)
    first, last = LABELS[name]
    labels = rng.integers(0, last - first + 1, count).astype(np.uint8)
    labels[:2] = 0, last - first
    return rng.integers(0, 256, (count, 28, 28), np.uint8), labels


def contents(name, split):
    """Return the contents of the two files of a split, as EMNIST stores them."""
    images, labels = upright(name, split)
    stored = np.stack([image.T for image in images])
    prefix = f"emnist-{name}-{split}"
    return {
        f"{prefix}-images-idx3-ubyte": idx(stored),
        f"{prefix}-labels-idx1-ubyte": idx(labels + np.uint8(LABELS[name][0])),
    }


@pytest.fixture(scope="module")
def everything():
    """Return the contents of all files by name."""
    return {file: content for name in COUNTS for split in ("train", "test") for file, content in contents(name, split).items()}


@pytest.fixture(scope="module")
def packed(everything):
    """Return an archive of all files, as NIST publishes it."""
    members = {"gzip/emnist-letters-mapping.txt": b"1 65 97\n"}
    return zip_of(members | {f"gzip/{name}.gz": gzip.compress(content, 1, mtime=0) for name, content in everything.items()})


@pytest.fixture(autouse=True)
def small_sets(monkeypatch, packed):
    """Replace EMNIST by a few images of each selection."""
    monkeypatch.setattr(emnist, "COUNTS", COUNTS)
    archive = dataclasses.replace(emnist.ARCHIVE, url="http://127.0.0.1:9/gzip.zip", **describe(packed))
    monkeypatch.setattr(emnist, "ARCHIVE", archive)
    monkeypatch.setattr(emnist, "EMNIST", {name: emnist._data_set(name) for name in COUNTS})


def put(folder, name, content):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("split", ["train", "test"])
def test_images_are_upright_and_labels_start_at_0_in_every_selection(tmp_path, packed, name, split):
    put(tmp_path / "emnist", "gzip.zip", packed)
    images, labels = data.load_emnist(name, split, tmp_path, download=False)
    expected_images, expected_labels = upright(name, split)
    np.testing.assert_array_equal(images, expected_images)
    np.testing.assert_array_equal(labels, expected_labels)
    assert images.flags.c_contiguous
    assert (images.dtype, labels.dtype) == (np.uint8, np.uint8)
    assert (labels.min(), labels.max()) == (0, len(data.EMNIST_CLASSES[name]) - 1)


@pytest.mark.parametrize(
    ("folder", "end"),
    [("emnist", ".gz"), ("emnist", ""), ("EMNIST/raw", ""), ("gzip", ".gz"), ("emnist/gzip", ".gz"), (".", "")],
)
def test_unpacked_files_are_recognised_with_a_warning(tmp_path, folder, end):
    for name, content in contents("letters", "test").items():
        put(tmp_path / folder, f"{name}{end}", gzip.compress(content) if end else content)
    with pytest.warns(UserWarning, match="is not verified: no SHA-256 sum of the unpacked EMNIST letters is known") as caught:
        images, labels = data.load_emnist("letters", "test", tmp_path, download=False)
    assert [warning.filename for warning in caught] == [__file__, __file__]
    np.testing.assert_array_equal(images, upright("letters", "test")[0])
    np.testing.assert_array_equal(labels, upright("letters", "test")[1])


@pytest.mark.parametrize(
    ("name", "stored", "message"),
    [
        ("letters", 0, "must hold labels from 1 to 26, got 0"),
        ("letters", 27, "must hold labels from 1 to 26, got 27"),
        ("balanced", 47, "must hold labels from 0 to 46, got 47"),
        ("byclass", 62, "must hold labels from 0 to 61, got 62"),
    ],
)
def test_labels_out_of_range_are_refused(tmp_path, name, stored, message):
    for file, content in contents(name, "test").items():
        put(tmp_path, file, content[:-1] + bytes([stored]) if "labels" in file else content)
    with pytest.raises(BadDataFile, match=rf"emnist-{name}-test-labels-idx1-ubyte {message}\. It was not changed"):
        data.load_emnist(name, "test", tmp_path, download=False)


def test_files_of_another_selection_are_refused_by_their_counts(tmp_path):
    for file, content in contents("balanced", "train").items():
        put(tmp_path, file.replace("balanced", "digits"), content)
    expected, got = COUNTS["digits"][0], COUNTS["balanced"][0]
    message = rf"must hold uint8 of shape \({expected}, 28, 28\), got uint8 of shape \({got}, 28, 28\)"
    with pytest.raises(BadDataFile, match=message):
        data.load_emnist("digits", "train", tmp_path, download=False)


def test_an_archive_without_the_selection_is_named(tmp_path):
    put(tmp_path, "gzip.zip", zip_of({f"gzip/{file}": content for file, content in contents("mnist", "test").items()}))
    with pytest.raises(BadDataFile, match=r"gzip\.zip must contain emnist-mnist-train-images-idx3-ubyte, which is missing"):
        data.load_emnist("mnist", "train", tmp_path, download=False)


def test_a_missing_archive_an_unknown_selection_and_an_unknown_split_are_named(tmp_path):
    with pytest.raises(
        DataNotFound, match=r"EMNIST digits: no usable gzip\.zip \(nor emnist-digits-train-images-idx3-ubyte\)"
    ):
        data.load_emnist("digits", root=tmp_path, download=False)
    with pytest.raises(ValueError, match=r"^name must be one of byclass, .*, mnist, got 'letter'$"):
        data.load_emnist("letter", root=tmp_path, download=False)
    with pytest.raises(ValueError, match=r"^split must be 'train' or 'test' of EMNIST letters, got 'valid'$"):
        data.load_emnist("letters", "valid", tmp_path, download=False)


def test_the_archive_is_downloaded_once_for_all_selections(tmp_path, monkeypatch, web_server, packed):
    for package in ("pooch", "tqdm"):
        pytest.importorskip(package, reason=f"downloading needs {package}")
    web_server.content = {"nist": packed}
    archive = dataclasses.replace(emnist.ARCHIVE, url=f"{web_server.url}/nist/gzip.zip")
    monkeypatch.setattr(emnist, "ARCHIVE", archive)
    monkeypatch.setattr(emnist, "EMNIST", {name: emnist._data_set(name) for name in COUNTS})
    for name in ("letters", "digits"):
        images, _ = data.load_emnist(name, "test", tmp_path)
        np.testing.assert_array_equal(images, upright(name, "test")[0])
    assert web_server.requests == ["/nist/gzip.zip"]


def test_the_classes_follow_the_published_mapping():
    classes = data.EMNIST_CLASSES
    assert {name: len(names) for name, names in classes.items()} == {
        name: last - first + 1 for name, (first, last) in LABELS.items()
    }
    assert "".join(classes["byclass"]) == "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    assert "".join(classes["balanced"][36:]) == "abdefghnqrt"
    assert classes["bymerge"] == classes["balanced"]
    assert classes["letters"][25] == "Z"


def test_the_counts_are_those_of_the_published_files(monkeypatch):
    monkeypatch.undo()
    totals = {name: sum(counts) for name, counts in emnist.COUNTS.items()}
    published = {"byclass": 814_255, "bymerge": 814_255, "balanced": 131_600, "letters": 145_600, "digits": 280_000}
    assert totals == {**published, "mnist": 70_000}
    assert re.fullmatch("[0-9a-f]{64}", emnist.ARCHIVE.sha256)
