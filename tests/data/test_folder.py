"""A folder of images by class: every picture under its class's label, at one size, the right way up."""

import io

import numpy as np
import pytest

from refconv.data import BadDataFile, DataNotFound, load_folder

pillow = pytest.importorskip("PIL.Image")


def paint(path, colour, size=(30, 20), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pillow.new("RGB", size, colour).save(path, **options)


def test_classes_are_folders_in_alphabetical_order(tmp_path):
    paint(tmp_path / "sea" / "b.png", (0, 0, 200))
    paint(tmp_path / "sea" / "a.JPG", (0, 10, 250), quality=100)
    paint(tmp_path / "grass" / "x.png", (0, 150, 0))
    (tmp_path / "empty").mkdir()
    (tmp_path / "sea" / "notes.txt").write_text("not a picture", encoding="utf-8")
    (tmp_path / "README").write_text("nor this", encoding="utf-8")
    (tmp_path / "sea" / "._b.png").write_bytes(b"what a Mac keeps beside a file")
    images, labels, classes = load_folder(tmp_path, (7, 9))
    assert classes == ["grass", "sea"]
    assert labels.tolist() == [0, 1, 1]
    assert (images.shape, images.dtype) == ((3, 7, 9, 3), np.uint8)
    np.testing.assert_allclose(images[:, 3, 4], [(0, 150, 0), (0, 10, 250), (0, 0, 200)], atol=4)
    assert load_folder(tmp_path, 8, grey=True)[0].shape == (3, 8, 8)


def test_the_middle_is_kept_and_the_camera_held_upright_again(tmp_path):
    half = np.zeros((20, 40, 3), np.uint8)
    half[:, :20] = 255  # the left is white
    picture = pillow.fromarray(half)
    (tmp_path / "a").mkdir()
    picture.save(tmp_path / "a" / "plain.png")
    turned = pillow.Exif()
    turned[0x0112] = 6  # the camera was turned by a quarter
    picture.save(tmp_path / "a" / "turned.jpg", exif=turned)
    (plain, turned), _, _ = load_folder(tmp_path, 10, grey=True)
    assert plain[:, :4].min() == 255
    assert plain[:, 6:].max() == 0
    assert turned[:4].min() > 250
    assert turned[6:].max() < 5


def test_what_is_missing_or_no_image_is_named(tmp_path):
    with pytest.raises(DataNotFound, match=r"there is no folder .*nowhere"):
        load_folder(tmp_path / "nowhere", 8)
    with pytest.raises(DataNotFound, match="there is no image in the folders of"):
        load_folder(tmp_path, 8)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "page.png").write_text("<html>", encoding="utf-8")
    with pytest.raises(BadDataFile, match=r"page\.png is no image"):
        load_folder(tmp_path, 8)


def test_a_broken_picture_and_one_of_sixteen_bits_are_named(tmp_path):
    (tmp_path / "a").mkdir()
    whole = io.BytesIO()
    pillow.fromarray(np.random.default_rng(0).integers(0, 256, (210, 190, 3)).astype(np.uint8)).save(whole, "PNG")
    before, after = whole.getvalue().rsplit(b"IDAT", 1)  # it has more than one piece
    (tmp_path / "a" / "broken.png").write_bytes(before + b"\xce\x9a\xbf_" + after)
    with pytest.raises(BadDataFile, match=r"broken\.png is no image"):
        load_folder(tmp_path, 8)
    (tmp_path / "a" / "broken.png").unlink()
    pillow.fromarray(np.full((9, 7), 40_000, np.uint16)).save(tmp_path / "a" / "scan.png")
    with pytest.raises(BadDataFile, match=r"scan\.png has pixels of more than 8 bits \(mode I"):
        load_folder(tmp_path, 8, grey=True)
