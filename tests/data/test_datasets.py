"""Tests of open_dataset and open_split: layouts of folders, classes and held-out images."""

import numpy as np
import pytest

from refconv.data import DataNotFound, open_dataset, open_split
from refconv.data.datasets import first

Image = pytest.importorskip("PIL.Image")


def draw(folder, count, level=0, mode="RGB"):
    folder.mkdir(parents=True)
    for k in range(count):
        Image.new(mode, (9, 6), (level + k, 2, 3) if mode == "RGB" else level + k).save(folder / f"{k:02}.png")


def test_a_share_of_each_class_is_held_out(tmp_path):
    draw(tmp_path / "oak", 10)
    draw(tmp_path / "ash", 20, level=100)
    leaves = open_dataset(tmp_path, (4, 5), test_share=0.3, seed=1)
    assert leaves.classes == ("ash", "oak")
    assert np.bincount(leaves.train[1]).tolist() == [14, 7]
    assert np.bincount(leaves.test[1]).tolist() == [6, 3]
    assert not set(leaves.train[0].paths) & set(leaves.test[0].paths)
    for images, labels in (leaves.train, leaves.test):
        assert ((images[:][:, 0, 0, 0] >= 100) == (labels == 0)).all()
    others = open_dataset(tmp_path, (4, 5), test_share=0.3, seed=2)
    assert others.test[0].paths != leaves.test[0].paths
    assert open_dataset(tmp_path, (4, 5), test_share=0.3, seed=1).test[0].paths == leaves.test[0].paths


def test_at_least_one_image_of_each_class_is_held_out_and_at_least_one_is_not(tmp_path):
    draw(tmp_path / "ash", 2)
    draw(tmp_path / "elm", 1)
    draw(tmp_path / "oak", 4)
    for share in (0.01, 0.99):
        leaves = open_dataset(tmp_path, (4, 5), test_share=share)
        assert set(leaves.train[1].tolist()) == {0, 1, 2}
        assert set(leaves.test[1].tolist()) == {0, 2}


def test_a_test_folder_has_the_labels_of_the_training_folder(tmp_path):
    for name in ("ash", "elm", "oak"):
        draw(tmp_path / "train" / name, 3)
    draw(tmp_path / "test" / "oak", 2)
    with pytest.warns(UserWarning, match="has no images of the class"):
        leaves = open_dataset(tmp_path, (4, 5))
    assert leaves.name == tmp_path.name
    assert (len(leaves.train[0]), leaves.test[1].tolist()) == (9, [2, 2])
    with pytest.warns(UserWarning, match="has no images of the class"):
        same = open_dataset(tmp_path / "train", (4, 5), test=tmp_path / "test")
    assert same.test[1].tolist() == [2, 2]


def test_given_classes_fix_the_labels(tmp_path):
    draw(tmp_path / "oak", 4)
    draw(tmp_path / "ash", 4)
    with pytest.warns(UserWarning, match="has no images of the class 'elm'"):
        leaves = open_dataset(tmp_path, (4, 5), classes=["oak", "elm", "ash"], test_share=0.25)
    assert sorted(set(leaves.train[1].tolist())) == [0, 2]
    assert leaves.classes == ("oak", "elm", "ash")


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("L", 1)])
def test_the_pictures_decide_the_channels(tmp_path, mode, channels):
    for name in ("ash", "oak"):
        draw(tmp_path / name, 4, mode=mode)
    assert open_dataset(tmp_path, (4, 5), test_share=0.25).channels == channels
    assert open_dataset(tmp_path, (4, 5), test_share=0.25, channels=4 - channels).channels == 4 - channels
    assert open_split(tmp_path, "test", (4, 5))[0].shape == (8, 4, 5, channels)


def test_a_damaged_picture_does_not_decide_the_channels(tmp_path):
    for name in ("ash", "oak"):
        draw(tmp_path / name, 4, mode="L")
    (tmp_path / "ash" / "00.png").write_bytes(b"damaged")
    assert open_dataset(tmp_path, (4, 5), test_share=0.25).channels == 1


def test_masks_are_split_with_their_images(tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for k in range(10):
        Image.new("L", (5, 4), k).save(tmp_path / "images" / f"{k}.png")
        Image.new("L", (5, 4), k % 3).save(tmp_path / "masks" / f"{k}.png")
    cells = open_dataset(tmp_path, (4, 5), test_share=0.2)
    assert (cells.has_masks, cells.classes, cells.train[1].shape, cells.test[1].shape) == (
        True,
        ("0", "1", "2"),
        (8, 4, 5),
        (2, 4, 5),
    )
    for images, masks in (cells.train, cells.test):
        assert (images[:][:, 0, 0, 0] % 3 == masks[:, 0, 0]).all()


def test_the_first_images_of_a_folder_are_from_all_classes(tmp_path):
    draw(tmp_path / "ash", 8)
    draw(tmp_path / "oak", 8)
    examples = open_split(tmp_path, "test", (4, 5))
    images, labels = first(examples, 6, "--images", "leaves")
    assert (len(images), labels.tolist()) == (6, [0, 0, 0, 1, 1, 1])
    assert first((np.arange(9), np.arange(9)), 4, "--images", "numbers")[0].tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="--images must be at most 16 with leaves, got 17"):
        first(examples, 17, "--images", "leaves")


def test_wrong_sources_are_refused(tmp_path):
    with pytest.raises(DataNotFound, match=r"source must be a folder or one of digits, mnist, .*, got 'nowhere'"):
        open_dataset("nowhere")
    with pytest.raises(ValueError, match=r"source must be files, got 'digits', which refconv.data.draw_digits generates"):
        open_dataset("digits")
    with pytest.raises(ValueError, match="test must be left out with mnist, which has its own test images, got 'other'"):
        open_dataset("mnist", test="other")
    draw(tmp_path / "ash", 2)
    with pytest.raises(ValueError, match="must contain at least two classes, got only 'ash'"):
        open_dataset(tmp_path, 4)
    for name in ("elm", "oak"):
        draw(tmp_path / "single" / name, 1)
    with pytest.raises(ValueError, match="a class must have at least two images without a test folder, got 2 images in all"):
        open_dataset(tmp_path / "single", 4)
    with pytest.raises(ValueError, match="split must be 'train' or 'test', got 'validation'"):
        open_split(tmp_path, "validation")
