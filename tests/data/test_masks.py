"""Tests of folders of images and masks."""

import numpy as np
import pytest

from refconv.data import BadDataFile, DataNotFound
from refconv.data.masks import open_masks

Image = pytest.importorskip("PIL.Image")


def write(root, name, mask, *, mode="L", size=None, picture="png"):
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    mask = np.asarray(mask, np.uint8)
    Image.new("RGB", size or mask.shape[::-1], (10, 20, 30)).save(root / "images" / f"{name}.{picture}")
    picture_of_mask = Image.fromarray(mask)
    if mode == "P":
        picture_of_mask.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0])
    picture_of_mask.save(root / "masks" / f"{name}.png")


def test_masks_belong_to_the_images_of_the_same_name(tmp_path):
    write(tmp_path, "b", [[0, 2, 2], [0, 0, 1]], picture="jpg")
    write(tmp_path, "a", [[1, 0, 0], [0, 0, 0]])
    images, masks, classes = open_masks(tmp_path, (2, 3))
    assert [path.name for path in images.paths] == ["a.png", "b.jpg"]
    assert masks.tolist() == [[[1, 0, 0], [0, 0, 0]], [[0, 2, 2], [0, 0, 1]]]
    assert classes == ["0", "1", "2"]
    assert images[:].shape == (2, 2, 3, 3)


def test_black_and_white_masks_have_two_classes(tmp_path):
    write(tmp_path, "a", [[255, 0, 0], [0, 255, 0]])
    _, masks, classes = open_masks(tmp_path, (2, 3))
    assert (masks.tolist(), classes) == ([[[1, 0, 0], [0, 1, 0]]], ["0", "1"])


def test_the_colours_of_a_palette_are_its_indices(tmp_path):
    write(tmp_path, "a", [[1, 0, 2], [0, 0, 0]], mode="P")
    assert open_masks(tmp_path, (2, 3))[1].tolist() == [[[1, 0, 2], [0, 0, 0]]]


def test_masks_are_resized_without_new_classes(tmp_path):
    write(tmp_path, "a", np.repeat(np.repeat([[0, 7, 3], [7, 0, 3]], 5, 0), 5, 1))
    assert open_masks(tmp_path, (2, 3))[1].tolist() == [[[0, 7, 3], [7, 0, 3]]]
    assert set(np.unique(open_masks(tmp_path, (4, 6))[1])) == {0, 3, 7}


def test_the_mask_of_a_sideways_photograph_is_upright(tmp_path):
    write(tmp_path, "a", [[0, 1, 0], [0, 0, 2]])
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held sideways: three rows of two pixels are displayed as two rows of three
    Image.new("RGB", (2, 3)).save(tmp_path / "images" / "a.png", exif=exif)
    images, masks, _ = open_masks(tmp_path, (2, 3))
    assert images[:].shape == (1, 2, 3, 3)
    assert masks.tolist() == [[[0, 1, 0], [0, 0, 2]]]
    Image.new("RGB", (3, 2)).save(tmp_path / "images" / "a.png", exif=exif)
    with pytest.raises(BadDataFile, match=r"a.png must have the size of its image, \(2, 3\), got \(3, 2\)"):
        open_masks(tmp_path, (2, 3))


def test_255_beside_other_classes_is_refused(tmp_path):
    write(tmp_path, "a", [[0, 1, 255], [0, 2, 0]])
    with pytest.raises(ValueError, match=r"masks must number the classes .*, got 4 numbers from 0 to 255; JPEG"):
        open_masks(tmp_path, (2, 3))


def test_pictures_of_the_same_name_are_refused(tmp_path):
    write(tmp_path, "a", [[0, 1, 0], [0, 0, 0]])
    Image.new("RGB", (3, 2)).save(tmp_path / "images" / "a.bmp")
    with pytest.raises(ValueError, match=r"images must contain pictures that differ .*, got a.bmp and a.png"):
        open_masks(tmp_path, (2, 3))


def test_wrong_folders_are_refused(tmp_path):
    with pytest.raises(DataNotFound, match=r"there is no folder .*images"):
        open_masks(tmp_path, 4)
    write(tmp_path, "a", [[0, 0, 0], [0, 0, 0]])
    write(tmp_path, "b", [[0, 1, 0], [0, 0, 0]], size=(2, 3))
    with pytest.raises(BadDataFile, match=r"b.png must have the size of its image, \(2, 3\), got \(3, 2\)"):
        open_masks(tmp_path, 4)
    (tmp_path / "masks" / "b.png").unlink()
    with pytest.raises(ValueError, match="must have one mask for each image, got 'b' only in images, and 0 more"):
        open_masks(tmp_path, 4)
    (tmp_path / "masks" / "b.png").write_bytes(b"not a picture")
    with pytest.raises(BadDataFile, match=r"masks.b\.png is not a readable picture"):
        open_masks(tmp_path, 4)
    Image.new("RGB", (2, 3)).save(tmp_path / "masks" / "b.png")
    with pytest.raises(BadDataFile, match=r"b.png must be a mask of grey levels or of a palette, got mode RGB"):
        open_masks(tmp_path, 4)


def test_damaged_masks_are_left_out_with_their_images(tmp_path):
    for name in "abc":
        write(tmp_path, name, [[0, 1, 2], [0, 0, ord(name) - ord("a")]])
    (tmp_path / "masks" / "b.png").write_bytes(b"not a picture")
    with pytest.warns(UserWarning, match=r"skipping: .*masks.b\.png is not a readable picture"):
        images, masks, _ = open_masks(tmp_path, (2, 3), skip_damaged=True)
    assert [path.name for path in images.paths] == ["a.png", "c.png"]
    assert masks[:, 1, 2].tolist() == [0, 2]
    for name in "ac":
        (tmp_path / "masks" / f"{name}.png").write_bytes(b"not a picture")
    with pytest.warns(UserWarning, match="skipping"), pytest.raises(BadDataFile, match="is not a readable picture"):
        open_masks(tmp_path, (2, 3), skip_damaged=True)
