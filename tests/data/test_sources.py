"""Tests of the table of data sets that the command line knows by name."""

import inspect
from pathlib import Path

import pytest

from refconv import data
from refconv.data import files
from refconv.data.sources import SOURCES, available

WITH_FILES = [name for name, source in SOURCES.items() if source.data_set]
NAMES = (
    "digits",
    "mnist",
    "fashion-mnist",
    "kmnist",
    *(f"emnist-{name}" for name in data.EMNIST_CLASSES),
    "cifar10",
    "cifar100",
)


@pytest.fixture(autouse=True)
def no_files(no_user_folders, monkeypatch):
    """Fail if a file is opened."""

    def refuse(path, *arguments, **options):
        raise AssertionError(f"{path} was opened")

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(Path, "read_bytes", refuse)


def test_every_data_set_has_an_entry_under_its_name():
    assert tuple(SOURCES) == NAMES
    assert [source.name for source in SOURCES.values()] == [*NAMES]
    assert data.sources.SOURCES is SOURCES


@pytest.mark.parametrize("name", WITH_FILES)
def test_an_entry_has_the_classes_the_counts_and_the_loader_of_its_data_set(name, tmp_path):
    source = SOURCES[name]
    assert len(set(source.classes)) == len(source.classes)
    assert source.shape == ((32, 32, 3) if name.startswith("cifar") else (28, 28))
    with pytest.raises(data.DataNotFound, match=f"^{source.title}: no usable .*(train|data_batch_1)"):
        source.load("train", tmp_path, False)
    with pytest.raises(data.DataNotFound, match=f"^{source.title}: no usable .*(test|t10k)"):
        source.load("test", root=tmp_path, download=False)
    assert list(inspect.signature(source.load).parameters)[:3] == ["split", "root", "download"]


@pytest.mark.parametrize("name", WITH_FILES)
def test_the_counts_are_those_that_the_files_must_have(name, tmp_path):
    source = SOURCES[name]
    for split, count in (("train", source.train), ("test", source.test)):
        names = [file.name for file in source.data_set.files(split)]
        recognise = source.data_set.files(split)[0].recognise
        if name.startswith("cifar"):
            assert recognise.keywords["count"] * len(names) == count
        else:
            assert recognise.keywords["shape"] == (count, *source.shape)
            assert len(source.data_set.files(split)[1].recognise.keywords["labels"]) == len(source.classes)


@pytest.mark.parametrize("name", WITH_FILES)
def test_a_data_set_is_available_if_its_archive_or_all_its_files_are(name, tmp_path):
    source = SOURCES[name]
    assert not available(source, tmp_path)
    if source.data_set.archive:
        (tmp_path / source.data_set.archive.name).touch()
        assert available(source, tmp_path)
        (tmp_path / source.data_set.archive.name).unlink()
    every = [file.name for split in source.data_set.splits.values() for file in split]
    for file in every[1:]:
        (tmp_path / file).touch()
    assert not available(source, tmp_path)
    (tmp_path / every[0]).touch()
    assert available(source, tmp_path)


def test_the_digits_are_drawn_and_always_available(tmp_path):
    source = SOURCES["digits"]
    assert available(source, tmp_path)
    assert (source.load, source.data_set, source.train, source.test, source.download_size) == (None,) * 5
    images, labels = data.draw_digits(3, 0)
    assert images.shape[1:] == source.shape
    assert [source.classes[label] for label in labels] == [str(label) for label in labels]


def test_the_download_size_is_the_size_of_the_archive():
    for name in WITH_FILES:
        archive = SOURCES[name].data_set.archive
        assert SOURCES[name].download_size == (archive.size if archive else SOURCES[name].download_size)
        assert SOURCES[name].download_size > 10**7


def test_archives_are_served_by_https_and_have_complete_sums():
    archives = {source.data_set.archive for source in SOURCES.values() if source.data_set and source.data_set.archive}
    assert len(archives) == 3
    assert all(archive.url.startswith("https://") and archive.url.endswith(f"/{archive.name}") for archive in archives)
    assert len({archive.sha256 for archive in archives if len(bytes.fromhex(archive.sha256)) == 32}) == 3
    single = {
        file.sha256 for name in ("cifar10", "cifar100") for split in SOURCES[name].data_set.splits.values() for file in split
    }
    assert len({number for number in single if len(bytes.fromhex(number)) == 32}) == 8


def test_no_two_data_sets_share_a_folder_except_the_selections_of_emnist(tmp_path):
    folders = [SOURCES[name].data_set.folder for name in WITH_FILES if not name.startswith("emnist")]
    assert len(set(folders)) == len(folders)
    assert files.data_folders() == [tmp_path / "cache"]
