"""Tests of ImageFiles: indexing, damaged files, and batches that are read during training."""

import numpy as np
import pytest

from refconv import nn, optim
from refconv.data import BadDataFile, Batches, ImageFiles, Prefetch, Preprocessing, load_folder, open_folder
from refconv.training import Checkpoint, fit

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def paths(tmp_path):
    """Create 13 pictures of 6 × 9 pixels; the k-th has the grey level 10 k."""
    files = []
    for k in range(13):
        files.append(tmp_path / f"{k:02}.png")
        Image.new("L", (9, 6), 10 * k).save(files[-1])
    return files


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize(
    ("index", "levels"),
    [
        (np.array([7, 2, 12]), [70, 20, 120]),
        (slice(None, None, 5), [0, 50, 100]),
        (np.arange(13) % 6 == 1, [10, 70]),
        (np.array([], int), []),
    ],
)
def test_indices_select_files_in_their_order(paths, index, levels, workers):
    images = ImageFiles(paths, (4, 5), grey=True, workers=workers)
    assert images[index].shape == (len(levels), 4, 5, 1)
    assert images[index][:, 3, 4, 0].tolist() == levels
    assert images.subset(index)[:][:, 0, 0, 0].tolist() == levels


def test_one_index_gives_one_image(paths):
    assert ImageFiles(paths, (4, 5))[3].tolist() == np.full((4, 5, 3), 30).tolist()
    with pytest.raises(IndexError):
        ImageFiles(paths, (4, 5))[13]


def test_damaged_and_missing_files_are_named(paths):
    paths[4].write_bytes(paths[4].read_bytes()[:50])
    paths[9].unlink()
    counts = []
    problems = ImageFiles(paths, (4, 5)).damaged(counts.append)
    assert [k for k, _ in problems] == [4, 9]
    assert str(paths[4]) in problems[0][1]
    assert f"{paths[9]} cannot be read: No such file or directory" == problems[1][1]
    assert sum(counts) == 13
    images = np.zeros((13, 4, 5, 3), np.uint8)
    ImageFiles(paths, (4, 5)).damaged(into=images)
    assert images[:, 3, 4, 2].tolist() == [0 if k in (4, 9) else 10 * k for k in range(13)]
    with pytest.raises(BadDataFile, match=r"04\.png is not a readable picture"):
        ImageFiles(paths, (4, 5))[:]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("a.png", 3), "paths must be a sequence of paths, got 'a.png'"), ((["a.png"], 0), "size must be")],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        ImageFiles(*arguments)


def test_batches_of_files_are_batches_of_arrays(paths):
    files = ImageFiles(paths, (4, 5))
    batches = [Batches(images, np.arange(13), 4, rng=3) for images in (files, files[:])]
    for (x, labels), (expected, others) in zip(Prefetch(batches[0]), batches[1], strict=True):
        np.testing.assert_array_equal(x, expected)
        np.testing.assert_array_equal(labels, others)
    assert batches[0].settings() == batches[1].settings()


def test_a_resumed_run_on_files_has_the_same_bits(paths, tmp_path):
    files = ImageFiles(paths, (4, 5))
    prepare = Preprocessing.of_images(files[:], (4, 5))

    def train(folder, epochs_before_stop=None):
        model = nn.Sequential(nn.Conv2D(3, (2, 3)), nn.ReLU(), nn.GlobalAvgPool2D(), nn.Dense(2))
        model.build((4, 5, 3), rng=1)
        batches = Prefetch(Batches(files, np.arange(13) % 2, 4, rng=2, prepare=prepare))
        if epochs_before_stop:
            batches = Interrupted(batches, epochs_before_stop)
        try:
            fit(model, batches, optim.SGD(model, 0.1), epochs=3, callbacks=[Checkpoint(folder, resume=True)])
        except KeyboardInterrupt:
            return None
        return [p.value.copy() for p in model.named_parameters().values()]

    expected = train(tmp_path / "whole")
    assert train(tmp_path / "parts", epochs_before_stop=2) is None
    for value, other in zip(train(tmp_path / "parts"), expected, strict=True):
        np.testing.assert_array_equal(value, other)


class Interrupted(Prefetch):
    """Batches that raise ``KeyboardInterrupt`` after some passes."""

    def __init__(self, batches, passes):
        super().__init__(batches.batches)
        self.passes = passes

    def __iter__(self):
        if not self.passes:
            raise KeyboardInterrupt
        self.passes -= 1
        return super().__iter__()


def test_open_folder_finds_what_load_folder_loads(tmp_path):
    for name, level in (("oak", 30), ("ash", 10)):
        (tmp_path / name).mkdir()
        for k in range(2):
            Image.new("RGB", (5, 4), (level + k, 2, 3)).save(tmp_path / name / f"{k}.png")
    (opened, labels, names), (loaded, others, same) = open_folder(tmp_path, (2, 3)), load_folder(tmp_path, (2, 3))
    np.testing.assert_array_equal(opened[:], loaded)
    assert (labels.tolist(), names) == (others.tolist(), same) == ([0, 0, 1, 1], ["ash", "oak"])
